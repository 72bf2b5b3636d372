"""Predictions, images and libraries to make queues of: by hand, and drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from curate.queues.filters import Filters
from curate.queues.recipe import CANDIDATE_COLUMNS, Aim
from curate.store import runs, shards
from curate.store.library import Library

CLASSES = ("antelope", "gazelle", "kudu", "zebra")

SCHEMA = pa.schema(
    [("run_id", pa.int64())]
    + [(name, pa.string()) for name in ("image_id", "path", "status", "reason", "predicted")]
    + [("score", pa.float64()), ("second", pa.string())]
    + [(name, pa.float64()) for name in ("second_score", "margin", "entropy", "energy")]
    + [("top_classes", pa.list_(pa.string())), ("top_scores", pa.list_(pa.float64()))]
)


def said(
    image_id: str,
    predicted: str,
    score: float,
    second: str | None = None,
    second_score: float = 0.0,
    **others: object,
) -> dict[str, object]:
    """One row of predictions; with `others` also of candidates."""
    return {
        "run_id": 1,
        "image_id": image_id,
        "path": f"/photos/{image_id}.jpg",
        "status": "ok",
        "reason": None,
        "predicted": predicted,
        "score": score,
        "second": second,
        "second_score": second_score if second else float("nan"),
        "margin": score - second_score if second else float("nan"),
        "entropy": 0.5,
        "energy": -2.0,
        "top_classes": [predicted],
        "top_scores": [score],
        **others,
    }


def candidates(*rows: dict[str, object]) -> pd.DataFrame:
    """Candidates by hand; of the pool unless a label is given."""
    full = [{"label": None, "origin": "real", **row} for row in rows]
    table = pd.DataFrame(full, columns=list(CANDIDATE_COLUMNS))
    return table.astype(dict.fromkeys(("score", "second_score", "margin"), "float64"))


def counts(**real: int) -> pd.DataFrame:
    """Class counts by hand, all of real images that are alone."""
    numbers = list(real.values())
    return pd.DataFrame({"label": list(real), "real": numbers, "countable_real": numbers})


def aim(filters: Filters | None = None, min_count: int = 40, **real: int) -> Aim:
    """Ask of a library with so many real images of each class."""
    return Aim(counts(**real), min_count, filters or Filters())


@dataclass(frozen=True)
class Case:
    """A drawn library: predictions of three runs, what is known of images, and a question."""

    predictions: pd.DataFrame
    images: pd.DataFrame
    aim: Aim
    run_ids: tuple[int, ...]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few ids, few runs and few distinct scores, so that doubles and ties are common."""
    ids = [f"{number:02d}" for number in range(draw(st.integers(0, 14)))]
    rows = [row for image_id in ids for row in draw(st.lists(_rows(image_id), max_size=3))]
    fresh = {(row["run_id"], row["path"]): row for row in rows}
    predictions = pd.DataFrame(list(fresh.values()), columns=SCHEMA.names)
    known = [_known(draw, image_id) for image_id in ids if draw(st.integers(0, 9))]
    images = pd.DataFrame(known, columns=["image_id", "path", "label", "origin", "usable"])
    low = draw(st.none() | st.sampled_from([0.0, 0.3]))
    high = draw(st.none() | st.sampled_from([0.3, 0.6]))
    filters = Filters(
        class_=draw(st.sampled_from(["", *CLASSES])),
        min_score=low,
        max_score=high,
        limit=draw(st.sampled_from([1, 3, 500])),
        labelled=draw(st.booleans()),
    )
    real = {name: draw(st.integers(0, 14)) for name in CLASSES}
    run_ids = draw(st.sampled_from([(1, 2, 3), (2,), (1, 3)]))
    return Case(predictions, images, aim(filters, 10, **real), run_ids)


def _known(draw: st.DrawFn, image_id: str) -> tuple[str, str, str | None, str, bool]:
    label = draw(st.sampled_from([None, None, "unknown", *CLASSES]))
    return image_id, f"/photos/{image_id}.jpg", label, "real", draw(st.integers(0, 4)) > 0


@st.composite
def _rows(draw: st.DrawFn, image_id: str) -> dict[str, object]:
    predicted, second = draw(st.permutations(CLASSES))[:2]
    score = draw(st.integers(5, 20)) / 20
    second_score = min(1 - score, score) * draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    row = said(
        image_id,
        predicted,
        score,
        second if draw(st.integers(0, 9)) else None,
        second_score,
        run_id=draw(st.sampled_from([1, 2, 3])),
        path=f"/photos/{image_id}{draw(st.sampled_from('ab'))}.jpg",
    )
    if not draw(st.integers(0, 9)):
        row |= {"status": "failed", "reason": "not a number", "predicted": None, "second": None}
        row |= {name: float("nan") for name in ("score", "second_score", "margin")}
    return row


def predict(library: Library, rows: Sequence[dict[str, object]], model: str = "m1") -> int:
    """Write a run of bulk identification into a library, with these predictions."""
    parameters = {"model": model, "path": f"{model}.pt", "classes": list(CLASSES)}
    with runs.running(library, "bulk-id", parameters, key=f"key of {model}") as run:
        table = pa.Table.from_pylist([row | {"run_id": run.run_id} for row in rows], schema=SCHEMA)
        shard = shards.write(library, "predictions", run.run_id, 0, table)
        with library.writing() as connection:
            shards.reference(connection, shard)
    return run.run_id
