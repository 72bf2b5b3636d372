"""Files that are looked at once: what can be read, and why the rest cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from curate.core.files import FileEntry, Walked
from curate.core.hashes import HASHES
from curate.core.identity import file_id
from curate.core.listing import listed
from curate.duplicates.looked import look_at
from tests.conftest import MakePhoto


def test_files_images_and_failures(photo: MakePhoto, tmp_path: Path) -> None:
    first = photo("p/a.jpg", 1, (192, 128))
    photo("p/b.jpg", 2)
    (tmp_path / "p/c.jpg").write_bytes(first.read_bytes())
    (tmp_path / "p/d.jpg").write_bytes(b"nothing")
    _, entries = listed(tmp_path / "p", Walked())
    looked = look_at([*entries, FileEntry(b"/no/such\n", 0, 0, 0)], ("",), "serial")
    assert [Path(path).name for path in looked.files["path"]] == ["a.jpg", "b.jpg", "c.jpg"]
    assert list(looked.files["image_id"][[0, 2]]) == [file_id(first)] * 2
    assert looked.images["image_id"].is_monotonic_increasing
    assert len(looked.images) == len(looked.thumbnails) == len(looked.prints) == 2
    row = looked.images.set_index("image_id").loc[file_id(first)]
    assert (row["width"], row["height"], row["bytes"]) == (192, 128, first.stat().st_size)
    assert (row["label"], row["origin"], row["split"], row["camera"]) == (None, "real", "", None)
    assert list(looked.failures["path"]) == [r"/no/such\x0a", str(tmp_path / "p/d.jpg")]
    assert looked.failures["reason"].str.match("(read|decode): ").all()


def test_hashes_are_whole_numbers_of_64_bits(photo: MakePhoto, tmp_path: Path) -> None:
    for seed in range(4):
        photo(f"p/{seed}.jpg", seed)
    _, entries = listed(tmp_path / "p", Walked())
    for some in (entries, entries[:1], []):
        images = look_at(some, ("",), "serial").images
        assert {str(images[name].dtype) for name in HASHES} == {"UInt64"}


def test_folders_that_could_not_be_listed_are_failures() -> None:
    passed = Walked(failed=[(b"/p/closed\xff", "permission denied")])
    looked = look_at([], ("",), "serial", passed)
    assert looked.failures.to_dict("records") == [
        {"path": r"/p/closed\xff", "reason": "permission denied"}
    ]


def test_nothing_can_be_looked_at() -> None:
    looked = look_at([FileEntry(b"/no/such", 0, 0, 0)], ("",), "serial")
    assert (len(looked.files), len(looked.images), len(looked.prints)) == (0, 0, 0)
    assert {"image_id", "taken", "camera", "latitude", *HASHES} <= set(looked.images.columns)


def test_any_name(photo: MakePhoto, tmp_path: Path) -> None:
    photo("p/plain.jpg")
    names = [b"-rf.jpg", b"bad\xff.jpg", b"two\nlines.jpg"]
    for name in names:
        os.link(tmp_path / "p/plain.jpg", os.fsencode(tmp_path / "p") + b"/" + name)
    _, entries = listed(tmp_path / "p", Walked())
    looked = look_at(entries, ("",), "serial")
    ends = {path.rpartition("/")[2] for path in looked.files["path"]}
    assert ends == {"plain.jpg", "-rf.jpg", r"bad\xff.jpg", r"two\x0alines.jpg"}


def test_a_real_backend_gives_the_same(photo: MakePhoto, tmp_path: Path) -> None:
    for seed in range(3):
        photo(f"p/{seed}.jpg", seed)
    (tmp_path / "p/x.jpg").write_bytes(b"x")
    _, entries = listed(tmp_path / "p", Walked())
    here, there = (look_at(entries, ("", "mirrored"), way) for way in ("serial", "processes"))
    for name in ("files", "images", "failures"):
        pd.testing.assert_frame_equal(getattr(there, name), getattr(here, name))
    assert there.thumbnails == here.thumbnails
    # Half of them mirrored; in whatever order they came.
    assert len(there.prints) == 6
    ids = list(here.thumbnails)
    assert here.fetch([*ids, "unknown"]).keys() == set(ids)
