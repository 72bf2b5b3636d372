"""What a user asks of the search for duplicates."""

from __future__ import annotations

from dataclasses import dataclass

from curate.core.errors import PolicyError
from curate.core.hashes import HASHES
from curate.duplicates import keeper
from curate.duplicates.pictures import symmetries

LEAST = 0.6
"""Similarity from which compared pairs are remembered, so that a policy may change its mind."""

_MOST_BITS = 20
"""Within so many bits nearly every picture is near to every other."""


@dataclass(frozen=True)
class DuplicatePolicy:
    """How alike near-duplicates are, and which of them is kept.

    Parameters
    ----------
    similarity : float
        Pairs are near-duplicates from this similarity on, 0.6 to 1.
    flips, turns : bool
        Whether mirrored copies, and copies turned by quarters, are duplicates too.
    hashes : tuple of str
        Perceptual hashes by which pairs are looked for beside the views, each with a radius in
        bits: ``phash:8``. Names of `core.hashes.HASHES`.
    keeper : tuple of str
        Criteria by which the keeper of a group is chosen, names of `keeper.CRITERIA`.

    Raises
    ------
    PolicyError
        The similarity or a radius is out of bounds, a hash or a criterion is of no known name.
    """

    similarity: float = 0.8
    flips: bool = False
    turns: bool = False
    hashes: tuple[str, ...] = ("phash:8",)
    keeper: tuple[str, ...] = keeper.ORDER

    def __post_init__(self) -> None:
        if not LEAST <= self.similarity <= 1:
            raise PolicyError(
                f"similarity {self.similarity:g}",
                f"near-duplicates are alike by {LEAST} to 1",
                "Give a similarity such as 0.8; a higher one finds fewer pairs.",
            )
        names = [_radius(text)[0] for text in self.hashes]
        if len(set(names)) < len(names):
            raise PolicyError(
                f"hashes {', '.join(self.hashes)}", "one is named twice", "Name each once."
            )
        keeper.check(self.keeper)

    @property
    def radii(self) -> dict[str, int]:
        """The radius of each perceptual hash, in bits."""
        return dict(_radius(text) for text in self.hashes)

    @property
    def symmetries(self) -> tuple[str, ...]:
        """The symmetries under which copies are looked for."""
        return symmetries(flips=self.flips, turns=self.turns)


def _radius(text: str) -> tuple[str, int]:
    name, _, bits = text.partition(":")
    if name not in HASHES:
        raise PolicyError(
            f"hash {name!r}", "is of no known name", f"Known: {', '.join(HASHES)}, as phash:8."
        )
    if not bits.isdecimal() or int(bits) > _MOST_BITS:
        raise PolicyError(
            f"hash {text!r}",
            f"its radius is a number of bits from 0 to {_MOST_BITS}",
            f"Give {name}:8, say.",
        )
    return name, int(bits)
