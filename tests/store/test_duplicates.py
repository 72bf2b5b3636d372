"""The groups that were found last, and the decision that parts two images."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from curate.store import decisions, duplicates, facts, migrations, runs
from curate.store.library import Library, opened

from .made import decide, file_row, put_files, said


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Make groups of (image, group, tie)."""
    found = pd.DataFrame(rows, columns=["image_id", "group", "tie"])
    return found.assign(keeper=found["group"], similarity=0.9, reason="why", more=1)


def put(library: Library, *rows: tuple[str, str, str]) -> None:
    with runs.running(library, "duplicates", {}) as run, library.writing() as connection:
        duplicates.replace(connection, run.run_id, table(*rows))


def part(library: Library, first: str, second: str, *, apart: bool) -> int:
    with runs.running(library, "duplicates", {}) as run, library.writing() as connection:
        return duplicates.part(connection, run.run_id, first, second, apart=apart)


def parted(library: Library) -> set[tuple[str, str]]:
    with library.reading() as connection:
        return duplicates.apart(connection)


def test_new_groups_take_the_place_of_the_old(library: Library) -> None:
    put(library, ("b", "a", "a"), ("a", "a", "a"))
    put(library, ("d", "c", "a"), ("c", "c", "a"))
    with library.reading() as connection:
        found = duplicates.read(connection)
    assert list(found.columns) == duplicates.COLUMNS
    assert list(found["image_id"]) == ["c", "d"]
    assert list(found["tie"]) == ["a", "a"]
    put(library)
    with library.reading() as connection:
        assert list(duplicates.read(connection).columns) == duplicates.COLUMNS
        assert len(duplicates.read(connection)) == 0


def test_many_groups_are_written(library: Library) -> None:
    put(library, *((f"{n:05}", "a", "a") for n in range(12_000)))
    with library.reading() as connection:
        assert duplicates.read(connection)["image_id"].nunique() == 12_000


def test_a_pair_is_parted_once_in_whatever_order_it_is_named(library: Library) -> None:
    assert part(library, "b", "a", apart=True) == 1
    assert part(library, "a", "b", apart=True) == 0
    assert parted(library) == {("a", "b")}
    assert part(library, "a", "c", apart=True) == 1
    assert parted(library) == {("a", "b"), ("a", "c")}
    with library.reading() as connection:
        said = decisions.current(connection, "apart")
    assert list(said["actor"]) == ["person", "person"]


def test_it_can_be_taken_back_and_said_again(library: Library) -> None:
    assert part(library, "a", "b", apart=False) == 0
    for apart in (True, False, True):
        assert part(library, "b", "a", apart=apart) == 1
        assert parted(library) == ({("a", "b")} if apart else set())
    with library.reading() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar()
    assert count == 3


def test_ties_are_a_group_that_splits_see(library: Library) -> None:
    put_files(library, *(file_row(f"/p/{n}".encode(), n) for n in "abc"))
    put(library, ("a", "a", "a"), ("b", "b", "a"))
    with library.reading() as connection:
        images = facts.images(connection).set_index("image_id")
    assert list(images["group_duplicates"][["a", "b"]]) == ["a", "a"]
    assert list(images["group_duplicates"].isna()) == [False, False, True]


def test_a_manifest_s_own_column_of_that_name_holds_beside_it(library: Library) -> None:
    put_files(library, *(file_row(f"/p/{n}".encode(), n) for n in "abc"))
    decide(library, said("group", "b", "theirs", field="duplicates"))
    put(library, ("a", "a", "a"), ("c", "a", "a"))
    with library.reading() as connection:
        images = facts.images(connection).set_index("image_id")
    assert images.at["b", "group_duplicates"] == "theirs"
    assert list(images["group_duplicates"].isna()) == [True, False, True]
    assert list(images["group_duplicates 2"].dropna().index) == ["a", "c"]


def test_a_library_of_the_first_release_gets_the_table(tmp_path: Path) -> None:
    with opened(tmp_path, make=True) as library:
        put_files(library, file_row(b"/p/a", "a"))
        decide(library, said("label", "a", "cat"))
        with library.writing() as connection:
            connection.exec_driver_sql("DROP TABLE duplicates")
            connection.exec_driver_sql("DROP TABLE journal")
            connection.exec_driver_sql("DELETE FROM migrations WHERE name > '0001-first-tables'")
    with opened(tmp_path) as library:
        with library.reading() as connection:
            assert sa.inspect(connection).has_table("duplicates")
            assert migrations.applied(connection) == list(migrations.MIGRATIONS)
            images = facts.images(connection)
        assert list(images["label"]) == ["cat"]
        assert list(images["group_duplicates"].isna()) == [True]
        put(library, ("a", "a", "a"))
