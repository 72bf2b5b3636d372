"""Files that change while a run goes on: rows are of what was read; the next run looks again."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curate.bulk_id import Identified, verb
from curate.core.identity import image_id
from curate.store.check import faults
from curate.store.library import Library, opened

from ..pictures import encoded, picture
from .made import checkpoint, identified, photos, saved

ENGINES = ["serial", "processes"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(checkpoint(), tmp_path / "ckpt.pt")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    photos(tmp_path / "pool", 12)
    return tmp_path / "pool"


def another(number: int) -> bytes:
    return encoded(picture(700 + number, (48, 40)), "JPEG")


def after_listing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let something happen between the listing of the files and the first one that is read."""
    listing = verb._list

    def lists(*arguments: Any) -> None:
        listing(*arguments)
        act()

    monkeypatch.setattr(verb, "_list", lists)


def rows(found: Identified) -> pd.DataFrame:
    table = found.table
    return table.set_index(table["path"].map(lambda path: path.rpartition("/")[2]))


def of_what_was_read(found: Identified, alone: pd.DataFrame, contents: dict[str, bytes]) -> None:
    """Compare rows with what the model says of these contents where nothing changes."""
    table = rows(found)
    for name, content in contents.items():
        (expected,) = alone[alone["image_id"] == image_id(content)].to_dict("records")
        assert table.loc[name, "image_id"] == expected["image_id"]
        assert table.loc[name, "energy"] == pytest.approx(expected["energy"], abs=1e-5)


@pytest.fixture
def alone(tmp_path: Path, model: Path, pool: Path) -> pd.DataFrame:
    """What the model says of every content that the tests meet."""
    still = tmp_path / "still"
    still.mkdir()
    for path in pool.iterdir():
        (still / path.name).write_bytes(path.read_bytes())
    for number in range(12):
        (still / f"new {number}.jpg").write_bytes(another(number))
    with opened(tmp_path / "other", make=True) as library:
        return identified(library, model, [still]).table


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_file_rewritten_before_its_turn(
    monkeypatch: pytest.MonkeyPatch,
    library: Library,
    model: Path,
    pool: Path,
    alone: pd.DataFrame,
    engine_name: str,
) -> None:
    def rewrite() -> None:
        (pool / "003.jpg").write_bytes(another(3))
        # Another file under the same name, of the same time: its inode tells.
        before = (pool / "005.jpg").stat()
        (pool / "005.part").write_bytes(another(5))
        os.utime(pool / "005.part", ns=(before.st_atime_ns, before.st_mtime_ns))
        (pool / "005.part").rename(pool / "005.jpg")
        (pool / "007.jpg").write_bytes(b"")
        (pool / "009.jpg").unlink()

    with monkeypatch.context() as patch:
        after_listing(patch, rewrite)
        found = identified(library, model, [pool], engine_name=engine_name)
    table = rows(found)
    contents = {path.name: path.read_bytes() for path in pool.iterdir() if path.stat().st_size}
    assert sorted(table.index) == sorted([*contents, "007.jpg", "009.jpg"])
    of_what_was_read(found, alone, contents)
    assert table["reason"]["007.jpg"].startswith("decode: ")
    assert table.loc["009.jpg", "reason"] == "read: no such file or directory"

    # What was listed is not what was read, so it is looked at again, and found to be known.
    again = identified(library, model, [pool], engine_name=engine_name)
    assert again.counts["computed"] == 3
    of_what_was_read(again, alone, contents)
    assert sorted(rows(again).index) == sorted([*contents, "007.jpg"])
    assert identified(library, model, [pool]).counts["computed"] == 0
    assert faults(library) == []


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_file_rewritten_after_it_was_read(
    monkeypatch: pytest.MonkeyPatch,
    library: Library,
    model: Path,
    pool: Path,
    alone: pd.DataFrame,
    engine_name: str,
) -> None:
    before = {path.name: path.read_bytes() for path in pool.iterdir()}
    keeping = verb._keep

    def keeps(*arguments: Any) -> int:
        done = keeping(*arguments)
        (pool / "002.jpg").write_bytes(another(2))
        return done

    with monkeypatch.context() as patch:
        patch.setattr(verb, "_keep", keeps)
        found = identified(library, model, [pool], engine_name=engine_name)
    of_what_was_read(found, alone, before)
    again = identified(library, model, [pool], engine_name=engine_name)
    assert again.counts["computed"] == 1
    of_what_was_read(again, alone, {**before, "002.jpg": another(2)})


@pytest.mark.parametrize("engine_name", ENGINES)
def test_an_archive_packed_anew_before_its_turn(
    monkeypatch: pytest.MonkeyPatch,
    library: Library,
    model: Path,
    pool: Path,
    alone: pd.DataFrame,
    engine_name: str,
) -> None:
    """Its members lie at other places then: an index that is too old must give nobody's pixels."""
    contents = {path.name: path.read_bytes() for path in sorted(pool.iterdir())}

    def pack(some: dict[str, bytes]) -> None:
        with zipfile.ZipFile("pool.zip", "w") as archive:
            for name, content in some.items():
                archive.writestr(name, content)

    pack(contents)
    # In another order, one with a new content, and one that is left out.
    new = {name: contents[name] for name in sorted(contents, reverse=True)}
    new["004.jpg"] = another(4)
    del new["006.jpg"]
    with monkeypatch.context() as patch:
        after_listing(patch, lambda: pack(new))
        found = identified(library, model, [Path("pool.zip")], engine_name=engine_name)
    of_what_was_read(found, alone, new)
    assert rows(found).loc["006.jpg", "reason"] == "read: no such member in the archive"
    again = identified(library, model, [Path("pool.zip")], engine_name=engine_name)
    assert again.counts["computed"] == len(new)
    of_what_was_read(again, alone, new)
    assert "006.jpg" not in rows(again).index
    assert identified(library, model, [Path("pool.zip")]).counts["computed"] == 0
