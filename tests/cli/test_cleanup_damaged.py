"""Commands of cleanup on a database that cannot be trusted: refused, and no byte is changed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from curate.cleanup import plans
from curate.cleanup.restoring import restore
from curate.cli.main import EXPECTED, answer
from curate.store import database
from curate.store.library import Library, opened

from ..cleanup.moved import digests, filled, plan_of, quarantined, whole

pytestmark = pytest.mark.usefixtures("in_file")

COMMANDS = {
    "plan": ("plan",),
    "approve": ("approve", "--by", "ada"),
    "apply": ("apply", "plan.json"),
    "restore": ("restore", "--all"),
    "purge": ("purge", "--yes", "--grace", "0m"),
    "forget": ("forget", "/photos", "--yes"),
    "log": ("log",),
}


def flipped(place: Path) -> None:
    """Flip a byte at the head of every page but the first."""
    data = bytearray(place.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    for page in range(size, len(data), size):
        data[page] ^= 0xFF
    place.write_bytes(data)


def truncated(place: Path) -> None:
    os.truncate(place, place.stat().st_size // 2)


def beheaded(place: Path) -> None:
    place.write_bytes(b"\x00" * 16 + place.read_bytes()[16:])


def newer(place: Path) -> None:
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES ('9999-flying-cars', '2036-01-01')")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "flipped": (flipped, "damaged"),
    "truncated": (truncated, "damaged"),
    "beheaded": (beheaded, "not the database of a library"),
    "newer": (newer, "made by a newer version"),
}


@pytest.fixture
def ready(library: Library, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bring two files to quarantine, and plan that a third goes; give the database."""
    (library.root / "curate.toml").write_text("[cleanup]\nmax_share = 1.0\n")
    found = filled(library, library.root / "photos", {f"{n}.jpg": b"%d" % n for n in range(3)})
    quarantined(library, found[:2])
    plans.write(plan_of(found[2:]), library.root / "plan.json")
    monkeypatch.chdir(library.root)
    library.engine.dispose()
    return library.folder / "library.db"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_database_that_cannot_be_trusted_is_refused_and_left_as_it_is(
    ready: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    harm, said = DAMAGES[damage]
    harm(ready)
    before, files = ready.read_bytes(), digests(ready.parent.parent)
    for name, command in COMMANDS.items():
        assert answer(["cleanup", *command]) == EXPECTED, name
        assert said in capsys.readouterr().err, name
        assert ready.read_bytes() == before, name
        assert digests(ready.parent.parent) == files, name


def test_a_database_that_somebody_holds_is_waited_for_and_nothing_moves(
    ready: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    before, files = ready.read_bytes(), digests(ready.parent.parent)
    with closing(sqlite3.connect(ready)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for name, command in COMMANDS.items():
            assert answer(["cleanup", *command]) == EXPECTED, name
            assert "another process has held the database" in capsys.readouterr().err, name
        other.rollback()
    assert ready.read_bytes() == before
    assert digests(ready.parent.parent) == files
    with opened(ready.parent.parent) as library:
        assert restore(library).counts["restored"] == 2
        assert whole(library)
