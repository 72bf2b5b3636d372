"""One generator a purpose, so that adding a picture never changes another."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Make the random generator that belongs to one purpose.

    Parameters
    ----------
    seed : int
        The seed of the whole zoo.
    *purpose : str
        What the numbers are for, such as the name of a picture and the word ``"scene"``.

    Returns
    -------
    numpy.random.Generator
        The same generator for the same arguments, whatever was drawn before.
    """
    text = "\x1f".join((str(seed), *purpose))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
