"""The policy: which rules may name images for cleanup, and the limits of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import Connection

from curate.cleanup.plans import Plan
from curate.cleanup.recipes import RECIPES
from curate.core.config import Cleanup, CleanupRule
from curate.core.durations import duration, written
from curate.core.errors import PolicyError
from curate.store import decisions, runs
from curate.store.decisions import Decision
from curate.store.library import Library

DEFAULT: dict[str, dict[str, Any]] = {
    # What a person said no to.
    "rejected": {"recipe": "rejected"},
    # What shows nothing at all. How flat or soft that is stands in `recipes`; where somebody wanted
    # such a picture, only what is worse still goes.
    "blank": {"recipe": "blank"},
    "blurred": {"recipe": "blurred"},
    # What is like rejected images, once people have looked at the least sure of it.
    "like-rejected": {"recipe": "like-rejected"},
    # A copy may be the better picture, and frames of a moment are copies too. These are shown, and
    # whoever wants them gone writes a rule.
    "copies": {"recipe": "copies", "action": "list"},
}
"""The rules where `curate.toml` has none, as they would stand there."""

APPROVE = "approve"
"""Kind of the decision that a policy may be followed when nobody watches."""

STAGE = "cleanup approve"


@dataclass(frozen=True)
class Rule:
    """One rule: a queue of images that may go.

    Attributes
    ----------
    name : str
        How it is called in plans.
    recipe : str
        One of `recipes.RECIPES`, or a recipe of queues.
    filters : mapping
        Filters of queues, by the names of their options; what an image must fulfil beside.
    older_than : timedelta
        How long the library must have known an image.
    limit : int or None
        The most images of a run; None for no bound.
    action : str
        ``quarantine``, or ``list``: its images are shown, and stay.
    """

    name: str
    recipe: str
    filters: Mapping[str, Any] = field(default_factory=dict)
    older_than: timedelta = timedelta(0)
    limit: int | None = None
    action: Literal["quarantine", "list"] = "quarantine"


@dataclass(frozen=True)
class Policy:
    """What cleanup may do.

    Attributes
    ----------
    rules : tuple of Rule
        In this order: the first that names an image has it.
    grace : timedelta
        How long files stay in quarantine at least.
    max_share : float
        The largest share of the pool that one run may take without being asked.
    surge : float
        So many times its usual amount a rule may take without being asked.
    quarantine : str
        The folder of the quarantine; '' for that of the library.
    """

    rules: tuple[Rule, ...]
    grace: timedelta = timedelta(days=30)
    max_share: float = 0.1
    surge: float = 10
    quarantine: str = ""


def policy_of(settings: Cleanup) -> Policy:
    """Make the policy of `[cleanup]` in curate.toml; with `DEFAULT` where it has no rules."""
    rules = settings.rules or {n: CleanupRule.model_validate(rule) for n, rule in DEFAULT.items()}
    return Policy(
        tuple(_rule(name, rule) for name, rule in rules.items()),
        duration(settings.grace),
        settings.max_share,
        settings.surge,
        settings.quarantine,
    )


def _rule(name: str, given: CleanupRule) -> Rule:
    return Rule(
        name,
        given.recipe,
        dict(given.model_extra or {}),
        duration(given.older_than),
        given.limit,
        given.action,
    )


def said(policy: Policy) -> list[str]:
    """Write a policy as people read it, a line a rule and one for the limits.

    The numbers that a recipe of cleanup goes by are among its words: with other numbers it is
    another policy.
    """
    return [
        *(_said(rule) for rule in policy.rules),
        f"files stay in quarantine for {written(policy.grace)} at least"
        + (f", in {policy.quarantine}" if policy.quarantine else ""),
        f"stop and ask: above {policy.max_share:.0%} of the pool in one run, or when a rule wants "
        f"more than {policy.surge:g} times its usual amount",
    ]


def _said(rule: Rule) -> str:
    own = RECIPES.get(rule.recipe)
    parts = [own.help if own else f"the queue {rule.recipe}"]
    parts += [f"{name} {json.dumps(value)}" for name, value in sorted(rule.filters.items())]
    if rule.older_than:
        parts.append(f"known for {written(rule.older_than)} or longer")
    if rule.limit is not None:
        parts.append(f"at most {rule.limit:,} images a run")
    what = {"quarantine": "into quarantine", "list": "listed only"}[rule.action]
    return f"{rule.name}: {'; '.join(parts)}; {what}"


def digest(policy: Policy) -> str:
    """Name a policy by what people read of it."""
    return sha256("\n".join(said(policy)).encode()).hexdigest()[:32]


def approved(connection: Connection) -> str | None:
    """Give the digest of the policy that was approved last; None where none ever was."""
    found = decisions.current(connection, APPROVE)
    return str(found["value"].iloc[-1]) if len(found) else None


def require_approved(connection: Connection, plan: Plan) -> None:
    """Refuse a plan that nobody answers for.

    Raises
    ------
    PolicyError
        No policy made it, or another one than that which was approved last.
    """
    if not plan.policy:
        raise PolicyError(
            "this plan",
            "was made or changed by hand, and nobody sits at a terminal",
            "Apply it from a terminal, or let a rule of curate.toml make one.",
        )
    if plan.policy != approved(connection):
        raise PolicyError(
            f"the policy {plan.policy[:12]}",
            "is not the one that was approved last, and nobody sits at a terminal",
            "`curate cleanup approve` shows it and writes down that it may be followed.",
        )


def approve(library: Library, policy: Policy, actor: str) -> bool:
    """Write down that a policy may be followed when nobody watches.

    Parameters
    ----------
    library : Library
        Where it holds.
    policy : Policy
        Takes the place of the one that was approved before.
    actor : str
        Who approves it.

    Returns
    -------
    bool
        Whether it was another one before.
    """
    name = digest(policy)
    with library.reading() as connection:
        if approved(connection) == name:
            return False
    with runs.running(library, STAGE, {"policy": name}) as run:
        run.summary["said"] = said(policy)
        made = Decision(APPROVE, "", name, f"{APPROVE}/{run.run_id}", actor, field="cleanup")
        with library.writing() as connection:
            decisions.append(connection, run.run_id, [made])
    return True
