"""Queues of a library: what is read, what stays away, what is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from curate.core.errors import CurateError, InputError, LibraryError
from curate.queues import RECIPES, Filters, queue
from curate.queues.recipe import Aim
from curate.scan import scan
from curate.store import decisions, files, runs, schema
from curate.store.decisions import Decision
from curate.store.library import Library

from ..conftest import MakePhoto
from .cases import CLASSES, predict, said

Ids = dict[str, str]
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> Ids:
    """Scan a pool of four images and a labelled kudu; give their ids by name."""
    for seed, name in enumerate(NAMES):
        photo(f"pool/{name}.jpg", seed)
    photo("photos/kudu/k.jpg", 9)
    scan(library, tmp_path / "pool", backend="serial")
    scan(library, tmp_path / "photos", labels="folder", backend="serial")
    with library.reading() as connection:
        table = files.one_path_each(connection)
    return {Path(path).stem: image_id for path, image_id in table[["path", "image_id"]].to_numpy()}


@pytest.fixture
def decide(library: Library) -> Callable[[str, str, str], None]:
    def say(kind: str, image_id: str, value: str) -> None:
        with runs.running(library, "label", {}) as run, library.writing() as connection:
            made = Decision(kind, image_id, value, f"{kind}{image_id}{value}", "anna")
            decisions.append(connection, run.run_id, [made])

    return say


def lowest(library: Library, filters: Filters | None = None, **options: Any) -> list[str]:
    table = queue(library, "low-score", filters or Filters(), min_count=40, **options)
    return list(table["image_id"])


def test_a_queue_comes_from_the_predictions_of_the_pool(library: Library, ids: Ids) -> None:
    scores = {"a": 0.5, "b": 0.2, "k": 0.1}
    predict(library, [said(ids[name], "zebra", score) for name, score in scores.items()])

    table = queue(library, "low-score", Filters(), min_count=40)

    assert list(table["image_id"]) == [ids["b"], ids["a"]]
    assert list(table["reason"]) == ["best score 0.20 (zebra)", "best score 0.50 (zebra)"]
    assert [Path(path).name for path in table["path"]] == ["b.jpg", "a.jpg"]


def test_a_moved_file_is_shown_where_it_lies_now(
    library: Library, ids: Ids, tmp_path: Path
) -> None:
    predict(library, [said(ids["a"], "zebra", 0.5)])
    (tmp_path / "pool/a.jpg").rename(tmp_path / "pool/moved.jpg")
    scan(library, tmp_path / "pool", backend="serial")

    table = queue(library, "low-score", Filters(), min_count=40)

    assert table["path"][0] == str((tmp_path / "pool/moved.jpg").resolve())


def test_an_image_that_is_gone_stays_away(library: Library, ids: Ids, tmp_path: Path) -> None:
    predict(library, [said(ids[name], "zebra", 0.5) for name in NAMES])
    (tmp_path / "pool/a.jpg").unlink()
    scan(library, tmp_path / "pool", backend="serial")

    assert set(lowest(library)) == {ids["b"], ids["c"], ids["d"]}


def test_what_is_decided_stays_away_unless_asked_for(
    library: Library, ids: Ids, decide: Callable[[str, str, str], None]
) -> None:
    predict(library, [said(ids[name], "zebra", 0.5) for name in NAMES])
    decide("label", ids["a"], "gazelle")
    decide("label", ids["b"], "unknown")
    decide("reject", ids["c"], "blurred")

    assert lowest(library) == [ids["d"]]
    assert set(lowest(library, Filters(labelled=True))) == {ids["a"], ids["b"], ids["d"]}

    decide("reject", ids["c"], "")
    assert set(lowest(library)) == {ids["c"], ids["d"]}


def test_a_labelled_image_that_is_asked_for_says_its_label(library: Library, ids: Ids) -> None:
    predict(library, [said(ids["k"], "zebra", 0.5)])

    table = queue(library, "low-score", Filters(labelled=True), min_count=40)

    assert list(table["reason"]) == ["best score 0.50 (zebra); labelled kudu"]
    assert list(table["label"]) == [""]


@pytest.mark.parametrize("needs", ["labelled", "rejected"])
def test_a_recipe_is_told_of_rejected_images_where_it_needs_them(
    library: Library,
    ids: Ids,
    decide: Callable[[str, str, str], None],
    monkeypatch: pytest.MonkeyPatch,
    needs: str,
) -> None:
    predict(library, [said(ids[name], "zebra", 0.5) for name in "abck"])
    decide("reject", ids["b"], "blurred")
    told: list[dict[str, bool]] = []

    def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
        assert aim.labelled is not None
        known = aim.labelled.set_index("image_id")["rejected"].astype(bool)
        told.append({str(name): bool(refused) for name, refused in known.items()})
        return RECIPES["low-score"].score(candidates, aim)

    mine = replace(RECIPES["low-score"], score=score, needs=frozenset({"labelled", needs}))
    monkeypatch.setitem(RECIPES, "mine", mine)
    queue(library, "mine", Filters(), min_count=40)

    assert told == [{ids["k"]: False} | ({ids["b"]: True} if needs == "rejected" else {})]


def test_low_count_counts_the_images_of_the_library(library: Library, ids: Ids) -> None:
    predict(library, [said(ids["a"], "kudu", 0.9), said(ids["b"], "zebra", 0.9)])

    table = queue(library, "low-count", Filters(), min_count=1)

    assert list(table["reason"]) == [
        "kudu: 1 of 1 real images, 0 to spare; score 0.90 (1 candidate, about 1 expected right)"
    ]


def test_resumed_runs_are_one_and_the_last_row_counts(library: Library, ids: Ids) -> None:
    predict(library, [said(ids["a"], "zebra", 0.5), said(ids["b"], "zebra", 0.6)])
    predict(library, [said(ids["a"], "zebra", 0.7)])

    table = queue(library, "low-score", Filters(), min_count=40)

    assert list(table["score"]) == [0.6, 0.7]


def test_the_model_that_predicted_last_counts_unless_another_is_named(
    library: Library, ids: Ids
) -> None:
    predict(library, [said(ids["a"], "zebra", 0.5)], model="old")
    predict(library, [said(ids["b"], "zebra", 0.5)], model="new")

    assert lowest(library) == [ids["b"]]
    assert lowest(library, model="old") == [ids["a"]]


def test_a_bulk_id_that_left_nothing_hides_no_earlier_one(library: Library, ids: Ids) -> None:
    predict(library, [said(ids["a"], "zebra", 0.5)])
    parameters = {"model": "m2", "path": "m2.pt", "classes": list(CLASSES)}
    with runs.running(library, "bulk-id", parameters):
        pass

    assert lowest(library) == [ids["a"]]


def test_filters_hold(library: Library, ids: Ids) -> None:
    places = enumerate(zip(NAMES, CLASSES, strict=True), start=1)
    predict(library, [said(ids[name], klass, number / 5) for number, (name, klass) in places])

    assert lowest(library, Filters(class_="gazelle")) == [ids["b"]]
    assert lowest(library, Filters(min_score=0.4, max_score=0.6)) == [ids["b"], ids["c"]]
    assert lowest(library, Filters(limit=1)) == [ids["a"]]
    assert lowest(library, Filters(class_="zebra", max_score=0.5)) == []


def test_without_predictions_the_error_names_the_command(library: Library) -> None:
    with pytest.raises(LibraryError, match="curate bulk-id --model CHECKPOINT FOLDER"):
        lowest(library)


@pytest.mark.parametrize(
    ("filters", "options", "message"),
    [
        (Filters(), {"model": "m2"}, r"model 'm2'.*one of: m1\."),
        (Filters(class_="antelop"), {}, r"class 'antelop'.*antelope"),
        (Filters(class_="okapi"), {}, r"class 'okapi'.*It knows 4"),
    ],
)
def test_what_there_is_not_is_an_error(
    library: Library, ids: Ids, filters: Filters, options: dict[str, str], message: str
) -> None:
    predict(library, [said(ids["a"], "zebra", 0.5)])

    with pytest.raises(InputError, match=message):
        lowest(library, filters, **options)


def test_a_queue_is_a_run_whatever_its_end(library: Library, ids: Ids) -> None:
    predict(library, [said(ids["a"], "zebra", 0.5)])
    lowest(library, Filters(max_score=0.6))
    with pytest.raises(CurateError):
        lowest(library, Filters(class_="okapi"))

    query = select(schema.runs).where(schema.runs.c.stage == "queue").order_by(schema.runs.c.run_id)
    with library.reading() as connection:
        done, failed = connection.execute(query).all()
    assert (done.status, failed.status) == ("done", "failed")
    assert json.loads(done.parameters)["filters"]["max_score"] == 0.6
    assert json.loads(done.summary) == {"images": 1, "model": "m1", "bulk_id": [3]}
