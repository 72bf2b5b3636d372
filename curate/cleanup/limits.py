"""Limits: when a plan stops and asks a person before it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from curate.cleanup.policy import Policy

REMEMBERED = 10
"""Earlier plans in which a rule wanted something that say what its usual amount is."""


@dataclass(frozen=True)
class Stop:
    """A limit that a plan is over.

    Attributes
    ----------
    limit : str
        ``surge`` or ``max_share``.
    rule : str
        The rule that is over it; '' for the plan as a whole.
    reason : str
        For people.
    """

    limit: str
    rule: str
    reason: str


def usual(earlier: Sequence[Mapping[str, int]], rule: str) -> float | None:
    """Give the usual amount of a rule: the median of what it wanted when it wanted something.

    Parameters
    ----------
    earlier : sequence of mapping
        Images by rule of earlier plans that were not stopped, the newest first.
    rule : str
        Its name.

    Returns
    -------
    float or None
        None where it never wanted anything.
    """
    wanted = [plan[rule] for plan in earlier if plan.get(rule, 0) > 0]
    return float(median(wanted[:REMEMBERED])) if wanted else None


def stops(
    policy: Policy, wanted: Mapping[str, int], pool: int, earlier: Sequence[Mapping[str, int]]
) -> list[Stop]:
    """Say which limits a plan is over.

    Parameters
    ----------
    policy : Policy
        Its limits.
    wanted : mapping of str to int
        Images that would go, by rule.
    pool : int
        Images of the pool.
    earlier : sequence of mapping
        As `usual` takes it.
    """
    found = []
    for rule, images in wanted.items():
        before = usual(earlier, rule)
        if before is not None and images > policy.surge * before:
            found.append(
                Stop(
                    "surge",
                    rule,
                    f"rule {rule} wants {images:,} images, {images / before:,.0f} times its usual "
                    f"{before:,.0f}",
                )
            )
    total = sum(wanted.values())
    if total > policy.max_share * pool:
        found.append(
            Stop(
                "max_share",
                "",
                f"{total:,} of {pool:,} images of the pool would go in one run, more than "
                f"{policy.max_share:.0%}",
            )
        )
    return found
