"""What a user asks of a split: cutoffs, shares or counts, what to keep, seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from curate.core.cutoffs import COUNTS
from curate.core.errors import PolicyError
from curate.core.names import HELD_OUT
from curate.splits.tables import Floats, Ints

KEEPS = ("diverse", "newest", "quality", "random")
"""What can be kept above a max-count; `keeping.KEEP` has the rules."""


@dataclass(frozen=True)
class SplitPolicy:
    """Cutoffs, shares or counts, what to keep, and seed of a split.

    Parameters
    ----------
    min_count : int
        A class that counts less than this is left out; at least 1.
    max_count : int or None
        At most this many images of a class are used; None for no limit.
    val, test, benchmark : float or int
        A number below 1 is a share of a class's used real images. A whole number from 1 is that
        many images *of each class*; a class that is too small for all counts shares out what it
        has in their proportion. Train gets the rest.
    seed : int
        Decides what chance decides: what is kept above max-count and what is drawn for a split.
    staged_share : float
        At most this share of a min-count, in [0, 1], may be reached with staged and synthetic ones.
    sub_min_count : int
        A sub-class that counts less than this is left out; 0 for no cutoff. It comes before
        `min_count`: a class counts what its sub-classes leave.
    sub_max_count : int or None
        At most this many images of a sub-class are used. Images without a sub-class are none.
    keep : str
        What is kept above a max-count: diverse, newest, quality or random.
    count : str
        What counts towards a min-count: groups (an image alone is a group of one) or images.

    Raises
    ------
    PolicyError
        A count, a share or their sum is out of bounds, or a kind is not known.
    """

    min_count: int = 40
    max_count: int | None = 400
    val: float | int = 0.1
    test: float | int = 0.1
    benchmark: float | int = 0.0
    seed: int = 0
    staged_share: float = 0.5
    sub_min_count: int = 0
    sub_max_count: int | None = None
    keep: str = "diverse"
    count: str = "groups"

    def __post_init__(self) -> None:
        _check_cutoffs("", self.min_count, self.max_count, least=1)
        _check_cutoffs("sub-", self.sub_min_count, self.sub_max_count, least=0)
        for name in HELD_OUT:
            asked = getattr(self, name)
            if not (isfinite(asked) and asked >= 0 and (asked < 1 or asked == int(asked))):
                raise PolicyError(
                    f"{name} {asked}",
                    "a share lies between 0 and 1, and a count of images is a whole number from 1",
                    f"Give --{name} a share such as 0.1, or a count such as 20.",
                )
        held_out = sum(asked for name in HELD_OUT if (asked := getattr(self, name)) < 1)
        if held_out >= 1 - 1e-9:
            raise PolicyError(
                f"val {self.val} + test {self.test} + benchmark {self.benchmark}",
                f"they add up to {held_out:g} and leave nothing to train on",
                "Lower --val, --test or --benchmark until they add up to less than 1.",
            )
        if not (isfinite(self.staged_share) and 0 <= self.staged_share <= 1):
            raise PolicyError(
                f"staged share {self.staged_share}",
                "a share lies between 0 and 1",
                "Give a share such as 0.5.",
            )
        for option, value, known in (("keep", self.keep, KEEPS), ("count", self.count, COUNTS)):
            if value not in known:
                raise PolicyError(
                    f"{option} {value!r}", "there is no such rule", f"Known: {', '.join(known)}."
                )

    @property
    def asked(self) -> tuple[bool, bool, bool, bool]:
        """Whether anything is asked for each of `SPLITS`; train always has its part."""
        return (True, self.val > 0, self.test > 0, self.benchmark > 0)

    def wishes(self, total: Ints) -> Floats:
        """How many images each split is to have of classes with so many used real images.

        Parameters
        ----------
        total : int array, shape (n,)
            The used real images of each class.

        Returns
        -------
        float array, shape (n, 4)
            In the order of `SPLITS`; no entry is negative, and the rows add up to `total`.
        """
        asked = np.array([self.val, self.test, self.benchmark], dtype=np.float64)
        fixed = asked >= 1
        held_out = total[:, None] * np.where(fixed, 0.0, asked)
        room = total - held_out.sum(axis=1)
        if fixed.any():
            fits = np.minimum(room / asked[fixed].sum(), 1.0)
            held_out[:, fixed] = fits[:, None] * asked[fixed]
        train = np.maximum(total - held_out.sum(axis=1), 0.0)
        return np.column_stack([train, held_out])


def _check_cutoffs(what: str, min_count: int, max_count: int | None, least: int) -> None:
    if min_count < least:
        raise PolicyError(
            f"{what}min-count {min_count}",
            "a class needs at least one image" if least else "a count is not negative",
            f"Give a --{what}min-count of {least} or more.",
        )
    if max_count is not None and max_count < max(min_count, 1):
        raise PolicyError(
            f"{what}max-count {max_count}",
            f"it is below the {what}min-count of {min_count}, so nothing could pass both"
            if min_count
            else "nothing would be left",
            f"Raise --{what}max-count or lower --{what}min-count.",
        )


def lowered(policy: SplitPolicy, min_count: int) -> SplitPolicy:
    """The policy of a throw-away run: the same, with a lower min-count.

    Parameters
    ----------
    policy : SplitPolicy
        The permanent policy.
    min_count : int
        The cutoff of the throw-away run, below the permanent one.

    Returns
    -------
    SplitPolicy
        Use it with the permanent assignment as `previous`, and do not save what comes out.

    Raises
    ------
    PolicyError
        The cutoff is not lower, or below 1.
    """
    if min_count >= policy.min_count:
        raise PolicyError(
            f"min-count {min_count}",
            f"a throw-away run needs a cutoff below the permanent one of {policy.min_count}",
            f"Give a --min-count of {policy.min_count - 1} or less.",
        )
    return replace(policy, min_count=min_count)
