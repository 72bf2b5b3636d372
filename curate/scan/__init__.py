"""Scan: files -> images, failures, labels."""

from __future__ import annotations

from curate.scan.verb import Scanned, scan

__all__ = ["Scanned", "scan"]
