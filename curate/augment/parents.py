"""Which images of a class get how many synthetic ones, and which numbers these have."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heapreplace

import numpy as np
import pandas as pd

from curate.core import chance
from curate.core.components import components
from curate.core.errors import PolicyError
from curate.core.names import nearest
from curate.store.facts import GROUP_PREFIX

TRAIN = "train"


def wanted(images: pd.DataFrame, label: str, to: int) -> int:
    """How many images a class lacks.

    Parameters
    ----------
    images : DataFrame
        label, usable.
    label : str
        The class.
    to : int
        How many usable images it is to have, of whatever origin.

    Raises
    ------
    PolicyError
        No usable image has this label.
    """
    have = int((images["usable"] & (images["label"] == label)).sum())
    if not have:
        near = nearest(label, sorted(set(images["label"].dropna())))
        raise PolicyError(
            f"class {label!r}",
            "no usable image of the library has this label",
            f"Did you mean {near!r}?" if near else "`curate status` lists the classes",
        )
    return max(0, to - have)


def parents(images: pd.DataFrame, label: str, seed: int) -> list[str]:
    """Choose the images of a class from which others may be made.

    A synthetic image only trains, and its parent's group goes with it. So of a class that is split,
    only what trains already is a parent: val and test lose nothing. No group of a parent has an
    image that is, or once was, in val, test or the benchmark.

    Parameters
    ----------
    images : DataFrame
        image_id, label, origin, usable, split ('' for none), ever (the last split that the image
        was in, '' for none), and the group columns.
    label : str
        The class.
    seed : int
        Decides the order.

    Returns
    -------
    list of str
        Image ids, in an order by chance.

    Raises
    ------
    PolicyError
        There is none.
    """
    columns = [name for name in map(str, images.columns) if name.startswith(GROUP_PREFIX)]
    values = [pd.factorize(images[name].to_numpy(object))[0].astype(np.int64) for name in columns]
    root = components(values, np.ones(len(images), dtype=np.bool_))
    held_out = ~images["ever"].isin([TRAIN, ""]).to_numpy(np.bool_)
    closed = np.isin(root, root[held_out])
    mine = images["usable"] & (images["label"] == label) & (images["origin"] == "real")
    open_ = images[mine.to_numpy(np.bool_) & ~closed]
    trains = open_[open_["split"] == TRAIN]
    ids = list((trains if len(trains) else open_[open_["ever"] == ""])["image_id"])
    if not ids:
        raise PolicyError(
            f"class {label!r}",
            "no real image of it may be a parent: those that are in val, test or the benchmark, or "
            "were, or lie in one group with such an image, would leak",
            "Label more images, then `curate split`",
        )
    drawn = chance.fractions(seed, ids, "augment parents")
    return [name for _, name in sorted(zip(drawn.tolist(), ids, strict=True))]


def shared_out(have: Mapping[str, int], number: int) -> dict[str, int]:
    """Share new images out, each to one of those that have the fewest.

    Parameters
    ----------
    have : mapping of str to int
        How many were made of each parent already; among equals the first comes first.
    number : int
        How many are to be made.

    Returns
    -------
    dict of str to int
        How many more each parent gets, for those that get any; nothing where there is no parent.
    """
    counts = [(made, place, name) for place, (name, made) in enumerate(have.items())]
    heapify(counts)
    more: dict[str, int] = {}
    for _ in range(number if counts else 0):
        made, place, name = counts[0]
        heapreplace(counts, (made + 1, place, name))
        more[name] = more.get(name, 0) + 1
    return more
