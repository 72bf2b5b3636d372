"""Pairs of classes that look alike, by what is known of labelled images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.names import UNKNOWN

FEW = 2
"""So many labelled images must say the same: one may be labelled wrongly."""

SHARE = 0.2
"""What a class is taken for less often than this is an accident."""

PAIR_COLUMNS = ("first", "second", "evidence", "strength")


def pair_of(*classes: str) -> str:
    """Name a pair of classes, in whichever order they come; no name of a class holds a slash."""
    return " / ".join(sorted(classes))


def pairs(labelled: pd.DataFrame, features: pd.DataFrame, known: Collection[str]) -> pd.DataFrame:
    """Find pairs of classes that look alike.

    Parameters
    ----------
    labelled : DataFrame
        label, predicted, score and split of labelled images.
    features : DataFrame
        image_id and embedding (arrays of one length) of these images, as far as there are any.
    known : collection of str
        The classes of the model.

    Returns
    -------
    DataFrame
        `PAIR_COLUMNS`, one row a pair and evidence, in the order of these columns:

        - ``confused``: the model takes labelled images of the one for the other (of those that it
          was not trained on); strength is the share of the images of both.
        - ``near``: each is the nearest of the other among the means of the features of classes;
          strength is the cosine of the two, seen from the mean of all.
        - ``taken``: the model lacks `first`, and takes its images for `second`; strength is the
          share of these images.

        `second` is a class of the model, and `first` comes before it in the alphabet where both
        are. Strength lies between 0 and 1.
    """
    columns = ["image_id", "label", "predicted", "score", "split"]
    named = labelled.loc[labelled["label"] != UNKNOWN, columns]
    lacking = set(named["label"].unique()) - set(known)
    found = [
        *_confused(named[named["split"] != "train"], known),
        *_near(named, features, known),
        *_rows(all_taken(named, lacking)["share"], "taken"),
    ]
    table = pd.DataFrame(found, columns=list(PAIR_COLUMNS)).astype({"strength": "float64"})
    return table.sort_values(list(PAIR_COLUMNS), ignore_index=True)


def taken_for(labelled: pd.DataFrame, label: str) -> pd.DataFrame:
    """Say for which classes the model takes the images of a class that it lacks.

    Parameters
    ----------
    labelled : DataFrame
        label, predicted and score of labelled images.
    label : str
        The class.

    Returns
    -------
    DataFrame
        By predicted class: share (of the images of the class), score (their mean); the classes that
        hold less than `SHARE` are left out.
    """
    return all_taken(labelled, {label}).droplevel("label")


def all_taken(labelled: pd.DataFrame, labels: Collection[str]) -> pd.DataFrame:
    """Say the same of several classes: `taken_for`, by label and predicted class."""
    of = labelled[labelled["label"].isin(labels) & labelled["predicted"].notna()]
    scores = of.sort_values("score").groupby(["label", "predicted"])["score"]
    each = pd.DataFrame({"share": scores.size(), "score": scores.mean()})
    each["share"] /= each.groupby("label")["share"].transform("sum")
    return each[each["share"] >= SHARE]


def class_means(labelled: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Give the direction in which the images of each class lie.

    Parameters
    ----------
    labelled : DataFrame
        image_id and label of labelled images.
    features : DataFrame
        image_id and embedding.

    Returns
    -------
    DataFrame, shape (classes, D)
        By label, sorted: the mean of the features of its images, each brought to length one; of
        classes with `FEW` images or more.
    """
    vectors = features.set_index("image_id")["embedding"]
    use = (labelled["label"] != UNKNOWN) & labelled["image_id"].isin(vectors.index)
    both = labelled.loc[use, ["image_id", "label"]].sort_values("image_id")
    both = both[both.groupby("label")["label"].transform("size") >= FEW]
    if both.empty:
        return pd.DataFrame()
    rows = pd.DataFrame(directions(vectors[both["image_id"]]), index=both["label"])
    return rows.groupby(level=0).mean()


def directions(vectors: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
    """Stack vectors (not none of them), each brought to length one; zeros stay zeros."""
    rows = np.stack([np.asarray(vector, np.float64) for vector in vectors])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0))


def _confused(named: pd.DataFrame, known: Collection[str]) -> Iterator[tuple[str, str, str, float]]:
    # By numbers, in the order of names: there may be very many images.
    codes, names = pd.factorize(pd.concat([named["label"], named["predicted"]]), sort=True)
    own, first = np.split(codes, 2)
    # The last is for what has no name.
    of_model = np.append(names.isin([*known]), False)
    both = of_model[own] & of_model[first]
    sizes = np.bincount(own[both], minlength=len(names))
    wrong = both & (own != first)
    two = np.minimum(own, first) * len(names) + np.maximum(own, first)
    found, mixed = np.unique(two[wrong], return_counts=True)
    one, other = np.divmod(found[mixed >= FEW], max(len(names), 1))
    shares = mixed[mixed >= FEW] / (sizes[one] + sizes[other])
    return zip(
        names[one].tolist(),
        names[other].tolist(),
        repeat("confused"),
        shares.tolist(),
        strict=False,
    )


def _rows(shares: pd.Series, evidence: str) -> Iterator[tuple[str, str, str, float]]:
    """Give a row for each pair that the index has."""
    first, second = (shares.index.get_level_values(at).tolist() for at in (0, 1))
    return zip(first, second, repeat(evidence), shares.tolist(), strict=False)


def _near(
    named: pd.DataFrame, features: pd.DataFrame, known: Collection[str]
) -> Iterator[tuple[str, str, str, float]]:
    means = class_means(named, features)
    if len(means) < 2:
        return
    around = means - means.mean()
    rows = directions(around.to_numpy())
    cosine = rows @ rows.T
    np.fill_diagonal(cosine, -np.inf)
    nearest = cosine.argmax(axis=1)
    labels = list(means.index)
    for at, other in enumerate(nearest):
        if at < other and nearest[other] == at and cosine[at, other] > 0:
            two = sorted((labels[at], labels[other]), key=lambda name: (name in known, name))
            if two[1] in known:
                yield two[0], two[1], "near", min(float(cosine[at, other]), 1.0)
