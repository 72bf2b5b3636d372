from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core import paths
from curate.core.errors import InputError, PolicyError
from curate.queues.filters import bounds
from curate.queues.filters.filters import Filters, check_class

from ..cases import CANDIDATES, CLASSES

laws = settings(max_examples=30, deadline=None)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def passed(
    duck: duckdb.DuckDBPyConnection,
    filters: Filters,
    rows: list[dict[str, Any]],
    counts: Mapping[str, int] | None = None,
) -> list[str]:
    """Ids of the rows that filters let through, asked of DuckDB."""
    table = pd.DataFrame(
        {"label": list(counts or {}), "countable_real": list((counts or {}).values())}
    )
    full = [dict.fromkeys(CANDIDATES.names) | row for row in rows]
    duck.register("candidates", pa.Table.from_pylist(full, schema=CANDIDATES))
    duck.register("classes", table.astype({"label": "str", "countable_real": "int64"}))
    conditions, values = filters.conditions()
    sql = f"SELECT image_id FROM candidates WHERE {' AND '.join(conditions)}"
    return sorted(image for (image,) in duck.execute(sql, values).fetchall())


def test_no_filter_keeps_decided_images_away_and_nothing_else(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    rows: list[dict[str, Any]] = [
        {"image_id": "pool", "rejected": False},
        {"image_id": "said nothing"},
        {"image_id": "labelled", "label": "kudu"},
        {"image_id": "unknown", "label": "unknown"},
        {"image_id": "rejected", "rejected": True},
        {"image_id": "both", "rejected": True, "label": "kudu"},
    ]
    assert passed(duck, Filters(), rows) == ["pool", "said nothing"]
    assert passed(duck, Filters(labelled=True), rows) == [
        *("labelled", "pool", "said nothing", "unknown"),
    ]
    assert passed(duck, Filters(labelled="only"), rows) == ["labelled", "unknown"]


def test_values_are_bound_and_never_part_of_the_sql() -> None:
    name = "x'; DROP TABLE predictions; --"
    texts = ("class_", "second", "sub_class", "by", "camera")
    given: list[dict[str, Any]] = [*({text: name} for text in texts), {"folder": f"/{name}"}]

    for asked in given:
        conditions, values = Filters(**asked).conditions()
        assert not any(name in condition for condition in conditions)
        assert any(name in str(value) for value in values)


def test_whoever_asks_for_a_reviewer_or_a_sub_class_means_labelled_images() -> None:
    assert Filters(by="ann").labelled is True
    assert Filters(sub_class="joey").labelled is True
    assert Filters(by="ann", labelled="only").labelled == "only"


@pytest.mark.parametrize(
    ("folder", "inside", "outside"),
    [
        (
            "/data/a",
            ["/data/a/x.jpg", "/data/a/b/x.jpg"],
            ["/data/ab/x.jpg", "/data/a.jpg", "/a/x"],
        ),
        ("/data/a/", ["/data/a/x.jpg"], ["/data/ab/x.jpg"]),
        ("/", ["/x.jpg", "/data/x.jpg"], ["s3://b/x.jpg"]),
        ("/d/x.tar", ["/d/x.tar//a/1.jpg", "/d/x.tar//1.jpg"], ["/d/x.tar.jpg", "/d/y.tar//1.jpg"]),
        ("s3://b/a", ["s3://b/a/1.jpg"], ["s3://b/ab/1.jpg", "s3://c/a/1.jpg", "/b/a/1.jpg"]),
        ("/d/100%_", ["/d/100%_/x"], ["/d/1000x/x", "/d/100%x/x"]),
    ],
)
def test_a_folder_holds_what_lies_below_it(
    duck: duckdb.DuckDBPyConnection, folder: str, inside: list[str], outside: list[str]
) -> None:
    rows = [{"image_id": path, "path": path} for path in (*inside, *outside)]
    assert passed(duck, Filters(folder=folder), [*rows, {"image_id": "nowhere"}]) == sorted(inside)


names_of_files = st.binary(min_size=1, max_size=5).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
)


@laws
@given(
    folder=st.lists(names_of_files, min_size=1, max_size=2),
    below=st.lists(names_of_files, min_size=1, max_size=2),
)
def test_a_folder_of_any_bytes_holds_its_files_and_not_its_neighbours(
    duck: duckdb.DuckDBPyConnection, folder: list[bytes], below: list[bytes]
) -> None:
    place = b"/" + b"/".join(folder)
    inside, beside = place + b"/" + b"/".join(below), place + b"".join(below) + b"/x"
    rows = [
        {"image_id": "in", "path": paths.to_text(inside)},
        {"image_id": "beside", "path": paths.to_text(beside)},
    ]
    assert passed(duck, Filters(folder=paths.to_text(place)), rows) == ["in"]


def test_a_count_range_is_that_of_the_predicted_class(duck: duckdb.DuckDBPyConnection) -> None:
    counts = {"a": 29, "b": 30, "c": 45, "d": 46}
    rows = [{"image_id": name, "predicted": name} for name in (*counts, "never labelled")]

    def found(low: int | None, high: int | None) -> list[str]:
        return passed(duck, Filters(class_count=(low, high)), rows, counts)

    assert found(30, 45) == ["b", "c"]
    assert found(46, None) == ["d"]
    assert found(None, 29) == ["a", "never labelled"]
    assert found(0, 0) == ["never labelled"]
    assert found(None, None) == sorted([*counts, "never labelled"])


def test_a_range_holds_no_image_without_a_measure(duck: duckdb.DuckDBPyConnection) -> None:
    rows = [
        {"image_id": "nan", "novelty": math.nan, "width": 9, "bytes": 1},
        {"image_id": "none", "height": 9},
        {"image_id": "there", "novelty": 5.0, "width": 9, "height": 20, "bytes": 100},
    ]
    asked: list[dict[str, Any]] = [
        *({"min_novelty": -1e9}, {"max_novelty": 1e9}, {"min_side": 1}, {"max_side": 1e9}),
        *({"min_bytes": 2}, {"max_bytes": 1e9, "min_novelty": 0}),
    ]
    for one in asked:
        assert passed(duck, Filters(**one), rows) == ["there"], one


@st.composite
def questions(draw: st.DrawFn) -> Filters:
    """Few values, so that each filter lets some rows through and holds some back."""

    def maybe(values: list[Any], empty: Any) -> Any:
        return draw(st.just(empty) | st.sampled_from(values))

    classes: list[str | tuple[str, ...]] = ["", "", "kudu", ("kudu", "zebra"), ()]
    ranges: dict[str, Any] = {}
    few: dict[str, list[Any]] = {
        "score": [0, 0.5, 1],
        "margin": [0, 0.5],
        "novelty": [-1.5, 2],
        "side": [8, 9],
    }
    few |= {"bytes": [10, 20], "sharpness": [5], "brightness": [100], "quality": [0.5]}
    for name in draw(st.sets(st.sampled_from(sorted(bounds.RANGES)), max_size=3)):
        low, high = sorted([draw(st.sampled_from(few[name])), draw(st.sampled_from(few[name]))])
        bound = draw(st.sampled_from(["min", "max", "both"]))
        ranges |= {f"min_{name}": low} if bound != "max" else {}
        ranges |= {f"max_{name}": high} if bound != "min" else {}
    return Filters(
        class_=draw(st.sampled_from(classes)),
        second=maybe(["kudu"], ""),
        sub_class=maybe(["joey"], ""),
        class_count=maybe([(1, 2), (0, 2), (None, 1), (3, None)], None),
        origin=maybe(["staged"], ""),
        by=maybe(["ann"], ""),
        labelled=draw(st.sampled_from([False, True, "only"])),
        folder=maybe(["/a"], ""),
        taken_from=maybe(["2026-05-30", "2026-05-31"], ""),
        taken_to=maybe(["2026-05-31", "2026-06-01"], ""),
        camera=maybe(["CANON", "os 5"], ""),
        **ranges,
    )


def rows_of_candidates() -> st.SearchStrategy[dict[str, Any]]:
    def of(*values: Any) -> st.SearchStrategy[Any]:
        return st.none() | st.sampled_from(values)

    measure = of(0.0, 0.5, 1.0, math.nan)
    return st.fixed_dictionaries(
        {
            "predicted": of(*CLASSES),
            "second": of(*CLASSES),
            "sub_class": of("joey", "adult"),
            "label": of("kudu", "unknown"),
            "rejected": of(True, False, False),
            "origin": st.sampled_from(["real", "staged"]),
            "by": of("ann", "bob"),
            "path": st.sampled_from(["/a/1.jpg", "/ab/1.jpg", "", "/a/b/2.jpg"]),
            "taken": of("2026-05-30T23:59:59", "2026-05-31T00:00:00", "2026-06-01T12:00:00"),
            "camera": of("Canon EOS 5D", "NIKON D1"),
            "score": measure,
            "margin": measure,
            "novelty": of(-2.0, 0.0, 2.0, math.nan),
            "width": of(7, 8, 10),
            "height": of(7, 9, 10),
            "bytes": of(10, 15, 30),
            "sharpness": of(1.0, 9.0, math.nan),
            "brightness": of(50.0, 200.0),
            "quality": measure,
        }
    )


def fits(filters: Filters, row: dict[str, Any], counts: Mapping[str, int]) -> bool:
    """Filters, said in Python."""
    equal = ("second", "sub_class", "origin", "by")
    asked = {name: getattr(filters, name) for name in equal}
    sides = [row["width"], row["height"]]
    measured = row | {"side": None if None in sides else min(sides)}
    low, high = filters.class_count or (None, None)
    number = counts.get(row["predicted"], 0)
    day = (row["taken"] or "")[:10]
    return (
        not row["rejected"]
        and (filters.labelled is True or (row["label"] is None) == (filters.labelled is False))
        and (not filters.classes or row["predicted"] in filters.classes)
        and all(not value or row[name] == value for name, value in asked.items())
        and (filters.class_count is None or row["predicted"] is not None)
        and (low is None or number >= low)
        and (high is None or number <= high)
        and all(
            bound is None or (measured[name] is not None and way * measured[name] >= way * bound)
            for name in bounds.RANGES
            for way, bound in (
                (1, getattr(filters, f"min_{name}")),
                (-1, getattr(filters, f"max_{name}")),
            )
        )
        and (not filters.folder or row["path"].startswith(filters.folder + "/"))
        and (not filters.taken_from or day >= filters.taken_from)
        and (not filters.taken_to or "" < day <= filters.taken_to)
        and filters.camera.lower() in (row["camera"] or "\0" * (not filters.camera)).lower()
    )


@laws
@given(
    filters=questions(),
    rows=st.lists(rows_of_candidates(), max_size=8),
    counts=st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 4)),
)
def test_sql_lets_through_what_the_words_say(
    duck: duckdb.DuckDBPyConnection,
    filters: Filters,
    rows: list[dict[str, Any]],
    counts: dict[str, int],
) -> None:
    named = [row | {"image_id": str(number)} for number, row in enumerate(rows)]
    expected = [row["image_id"] for row in named if fits(filters, row, counts)]
    assert passed(duck, filters, named, counts) == expected


@laws
@given(filters=questions())
def test_filters_outlive_json(filters: Filters) -> None:
    assert Filters.from_dict(json.loads(json.dumps(filters.to_dict()))) == filters
    given = {name: value for name, value in filters.to_dict().items() if value is not None}
    assert Filters.from_dict(given) == filters


def test_an_unknown_filter_is_answered_with_the_nearest() -> None:
    with pytest.raises(PolicyError, match=r"'min_scor'.*Did you mean min_score\? Known: class_, "):
        Filters.from_dict({"min_scor": 0.5})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("min_score", "0.5"), ("min_score", True), ("limit", 1.5), ("limit", None)),
        *(("labelled", 1), ("labelled", "also"), ("class_", 3), ("class_", [1]), ("camera", None)),
        *(("class_count", [1]), ("class_count", ["1", "2"]), ("class_count", 3)),
        *(("diverse", 1), ("one_per_group", None), ("per_class", "3"), ("sort", None)),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(PolicyError, match=f"filter {name} "):
        Filters.from_dict({name: value})


def test_every_filter_can_be_given_and_is_kept() -> None:
    given: dict[str, Any] = {
        "class_": ("a", "b"),
        "class_count": (1, 2),
        "labelled": "only",
        "where": "score > 0.5",
        "sort": "-score",
        "origin": "real",
        "folder": "/a",
        "taken_from": "2026-05-30",
        "taken_to": "2026-05-31",
        "one_per_group": False,
        "diverse": True,
        "limit": 7,
        "per_class": 3,
        **dict.fromkeys(("second", "sub_class", "by", "camera"), "x"),
        **{f"{bound}_{name}": 1 for name in bounds.RANGES for bound in ("min", "max")},
    }
    assert set(given) == {field.name for field in fields(Filters)}
    filters = Filters.from_dict(given)
    assert {name: getattr(filters, name) for name in given} == given
    assert len(filters.conditions()[0]) == 21


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"min_score": 0.7, "max_score": 0.6}, "min-score 0.7 and max-score 0.6"),
        ({"min_side": 9, "max_side": 8}, "min-side 9 and max-side 8: no side can be above"),
        ({"min_score": -0.1}, "between 0 and 1"),
        ({"max_score": 1.1}, "between 0 and 1"),
        ({"min_score": math.nan}, "between 0 and 1"),
        ({"max_brightness": 256}, "between 0 and 255"),
        ({"min_novelty": math.inf}, "novelty is a number"),
        ({"min_bytes": -1}, "bytes is a number from 0 on"),
        ({"min_bytes": 10**400}, "bytes is a number from 0 on"),
        ({"max_side": 0}, "from 1 on"),
        ({"limit": 0}, "limit 0"),
        ({"limit": -5}, "limit -5"),
        ({"per_class": 0}, "per-class 0"),
        ({"class_count": (3, 2)}, "class-count 3 to 2"),
        ({"class_count": (-1, 2)}, "class-count -1 to 2"),
        ({"class_count": (None, -2)}, "class-count any to -2"),
        ({"origin": "stagd"}, r"origin 'stagd'.*Did you mean staged\? Known: real, staged"),
        ({"sort": "scor"}, r"sort 'scor'.*Did you mean score\? Known: score, margin.*with a -"),
        ({"sort": "--score"}, "sort '--score'"),
        ({"taken_from": "31.5.2026"}, "taken-from '31.5.2026': is no day"),
        ({"taken_to": "2026-02-30"}, "taken-to '2026-02-30': is no day"),
        ({"taken_to": "20260530"}, "is no day"),
        ({"taken_from": "2026-06-01", "taken_to": "2026-05-31"}, "no day can be after the one"),
        ({"folder": "photos/a"}, "folder 'photos/a': is not absolute"),
    ],
)
def test_what_lets_nothing_through_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        Filters(**asked)


def test_a_condition_that_cannot_be_used_is_found_at_once() -> None:
    with pytest.raises(InputError, match="no column 'scor'"):
        Filters(where="scor > 1")


def test_a_condition_stands_beside_the_other_filters(duck: duckdb.DuckDBPyConnection) -> None:
    rows = [
        {"image_id": "a", "score": 0.9, "predicted": "kudu"},
        {"image_id": "b", "score": 0.1, "predicted": "kudu"},
        {"image_id": "c", "score": 0.9, "predicted": "zebra"},
    ]
    both = Filters(class_="kudu", where="score > 0.5 OR false")
    assert passed(duck, both, rows) == ["a"]
    assert passed(duck, replace(both, class_=""), rows) == ["a", "c"]


def test_equal_bounds_are_a_range() -> None:
    assert Filters(min_score=0.6, max_score=0.6).limit == 500


def test_a_class_that_the_model_has_passes() -> None:
    check_class("antelope", ["antelope"], [])
    check_class("", ["antelope"], [])
    check_class(("antelope", "zebra"), ["antelope", "zebra"], [])


def test_a_misspelt_class_is_answered_with_the_nearest_ones() -> None:
    for asked in ("antelop", ("zebra", "antelop")):
        with pytest.raises(InputError, match=r"class 'antelop'.*Nearest that it knows: antelope\."):
            check_class(asked, ["antelope", "zebra"], [])


def test_a_class_like_nothing_is_answered_with_some_that_there_are() -> None:
    with pytest.raises(InputError, match=r"It knows 2, such as antelope, zebra\."):
        check_class("qqqq", ["zebra", "antelope"], [])


def test_a_class_that_only_the_library_has_points_to_its_look_alike() -> None:
    with pytest.raises(InputError, match="look-alike --of gazelle"):
        check_class("gazelle", ["antelope"], ["gazelle"])
