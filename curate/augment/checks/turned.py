"""Which images lie on their side or upside down, by what a network's features say of turning.

Every image is shown in its four quarter turns. A linear model learns from the features which turn
was applied, on all images but a fifth, and says it of that fifth. An image of which it takes every
view for the next one, as against the rest of its class, has been turned before. Classes without an
up (a ball, a potato from above) show: of their images the linear model knows no turn.

No score of a class is asked, so it does not matter whether the network was trained on the images.

Source: the task of Gidaris, Singh and Komodakis, "Unsupervised Representation Learning by
Predicting Image Rotations" (ICLR 2018), here asked of features that are there already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.augment.checks.rows import IMAGE, UNSAFE, row, rows_table
from curate.augment.checks.transforms import TURNS
from curate.core import chance

FOLDS = 5
RIDGE = 3.0
"""Strength of the ridge penalty, for features of standard deviation 1."""

UP_SHARE = 0.7
"""A class has an up where so many of its images have their best turn as they are …"""

UP_MARGIN = 0.2
"""… and half of them by so much, of 1 for certainty."""

BACKED = 0.5
"""An image is turned where its margin is below minus so much of the median of its class."""

LEAST = 12
"""Images that a class needs before it is asked whether it has an up."""


def likeness(features: NDArray[Any], image_ids: list[str]) -> NDArray[np.float64]:
    """Say how much each image is like one that was turned.

    Parameters
    ----------
    features : ndarray of float, shape (n, 4, D)
        Of each image as it is and in the turns of `TURNS`.
    image_ids : list of str
        They decide the folds.

    Returns
    -------
    ndarray of float64, shape (n, 4)
        Column k for an image turned by k quarters: from about -0.25 to 0.75, the mean over its
        four views of what ridge regression gives for the turn that fits.
    """
    apart = np.asarray(features, np.float64)
    # What the four views share says nothing of a turn.
    apart = apart - apart.mean(axis=1, keepdims=True)
    spread = apart.std(axis=(0, 1))
    apart = apart[:, :, spread > 0] / spread[spread > 0]
    fold = (chance.fractions(0, image_ids, "turned") * FOLDS).astype(int)
    parts = [_products(apart[fold == number]) for number in range(FOLDS)]
    said = np.zeros((len(apart), 4, 4))
    for number in range(FOLDS):
        others = [part for place, part in enumerate(parts) if place != number]
        said[fold == number] = apart[fold == number] @ _ridge(others)
    views = np.arange(4)
    fits = [said[:, views, (views + turn) % 4].mean(axis=1) for turn in range(4)]
    return np.stack(fits, axis=1)


def turned_verdicts(images: pd.DataFrame, likenesses: NDArray[np.float64]) -> pd.DataFrame:
    """Give a row for each image that has to be turned before anything else.

    Parameters
    ----------
    images : DataFrame
        image_id and class, in the order of `likenesses`.
    likenesses : ndarray of float64, shape (n, 4)
        From `likeness`.

    Returns
    -------
    DataFrame
        As `rows.COLUMNS`; `transform` is the turn that sets the image upright, `figure` the margin
        over the image as it is. No row says anything of a class without an up.
    """
    upright = likenesses[:, 0] - likenesses[:, 1:].max(axis=1)
    best = likenesses.argmax(axis=1)
    rows = []
    for name, members in images.groupby("class"):
        at = images.index.get_indexer(members.index)
        middle = float(np.median(upright[at]))
        if len(at) < LEAST or (upright[at] > 0).mean() < UP_SHARE or middle < UP_MARGIN:
            continue
        for place in at[upright[at] < -BACKED * middle]:
            back = TURNS[(4 - best[place]) % 4]
            reason = (
                f"it looks turned by {90 * best[place]}° clockwise beside the others of its class; "
                f"{back} sets it upright"
            )
            image_id = str(images["image_id"].iloc[place])
            rows.append(
                row(IMAGE, image_id, str(name), back, UNSAFE, reason, -float(upright[place]))
            )
    return rows_table(rows)


_Products = tuple[NDArray[np.float64], NDArray[np.float64], int]


def _products(apart: NDArray[np.float64]) -> _Products:
    """Give what ridge regression needs of some images: X'X, X'Y, and how many views they are."""
    views = apart.reshape(-1, apart.shape[2])
    return views.T @ views, views.T @ np.tile(np.eye(4) - 0.25, (len(apart), 1)), len(views)


def _ridge(parts: list[_Products]) -> NDArray[np.float64]:
    """Fit which of four views it is: (D, 4)."""
    squares, wanted, number = (sum(part) for part in zip(*parts, strict=True))
    return np.asarray(
        np.linalg.solve(squares + RIDGE * max(1, number) * np.eye(len(squares)), wanted)
    )
