"""Against classes of unlike size: weights of classes, priors of logits, balanced epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from curate.core import chance
from curate.core.errors import PolicyError

BETA = 0.999
"""Of `effective_weights`: a class of far fewer than 1 / (1 - BETA) = 1,000 images is weighted by
nearly 1 / its images, and one of far more as if it had 1,000."""


def effective_weights(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give each class a weight in the loss, by the effective number of its images.

    Parameters
    ----------
    counts : ndarray of int64, shape (K,)
        Images of each class to train on.

    Returns
    -------
    ndarray of float32, shape (K,)
        Their mean over the *images* is 1, so that the loss and the learning rate that suits it
        keep their scale.

    Raises
    ------
    PolicyError
        A class without an image.

    Notes
    -----
    Y. Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
    equation 2: 1 / E with E = (1 - β^n) / (1 - β). The paper's weights have a sum of K.
    """
    numbers = _present(counts)
    weights = (1 - BETA) / (1 - BETA**numbers)
    return np.asarray(weights * numbers.sum() / (weights * numbers).sum(), np.float32)


def log_priors(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give what is added to the logits in the training loss, and only there.

    A thin class must then win by more to be believed, and without the addition, at
    identification, it is no longer drowned by the thick ones.

    Parameters
    ----------
    counts : ndarray of int64, shape (K,)
        Images of each class to train on.

    Returns
    -------
    ndarray of float32, shape (K,)
        Logarithm of each class's share of the images.

    Raises
    ------
    PolicyError
        A class without an image.

    Notes
    -----
    A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10, τ = 1.
    """
    numbers = _present(counts)
    return np.asarray(np.log(numbers / numbers.sum()), np.float32)


def balanced(
    positions: NDArray[np.int64],
    targets: NDArray[np.int64],
    ids: Sequence[str],
    seed: int,
    epoch: int,
) -> NDArray[np.int64]:
    """Draw an epoch in which every class is seen equally often.

    The epochs are cut from one endless row: the classes take turns in it, and each class goes
    through its images, in an order by chance, before it starts over in another order.

    Parameters
    ----------
    positions : ndarray of int64, shape (n,)
        Examples to train on, in any order.
    targets : ndarray of int64
        Class of each example, by position.
    ids : sequence of str
        Image id of each example, by position.
    seed : int
        Of all that is drawn.
    epoch : int
        From 0 or 1; any may be asked for without those before.

    Returns
    -------
    ndarray of int64, shape (n,)
        Positions, already in the order in which they are trained on: images of a thin class occur
        several times, well apart. Classes differ by one image at most. Up to any epoch, none of
        the images of a class was used twice more than another.
    """
    if not len(positions):
        return positions
    present, index = np.unique(targets[positions], return_inverse=True)
    names = [str(number) for number in present]
    turn = np.argsort(np.argsort(chance.fractions(seed, names, "turns"), kind="stable"))
    first, beyond = epoch * len(positions), (epoch + 1) * len(positions)
    drawn: list[int] = []
    copies: list[str] = []
    for number in range(len(present)):
        uses = range(*(_turns(end, int(turn[number]), len(present)) for end in (first, beyond)))
        for at, passed in _used(positions[index == number], ids, seed, uses):
            drawn.append(at)
            # The copies of an image are told apart by the pass that they belong to.
            copies.append(f"{ids[at]} {passed}")
    mixed = np.argsort(chance.fractions(seed, copies, f"order {epoch}"), kind="stable")
    return np.array(drawn, dtype=np.int64)[mixed]


def _turns(end: int, turn: int, classes: int) -> int:
    """Count the places before `end` in the endless row that belong to the class of a turn."""
    return (end - turn + classes - 1) // classes


def _used(
    members: NDArray[np.int64], ids: Sequence[str], seed: int, uses: range
) -> Iterator[tuple[int, int]]:
    """Yield the image of each use of a class, and the pass through the class that it is in."""
    size = len(members)
    for passed in range(uses.start // size, -(-uses.stop // size)):
        drawn = chance.fractions(seed, (ids[at] for at in members), f"balanced {passed}")
        order = members[np.argsort(drawn, kind="stable")]
        first = passed * size
        for at in order[max(uses.start - first, 0) : max(uses.stop - first, 0)]:
            yield int(at), passed


def _present(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(counts) or counts.min() < 1:
        raise PolicyError(
            f"{int((counts < 1).sum())} of {len(counts)} classes without an image to train on",
            "no weight balances a class that is never seen",
            "Leave the class out, or train without --balance",
        )
    return counts.astype(np.float64)
