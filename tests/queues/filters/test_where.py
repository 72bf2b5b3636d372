"""`--where`: what it lets through, what it refuses, and what it says of what it refuses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.queues.filters import where
from curate.queues.filters.expression import DEEPEST, FUNCTIONS
from curate.queues.filters.where import COLUMNS, checked
from curate.queues.recipe import CANDIDATE_COLUMNS

laws = settings(max_examples=50, deadline=None)

TYPES = {"number": "DOUBLE", "text": "VARCHAR", "truth": "BOOLEAN"}
WHOLE = ("run_id", "label_run", "arrived", "width", "height", "bytes")


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """A table of candidates: usual values, extreme ones, NaN and nothing at all."""
    with duckdb.connect(config={"threads": 1}) as connection:
        types = [
            f'"{name}" {"BIGINT" if name in WHOLE else TYPES[kind]}'
            for name, (kind, _) in COLUMNS.items()
        ]
        connection.execute(f"CREATE TABLE candidates ({', '.join(types)})")
        usual: dict[str, object] = {"number": 0.5, "text": "2024-05-31T10:00:00", "truth": True}
        rows: list[dict[str, object]] = [
            {name: usual[kind] for name, (kind, _) in COLUMNS.items()},
            {
                name: (2**63 - 1 if name in WHOLE else math.nan)
                if kind == "number"
                else "it's \\ % é\n"
                if kind == "text"
                else False
                for name, (kind, _) in COLUMNS.items()
            },
            dict.fromkeys(COLUMNS),
        ]
        marks = ", ".join("?" * len(COLUMNS))
        for row in rows:
            connection.execute(f"INSERT INTO candidates VALUES ({marks})", list(row.values()))
        connection.execute("UPDATE candidates SET score = 0.5, predicted = 'kudu' WHERE score = .5")
        yield connection


def found(duck: duckdb.DuckDBPyConnection, text: str) -> int:
    row = duck.execute(f"SELECT count(*) FROM candidates WHERE {checked(text)}").fetchone()
    assert row is not None
    return int(row[0])


def test_columns_are_those_of_candidates_each_with_a_meaning() -> None:
    assert tuple(sorted(COLUMNS)) == tuple(sorted(CANDIDATE_COLUMNS))
    assert all(kind in TYPES and meaning for kind, meaning in COLUMNS.values())


def test_the_columns_are_documented_as_they_are() -> None:
    page = (Path(__file__).parents[3] / "docs" / "queues.md").read_text(encoding="utf-8")
    for name, (kind, meaning) in COLUMNS.items():
        assert f"| `{name}` | {kind} | {meaning} |\n" in page


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("score > 0.4", 1),
        ("SCORE >= 0.5 and Predicted = 'kudu'", 1),
        ("predicted IN ('kudu', 'zebra') AND score BETWEEN 0.5 AND 1e0", 1),
        ("predicted NOT IN ('kudu')", 1),
        ("predicted LIKE 'ku%' OR predicted ILIKE 'KU%'", 1),
        ("predicted NOT LIKE 'ku%'", 1),
        ("label IS NULL", 1),
        ("label IS NOT NULL", 2),
        ("score IS NULL", 2),
        ("NOT rejected", 1),
        ("rejected = true", 1),
        ("score + 1.5 * 2 - 1 > 2.4 AND -score < 0", 1),
        ("score / 0 > 0 OR score % 0 > 0", 0),
        ("abs(score - 1) = 0.5 AND round(score + 0.1) = 1", 1),
        ("length(predicted) = 4 AND upper(predicted) = 'KUDU' AND lower('KU') = 'ku'", 1),
        ("starts_with(predicted, 'ku') AND contains(predicted, 'ud')", 1),
        ("regexp_matches(predicted, '^k.*u$')", 1),
        ("coalesce(novelty, 7) = 7", 2),
        ("coalesce(label, 'none') = 'none'", 1),
        ("year(taken) = 2024 AND month(taken::DATE) = 5", 1),
        ("CAST(taken AS DATE) = DATE '2024-05-31'", 1),
        ("taken::TIMESTAMP > '2024-05-31 09:59'", 1),
        ("taken > '2024'", 2),
        ("\"group\" = 'x' OR \"by\" = 'y'", 0),
        ("second IS DISTINCT FROM predicted", 1),
        ("score > 0.4 -- as it was", 1),
        ("score > 0.4;", 1),
        ("bytes * bytes * bytes > 1", 1),
        ("predicted <> 'it''s; DROP TABLE candidates'", 2),
        ("true", 3),
    ],
)
def test_a_condition_means_what_it_says(
    duck: duckdb.DuckDBPyConnection, text: str, rows: int
) -> None:
    assert found(duck, text) == rows


@pytest.mark.parametrize("text", ["margin > 0", "margin < 0", "margin = margin", "novelty >= 0.6"])
def test_a_measure_that_was_not_taken_fulfils_nothing(
    duck: duckdb.DuckDBPyConnection, text: str
) -> None:
    assert found(duck, f"({text}) AND score IS NULL") == 0


@pytest.mark.parametrize(
    "text",
    [
        "read_csv('/etc/passwd') IS NULL",
        "predicted IN (SELECT content FROM read_text('/etc/passwd'))",
        "EXISTS (SELECT 1)",
        "score > (SELECT max(score) FROM candidates)",
        "score > ALL (SELECT 1)",
        "score = ANY ([1, 2])",
        "score > 0; COPY candidates TO '/tmp/x'",
        "score > 0; ATTACH '/tmp/x.db'",
        "score > 0; PRAGMA database_list",
        "score > 0; SELECT 1",
        "score > 0; SET threads = 1",
        "true UNION SELECT * FROM candidates",
        "true ORDER BY score",
        "true LIMIT 1",
        "true GROUP BY ALL",
        "true QUALIFY true",
        "true HAVING true",
        "true USING SAMPLE 1",
        "row_number() OVER () > 1",
        "count(*) > 1",
        "sum(score) > 1",
        "list_filter([1], lambda x: x > 1) IS NULL",
        "COLUMNS(*) > 1",
        "* IS NULL",
        "getenv('HOME') = 'x'",
        "current_setting('threads') = 'x'",
        "nextval('x') = 1",
        "random() > 0.5",
        "score > ?",
        "score > $limit",
        "score > $1",
        "[1, 2][1] = 1",
        "{'a': 1}.a = 1",
        "predicted[1] = 'a'",
        "CASE WHEN true THEN true END",
        "predicted LIKE 'a' ESCAPE '!'",
        "predicted COLLATE nocase = 'a'",
        "lower(predicted) FILTER (WHERE true) = 'a'",
        "lower(DISTINCT predicted) = 'a'",
        "predicted.lower() = 'a'",
        "main.lower(predicted) = 'a'",
        "INTERVAL 1 DAY IS NULL",
        "taken > current_date",
        "taken::DATE > now()",
        "CAST(path AS INTEGER) = 1",
        "score ^ 2 > 1",
        "predicted || 'a' = 'b'",
        "score ** 2 > 1",
        "candidates.score > 1",
        "score > 1e999",
        "x'ab' = 1",
        "regexp_matches(path, predicted)",
        "",
        " ",
        "-- nothing",
        "(",
        "score >",
        "score > 0 AND",
        "score\x00 > 0",
        "score > 0 \ud800",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--where"):
        checked(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scores > 1", r"no column 'scores'. Did you mean score\? Columns: image_id, path"),
        ('predicted = "kudu"', "no column 'kudu'.*text stands in single quotes"),
        ("score > 'x'", r"a number and a text cannot be compared.*Numbers: score"),
        ("predicted = 5", "a number and a text cannot be compared"),
        ("score IN (1, 'a')", "a number and a text"),
        ("coalesce(novelty, 'no') = 'no'", "a number and a text"),
        ("lower(score) = 'a'", "a number stands where a text is needed"),
        ("year(score) = 1", "a number stands where a date is needed"),
        ("score AND rejected", "a number stands where a truth is needed"),
        ("predicted", "this is a text, not a condition"),
        ("label = NULL", "nothing equals NULL.*Write IS NULL"),
        ("label NOT IN ('a', NULL)", "nothing equals NULL"),
        ("taken::DATE > '31.5.2024'", "'31.5.2024' is no date"),
        ("taken::DATE >= '20260531'", "'20260531' is no date"),
        ("taken::DATE >= '2026-W22-7'", "'2026-W22-7' is no date"),
        ("regexp_matches(path, '(')", "no pattern for regexp_matches: missing"),
        ("length(path, 'a') = 1", "given 2 arguments. It takes 1 argument"),
        ("regexp_replace(path, 'a', 'b') = 'b'", "no function 'regexp_replace'.*Functions: lower"),
        ("group = 'a'", '"group" and "by" stand in double quotes'),
        ("score > 1 LIMIT 5", "more than one condition"),
        ("predicted IN (SELECT 1)", "a subquery has no place"),
        ("row_number() OVER () > 1", "a window has no place"),
        (f"predicted = '{'a' * 2000}'", "longer than 2,000 characters"),
    ],
)
def test_a_refusal_says_what_to_do(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        checked(text)


def test_nothing_can_be_nested_so_deep_that_reading_it_ends_badly() -> None:
    checked("NOT " * (DEEPEST - 2) + "rejected")
    with pytest.raises(InputError, match="nested more than"):
        checked("NOT " * (DEEPEST + 2) + "rejected")
    with pytest.raises(InputError):
        checked("(" * 900 + "rejected")
    # What is nested is written once: twice at each level would never end.
    assert checked("(" * 40 + "rejected" + " = true)" * 40)


def test_functions_are_as_the_help_lists_them() -> None:
    with pytest.raises(InputError) as refused:
        checked("nothing(1) = 1")
    assert all(name in refused.value.remedy for name in FUNCTIONS)


numbers = st.one_of(
    st.sampled_from([name for name, (kind, _) in COLUMNS.items() if kind == "number"]),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
texts = st.one_of(
    st.sampled_from([f'"{name}"' for name, (kind, _) in COLUMNS.items() if kind == "text"]),
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=6).map(
        lambda text: "'" + text.replace("'", "''") + "'"
    ),
)


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(" ".join).map("({})".format),
        st.tuples(st.sampled_from(["abs", "round", "-"]), inner).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"coalesce({pair[0]}, {pair[1]})"),
        texts.map("length({})".format),
        st.sampled_from(["year(taken)", "month(path)", "year(CAST(predicted AS DATE))"]),
    )


computed = st.recursive(numbers, _numbers, max_leaves=6)
compared = st.sampled_from(["=", "<>", "<", ">=", "IS DISTINCT FROM"])
simple = st.one_of(
    st.tuples(computed, compared, computed).map(" ".join),
    st.tuples(texts, compared, texts).map(" ".join),
    st.tuples(texts, st.sampled_from(["LIKE", "NOT ILIKE"]), texts).map(" ".join),
    st.tuples(computed, computed, computed).map(lambda t: f"{t[0]} BETWEEN {t[1]} AND {t[2]}"),
    st.tuples(texts, texts, texts).map(lambda t: f"{t[0]} NOT IN ({t[1]}, {t[2]})"),
    st.tuples(texts).map(lambda t: f"{t[0]} IS NULL"),
    texts.map(lambda text: f"CAST({text} AS TIMESTAMP) > taken"),
)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" AND ", " OR "]), inner).map(
            "({0[0]}{0[1]}{0[2]})".format
        ),
        inner.map("NOT ({})".format),
    ),
    max_leaves=5,
)


@laws
@given(text=conditions)
def test_what_passes_raises_nothing_on_any_row(duck: duckdb.DuckDBPyConnection, text: str) -> None:
    try:
        checked(text)
    except InputError as error:
        refused = error.rule
    else:
        refused = ""
    # Whether a text is a date is known only now.
    assert not refused or "is no date" in refused or "longer than" in refused
    if refused:
        return
    assert 0 <= found(duck, text) <= 3


@laws
@given(text=st.text(max_size=40))
def test_no_text_at_all_is_a_bug(text: str) -> None:
    with suppress(InputError):
        assert checked(text).startswith("(")


words = st.sampled_from(
    [
        *(
            "score",
            "predicted",
            '"group"',
            "read_csv",
            "SELECT",
            "FROM",
            "WHERE",
            "(",
            ")",
            ",",
            ";",
        ),
        *(
            "*",
            "=",
            ">",
            "AND",
            "NOT",
            "IN",
            "IS",
            "NULL",
            "1",
            "'a'",
            "--",
            "/*",
            "*/",
            "::",
            "DATE",
        ),
        *("OVER", "lower", "[", "]", "{", "}", "?", "COPY", "x ->", "UNION", "EXISTS", ".", "LIKE"),
    ]
)
ALLOWED = {
    *("AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "BETWEEN", "CAST", "AS", "DOUBLE"),
    *("TRY_CAST", "TIMESTAMP", "DISTINCT", "FROM", "true", "false", "nullif", "date_trunc"),
    *("coalesce", *FUNCTIONS),
}


@laws
@given(parts=st.lists(words, max_size=9))
def test_only_known_words_are_written_whatever_comes_in(
    duck: duckdb.DuckDBPyConnection, parts: list[str]
) -> None:
    try:
        sql = checked(" ".join(parts))
    except InputError:
        return
    row = duck.execute(
        "SELECT regexp_replace(?, '''[^'']*''|\"[^\"]*\"', '', 'g')", [sql]
    ).fetchone()
    assert row is not None
    assert set("".join(c if c.isalpha() or c == "_" else " " for c in row[0]).split()) <= ALLOWED


def test_the_same_text_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = checked("score > 0.123")
    monkeypatch.setattr(where, "_parsed", None)
    assert checked("score > 0.123") == first
