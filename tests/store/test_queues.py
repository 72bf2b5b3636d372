"""Queues with a name: kept whole, replaced whole, and in older libraries too."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from curate.core.errors import InputError
from curate.store import check, migrations, queues, runs
from curate.store.library import Library, opened

from .made import decide, file_row, put_files, said


def table(*image_ids: str, **changed: object) -> pd.DataFrame:
    values: dict[str, object] = {"predicted": "kudu", "score": 0.25, "second": "zebra"}
    values |= {"second_score": 0.125, "reason": "why", "topic": "kudu", "expected": 0.5}
    values |= {"recipe": "low-count"}
    return pd.DataFrame([{"image_id": name, **values, **changed} for name in image_ids])


def save(library: Library, name: str, rows: pd.DataFrame, **question: object) -> int:
    with runs.running(library, "queue", {}) as run, library.writing() as connection:
        queues.save(connection, run.run_id, name, question, rows)
    return run.run_id


def images(library: Library, name: str) -> list[str]:
    with library.reading() as connection:
        return list(queues.images(connection, name)["image_id"])


def known(library: Library) -> list[str]:
    with library.reading() as connection:
        return queues.names(connection)


def test_a_queue_comes_back_as_it_was_saved(library: Library) -> None:
    rows = table("c", "a", "b")
    rows.loc[1, ["second", "second_score", "expected"]] = [None, float("nan"), float("nan")]
    run_id = save(library, "monday", rows, recipe="low-count", of="")

    with library.reading() as connection:
        about, found = queues.saved(connection, "monday"), queues.images(connection, "monday")

    assert (about.name, about.run_id) == ("monday", run_id)
    assert about.question == {"recipe": "low-count", "of": ""}
    assert about.saved_at.endswith("+00:00")
    assert tuple(found.columns) == queues.COLUMNS
    assert list(found["image_id"]) == ["c", "a", "b"]
    assert list(found.loc[0]) == [
        "c",
        "kudu",
        0.25,
        "zebra",
        0.125,
        "why",
        "kudu",
        0.5,
        "low-count",
    ]
    assert list(found.loc[1].isna()) == [
        name in ("second", "second_score", "expected") for name in found
    ]
    assert found["score"].dtype == found["expected"].dtype == "float64"


def test_saved_again_it_takes_the_place_of_the_old(library: Library) -> None:
    save(library, "monday", table("a", "b", "c"), n=1)
    save(library, "tuesday", table("d"))
    run_id = save(library, "monday", table("e"), n=2)

    assert images(library, "monday") == ["e"]
    assert images(library, "tuesday") == ["d"]
    with library.reading() as connection:
        about = queues.saved(connection, "monday")
    assert (about.run_id, about.question) == (run_id, {"n": 2})
    assert known(library) == ["monday", "tuesday"]


def test_what_fails_leaves_the_old_one_whole(library: Library) -> None:
    save(library, "monday", table("a", "b"))
    with pytest.raises(sa.exc.IntegrityError):
        save(library, "monday", table("c", reason=None))

    assert images(library, "monday") == ["a", "b"]


def test_an_empty_queue_can_be_saved(library: Library) -> None:
    save(library, "nothing", table().reindex(columns=list(queues.COLUMNS)))

    assert known(library) == ["nothing"]
    assert images(library, "nothing") == []


def test_many_images_are_saved_in_order(library: Library) -> None:
    ids = [f"{number * 7919 % 12_000:05}" for number in range(12_000)]
    rows = table("x").loc[[0] * len(ids)].assign(image_id=ids)
    save(library, "large", rows)

    assert images(library, "large") == ids


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "its name is empty"),
        (" monday", "starts or ends with a space"),
        ("a/b", "would not be one folder"),
        ("a\nb", "cannot be printed"),
        ("Monday", "queue 'monday' is saved"),
    ],
)
def test_a_name_that_is_none_is_refused(library: Library, name: str, message: str) -> None:
    save(library, "monday", table("a"))
    with pytest.raises(InputError, match=message):
        save(library, name, table("b"))

    assert known(library) == ["monday"]
    assert images(library, "monday") == ["a"]


def test_an_unknown_name_lists_the_saved_ones(library: Library) -> None:
    with library.reading() as connection, pytest.raises(InputError, match="None is saved yet"):
        queues.saved(connection, "monday")
    save(library, "monday", table("a"))
    save(library, "friday", table("a"))
    with library.reading() as connection:
        with pytest.raises(InputError, match=r"Did you mean monday\? Saved: friday, monday\."):
            queues.saved(connection, "mondy")
        assert queues.images(connection, "mondy").empty


def test_a_forgotten_queue_is_gone_and_the_others_stay(library: Library) -> None:
    save(library, "monday", table("a", "b"))
    save(library, "friday", table("b"))
    with library.writing() as connection:
        queues.forget(connection, "monday")

    assert known(library) == ["friday"]
    assert images(library, "monday") == []
    with library.writing() as connection, pytest.raises(InputError, match="none is saved"):
        queues.forget(connection, "monday")


def test_the_images_of_any_queue_are_told(library: Library) -> None:
    with library.reading() as connection:
        assert queues.images_of_any(connection) == set()
    save(library, "monday", table("a", "b"))
    save(library, "friday", table("b", "c"))

    with library.reading() as connection:
        assert queues.images_of_any(connection) == {"a", "b", "c"}


def test_the_check_finds_nothing_wrong(library: Library) -> None:
    save(library, "monday", table("a"))
    assert check.faults(library) == []


@pytest.mark.usefixtures("in_file")
def test_a_library_without_the_tables_gets_them(tmp_path: Path) -> None:
    with opened(tmp_path, make=True) as library:
        put_files(library, file_row(b"/p/a", "a"))
        decide(library, said("label", "a", "cat"))
        with library.writing() as connection:
            connection.exec_driver_sql("DROP TABLE queued")
            connection.exec_driver_sql("DROP TABLE queues")
            connection.exec_driver_sql("DROP TABLE journal")
            connection.exec_driver_sql("DELETE FROM migrations WHERE name > '0003-library'")
    with opened(tmp_path) as library:
        with library.reading() as connection:
            assert migrations.applied(connection) == list(migrations.MIGRATIONS)
            assert queues.names(connection) == []
        save(library, "monday", table("a"))
        assert images(library, "monday") == ["a"]
