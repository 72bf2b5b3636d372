"""Bulk identification of archives, patterns, manifests and buckets: the rows of the folder."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import webdataset
from PIL import Image

from curate.cli.main import answer
from curate.core.identity import image_id
from curate.store.check import faults
from curate.store.library import Library, opened

from ..core.test_remote import bucket, server as s3
from .made import checkpoint, identified, photos, saved
