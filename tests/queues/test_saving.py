"""Saved queues know what was answered since, and yields are learnt from what a library holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curate.core.errors import InputError
from curate.queues import saving
from curate.queues.expectations.yields import fitted
from curate.queues.recipe import QUEUE_COLUMNS
from curate.scan import scan
from curate.store import decisions, files, offered, runs
from curate.store.decisions import Decision
from curate.store.library import Library

from ..conftest import MakePhoto

NAMES = ("d", "b", "a", "c")
Say = Callable[..., None]


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> dict[str, str]:
    """Scan a pool of four images; give their ids by name."""
    for seed, name in enumerate(NAMES):
        photo(f"pool/{name}.jpg", seed)
    scan(library, tmp_path / "pool", backend="serial")
    with library.reading() as connection:
        table = files.one_path_each(connection)
    return {Path(path).stem: name for path, name in table[["path", "image_id"]].to_numpy()}


@pytest.fixture
def say(library: Library) -> Say:
    def append(kind: str, image_id: str, value: str) -> None:
        with runs.running(library, "label", {}) as run, library.writing() as connection:
            key = f"{kind}/{image_id}/{run.run_id}"
            decisions.append(connection, run.run_id, [Decision(kind, image_id, value, key, "ann")])

    return append


def queue(ids: dict[str, str]) -> pd.DataFrame:
    table = pd.DataFrame({"image_id": [ids[name] for name in NAMES]})
    row: dict[str, Any] = {"path": "/then", "predicted": "kudu", "score": 0.5, "second": "zebra"}
    row |= {"second_score": 0.25, "reason": "why", "label": "", "topic": "kudu", "expected": 0.5}
    return table.assign(**row)[list(QUEUE_COLUMNS)]


def save(library: Library, table: pd.DataFrame, name: str = "monday") -> int:
    with runs.running(library, "queue", {}, alone=False) as run:
        saving.save(library, run.run_id, name, {"recipe": "low-count"}, table, recipe="low-count")
    return run.run_id


def left(library: Library, ids: dict[str, str]) -> list[str]:
    known = {image_id: name for name, image_id in ids.items()}
    return [known[image_id] for image_id in saving.saved(library, "monday")[1]["image_id"]]


def test_a_saved_queue_is_opened_in_its_order(library: Library, ids: dict[str, str]) -> None:
    run_id = save(library, queue(ids))
    about, table = saving.saved(library, "monday")

    assert (about.run_id, about.question) == (run_id, {"recipe": "low-count"})
    assert tuple(table.columns) == (*QUEUE_COLUMNS, "recipe")
    assert [Path(path).stem for path in table["path"]] == list(NAMES)
    assert set(table["recipe"]) == {"low-count"}
    assert set(table["label"]) == {""}
    assert table.attrs == {"images": 4, "decided": 0}


def test_what_was_answered_since_is_left_out(
    library: Library, ids: dict[str, str], say: Say
) -> None:
    # It was labelled before: the queue asks all the same.
    say("label", ids["a"], "zebra")
    save(library, queue(ids))
    say("label", ids["b"], "unknown")
    say("reject", ids["c"], "dark")

    assert left(library, ids) == ["d", "a"]
    assert saving.saved(library, "monday")[1].attrs == {"images": 4, "decided": 2}
    say("reject", ids["c"], "")
    assert left(library, ids) == ["d", "a", "c"]
    # Saved anew, it asks for all again.
    save(library, queue(ids))
    assert left(library, ids) == list(NAMES)


def test_an_image_that_is_gone_is_left_out(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    save(library, queue(ids))
    (tmp_path / "pool/b.jpg").unlink()
    scan(library, tmp_path / "pool", backend="serial")

    assert left(library, ids) == ["d", "a", "c"]


def test_saved_queues_are_listed_and_forgotten(
    library: Library, ids: dict[str, str], say: Say
) -> None:
    assert list(saving.names(library).columns) == ["name", "recipe", "images", "left", "saved_at"]
    save(library, queue(ids))
    save(library, queue(ids).head(1), name="friday")
    say("label", ids["d"], "kudu")

    table = saving.names(library).drop(columns="saved_at")
    assert list(table.itertuples(index=False, name=None)) == [
        ("friday", "low-count", 1, 0),
        ("monday", "low-count", 4, 3),
    ]
    saving.forget(library, "friday")
    assert list(saving.names(library)["name"]) == ["monday"]
    with pytest.raises(InputError, match="none is saved"):
        saving.forget(library, "friday")


def test_a_plan_keeps_the_recipe_of_each_image(library: Library, ids: dict[str, str]) -> None:
    recipes = ["random", "staged", "random", "mine"]
    save(library, queue(ids).assign(recipe=recipes))

    assert list(saving.saved(library, "monday")[1]["recipe"]) == recipes


def expected(library: Library) -> float:
    """What is shown where a look was thought to succeed half of the time."""
    columns = ["chance", "strange", "right", "of_class", "group"]
    learnt = fitted(
        saving.outcomes(library)[0].assign(group="1"),
        pd.DataFrame(columns=columns, dtype="float64"),
    )
    return float(learnt.of("low-count", pd.Series([0.5]), pd.Series(["1"]))[0])


def test_yields_are_learnt_from_the_log(library: Library, ids: dict[str, str], say: Say) -> None:
    assert expected(library) == pytest.approx(0.5)
    assert saving.report(library).empty
    with runs.running(library, "queue", {}, alone=False) as run:
        offered.write(library, run.run_id, queue(ids), recipe="low-count")
    for name, answer in (("a", "kudu"), ("b", "kudu"), ("c", "zebra")):
        say("label", ids[name], answer)

    assert expected(library) > 0.51
    for table in (saving.report(library), saving.report(library, run.run_id)):
        assert list(table.loc[0, ["recipe", "offered", "looked", "got"]]) == [
            "low-count",
            4,
            3,
            2,
        ]
    assert saving.report(library, run.run_id + 99).empty
