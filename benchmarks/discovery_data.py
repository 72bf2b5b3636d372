"""Libraries for `discovery.py`, made with the commands that a user types, and what is in them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.throw_away import curate, filled
from curate.core import chance
from curate.core.names import REJECTED
from curate.store import embeddings, facts, views
from curate.store.library import opened

SETTINGS = """[split]
min_count = 10
count = "images"
"""


EACH = 8
"""Hidden classes with fewer photos are not asked for."""


@dataclass(frozen=True)
class Photos:
    """Photos, what is known of them, and what a model says of them.

    Attributes
    ----------
    table : DataFrame
        One row a photo that the model read, by image id: image_id, path, truth (what it shows;
        *rejected* is rubbish), label (missing for the pool), group (of look-alikes), quality,
        predicted, score, second, second_score, margin, entropy, energy, novelty.
    features : ndarray of float16, shape (n, d)
        In the order of the table.
    hidden : list of str
        What nobody ever labelled, and of which the pool has `EACH` images or more.
    """

    table: pd.DataFrame
    features: NDArray[np.float16]
    hidden: list[str]


def scanned(roots: list[Path], place: Path) -> None:
    """Scan folders of classes without labels, once for all libraries."""
    if (place / "done").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    (place / "curate.toml").write_text(SETTINGS)
    curate("scan", *map(str, roots), "--library", str(place))
    curate("duplicates", "--library", str(place))
    (place / "done").touch()


def hide(base: Path, place: Path, photos: Path, seed: int, hidden: int, most: int) -> None:
    """Make a library in which some classes have no label, and others some labels.

    Parameters
    ----------
    base, place : Path
        As `scanned` made it; the new one.
    photos : Path
        The folder of classes; what lies elsewhere has no label.
    seed : int
        Decides which classes are hidden, and which photos have a label.
    hidden : int
        How many classes.
    most : int
        Labelled photos of each other class, at most, by whole groups of near-duplicates.
    """
    if (place / "labels.csv").exists():
        return
    shutil.copytree(base, place, dirs_exist_ok=True)
    table = _images(place)
    table["truth"] = [Path(path).parent.name for path in table["path"]]
    table = table[[Path(path).parent.parent == photos.resolve() for path in table["path"]]]
    names = sorted(set(table["truth"]))
    order = np.argsort(chance.fractions(seed, names, "hidden"), kind="stable")
    gone = {names[at] for at in order[:hidden]}
    group = table["group_duplicates"].fillna(table["image_id"])
    given = [
        at
        for name, some in table[~table["truth"].isin(gone)].groupby("truth")
        # At least a third of a class stays in the pool.
        for at in filled(group[some.index], min(most, len(some) * 2 // 3), seed)
    ]
    labels = table.loc[given, ["image_id", "truth"]].rename(columns={"truth": "label"})
    labels.to_csv(place / "new.csv", index=False)
    curate("label", "import", str(place / "new.csv"), "--library", str(place))
    (place / "new.csv").rename(place / "labels.csv")


def zoo(sample_data: Path, place: Path) -> None:
    """Make the library of the zoo, as its demo does."""
    if (place / "done").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    (place / "curate.toml").write_text(SETTINGS)
    at = ["--library", str(place)]
    curate("scan", str(sample_data / "library"), "--labels", "folder", *at)
    for origin in ("staged", "synthetic"):
        curate("scan", str(sample_data / origin), "--labels", "folder", "--origin", origin, *at)
    curate("scan", str(sample_data / "pool"), *at)
    curate("duplicates", *at)
    (place / "done").touch()


def identified(
    place: Path, roots: list[Path], weights: Path, model: list[str], train: list[str] | None
) -> None:
    """Let a model look at all photos and keep their features.

    Parameters
    ----------
    place : Path
        The library.
    roots : list of Path
        Where all photos lie.
    weights : Path
        What the training begins with, or the model itself.
    model : list of str
        More arguments of ``bulk-id``.
    train : list of str, optional
        Arguments of ``train``; without them the weights are asked as they are.
    """
    if (place / "identified").exists():
        return
    trained = place / "model.safetensors"
    at = ["--library", str(place)]
    if train is not None and not trained.exists():
        curate("split", *at)
        curate("train", "--from", str(weights), "-o", str(trained), *train, *at)
    asked = trained if train is not None else weights
    curate("bulk-id", *map(str, roots), "--model", str(asked), "--embeddings", *model, *at)
    (place / "identified").touch()


def taken(place: Path, rubbish: Path | None = None, truth: pd.Series | None = None) -> Photos:
    """Read what is in a library after `identified`.

    Parameters
    ----------
    place : Path
        The library.
    rubbish : Path, optional
        A folder of photos that nobody wants.
    truth : Series of str, optional
        What the photos show, by path; the name of their folder when missing.
    """
    table = _images(place)
    said = """
        SELECT DISTINCT ON (image_id) image_id, predicted, score, second, second_score, margin,
            entropy, energy, novelty
        FROM predictions WHERE status = 'ok' ORDER BY image_id, run_id DESC
    """
    with opened(place) as library:
        with views.asked(library, "predictions") as answering:
            predicted = answering.execute(said).df()
        vectors = embeddings.read(library)
        looked = views.looked(library, "quality")[["image_id", "quality"]]
    table["group"] = table["group_duplicates"].fillna(table["image_id"])
    table = table[["image_id", "path", "label", "group"]].merge(predicted, on="image_id")
    table = table.merge(looked, on="image_id", how="left").merge(vectors, on="image_id")
    table = table.sort_values("image_id", ignore_index=True)
    features = np.stack(table.pop("embedding").to_list()).astype(np.float16)
    if truth is None:
        shows = [Path(path).parent for path in table["path"]]
        unwanted = rubbish.resolve() if rubbish else None
        table["truth"] = [REJECTED if at.parent == unwanted else at.name for at in shows]
    else:
        table["truth"] = truth.reindex(table["path"]).to_numpy()
    counts = table.loc[table["label"].isna(), "truth"].value_counts()
    known = {*table["label"].dropna(), REJECTED}
    hidden = [str(name) for name in counts.index[counts >= EACH] if name not in known]
    return Photos(table, features, sorted(hidden))


def _images(place: Path) -> pd.DataFrame:
    with opened(place) as library, library.reading() as connection:
        return facts.images(connection)
