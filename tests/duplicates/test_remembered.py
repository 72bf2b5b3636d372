"""What was computed is kept whole or computed again; a kill leaves nothing half."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curate.core.errors import LibraryError
from curate.duplicates import DuplicatePolicy, find
from curate.duplicates.remembered import ALIKE, COMPARED, FINGERPRINTS, key_of
from curate.store import shards
from curate.store.check import faults
from curate.store.library import Library
from tests.conftest import MakePhoto
from tests.scan.seen import scanned

from .libraries import found, groups

pytestmark = pytest.mark.usefixtures("one_process")

BOTH = [["cat.jpg", "cat-small.jpg"], ["dog.jpg", "dog-small.jpg"]]


@pytest.fixture
def cats(library: Library, photo: MakePhoto, tmp_path: Path) -> Path:
    """A library of a cat, its copy, and a blank picture, all compared."""
    photo("photos/cat.jpg", 0, (192, 128))
    photo("photos/cat-small.jpg", 0)
    photo("photos/blank.jpg", colour=(9, 9, 9))
    scanned(library, tmp_path / "photos")
    found(library)
    return tmp_path / "photos"


def dogs(library: Library, photos: Path, photo: MakePhoto) -> None:
    photo(photos / "dog.jpg", 1, (192, 128))
    photo(photos / "dog-small.jpg", 1)
    scanned(library, photos)


def parts(library: Library, table: str) -> list[Path]:
    with library.reading() as connection:
        return [library.folder / shard.path for shard in shards.referenced(connection, table)]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("table", [FINGERPRINTS, ALIKE, COMPARED])
@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_what_is_damaged_is_computed_again(
    library: Library, cats: Path, photo: MakePhoto, table: str, damage: Callable[[Path], object]
) -> None:
    dogs(library, cats, photo)
    assert groups(found(library).table) == BOTH
    damage(parts(library, table)[0])
    assert faults(library)
    again = found(library)
    assert groups(again.table) == BOTH
    # The images of the first shard alone; fingerprints are taken again without a comparison.
    assert again.compared == (0 if table == FINGERPRINTS else 3)
    assert faults(library) == []
    assert found(library).compared == 0


def test_pairs_that_are_lost_are_compared_again_however_often_it_is_killed(
    library: Library, cats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its pairs an image must never count as compared."""
    parts(library, ALIKE)[0].unlink()
    tidy = shards.tidy

    def killed(library: Library, table: str, *rest: Any) -> Any:
        dropped = tidy(library, table, *rest)
        if table == ALIKE:
            raise KeyboardInterrupt
        return dropped

    with monkeypatch.context() as patch:
        patch.setattr(shards, "tidy", killed)
        with pytest.raises(KeyboardInterrupt):
            found(library)
    assert groups(found(library).table) == BOTH[:1]


@pytest.mark.parametrize("commits", [0, 1])
def test_a_kill_before_the_commit_leaves_nothing_half(
    library: Library,
    cats: Path,
    photo: MakePhoto,
    monkeypatch: pytest.MonkeyPatch,
    commits: int,
) -> None:
    """The first commit of a run is that of fingerprints, the second that of pairs."""
    dogs(library, cats, photo)
    reference, done = shards.reference, []

    def killed(*arguments: Any) -> None:
        done.append(arguments)
        if len(done) > commits:
            raise KeyboardInterrupt
        reference(*arguments)

    before = {name: len(parts(library, name)) for name in (FINGERPRINTS, ALIKE, COMPARED)}
    with monkeypatch.context() as patch:
        patch.setattr(shards, "reference", killed)
        with pytest.raises(KeyboardInterrupt):
            found(library)
    after = {name: len(parts(library, name)) for name in before}
    assert after == before | {FINGERPRINTS: before[FINGERPRINTS] + commits}
    table = ALIKE if commits else FINGERPRINTS
    (orphan,) = set((library.folder / "tables" / table).iterdir()) - set(parts(library, table))
    result = found(library)
    assert (groups(result.table), result.compared) == (BOTH, 2)
    assert not orphan.exists()


def test_a_kill_while_grouping_costs_no_comparison(
    library: Library, cats: Path, photo: MakePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    dogs(library, cats, photo)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("curate.store.duplicates.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            found(library)
    result = found(library)
    assert (groups(result.table), result.compared) == (BOTH, 0)


def test_a_damaged_shard_names_the_command_that_mends_it(library: Library, cats: Path) -> None:
    cut(parts(library, COMPARED)[0])
    with library.reading() as connection:
        there = shards.referenced(connection, COMPARED)
    with pytest.raises(LibraryError, match="Run `curate duplicates` again"):
        shards.paths(library, there)


def test_another_policy_leaves_the_pairs_of_the_first_alone(library: Library, cats: Path) -> None:
    """Hashes that are asked for beside the views find other pairs: a set of their own."""
    wide = DuplicatePolicy(hashes=("phash:10", "dhash:4"))
    assert find(library, wide).compared == 3
    assert found(library).compared == 0
    same = DuplicatePolicy(hashes=("dhash:4", "phash:10"), similarity=0.9, keeper=("bytes",))
    assert find(library, same).compared == 0


def test_the_key_is_of_what_changes_the_pairs() -> None:
    plain = key_of(DuplicatePolicy())
    assert key_of(DuplicatePolicy(similarity=0.9, keeper=("newest",))) == plain
    others = [
        DuplicatePolicy(flips=True),
        DuplicatePolicy(turns=True),
        DuplicatePolicy(hashes=()),
        DuplicatePolicy(hashes=("phash:9",)),
    ]
    assert len({plain, *map(key_of, others)}) == 5
