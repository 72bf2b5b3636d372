"""The log tells what was decided of a file and what was done to it, in order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from curate.cleanup.restoring import restore
from curate.cleanup.story import last_runs, story
from curate.core.errors import InputError
from curate.core.identity import image_id
from curate.store.library import Library

from .moved import filled, label, quarantined


@pytest.fixture
def path(library: Library) -> bytes:
    (path,) = filled(library, library.root / "photos", {"a b.jpg": b"a"})
    quarantined(library, [path])
    restore(library)
    label(library, b"a", "zebra")
    return path


TOLD = [
    ("is about to go to quarantine", "shows nothing", "blank"),
    ("went to quarantine", ".curate/quarantine/run-000003/000000/1-a b.jpg", "blank"),
    ("is about to be put back", "", "blank"),
    ("was put back", "", "blank"),
    ("label", "zebra", "ada"),
]


def test_the_story_of_a_file_however_it_is_named(
    library: Library, path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library.root)
    name = image_id(b"a")
    for asked in (os.fsdecode(path), "photos/a b.jpg", name, name[:8].upper()):
        table = story(library, asked)
        assert list(zip(table["what"], table["said"], table["by"], strict=True)) == TOLD
        assert set(table["image_id"]) == {name}


def test_what_nobody_knows_is_an_error_and_what_nothing_happened_to_is_not(
    library: Library, path: bytes
) -> None:
    with pytest.raises(InputError, match="knows no such file"):
        story(library, "photos/other.jpg")
    with pytest.raises(InputError, match="knows no such file"):
        story(library, "abcdef123456")
    assert len(story(library, str(Path(library.root) / "photos/kept.jpg"))) == 1


def test_the_last_runs(library: Library, path: bytes) -> None:
    runs = last_runs(library)
    assert list(runs["action"]) == ["restore", "apply"]
    assert list(runs["moved"]) == [0, 1]
    assert list(runs["restored"]) == [1, 0]
