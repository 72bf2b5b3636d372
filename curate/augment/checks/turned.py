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

from collections.abc import Iterator, Sequence
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

FITTED = 200
"""Images of a class that the linear model is fitted to, at most; more of one class teach it no
more."""

BLOCK = 1024
"""Images whose features are held as float64 at once."""

UP_SHARE = 0.5
"""A class has an up where more than this part of its images have their best turn as they are …"""

UP_MARGIN = 0.25
"""… and half of these by so much, of 1 for certainty."""

BACKED = 0.5
"""An image is turned where its margin is below minus so much of the median of its class."""

LEAST = 12
"""Images that a class needs before it is asked whether it has an up."""


def likeness(
    features: NDArray[Any], image_ids: Sequence[str], classes: Sequence[str]
) -> NDArray[np.float64]:
    """Say how much each image is like one that was turned.

    Parameters
    ----------
    features : ndarray of float, shape (n, 4, D)
        Of each image as it is and in the turns of `TURNS`.
    image_ids : sequence of str
        They decide the folds, and which images of a class are learned from.
    classes : sequence of str
        The class of each image. `FITTED` images of each are learned from; all are judged.

    Returns
    -------
    ndarray of float64, shape (n, 4)
        Column k for an image turned by k quarters: from about -0.25 to 0.75, the mean over its
        four views of what ridge regression gives for the turn that fits.
    """
    drawn = chance.fractions(0, image_ids, "turned")
    fold = (drawn * FOLDS).astype(int)
    fold_of_fit = np.where(_learned_from(drawn, classes), fold, -1)
    spread = _spread(features)
    width = int((spread > 0).sum())
    squares = np.zeros((FOLDS, width, width))
    wanted = np.zeros((FOLDS, width, 4))
    for block, views in _blocks(features, spread):
        for number in range(FOLDS):
            chosen = views[fold_of_fit[block] == number]
            rows = chosen.reshape(-1, width)
            squares[number] += rows.T @ rows
            wanted[number] += rows.T @ np.tile(np.eye(4) - 0.25, (len(chosen), 1))
    learned = np.bincount(fold_of_fit[fold_of_fit >= 0], minlength=FOLDS) * 4
    fitted = [
        _ridge(
            squares.sum(axis=0) - squares[number],
            wanted.sum(axis=0) - wanted[number],
            int(learned.sum() - learned[number]),
        )
        for number in range(FOLDS)
    ]
    said = np.zeros((len(features), 4, 4))
    for block, views in _blocks(features, spread):
        for number in range(FOLDS):
            mine = fold[block] == number
            said[block][mine] = views[mine] @ fitted[number]
    views_of = np.arange(4)
    fits = [said[:, views_of, (views_of + turn) % 4].mean(axis=1) for turn in range(4)]
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

    Notes
    -----
    How sure a class is of its up is asked of the images that seem to lie right, not of all: the
    turned ones, which are what is looked for, would make a class look as if it had none.
    """
    upright = likenesses[:, 0] - likenesses[:, 1:].max(axis=1)
    best = likenesses.argmax(axis=1)
    rows = []
    for name, members in images.groupby("class"):
        at = images.index.get_indexer(members.index)
        right = upright[at][upright[at] > 0]
        if len(at) < LEAST or len(right) <= UP_SHARE * len(at):
            continue
        middle = float(np.median(right))
        if middle < UP_MARGIN:
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


def _learned_from(drawn: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.bool_]:
    """Choose `FITTED` images of each class by chance."""
    rank = pd.Series(drawn).groupby(np.asarray(classes, dtype=object)).rank(method="first")
    return np.asarray(rank.to_numpy() <= FITTED, np.bool_)


def _apart(block: NDArray[Any]) -> NDArray[np.float64]:
    """Take away what the four views of an image share: it says nothing of a turn."""
    views = np.asarray(block, np.float64)
    return np.asarray(views - views.mean(axis=1, keepdims=True))


def _spread(features: NDArray[Any]) -> NDArray[np.float64]:
    """Give the standard deviation of each feature; the mean of what is apart is 0."""
    summed = np.zeros(features.shape[2])
    for start in range(0, len(features), BLOCK):
        summed += (_apart(features[start : start + BLOCK]) ** 2).sum(axis=(0, 1))
    return np.sqrt(summed / max(1, 4 * len(features)))


def _blocks(
    features: NDArray[Any], spread: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Give the features in units of their spread, some images at a time."""
    varying = spread > 0
    for start in range(0, len(features), BLOCK):
        block = slice(start, start + BLOCK)
        yield block, _apart(features[block])[:, :, varying] / spread[varying]


def _ridge(
    squares: NDArray[np.float64], wanted: NDArray[np.float64], number: int
) -> NDArray[np.float64]:
    """Fit which of four views it is, from X'X, X'Y and the number of views: (D, 4)."""
    return np.asarray(
        np.linalg.solve(squares + RIDGE * max(1, number) * np.eye(len(squares)), wanted)
    )
