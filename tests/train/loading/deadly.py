"""A loader whose workers die of some files; the name of a file says how it behaves."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.train.loading import loader


def load(path: bytes, arrays: Sequence[NDArray[np.uint8]], **arguments: Any) -> None:
    """Do as the real one, but for files of certain names."""
    name = Path(os.fsdecode(path)).stem
    if name.endswith("deadly"):
        # What is left behind must reach no batch.
        arrays[0][...] = 255
        os._exit(3)
    if name.endswith("slow"):
        time.sleep(0.5)
    loader.load(path, arrays, **arguments)
