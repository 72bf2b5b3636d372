"""What imagededup's readers expect: every file of a group, with the others."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from curate.core import paths
from curate.core.errors import InputError
from curate.formats.imagededup import write_imagededup


def written(path: Path, *rows: tuple[str, str]) -> dict[str, list[str]]:
    write_imagededup(pd.DataFrame(rows, columns=["group", "path"]), path)
    read: dict[str, list[str]] = json.loads(path.read_bytes())
    return read


def test_each_file_has_the_others_of_its_group(tmp_path: Path) -> None:
    rows = [("g2", "c.jpg"), ("g1", "b.jpg"), ("g1", "z.jpg"), ("g2", "a.jpg"), ("g1", "d.jpg")]
    found = written(tmp_path / "d.json", *rows)
    assert found == {
        "a.jpg": ["c.jpg"],
        "b.jpg": ["d.jpg", "z.jpg"],
        "c.jpg": ["a.jpg"],
        "d.jpg": ["b.jpg", "z.jpg"],
        "z.jpg": ["b.jpg", "d.jpg"],
    }
    assert list(found) == sorted(found)
    assert written(tmp_path / "d.json", *reversed(rows)) == found


def test_no_groups_are_an_empty_map(tmp_path: Path) -> None:
    assert written(tmp_path / "d.json") == {}


def test_any_name_survives(tmp_path: Path) -> None:
    names = [b"/p/-rf.jpg", b"/p/\xff\n.jpg", "/p/ä \"'.jpg".encode(), b"/p/back\\slash.jpg"]
    texts = [paths.to_text(name) for name in names]
    found = written(tmp_path / "d.json", *(("g", text) for text in texts))
    assert {paths.from_text(text) for text in found} == set(names)
    assert all(len(others) == 3 for others in found.values())


def test_where_it_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        written(tmp_path / "no" / "d.json")
