"""A shard counts when the database says so and its bytes are all there."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.core.errors import LibraryError
from curate.store import check, looks, shards
from curate.store.library import Library

from .made import looks_rows, old_looks_rows, put_shard


def referenced(library: Library) -> list[str]:
    with library.reading() as connection:
        return [shard.path for shard in shards.referenced(connection, "looks")]


def on_disk(library: Library) -> list[str]:
    return sorted(
        p.relative_to(library.folder).as_posix() for p in library.folder.rglob("tables/*/*")
    )


def test_a_shard_comes_back(library: Library) -> None:
    shard = put_shard(library, "a", "b")
    (path,) = shards.paths(library, [shard])
    assert pq.read_table(path)["image_id"].to_pylist() == ["a", "b"]
    assert (shard.rows, shard.bytes) == (2, path.stat().st_size)
    assert shards.fault(library, shard, deep=True) == ""
    assert check.faults(library) == []


def test_they_come_in_the_order_they_were_committed_by_run(library: Library) -> None:
    made = [put_shard(library, name, number=number) for number, name in enumerate("cab")]
    with library.reading() as connection:
        assert shards.referenced(connection, "looks") == made
        assert shards.referenced(connection, "looks", [made[1].run_id]) == [made[1]]
        assert shards.referenced(connection, "predictions") == []
        assert shards.referenced(connection, "looks", []) == []


def test_a_shard_cut_at_any_length_is_noticed_and_made_again(library: Library) -> None:
    shard = put_shard(library, "a", "b")
    path = library.folder / shard.path
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert shards.fault(library, shard) == f"{length:,} bytes instead of {len(whole):,}"
        with pytest.raises(LibraryError, match=r"damaged.*`curate scan` again"):
            shards.paths(library, [shard])
        assert len(check.faults(library)) == 1
    assert shards.tidy(library, "looks") == [shard]
    assert referenced(library) == []
    assert on_disk(library) == []
    assert check.faults(library) == []


def test_a_flipped_byte_is_noticed_by_a_deep_look(library: Library) -> None:
    shard = put_shard(library, "a", "b")
    path = library.folder / shard.path
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    assert shards.fault(library, shard) == ""
    assert shards.fault(library, shard, deep=True) == "its content has changed"
    assert check.faults(library) == [f"shard {shard.path}: its content has changed"]


def test_a_missing_shard_is_noticed(library: Library) -> None:
    shard = put_shard(library, "a")
    (library.folder / shard.path).unlink()
    assert shards.fault(library, shard) == "no such file or directory"


def test_tidying_keeps_what_counts_and_removes_the_rest(library: Library) -> None:
    kept, cut = put_shard(library, "a"), put_shard(library, "b", number=1)
    (library.folder / cut.path).write_bytes(b"PAR1")
    folder = library.folder / "tables/looks"
    for garbage in ("000099-000000.parquet", ".000099-000001.parquet.77.tmp", "notes.txt"):
        (folder / garbage).write_bytes(b"x")
    assert shards.tidy(library, "looks") == [cut]
    assert referenced(library) == on_disk(library) == [kept.path]
    assert shards.tidy(library, "looks") == []


def test_tidying_drops_other_columns_where_they_are_asked_for(library: Library) -> None:
    kept = put_shard(library, "a")
    old = put_shard(library, "b", number=1, rows=old_looks_rows)
    spoilt = put_shard(library, "c", number=2)
    path = library.folder / spoilt.path
    path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
    assert shards.tidy(library, "looks") == []
    assert shards.tidy(library, "looks", looks.SCHEMA) == [old, spoilt]
    assert referenced(library) == on_disk(library) == [kept.path]


def test_tidying_one_table_leaves_the_others(library: Library) -> None:
    shard = put_shard(library, "a")
    assert shards.tidy(library, "predictions") == []
    assert on_disk(library) == [shard.path]


def test_a_shard_that_nothing_references_does_not_count(library: Library) -> None:
    shard = put_shard(library, "a")
    shards.write(library, "looks", shard.run_id, 7, looks_rows("b"))
    assert referenced(library) == [shard.path]


def test_a_reference_counts_with_its_transaction(library: Library) -> None:
    shard = put_shard(library, "a")
    other = shards.write(library, "looks", shard.run_id, 1, looks_rows("b"))
    with suppress(ZeroDivisionError), library.writing() as connection:
        shards.reference(connection, other)
        raise ZeroDivisionError
    assert referenced(library) == [shard.path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_is_one_clear_error(
    library: Library, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    shard = put_shard(library, "a")

    def refuse(_handle: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(LibraryError, match=r"cannot be written: .*same command again"):
            shards.write(library, "looks", shard.run_id, 1, looks_rows("b"))
    assert on_disk(library) == [shard.path]


def test_content_and_name_are_durable_before_the_reference(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = put_shard(library, "a")
    synced: list[str] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve().name.partition(".tmp")[0])
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    other = shards.write(library, "looks", shard.run_id, 1, looks_rows("b"))
    assert synced[0].startswith(f".{Path(other.path).name}")
    assert synced[1] == "looks"
