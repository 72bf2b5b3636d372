"""Photos to scan, and what of them was read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate import engine
from curate.engine import Outcome

from ..conftest import MakePhoto
from .seen import Counted


@pytest.fixture
def photos(photo: MakePhoto, tmp_path: Path) -> Path:
    for number, name in enumerate(("cat/1.jpg", "cat/kitten/2.jpg", "dog/3.jpg", "4.jpg")):
        photo(f"photos/{name}", number)
    return tmp_path / "photos"


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Give the paths that were read since it was asked last."""
    seen: list[bytes] = []
    serial = engine.BACKENDS["serial"]

    def counting(*args: Any) -> Iterator[Outcome]:
        for outcome in serial(*args):
            seen.append(os.path.basename(outcome.entry.path))
            yield outcome

    def since() -> list[bytes]:
        found = sorted(seen)
        seen.clear()
        return found

    monkeypatch.setitem(engine.BACKENDS, "serial", counting)
    return since
