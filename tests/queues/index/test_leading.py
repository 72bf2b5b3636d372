"""Asked of the rows that come first, a plain question has the answer that all rows give."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from curate.queues.filters.filters import Filters
from curate.queues.index import candidates as pool
from curate.queues.index import leading, overlaid
from curate.queues.index.close import close, keep_close
from curate.queues.index.foremost import keep_foremost
from curate.queues.index.gathered import NUMBER
from curate.queues.recipes import RECIPES

from ..cases import CANDIDATES, aim, candidates, counts, said

ROWS, COPIED, LAID = 60, 15, 12

RANKED = sorted(name for name, recipe in RECIPES.items() if recipe.rank)


def drawn(chance: Random, *, decided: float) -> pd.DataFrame:
    """Rows whose ids are hexadecimal, of few scores and days; every third has a twin."""
    rows = []
    for at in range(ROWS):
        score, second = chance.randint(50, 70) / 100, chance.randint(10, 50) / 100
        facts = {
            "entropy": chance.choice([None, 0.2, 0.4]),
            "taken": chance.choice([None, "2026-01-02", "2026-01-03"]),
            "arrived": chance.randint(1, 3),
            "group": f"{at // 6 * 6 if at % 3 == 0 else at:032x}",
            "label": "kudu" if chance.random() < decided else None,
            "rejected": chance.random() < decided / 2,
        }
        rows.append(
            {
                **said(
                    f"{at << 58:016x}{at:016x}",
                    chance.choice(["kudu", "zebra"]),
                    score,
                    "okapi",
                    second,
                ),
                **facts,
            }
        )
    return candidates(*rows)


@pytest.fixture
def chance() -> Random:
    return Random(11)


@pytest.fixture
def answering(
    chance: Random, monkeypatch: pytest.MonkeyPatch
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An index of which few rows are copied; some of its rows were decided on since."""
    monkeypatch.setattr(leading, "MOST", COPIED)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("ATTACH ':memory:' AS kept")
        rows = drawn(chance, decided=0.2).sample(frac=1, random_state=5)
        connection.register("drawn", pa.Table.from_pandas(rows, CANDIDATES, preserve_index=False))
        connection.execute(
            "CREATE TABLE kept.rows AS SELECT *, "
            'count(*) OVER (PARTITION BY "group") = 1 AS alone, hash(predicted) AS pair, '
            f"{NUMBER.format('image_id')} AS number, true AS there FROM drawn"
        )
        keep_foremost(connection, COPIED)
        keep_close(connection)
        overlaid.lay_nothing(connection)
        columns = ", ".join(f'"{name}"' for name in overlaid.COLUMNS)
        for place in chance.sample(range(ROWS), LAID):
            label = chance.choice(["NULL", "'zebra'"])
            connection.execute(
                f"INSERT INTO fresh SELECT * REPLACE ({label} AS label, false AS rejected), "
                f"{place}, label IS NULL AND NOT rejected FROM "
                f"(SELECT {columns} FROM kept.rows WHERE rowid = {place})"
            )
        overlaid.show(connection)
        yield connection


def chosen(
    answering: duckdb.DuckDBPyConnection, name: str, filters: Filters, *, ranked: bool
) -> list[str]:
    recipe, question = RECIPES[name], aim(filters)
    assert recipe.rank is not None
    rank = recipe.rank(question) if ranked else ""
    found = pool.candidates(answering, filters, counts(kudu=3), recipe.narrow(question), rank)
    return sorted(found["image_id"])


QUESTIONS = (
    Filters(limit=3),
    Filters(limit=8),
    Filters(limit=14),
    Filters(limit=4, one_per_group=False),
    Filters(limit=3, class_="zebra"),
    Filters(limit=3, per_class=2),
    Filters(limit=3, sort="-taken"),
    Filters(limit=3, sort="-taken", per_class=1),
    Filters(limit=2, labelled=True),
    Filters(limit=2, where="score > 0.6"),
)


@pytest.mark.parametrize("nth", range(len(QUESTIONS)))
def test_it_is_what_all_rows_give(answering: duckdb.DuckDBPyConnection, nth: int) -> None:
    filters = QUESTIONS[nth]
    for name in {"low-score", RANKED[nth % len(RANKED)]}:
        quick = chosen(answering, name, filters, ranked=True)
        assert quick == chosen(answering, name, filters, ranked=False)
        assert 0 < len(quick) <= filters.limit


def test_of_plain_questions_the_rows_that_come_first_suffice(
    answering: duckdb.DuckDBPyConnection,
) -> None:
    filters = Filters(limit=3)
    for name in RANKED:
        recipe = RECIPES[name]
        assert recipe.rank is not None
        assert leading.lead(answering, recipe.rank(aim(filters)), filters)
        chosen(answering, name, filters, ranked=True)
        assert leading.suffices(answering, filters)


def test_who_wants_more_than_was_copied_asks_all(answering: duckdb.DuckDBPyConnection) -> None:
    assert not leading.lead(answering, "score", Filters(limit=COPIED))
    assert leading.lead(answering, "score", Filters(limit=COPIED - 1))
    chosen(answering, "low-score", Filters(limit=COPIED - 1), ranked=True)
    every = len(chosen(answering, "low-score", Filters(limit=COPIED - 1), ranked=False))
    assert every == COPIED - 1


@pytest.mark.parametrize(
    ("rank", "filters"),
    [
        ("brightness", Filters()),
        ("", Filters()),
        ("score", Filters(labelled=True)),
        ("taken DESC NULLS LAST, score", Filters(sort="-taken", per_class=1)),
    ],
)
def test_what_was_not_copied_is_asked_of_all(
    answering: duckdb.DuckDBPyConnection, rank: str, filters: Filters
) -> None:
    assert not leading.lead(answering, rank, filters)


def test_close_ones_are_copied_as_they_are_now(answering: duckdb.DuckDBPyConnection) -> None:
    def found(filters: Filters) -> set[tuple[object, ...]]:
        conditions = " AND ".join(filters.conditions()[0])
        query = (
            f"WITH candidates AS (SELECT * FROM everything WHERE {conditions}), "
            f"close AS ({close(filters)}) "
            "SELECT place, number, alone, pair, predicted, second, score, margin FROM close"
        )
        return set(answering.execute(query).fetchall())

    copied = found(Filters())
    # The same condition once more: who asks for more is answered from all rows.
    direct = found(Filters(where="score >= 0"))
    assert copied == direct
    assert len(copied) > LAID / 2
    assert np.array([row[-1] for row in copied]).max() <= 0.2


def test_pairs_are_named_of_rows_that_were_decided_then(
    answering: duckdb.DuckDBPyConnection,
) -> None:
    named = answering.execute(
        "SELECT count(*) FROM kept.rows ANTI JOIN kept.pairs USING (pair) WHERE margin <= 0.2"
    ).fetchall()
    assert named == [(0,)]
