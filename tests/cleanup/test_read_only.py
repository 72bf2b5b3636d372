"""A library, photos or a quarantine that may not be written to: nothing begins, nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from curate.cleanup.applying import apply
from curate.core.errors import CurateError
from curate.store import journal
from curate.store.library import Library

from .moved import digests, filled, items, plan_of, settled, whole


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Mount a folder over itself, read-only: root may not write there either."""
    done = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("what", ["library", "photos", "quarantine"])
def test_nothing_moves_and_the_same_plan_goes_later(library: Library, what: str) -> None:
    quarantine = library.root / "q"
    quarantine.mkdir()
    (library.root / "curate.toml").write_text(f'[cleanup]\nquarantine = "{quarantine}"\n')
    photos = library.root / "photos"
    found = filled(library, photos, {f"{n}.jpg": b"%d" % n for n in range(10)})
    before, plan = digests(photos), plan_of(found)
    folder = {"library": library.folder, "photos": photos, "quarantine": quarantine}[what]
    with read_only(folder), pytest.raises(CurateError, match="read-only"):
        apply(library, plan)
    assert digests(photos, quarantine) == before
    told = apply(library, plan)
    assert told.counts["moved"] == len(found)
    assert len(items(library, journal.QUARANTINED)) == len(found)
    assert digests(photos, quarantine) == before
    assert whole(library)
    assert settled(library)
