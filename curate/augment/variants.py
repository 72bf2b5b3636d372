"""What a recipe makes of one image, as files that say what they were made from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from curate.augment.policy import Pixels, compile_policy
from curate.core import chance
from curate.core.images import to_jpeg

QUALITY = 95
"""Of the JPEGs: what they lose is far less than what the recipe changes."""

_TRIES = 20
"""Draws that may give nothing new, one after the other, before there is held to be nothing new."""


@dataclass(frozen=True)
class Variant:
    """One image that was made.

    Attributes
    ----------
    number : int
        Its number among those of its parent, recipe and seed.
    data : bytes
        A JPEG. Its comment names parent, recipe, seed and number.
    pixels : str
        Digest of the pixels that were encoded.
    """

    number: int
    data: bytes
    pixels: str


def variants(
    parent: str,
    pixels: Pixels,
    recipe: str,
    seed: int,
    taken: Collection[int] = (),
    known: Collection[str] = (),
) -> Iterator[Variant]:
    """Make images out of one, each a function of its parent, the recipe, the seed and its number.

    Parameters
    ----------
    parent : str
        Its image id.
    pixels : ndarray of uint8, shape (height, width, 3)
        Its pixels.
    recipe, seed : str, int
        What is done, and what decides what the recipe leaves to chance.
    taken : collection of int
        Numbers that are left out.
    known : collection of str
        Digests of the pixels of other variants of this parent.

    Yields
    ------
    Variant
        None looks like the parent, like one of those that are known, or like another, pixel by
        pixel; when the recipe comes to nothing else any more, they end.
    """
    policy = compile_policy(recipe)
    seen = {_digest(pixels), *known}
    tries = 0
    for number in count():
        if number in taken:
            continue
        made = policy(pixels, chance.generator(seed, parent, f"augment {number} {recipe}"))
        digest = _digest(made)
        if digest not in seen:
            seen.add(digest)
            tries = 0
            said = f"made by curate from image {parent}, recipe {recipe!r}, seed {seed}, {number}"
            yield Variant(number, _with_comment(to_jpeg(made, QUALITY), said), digest)
        elif (tries := tries + 1) == _TRIES:
            return


def _digest(pixels: Pixels) -> str:
    return sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16]


def _with_comment(jpeg: bytes, text: str) -> bytes:
    """Put a comment into a JPEG, behind the segment that has to come first."""
    end = 4 + int.from_bytes(jpeg[4:6], "big")
    said = text.encode()
    return jpeg[:end] + b"\xff\xfe" + (len(said) + 2).to_bytes(2, "big") + said + jpeg[end:]
