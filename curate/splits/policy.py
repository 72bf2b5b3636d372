"""What a user asks of a split: cutoffs, shares, seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

from curate.core.errors import PolicyError


@dataclass(frozen=True)
class SplitPolicy:
    """Cutoffs, shares and seed of a split.

    Parameters
    ----------
    min_count : int
        A class that counts fewer images than this is left out; at least 1.
    max_count : int or None
        At most this many images of a class are used; None for no limit.
    val, test, benchmark : float
        Shares of a class's used real images, each in [0, 1); train gets the rest.
    seed : int
        Decides what chance decides: what is kept above max-count and what is drawn for a split.
    staged_share : float
        At most this share of min-count, in [0, 1], may be reached with staged and synthetic images.

    Raises
    ------
    PolicyError
        A count, a share or their sum is out of bounds.
    """

    min_count: int = 40
    max_count: int | None = 400
    val: float = 0.1
    test: float = 0.1
    benchmark: float = 0.0
    seed: int = 0
    staged_share: float = 0.5

    def __post_init__(self) -> None:
        if self.min_count < 1:
            raise PolicyError(
                f"min-count {self.min_count}",
                "a class needs at least one image",
                "Give a --min-count of 1 or more.",
            )
        if self.max_count is not None and self.max_count < self.min_count:
            raise PolicyError(
                f"max-count {self.max_count}",
                f"it is below the min-count of {self.min_count}, so no class could pass both",
                "Raise --max-count or lower --min-count.",
            )
        for name in ("val", "test", "benchmark"):
            share = getattr(self, name)
            if not (isfinite(share) and 0 <= share < 1):
                raise PolicyError(
                    f"{name} {share}",
                    "a share lies between 0 and 1",
                    f"Give --{name} a share such as 0.1.",
                )
        if self.held_out >= 1 - 1e-9:
            raise PolicyError(
                f"val {self.val} + test {self.test} + benchmark {self.benchmark}",
                f"they add up to {self.held_out:g} and leave nothing to train on",
                "Lower --val, --test or --benchmark until they add up to less than 1.",
            )
        if not (isfinite(self.staged_share) and 0 <= self.staged_share <= 1):
            raise PolicyError(
                f"staged share {self.staged_share}",
                "a share lies between 0 and 1",
                "Give a share such as 0.5.",
            )

    @property
    def held_out(self) -> float:
        """The share of a class's used real images that does not train."""
        return self.val + self.test + self.benchmark

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """The shares in the order of `SPLITS`; they add up to 1."""
        return (1 - self.held_out, self.val, self.test, self.benchmark)


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
