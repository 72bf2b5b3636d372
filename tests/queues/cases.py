"""Predictions, images and libraries to make queues of: by hand, and drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from curate.queues.filters.filters import Filters
from curate.queues.index.gathered import NUMBER
from curate.queues.recipe import CANDIDATE_COLUMNS, CLOSE, PREDICTION_COLUMNS, Aim
from curate.store import runs, shards
from curate.store.library import Library

CLASSES = ("antelope", "gazelle", "kudu", "zebra")
"""The classes of the model."""

LACKED = "okapi"
"""A class of the library that the model does not have."""

SCHEMA = pa.schema(
    [("run_id", pa.int64())]
    + [(name, pa.string()) for name in ("image_id", "path", "status", "reason", "predicted")]
    + [("score", pa.float64()), ("second", pa.string())]
    + [(name, pa.float64()) for name in ("second_score", "margin", "entropy", "energy", "novelty")]
    + [("top_classes", pa.list_(pa.string())), ("top_scores", pa.list_(pa.float64()))]
)
"""Of predictions, as bulk identification writes them."""

_NUMBERS = (
    *("score", "second_score", "margin", "entropy", "energy", "novelty", "affinity"),
    *("sharpness", "brightness", "contrast", "quality"),
)
_WHOLE = ("run_id", "label_run", "arrived", "width", "height", "bytes")

CANDIDATES = pa.schema(
    [
        (
            name,
            pa.float64()
            if name in _NUMBERS
            else pa.int64()
            if name in _WHOLE
            else pa.bool_()
            if name == "rejected"
            else pa.string(),
        )
        for name in CANDIDATE_COLUMNS
    ]
)
"""Of candidates, as DuckDB sees them."""

EXTRA = (
    'row_number() OVER () AS place, count(*) OVER (PARTITION BY "group") = 1 AS alone, '
    "hash(least(predicted, second), greatest(predicted, second)) AS pair, "
    # As the index has it: `random` compares it with a point that its seed draws.
    f"{NUMBER.format('image_id')} AS number"
)
"""What DuckDB knows beside the columns of candidates; see `indexed.asked`."""

BESIDE = f"""
close AS (SELECT * FROM candidates WHERE margin <= {CLOSE}),
pairs AS (
    SELECT pair, any_value(predicted) AS one, any_value(second) AS other
    FROM candidates GROUP BY pair
),
labelled AS (SELECT * FROM pool WHERE label IS NOT NULL AND NOT rejected)
"""
"""What `narrow` may ask beside candidates; see `recipe.Narrow`. `pool` is the table of all."""

_FACTS: dict[str, object] = {
    "affinity": None,
    "label": None,
    "sub_class": None,
    "origin": "real",
    "split": "",
    "taken": None,
    "by": None,
    "run_id": 1,
    "label_run": None,
    "arrived": 1,
    "rejected": False,
    "width": 640,
    "height": 480,
    "bytes": 50_000,
    "camera": None,
    "sharpness": None,
    "brightness": None,
    "contrast": None,
    "quality": None,
}
"""What the library knows of an image of which nothing is said."""


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
        "novelty": None,
        "top_classes": [predicted],
        "top_scores": [score],
        **others,
    }


def candidates(*rows: dict[str, object]) -> pd.DataFrame:
    """Candidates by hand; of the pool, and alike to no other, unless a row says otherwise."""
    full = [{**_FACTS, "group": row["image_id"], **row} for row in rows]
    table = pd.DataFrame(full, columns=list(CANDIDATE_COLUMNS))
    numbers = dict.fromkeys((*_NUMBERS, "label_run"), "float64")
    return table.astype(numbers)


def counts(**real: int) -> pd.DataFrame:
    """Class counts by hand, all of real images that are alone."""
    numbers = list(real.values())
    table = pd.DataFrame({"label": list(real), "real": numbers, "countable_real": numbers})
    table = table.astype({"real": "int64", "countable_real": "int64"})
    nothing = dict.fromkeys(("staged", "synthetic", "countable_staged"), 0)
    return table.assign(usable=table["real"], groups=table["real"], **nothing)


def features(**vectors: Sequence[float]) -> pd.DataFrame:
    """Features by hand, by image id."""
    arrays = [np.asarray(vector, dtype="float32") for vector in vectors.values()]
    return pd.DataFrame({"image_id": list(vectors), "embedding": pd.Series(arrays, dtype=object)})


def aim(filters: Filters | None = None, min_count: int = 40, **real: int) -> Aim:
    """Ask of a library with so many real images of each class."""
    return Aim(
        counts(**real),
        min_count,
        filters or Filters(),
        known=CLASSES,
        features=features(),
        labelled=candidates(),
        other=pd.DataFrame(columns=["image_id", *PREDICTION_COLUMNS]),
    )


@dataclass(frozen=True)
class Case:
    """A drawn library and a question.

    Attributes
    ----------
    predictions, images : DataFrame
        Predictions of three runs, and what is known of images: `facts.images`, and the columns of
        candidates that it lacks.
    pool : DataFrame
        The candidates that these come to (`CANDIDATE_COLUMNS`), labelled ones included.
    aim : Aim
        The question.
    run_ids : tuple of int
        The runs that count.
    """

    predictions: pd.DataFrame
    images: pd.DataFrame
    pool: pd.DataFrame
    aim: Aim
    run_ids: tuple[int, ...]


def last_said(predictions: pd.DataFrame, run_ids: Sequence[int]) -> pd.DataFrame:
    """The prediction that counts, by image: the last by run, then by path."""
    rows = predictions[(predictions["status"] == "ok") & predictions["run_id"].isin(run_ids)]
    ordered = rows.sort_values(["run_id", "path"])
    return ordered.drop_duplicates("image_id", keep="last").set_index("image_id")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few ids, few runs and few distinct scores, so that doubles and ties are common."""
    ids = [f"{number:02d}" for number in range(draw(st.integers(0, 14)))]
    # What an image is comes from one seed: so many draws would take longer than the laws.
    dice = draw(st.randoms(use_true_random=True))
    rows = [row for name in ids for row in _rows(dice, name, dice.randint(0, 3))]
    fresh = {(row["run_id"], row["path"]): row for row in rows}
    predictions = pd.DataFrame(list(fresh.values()), columns=SCHEMA.names)
    known = [_known(dice, image_id) for image_id in ids if dice.random() < 0.9]
    columns = ["image_id", "path", "usable", "group_duplicates", "group", *_FACTS]
    images = pd.DataFrame(known, columns=columns).drop(columns="run_id").astype({"usable": "bool"})
    # A tie is named by the lowest id that hangs together.
    ties = images.groupby("group_duplicates")["image_id"].transform("min")
    images = images.assign(group=ties.fillna(images["image_id"]), group_duplicates=ties)
    run_ids = draw(st.sampled_from([(1, 2, 3), (2,), (1, 3)]))
    counted = last_said(predictions, run_ids).drop(columns="path")
    pool = counted.join(images[images["usable"]].set_index("image_id"), how="inner").reset_index()
    pool = pool[list(CANDIDATE_COLUMNS)]
    return Case(predictions, images, pool, _aim(draw, dice, ids, pool), run_ids)


def _aim(draw: st.DrawFn, dice: Random, ids: list[str], pool: pd.DataFrame) -> Aim:
    filters = Filters(
        class_=draw(st.sampled_from(["", "", *CLASSES])),
        min_score=draw(st.none() | st.sampled_from([0.0, 0.3])),
        max_score=draw(st.none() | st.sampled_from([0.3, 0.6])),
        limit=draw(st.sampled_from([1, 3, 500])),
        labelled=draw(st.booleans()),
        one_per_group=draw(st.booleans()),
        per_class=draw(st.sampled_from([None, None, 1, 2])),
        sort=draw(st.sampled_from(["", "", "-score"])),
    )
    names = (*CLASSES, LACKED)
    staged = [dice.choice([0, 0, 3, 8]) for _ in names]
    classes = counts(**{name: dice.randint(0, 14) for name in names})
    # Few distinct directions, none of them of no length.
    vectors = {name: (dice.randint(-1, 2), dice.randint(0, 2), 1) for name in ids}
    other = [row for name in ids if dice.random() < 0.8 for row in _rows(dice, name, 1)]
    said_other = pd.DataFrame(other, columns=SCHEMA.names)
    fine = said_other["status"] == "ok"
    return Aim(
        classes.assign(staged=staged, countable_staged=staged),
        10,
        filters,
        of=draw(st.sampled_from(["", "", *CLASSES, LACKED])),
        known=CLASSES,
        seed=draw(st.integers(0, 2)),
        features=features(**(vectors if draw(st.booleans()) else {})),
        labelled=pool[pool["label"].notna()],
        other=said_other.loc[fine, ["image_id", *PREDICTION_COLUMNS]],
    )


def _known(dice: Random, image_id: str) -> dict[str, object]:
    label = dice.choice([None, None, "unknown", *CLASSES, LACKED])
    group = dice.choice([None, None, "tie1", "tie2"])
    decided = {"label": label, "split": dice.choice(["train", "val", ""]), "label_run": 3}
    return {
        **_FACTS,
        "image_id": image_id,
        "path": f"/photos/{image_id}.jpg",
        "usable": dice.random() < 0.8,
        "group_duplicates": group,
        "arrived": dice.randint(1, 3),
        "affinity": dice.choice([None, -0.3, 0.05]),
        **(decided | {"by": "anna"} if label else {}),
    }


def _rows(dice: Random, image_id: str, number: int) -> Iterator[dict[str, object]]:
    for _ in range(number):
        predicted, second = dice.sample(CLASSES, 2)
        score = dice.randint(5, 20) / 20
        second_score = min(1 - score, score) * dice.choice([0.0, 0.5, 0.9, 1.0])
        row = said(
            image_id,
            predicted,
            score,
            second if dice.random() < 0.9 else None,
            second_score,
            run_id=dice.choice([1, 2, 3]),
            path=f"/photos/{image_id}{dice.choice('ab')}.jpg",
            entropy=dice.choice([0.1, 0.5, 1.2]),
            novelty=dice.choice([None, 0.2, 0.9]),
        )
        if dice.random() < 0.1:
            row |= {"status": "failed", "reason": "not a number", "predicted": None, "second": None}
            row |= {name: float("nan") for name in ("score", "second_score", "margin")}
        yield row


def predict(library: Library, rows: Sequence[dict[str, object]], model: str = "m1") -> int:
    """Write a run of bulk identification into a library, with these predictions."""
    parameters = {"model": model, "path": f"{model}.pt", "classes": list(CLASSES)}
    with runs.running(library, "bulk-id", parameters, key=f"key of {model}") as run:
        table = pa.Table.from_pylist([row | {"run_id": run.run_id} for row in rows], schema=SCHEMA)
        shard = shards.write(library, "predictions", run.run_id, 0, table)
        with library.writing() as connection:
            shards.reference(connection, shard)
    return run.run_id
