"""A plan comes back from every kind of file as it was, and is known again by its rows."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from curate.cleanup import plans
from curate.cleanup.plans import PLAN_COLUMNS, Plan
from curate.core.errors import FaultsError, InputError, LibraryError
from curate.store import runs, shards
from curate.store.library import Library

SUFFIXES = [".json", ".csv", ".parquet"]

ROWS = [
    ("a", "/pool/=1+1.jpg", "blank", "blank: contrast 1.0", 0.1, 3, "kudu"),
    ("b", "/pool/\\xff.jpg", "blank", 'says "no"', None, 2**40, None),
    ("b", "/pool/Ä, b.jpg", "rejected", "rejected by ann", 1 / 3, 0, "kudu"),
]


def table(*rows: tuple[object, ...]) -> pd.DataFrame:
    return plans.typed(pd.DataFrame(list(rows), columns=list(PLAN_COLUMNS)))


def kept(library: Library, rows: pd.DataFrame, policy: str = "p1") -> Plan:
    with runs.running(library, plans.STAGE, {}) as run:
        return plans.keep(library, run, rows, policy)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_plan_comes_back_and_is_known_again(
    library: Library, tmp_path: Path, suffix: str
) -> None:
    plan = kept(library, table(*ROWS))
    kept(library, table(ROWS[0]), "p2")
    place = tmp_path / f"plan{suffix}"
    plans.write(plan, place)
    again = plans.read(library, place)

    pd.testing.assert_frame_equal(again.table, plan.table)
    assert (again.policy, again.run_id, again.digest) == ("p1", plan.run_id, plan.digest)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_plan_that_somebody_changed_has_no_policy(
    library: Library, tmp_path: Path, suffix: str
) -> None:
    plan = kept(library, table(*ROWS))
    shorter = Plan(plan.table.head(2), plan.policy, plan.run_id, plan.digest)
    place = tmp_path / f"plan{suffix}"
    plans.write(shorter, place)
    again = plans.read(library, place)
    assert (len(again.table), again.policy, again.run_id) == (2, "", 0)


def test_the_last_plan_is_read_without_a_file(library: Library) -> None:
    with pytest.raises(LibraryError, match="keeps no cleanup plan"):
        plans.read(library)
    kept(library, table(ROWS[0]))
    plan = kept(library, table(*ROWS))
    with runs.running(library, plans.STAGE, {}) as stopped:
        stopped.summary["stopped"] = True
    last = plans.read(library)
    pd.testing.assert_frame_equal(last.table, plan.table)
    assert (last.run_id, last.digest) == (plan.run_id, plan.digest)


def test_a_plan_of_nothing_is_a_plan(library: Library) -> None:
    plan = kept(library, table())
    assert plans.read(library).table.empty
    assert plan.digest == plans.digest(table())


def test_damaged_rows_are_refused(library: Library) -> None:
    plan = kept(library, table(*ROWS))
    with library.reading() as connection:
        (shard,) = shards.referenced(connection, plans.TABLE)
    (library.folder / shard.path).write_bytes(b"cut")
    with pytest.raises(LibraryError, match="damaged"):
        plans.last(library)
    assert plan.table.shape == (3, 7)


def test_the_digest_names_rows_in_their_order() -> None:
    whole = table(*ROWS)
    assert plans.digest(whole) != plans.digest(whole.iloc[::-1])
    assert plans.digest(whole) != plans.digest(whole.assign(rule="other"))
    # What people read of a row may be rounded on the way; which files go may not change.
    assert plans.digest(whole) == plans.digest(whole.assign(reason="other", score=0.5))


def test_all_faults_of_a_file_come_together(library: Library, tmp_path: Path) -> None:
    place = tmp_path / "plan.csv"
    rows = [
        "image_id,path,rule,reason,bytes,score",
        "a,/1,r,why,x,",
        ",/2,r,why,3,",
        "c,/3,r,why,3,y",
    ]
    place.write_text("\r\n".join(rows) + "\r\n")
    with pytest.raises(FaultsError) as fault:
        plans.read(library, place)
    assert fault.value.faults == [
        "line 2: bytes 'x' cannot be used",
        "line 3: image_id '' cannot be used",
        "line 4: score 'y' cannot be used",
    ]


def test_a_table_by_hand_needs_its_columns_and_each_file_once(
    library: Library, tmp_path: Path
) -> None:
    place = tmp_path / "plan.csv"
    place.write_text("image_id,path\r\na,/1\r\n")
    with pytest.raises(FaultsError, match="there is no column rule"):
        plans.read(library, place)
    place.write_text("image_id,path,rule,reason,bytes\r\na,/1,r,why,3\r\nb,/1,r,why,3\r\n")
    with pytest.raises(FaultsError, match="/1: stands in the plan twice"):
        plans.read(library, place)
    place.write_text("image_id,path,rule,reason,bytes\r\na,/1,r,why,3\r\n")
    assert plans.read(library, place).table["predicted"].isna().all()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99, "rows": []}', '{"version": 1}'])
def test_what_is_no_plan_is_refused(library: Library, tmp_path: Path, text: str) -> None:
    place = tmp_path / "plan.json"
    place.write_text(text)
    with pytest.raises(InputError, match=r"curate cleanup plan -o FILE"):
        plans.read(library, place)


def test_json_rows_of_another_kind_are_faults(library: Library, tmp_path: Path) -> None:
    place = tmp_path / "plan.json"
    place.write_text(json.dumps({"version": 1, "rows": [[], {"bytes": "x"}]}))
    with pytest.raises(FaultsError, match="row 2: bytes 'x' cannot be used"):
        plans.read(library, place)


def test_another_suffix_is_refused(library: Library, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Name it \.json or \.csv or \.parquet"):
        plans.read(library, tmp_path / "plan.xlsx")
