"""Groups of images that are more like each other than like any class that is known.

Of a class that wants more images, and that no model knows, somebody may have labelled a few. These
do not stand against a group, they are looked for in it: what is alike to them is more of the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.models import novelty
from curate.queues.filters.spread import directions
from curate.queues.recipes import likeness

if TYPE_CHECKING:
    from scipy import sparse

LEAST = 3
"""So many images make a group."""

OFFERED = 50
"""So many groups without a name are offered at most, and twice as many in all."""

LEAST_GAIN = 1.0
"""Groups that gain less are chance, most often: one in twelve was a new class where it was measured
(docs/discovery.md)."""

EVEN_GAIN = 1.2
"""Half of the images of groups with this gain are of a class that nobody labelled, where the groups
are like classes; measured, see docs/discovery.md."""

SUREST = 0.02
"""Nothing is surer than that to be of a class, or to be none, by how strange it is."""

COLUMNS = (
    *("image_id", "cluster", "similarity", "beyond", "nearest", "nearest_similarity"),
    *("gain", "classlike", "refused", "likely", "named", "labelled"),
)

_BLOCK = 1024
_ROUNDS = 8

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int64]


def clusters(
    image_ids: NDArray[Any],
    features: NDArray[Any],
    labels: NDArray[Any],
    known: NDArray[Any],
    weights: NDArray[np.float64] | None = None,
    rejected: NDArray[Any] | None = None,
    wanted: NDArray[np.bool_] | None = None,
    strange: NDArray[np.float64] | None = None,
    untaught: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Find groups of images that deserve a class of their own.

    Parameters
    ----------
    image_ids : ndarray of str, shape (N,)
        The images that nobody labelled.
    features : ndarray of float, shape (N, D)
        What a model gave of them. Those that are zero or not finite are in no group.
    labels : ndarray of str, shape (M,)
        The class of each labelled image; at least one.
    known : ndarray of float, shape (M, D)
        The features of the labelled images.
    weights : ndarray of float, shape (N,), optional
        How much each image counts in the gain of its group, between 0 and 1; 1 when missing.
    rejected : ndarray of float, shape (R, D), optional
        The features of images that were rejected.
    wanted : ndarray of bool, shape (M,), optional
        Which labelled images are of classes that groups may be more of: all of a class, or none.
        They are not taken as known, unless so many classes are wanted that the others are no more
        than these: few known classes would keep nothing apart.
    strange : ndarray of float, shape (N,), optional
        How likely each image is of no class at all, by what else is known of it (`makeup.Makeup`);
        as likely as not when missing.
    untaught : ndarray of bool, shape (M,), optional
        Which labelled images the model was not taught; what classes are like is learnt of these,
        where they are of enough classes. Images that it was taught lie nearer together than those
        of a new class ever will.

    Returns
    -------
    DataFrame
        `COLUMNS`, one row an image of a group: cluster (from 1, the likeliest first), similarity
        (cosine to the mean of the others in the group), beyond (how much that is above the
        similarity to what is labelled), nearest (class), nearest_similarity (cosine to the mean of
        that class), and of the group: gain (the sum of `beyond`, weighted), classlike (how likely
        it is a class and no rubbish, by `likeness`, by how strange its images are, and by how many
        that people gave to one class are in it), refused (the share of its images to which a
        rejected one is nearer than any that is labelled), likely (that an image of it is of a class
        that is not known, by all three; and, where it is named, of this one), named (the wanted
        class of which most labelled images are in it; '' where none is), labelled (how many these
        are). By cluster, the most typical image first. No image is in two groups, and no group has
        fewer than `LEAST` images, labelled ones included, or gains less than `LEAST_GAIN`.

    Raises
    ------
    InputError
        No labelled image has usable features.

    Notes
    -----
    Features are whitened by the covariance within the labelled classes (`models.novelty`), so that
    what differs between images of one class does not count. A new class is then opened as a
    facility is (the greedy of D. Hochbaum, Math. Programming 22, 1982): where it would bring most
    images nearer than their nearest labelled image and the mean of their nearest class are. Its
    mean moves as in DP-means (B. Kulis and M. Jordan, ICML 2012) until the same images stay. There
    is no number of clusters to choose and no threshold; but two new classes that are more like each
    other than like any that is known may come as one. An image's own part in the mean is taken
    out, so that small groups have no advantage. Memory is that of the pairs that are nearer to each
    other than to what is labelled; time that of N (N + M) products of features.
    """
    order = np.argsort(image_ids.astype(str), kind="stable")
    image_ids, features = image_ids[order], features[order]
    counted = np.ones(len(order)) if weights is None else weights[order]
    odd = np.full(len(order), 0.5) if strange is None else strange[order]
    names, numbers = np.unique(labels.astype(str), return_inverse=True)
    others = known[:0] if rejected is None or not len(rejected) else rejected
    rows, taught, thrown = _whitened(known, numbers, features, known, others)
    joins = _joining(numbers, wanted)
    closed = np.unique(numbers[~joins])
    means = np.zeros((len(names), rows.shape[1]), np.float32)
    np.add.at(means, numbers, taught)
    means = directions(means)[0][closed]
    # Labelled images of wanted classes come behind those of the pool.
    pool, rows = len(rows), np.concatenate([rows, taught[joins]])
    counted = np.concatenate([counted, np.ones(int(joins.sum()))])
    at_mean, at_image = _nearest(rows, means), _nearest(rows, taught[~joins])[1]
    least = np.maximum(at_mean[1], at_image)
    labelled = np.maximum(at_image, _nearest(rows, taught[joins])[1])
    refused = _nearest(rows, thrown[thrown.any(axis=1)])[1] > labelled
    fair = np.ones(len(numbers), np.bool_) if untaught is None else untaught
    classes = likeness.learnt(taught[fair], numbers[fair])
    if len(classes.tight) < likeness.FEWEST:
        classes = likeness.learnt(taught, numbers)
    found = []
    for members, similarity in _opened(rows, least, directions(rows)[1], pool):
        beyond = similarity - least[members]
        gain = float((beyond * counted[members]).sum())
        own = members < pool
        if gain < LEAST_GAIN or not own.any():
            continue
        middle = directions(rows[members].sum(axis=0, keepdims=True))[0]
        classlike = classes.of(float(similarity.mean()), float((means @ middle.T).max()))
        name, of_it, share = _most(names[numbers[joins][members[~own] - pool]])
        speaks = (1 + of_it) * _speaks_for(odd[members[own]])
        classlike, fresh = _times(classlike, speaks), _times(_fresh(gain), 1 + of_it)
        members, similarity, beyond = members[own], similarity[own], beyond[own]
        away = float(refused[members].mean())
        images = {
            "image_id": image_ids[members],
            "similarity": similarity,
            "beyond": beyond,
            "nearest": names[closed][at_mean[0][members]],
            "nearest_similarity": at_mean[1][members],
        }
        group = {
            "gain": gain,
            "classlike": classlike,
            "refused": away,
            "likely": fresh * classlike * (1 - away) * share,
            "named": name,
            "labelled": of_it,
        }
        found.append(pd.DataFrame({**images, **group}))
    if not found:
        floats = dict.fromkeys(COLUMNS[6:10], "float64")
        whole = dict.fromkeys(("cluster", "labelled"), "int64")
        return pd.DataFrame(columns=list(COLUMNS)).astype({**whole, **floats})
    # Stable: of groups that are equally likely, the one found first comes first.
    found.sort(key=lambda group: -group["likely"].iloc[0])
    numbered = [group.assign(cluster=at) for at, group in enumerate(found, 1)]
    return pd.concat(numbered, ignore_index=True)[list(COLUMNS)]


def _fresh(gain: float) -> float:
    """How likely images of a group with this gain are of no known class, if they are of a class."""
    return gain**2 / (gain**2 + EVEN_GAIN**2)


def _speaks_for(strange: NDArray[np.float64]) -> float:
    """Say how much likelier a class has images that are so strange than rubbish has."""
    mean = float(np.clip(strange.mean(), SUREST, 1 - SUREST))
    return (1 - mean) / mean


def _times(chance: float, odds: float) -> float:
    """Multiply the odds of a chance."""
    return chance * odds / (chance * odds + 1 - chance)


def _joining(numbers: _Ints, wanted: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Say which labelled images may be part of groups."""
    none = np.zeros(len(numbers), np.bool_)
    if wanted is None:
        return none
    few = len(np.unique(numbers[~wanted])) <= len(np.unique(numbers[wanted]))
    return none if few else wanted


def _most(labels: NDArray[Any]) -> tuple[str, int, float]:
    """Give the most frequent of some labels, how often it occurs, and its share."""
    if not len(labels):
        return "", 0, 1.0
    names, counts = np.unique(labels, return_counts=True)
    at = counts.argmax()
    return str(names[at]), int(counts[at]), float(counts[at] / len(labels))


def _whitened(known: NDArray[Any], numbers: _Ints, *several: NDArray[Any]) -> list[_Floats]:
    """Damp what differs between images of one class; each row then has the length 1, or 0."""
    said = novelty.fit(known, numbers, known)
    damped = said.damped.astype(np.float32)

    def whiten(rows: NDArray[Any]) -> _Floats:
        unit, usable = directions(rows)
        moved = unit - said.centre
        moved[~usable] = 0
        return directions(moved - (moved @ damped) @ damped.T)[0]

    return [whiten(rows) for rows in several]


def _nearest(rows: _Floats, others: _Floats) -> tuple[_Ints, _Floats]:
    """Give for each row which other is nearest, and its cosine; -1 where there are no others."""
    at, cosine = np.zeros(len(rows), np.int64), np.full(len(rows), -1, np.float32)
    for begin in range(0, len(rows) if len(others) else 0, _BLOCK):
        cosines = rows[begin : begin + _BLOCK] @ others.T
        at[begin : begin + _BLOCK] = cosines.argmax(axis=1)
        cosine[begin : begin + _BLOCK] = cosines.max(axis=1)
    return at, cosine


def _opened(
    rows: _Floats, least: _Floats, usable: NDArray[np.bool_], pool: int
) -> list[tuple[_Ints, _Floats]]:
    """Open groups until nothing gains; give the rows of each, the most typical first.

    The first so many rows are of the pool; only these choose where a group is opened.
    """
    votes = _votes(rows, least, usable)
    by_voter = votes.T.tocsr()
    mass = np.asarray(votes[:, :pool].sum(axis=1)).ravel()
    left = usable.copy()
    found: list[tuple[_Ints, _Floats]] = []
    nameless = 0
    while nameless < OFFERED and len(found) < 2 * OFFERED:
        seed = int(mass.argmax()) if len(mass) else 0
        if not len(mass) or mass[seed] <= 1e-6:
            break
        inside = np.zeros(len(rows), bool)
        inside[votes[[seed]].indices] = True
        inside[seed] = True
        inside, similarity = _settled(rows, least, left, inside & left)
        members = np.flatnonzero(inside)
        if len(members) < LEAST:
            members = np.array([seed])
        else:
            members = members[np.argsort(-similarity[members], kind="stable")]
            found.append((members, similarity[members]))
            nameless += bool((members < pool).all())
        left[members] = False
        mass -= np.asarray(by_voter[members[members < pool]].sum(axis=0)).ravel()
        mass[members] = -np.inf
    return found


def _settled(
    rows: _Floats, least: _Floats, left: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], _Floats]:
    """Let the images that are nearer to a group's mean than to what is labelled be the group."""
    for _ in range(_ROUNDS):
        total = rows[inside].sum(axis=0)
        along = rows @ total
        # Without the image itself: |total - row|² = |total|² - 2 row·total + 1.
        own = inside.astype(np.float32)
        length = np.maximum(total @ total - 2 * along * own + own, 1e-12)
        similarity = (along - own) / np.sqrt(length)
        fits = left & (similarity > least)
        if fits.sum() < LEAST or (fits == inside).all():
            return fits, similarity
        inside = fits
    return fits, similarity


def _votes(rows: _Floats, least: _Floats, usable: NDArray[np.bool_]) -> sparse.csr_matrix:
    """Say how much nearer each image (column) is to each other one than to what is labelled."""
    from scipy import sparse  # most queues need none of it, and it takes long to import

    parts = []
    for begin in range(0, len(rows), _BLOCK):
        gained = rows[begin : begin + _BLOCK] @ rows.T - least
        at = np.arange(len(gained))
        gained[at, begin + at] = 0
        gained[:, ~usable] = 0
        gained[~usable[begin : begin + _BLOCK]] = 0
        parts.append(sparse.csr_matrix(np.maximum(gained, 0)))
    return sparse.vstack(parts, "csr") if parts else sparse.csr_matrix((0, 0), dtype=np.float32)
