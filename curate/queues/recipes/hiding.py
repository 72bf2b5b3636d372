"""Hiding: images that may be of a class which the model lacks, found by its labelled images.

The model takes such images for classes that it has. Which ones, the labelled images say; and of
these classes' images, those whose features lie nearer to the labelled images than to any other
class come first, or, without features, the unsure ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from curate.core.errors import InputError
from curate.queues.filters.spread import directions
from curate.queues.recipe import Aim
from curate.queues.recipes.look_alike_pairs import class_means, taken_for

MOST = 20_000
"""Of so many images, the least sure ones, features are compared."""


def guises(aim: Aim) -> pd.DataFrame:
    """Say what the class in question is taken for.

    Returns
    -------
    DataFrame
        As `taken_for` gives it, never empty.

    Raises
    ------
    InputError
        Nothing is known of the class, neither by the model nor by a labelled image.
    """
    assert aim.labelled is not None  # who asks for it needs it
    found = taken_for(aim.labelled, aim.of)
    if not found.empty:
        return found
    if aim.of in set(aim.classes["label"]):
        raise InputError(
            f"class {aim.of!r}",
            "the model lacks it, and did not say for what it takes the labelled images",
            "Run `curate bulk-id --model CHECKPOINT FOLDER` over these, or name with --of the "
            "class that hides it.",
        )
    raise InputError(
        f"class {aim.of!r}",
        "neither the model nor a labelled image knows it",
        "Name with --of the class of the model that hides it, or label some images first.",
    )


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only the least sure images of the classes that it is taken for."""
    names = list(guises(aim).index)
    return (
        "WHERE predicted IN (SELECT unnest(?::VARCHAR[])) ORDER BY score, number LIMIT ?",
        [names, MOST],
    )


def hidden(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """Score how likely an image is of the class in question.

    Returns
    -------
    DataFrame
        Indexed like the candidates, of those that are taken for a class that hides it: worth (what
        has features comes first), share (of the labelled images of the class that are taken for
        the same) and nearer (see there).
    """
    found = guises(aim)
    taken = candidates[candidates["predicted"].isin(found.index)]
    least = taken.sort_values(["score", "image_id"]).head(MOST).sort_index()
    share = least["predicted"].map(found["share"]).astype("float64")
    near = nearer(least, aim.of, directions_of(aim))
    # A difference of cosines is no less than -2.
    worth = near.fillna(share * (1 - least["score"]) - 3)
    return pd.DataFrame({"worth": worth, "share": share, "nearer": near})


@dataclass(frozen=True, eq=False)
class Directions:
    """Where classes and images lie, by their features.

    Attributes
    ----------
    classes : DataFrame of float32, shape (classes, D)
        By label: the mean of its labelled images, of length 1.
    images : Series
        By image id: the features.
    """

    classes: pd.DataFrame
    images: pd.Series


def directions_of(aim: Aim) -> Directions:
    """Find where all classes lie; done once for all images that are compared with them."""
    assert aim.labelled is not None  # who asks for it needs both
    assert aim.features is not None
    means = class_means(aim.labelled, aim.features)
    rows = directions(means.to_numpy())[0] if len(means) else means.to_numpy()
    classes = pd.DataFrame(rows, index=means.index)
    return Directions(classes, aim.features.set_index("image_id")["embedding"])


def nearer(candidates: pd.DataFrame, label: str, known: Directions) -> pd.Series:
    """Say how much nearer images lie to a class than to any other, by features.

    Returns
    -------
    Series of float
        The cosine to the mean of its labelled images, less that to the mean of the nearest other
        class; missing where there are no features.
    """
    classes = known.classes
    own = candidates["image_id"][candidates["image_id"].isin(known.images.index)]
    if own.empty or label not in classes.index or len(classes) < 2:
        return pd.Series(float("nan"), candidates.index)
    rows = directions(np.stack(list(known.images[own])))[0]
    cosines = pd.DataFrame(rows @ classes.to_numpy().T, index=own.index, columns=classes.index)
    contrast = cosines[label] - cosines.drop(columns=label).max(axis=1)
    return contrast.astype("float64").reindex(candidates.index)
