"""One seed of `labelling.py`: photos, some of them with a label, and heads that learn from them."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.throw_away import curate, filled
from curate.core import chance
from curate.store import embeddings, facts
from curate.store.library import opened

REGULAR = 0.1
"""Inverse strength of the head's regularisation, on features of mean 0 and variance 1."""


@dataclass
class Study:
    """One seed: photos, and who has a label.

    Attributes
    ----------
    photos : DataFrame
        image_id, path, truth, group; one row a photo.
    features : ndarray of float16, shape (n, d)
        In the same order, as the network gave them.
    scaled : ndarray of float32, shape (n, d)
        The same, of mean 0 and variance 1.
    test, labelled : ndarray of bool, shape (n,)
        Held out; with a label now.
    seed : int
        Of all that is drawn.
    place : Path
        Where a way may write.
    budget, min_count : int
        Labels a round; the cutoff of the library.
    round : int
        Rounds that are over.
    """

    photos: pd.DataFrame
    features: NDArray[np.float16]
    scaled: NDArray[np.float32]
    test: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    seed: int
    place: Path
    budget: int
    min_count: int
    round: int = 0

    @property
    def pool(self) -> NDArray[np.int64]:
        """The places of photos that may be labelled."""
        return np.flatnonzero(~self.test & ~self.labelled)


@dataclass(frozen=True)
class Head:
    """A trained head: its classes, and what it says of all photos, shape (n, classes)."""

    classes: list[str]
    logits: NDArray[np.float64]


def prepared(asked: argparse.Namespace) -> tuple[pd.DataFrame, NDArray[np.float16]]:
    """Make the library that all begin with, and beside it one with the features of all photos.

    The names of the model from elsewhere would be known in its library: they are none of a user's.
    """
    base, seen = asked.work / "base", asked.work / "seen"
    if not (base / "done").exists():
        base.mkdir(parents=True, exist_ok=True)
        curate("scan", str(asked.photos), "--library", str(base))
        curate("duplicates", "--library", str(base))
        (base / "done").touch()
    if not (seen / "done").exists():
        shutil.rmtree(seen, ignore_errors=True)
        shutil.copytree(base, seen, ignore=shutil.ignore_patterns("done"))
        curate("bulk-id", str(asked.photos), "--model", str(asked.weights), "--arch", asked.arch,
               "--classes", str(asked.classes), "--other-classes", "--embeddings",
               "--library", str(seen))  # fmt: skip
        (seen / "done").touch()
    with opened(seen) as library:
        with library.reading() as connection:
            table = facts.images(connection)
        kept = embeddings.read(library)
    table["truth"] = [Path(path).parent.name for path in table["path"]]
    table["group"] = table["group_duplicates"].fillna(table["image_id"])
    classes = sorted(set(table["truth"]))[:: asked.every]
    table = table[table["truth"].isin(classes)].merge(kept, on="image_id")
    table = table.sort_values("image_id", ignore_index=True)
    features = np.stack(table.pop("embedding").to_list()).astype(np.float16)
    return table[["image_id", "path", "truth", "group"]], features


def started(
    asked: argparse.Namespace,
    photos: pd.DataFrame,
    features: NDArray[np.float16],
    seed: int,
    min_count: int,
    place: Path,
) -> Study:
    """Hold some photos out, and label some others."""
    test = np.zeros(len(photos), bool)
    labelled = np.zeros(len(photos), bool)
    for name, some in photos.groupby("truth"):
        out = filled(some["group"], len(some) // 4, seed)
        test[out] = True
        # A group that is held out is not learnt either.
        left = some[~some["group"].isin(photos["group"][out])]
        part = chance.fraction(seed, str(name), "start")
        number = asked.least + int((asked.most - asked.least + 1) * part)
        labelled[filled(left["group"], number, seed + 1)] = True
    apart = set(photos["group"][test])
    kept = test | ~photos["group"].isin(apart).to_numpy()
    wide = features[kept].astype(np.float32)
    return Study(
        photos[kept].reset_index(drop=True),
        features[kept],
        (wide - wide.mean(0)) / (wide.std(0) + 1e-6),
        test[kept],
        (labelled & ~test)[kept],
        seed,
        place,
        asked.budget,
        min_count,
    )


def trained(study: Study, known: NDArray[np.bool_]) -> Head:
    """Train a head on some photos, and ask it of all."""
    model = LogisticRegression(C=REGULAR, max_iter=300)
    model.fit(study.scaled[known], study.photos["truth"][known])
    logits = model.decision_function(study.scaled)
    # Of two classes it says one number: by how much the second is ahead.
    logits = logits if logits.ndim == 2 else np.stack([np.zeros_like(logits), logits], axis=1)
    return Head([str(name) for name in model.classes_], logits)


def accuracy(study: Study, head: Head) -> float:
    """Give the share of held-out photos that are answered rightly, all classes weighing the same.

    A class that was not learnt is always answered wrongly.
    """
    said = np.array(head.classes)[head.logits.argmax(1)]
    right = pd.Series(said == study.photos["truth"].to_numpy())[study.test]
    return float(right.groupby(study.photos["truth"][study.test]).mean().mean())
