"""Which images and which classes do not survive an augmentation: tables in, verdicts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.augment.checks.changed import changed_verdicts
from curate.augment.checks.classes import Taught, class_verdicts
from curate.augment.checks.exif import twice_verdicts
from curate.augment.checks.rows import CLASS, UNSAFE
from curate.augment.checks.subjects import subject_verdicts
from curate.augment.checks.transforms import reached_by, transforms_of, zoom_of
from curate.augment.checks.turned import likeness, turned_verdicts


def check(
    recipe: str,
    subjects: pd.DataFrame,
    seen: pd.DataFrame | None = None,
    features: NDArray[Any] | None = None,
    taught: Taught = lambda name: None,
) -> pd.DataFrame:
    """Say which images and classes a recipe would spoil.

    Parameters
    ----------
    recipe : str
        Of the augmentation.
    subjects : DataFrame
        One row an image: image_id, class, side, contact, source and twice; as `Looked` has it.
    seen : DataFrame, optional
        One row an image and transform: image_id, class, transform, own (calibrated score of its
        own class), predicted, score. None without a model: then nothing is said of classes.
    features : ndarray of float, shape (n, 4, D), optional
        A model's features of the images of `subjects`, in that order, in four quarter turns.
    taught : callable
        Transforms that the model was trained with; see `taught_by`.

    Returns
    -------
    DataFrame
        `rows.COLUMNS`: first the classes, then the images, of which only the unsafe ones have a
        row. Several things may be wrong with one image.
    """
    parts = []
    asked = reached_by(recipe)
    if seen is not None:
        classes = class_verdicts(seen, transforms_of(recipe), asked, taught)
        bad = classes[classes["verdict"] == UNSAFE]
        unsafe = set(zip(bad["class"], bad["transform"], strict=True))
        parts += [classes, changed_verdicts(seen, asked, unsafe)]
    if features is not None and len(features):
        like = likeness(features, list(subjects["image_id"]), list(subjects["class"]))
        parts.append(turned_verdicts(subjects, like))
    parts += [twice_verdicts(subjects), subject_verdicts(subjects, zoom_of(recipe))]
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    order = np.lexsort((table["image_id"], table["transform"], table["scope"] != CLASS))
    return table.iloc[order].reset_index(drop=True)


def taught_by(settings: Mapping[str, Any]) -> Taught:
    """Say which transforms a model was trained with, from the settings in its checkpoint.

    A checkpoint from elsewhere has none; nobody knows then.
    """
    common = settings.get("augment")
    own = settings.get("augment_classes") or {}

    def taught(name: str) -> frozenset[str] | None:
        recipe = own.get(name, common)
        return reached_by(recipe) if isinstance(recipe, str) else None

    return taught
