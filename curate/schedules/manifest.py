"""Manifests: YAML, every text quoted as it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text_of(manifest: Mapping[str, Any]) -> str:
    """Write a manifest as YAML, in its own order; a long text stays in one line."""
    import yaml

    return str(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=10_000))
