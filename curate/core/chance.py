"""Every random choice, as a function of a seed and an id.

A draw depends on nothing but its arguments: not on the order of rows, not on how many other rows
there are, not on earlier draws. That is what lets a split stay put when the library grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def fraction(seed: int, name: str, stream: str = "") -> float:
    """A number in [0, 1) drawn for `name`.

    Parameters
    ----------
    seed : int
        The user's seed.
    name : str
        What the draw is for, usually an image id.
    stream : str
        Names the purpose, so that two draws for the same id are independent.

    Returns
    -------
    float
        Uniform in [0, 1), a multiple of 2**-53.
    """
    prefix = _state(seed, stream)
    prefix.update(name.encode("utf-8", "surrogateescape"))
    return _to_fraction(prefix.digest())


def fractions(seed: int, names: Iterable[str], stream: str = "") -> NDArray[np.float64]:
    """`fraction` for many names at once, shape (n,), equal to the single draws bit for bit."""
    copy = _state(seed, stream).copy
    digests = []
    for name in names:
        state = copy()
        state.update(name.encode("utf-8", "surrogateescape"))
        digests.append(state.digest())
    drawn = np.frombuffer(b"".join(digests), dtype="<u8")
    return np.asarray((drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def generator(seed: int, name: str, stream: str = "") -> np.random.Generator:
    """A generator of its own for `name`, where one number is not enough (augmentation, say)."""
    state = _state(seed, stream)
    state.update(name.encode("utf-8", "surrogateescape"))
    return np.random.default_rng(int.from_bytes(state.digest(), "little"))


def _state(seed: int, stream: str) -> blake2b:
    # The separator keeps (1, "23") and (12, "3") apart.
    return blake2b(f"{seed}\x00{stream}\x00".encode(), digest_size=8)


def _to_fraction(digest: bytes) -> float:
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53
