"""What rules of cleanup ask of queues: their recipes and their filters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from curate.core.errors import ConfigError, InputError, PolicyError

if TYPE_CHECKING:
    import pandas as pd

    from curate.cleanup.naming import Ask
    from curate.cleanup.policy import Policy, Rule
    from curate.cleanup.verb import Agree, Made
    from curate.queues import Filters
    from curate.store.library import Library

_OWN = ("recipe", "older_than", "limit", "action")
"""Keys of a rule that are no filters."""

_OF_QUEUES = ("class_count", "per_class", "one_per_group", "diverse", "sort")
"""Filters that are about more than one image."""


def policy_of(place: Library) -> Policy:
    """Give the policy of a library: what its curate.toml says, or the default."""
    from curate.cleanup import policy
    from curate.core import config

    return policy.policy_of(config.load(place.root).cleanup)


def plan_cleanup(place: Library, *, rules: Sequence[str] = (), agree: Agree | None = None) -> Made:
    """Plan which files would go by the policy of a library; nothing is moved.

    Parameters
    ----------
    place : Library
        The library; the policy stands in the curate.toml beside it.
    rules : sequence of str
        Only these rules; all when empty.
    agree : callable, optional
        Is asked whether a plan over its limits is kept all the same; it is not when not given.

    Returns
    -------
    Made
        See `curate.cleanup.verb.Made`.
    """
    from curate.cleanup import verb

    policy, ask = policy_of(place), ask_of(place)
    return verb.plan(place, policy, ask, rules=rules, agree=agree or (lambda found: False))


def ask_of(place: Library) -> Ask:
    """Answer for the queues of a library."""
    from curate.cleanup.naming import Ask

    return Ask(check, lambda rule: _queue(place, rule), lambda rule, found: _passes(rule, found))


def check(rule: Rule) -> None:
    """Refuse a rule whose recipe or filters there are not.

    Raises
    ------
    ConfigError
        It names what there is not; the message suggests the nearest.
    """
    from curate.cleanup.recipes import RECIPES
    from curate.queues import RECIPES as QUEUES

    if rule.recipe not in RECIPES:
        if rule.recipe not in QUEUES:
            _unknown(rule, "recipe", rule.recipe, [*RECIPES, *QUEUES])
        if QUEUES[rule.recipe].decided:
            raise ConfigError(
                f"cleanup.rules.{rule.name}",
                f"the recipe {rule.recipe} is about labelled images, which never go",
                "Name another recipe.",
            )
    elif wrong := [name for name in _OF_QUEUES if name in rule.filters]:
        raise ConfigError(
            f"cleanup.rules.{rule.name}: {wrong[0]}",
            f"goes with the recipes of queues; {rule.recipe} decides every image alone",
            "Leave it out.",
        )
    filters_of(rule)


def filters_of(rule: Rule) -> Filters:
    """Read the filters of a rule.

    Raises
    ------
    ConfigError
        There is no such filter, or it cannot have this value.
    """
    from curate.cli import queue_options

    # TOML names them as people type them: class, min_score.
    options = {name.rstrip("_"): name for name in queue_options.OPTIONS if name != "limit"}
    typed: dict[str, Any] = {}
    for name, value in rule.filters.items():
        if name not in options:
            _unknown(rule, "key", name, [*_OWN, *options])
        typed[options[name]] = _typed(name, value)
    # All that a rule names may go, the copies of one image too; its limit counts what is left.
    usual = {"one_per_group": False, "limit": sys.maxsize}
    try:
        return queue_options.filters_of(**(usual | typed))
    except (InputError, PolicyError) as error:
        raise ConfigError(
            f"cleanup.rules.{rule.name}: {error.value}", error.rule, error.remedy
        ) from error


def _typed(name: str, value: Any) -> Any:
    """Give a value of TOML as the command line would have it."""
    if name == "class":
        return [value] if isinstance(value, str) else value
    return str(value) if name == "class_count" else value


def _unknown(rule: Rule, kind: str, name: str, known: Sequence[str]) -> None:
    from curate.core import names

    meant = names.nearest(name, known)
    hint = f"Did you mean {meant}? " if meant else ""
    raise ConfigError(
        f"cleanup.rules.{rule.name}: {kind} {name!r}",
        "there is none",
        f"{hint}Known: {', '.join(known)}.",
    )


def _queue(place: Library, rule: Rule) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    from curate import queues
    from curate.cli.split import standing_policy
    from curate.core import config

    settings = standing_policy(place, config.load(place.root))
    table, decided = queues.unseen(
        place,
        rule.recipe,
        filters_of(rule),
        min_count=settings.min_count,
        count=settings.count,
    )
    # The end of a queue is the nearest to what is wanted; of the lowest scores, the highest.
    risk = table["score"] if rule.recipe == "low-score" else pd.Series(range(len(table)))
    columns = {name: table[name].array for name in ("image_id", "reason", "score", "predicted")}
    return pd.DataFrame({**columns, "risk": risk.to_numpy("float64")}), decided


def _passes(rule: Rule, found: pd.DataFrame) -> pd.DataFrame:
    """Give the images that the filters of a rule let through, decided or not."""
    from dataclasses import replace

    import duckdb
    import pyarrow as pa

    filters = replace(filters_of(rule), labelled=True)
    conditions, values = filters.conditions()
    rows = found.assign(rejected=False, place=range(len(found)))
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as answering:
        answering.register("candidates", pa.Table.from_pandas(rows, preserve_index=False))
        sql = f"SELECT place FROM candidates WHERE {' AND '.join(conditions)} ORDER BY place"
        kept = answering.execute(sql, values).fetchall()
    return found.iloc[[place for (place,) in kept]]
