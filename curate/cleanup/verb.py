"""Make a cleanup plan of what the library holds, and keep it. Nothing is moved here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from curate import engine
from curate.cleanup import naming, plans
from curate.cleanup.difference import COLUMNS, difference
from curate.cleanup.limits import Stop, stops
from curate.cleanup.naming import Ask
from curate.cleanup.planning import planned
from curate.cleanup.plans import PLAN_COLUMNS, STAGE, Plan
from curate.cleanup.policy import Policy, Rule, digest
from curate.core import names
from curate.core.errors import InputError, LibraryError
from curate.store import decisions, protection, runs, schema
from curate.store.library import Library

Agree = Callable[[Sequence[Stop]], bool]
"""Asks a person whether a plan over its limits shall be kept all the same."""


@dataclass(frozen=True)
class Made:
    """What came of planning.

    Attributes
    ----------
    plan : Plan or None
        As it is kept; None where limits stopped it.
    table : DataFrame
        `PLAN_COLUMNS`, risk (lower: surer that nobody wants it) and action: also what is listed.
    left : DataFrame
        What rules named and why it stays; see `planning.LEFT_COLUMNS`.
    rules : DataFrame
        rule, action, images, files, bytes, kept_back (images that are named and stay), note (what
        the rule was tried on, or why it names less than it could; '' mostly); in order.
    classes : DataFrame
        predicted (missing where no model said anything), images, files, bytes of what would go;
        the most files first.
    costs : DataFrame
        See `cost.COLUMNS`.
    difference : DataFrame or None
        To the plan before, see `difference.difference`; None where there was none.
    stops : tuple of Stop
        The limits that it is over.
    pool : int
        Images of the pool.
    policy : str
        Digest of the policy.
    """

    plan: Plan | None
    table: pd.DataFrame
    left: pd.DataFrame
    rules: pd.DataFrame
    classes: pd.DataFrame
    costs: pd.DataFrame
    difference: pd.DataFrame | None
    stops: tuple[Stop, ...]
    pool: int
    policy: str


def plan(
    library: Library,
    policy: Policy,
    ask: Ask,
    *,
    rules: Sequence[str] = (),
    agree: Agree = lambda found: False,
    now: datetime | None = None,
) -> Made:
    """Say which files would go by a policy, and keep that as a plan.

    Parameters
    ----------
    library : Library
        Whose files.
    policy : Policy
        Its rules and limits.
    ask : Ask
        Answers for queues.
    rules : sequence of str
        Only these rules; all when empty.
    agree : callable
        Whether a plan over its limits is kept; nobody agrees when not given.
    now : datetime, optional
        Ages are counted up to it.

    Raises
    ------
    InputError, PolicyError, ConfigError
        A rule that there is not, or that cannot be followed.
    LibraryError
        Nothing is labelled, or a scanned folder is not there: nobody could say what is wanted.
    """
    chosen = _chosen(policy, rules)
    naming.check(chosen, ask)
    named_policy = digest(policy)
    parameters = {"policy": named_policy, "rules": [rule.name for rule in chosen]}
    with runs.running(library, STAGE, parameters) as run:
        with library.reading() as connection:
            _refuse(library, connection)
            pool = _pool(connection)
        before = next(plans.made_before(library), None)
        with engine.progress("Planning", None, "rows") as advance:
            found = naming.named(library, chosen, ask, now or datetime.now(UTC), advance)
            everything = pd.concat([rows["image_id"] for rows in found.rows.values()])
            advance(0, "what is protected")
            files = protection.of_files(library, list(everything.unique()))
            advance(0, "what goes, and what stays")
            laid = planned(chosen, found.rows, files)
            moving = laid.table[laid.table["action"] == "quarantine"]
            wanted = _images_by_rule(moving)
            earlier = [_wanted(made.summary) for made in plans.made_before(library)]
            over = stops(policy, wanted, pool, earlier)
            images = laid.table.drop_duplicates("image_id")
            scores = {
                rule.name: images.loc[images["rule"] == rule.name, "score"] for rule in chosen
            }
            advance(0, "the difference to the last plan")
            since = _since(library, before is not None, moving, chosen)
        made = Made(
            None,
            laid.table,
            laid.left,
            _by_rule(chosen, laid.table, laid.left, found.notes),
            _by_class(moving),
            naming.costs(chosen, found, scores),
            since,
            tuple(over),
            pool,
            named_policy,
        )
        run.summary.update(
            images=sum(wanted.values()),
            files=len(moving),
            bytes=int(moving["bytes"].sum()),
            wanted=wanted,
            stops=[stop.reason for stop in over],
        )
        if over and not agree(over):
            run.summary["stopped"] = True
            return made
        with engine.progress("Keeping the plan", None, "rows"):
            kept = plans.keep(library, run, moving[list(PLAN_COLUMNS)], named_policy)
    return Made(**{**vars(made), "plan": kept})


def _chosen(policy: Policy, asked: Sequence[str]) -> list[Rule]:
    known = {rule.name: rule for rule in policy.rules}
    for name in asked:
        if name not in known:
            meant = names.nearest(name, known)
            hint = f"Did you mean {meant}? " if meant else ""
            raise InputError(
                f"rule {name!r}", "the policy has none", f"{hint}Known: {', '.join(known)}."
            )
    return [rule for rule in policy.rules if not asked or rule.name in asked]


def _refuse(library: Library, connection: Connection) -> None:
    """Refuse to plan where what is wanted cannot be known."""
    log = schema.decisions
    labelled = select(log.c.seq).where(log.c.kind == "label", log.c.value != "").limit(1)
    if connection.execute(labelled).first() is None:
        raise LibraryError(
            str(library.root),
            "nothing in the library is labelled, so nobody can say what is wanted",
            "Scan a labelled folder first: `curate scan FOLDER --labels folder`.",
        )
    for root, wrong in protection.absent(connection).items():
        raise LibraryError(
            root,
            f"{wrong}, and the library knows files there: a disk that is not mounted?",
            "Nothing was planned. Mount it, or bring the folder back, and plan again; when it is "
            f"gone for good: `curate cleanup forget {root}`.",
        )


def _pool(connection: Connection) -> int:
    """Count the images that can be read and never had a label."""
    files = schema.files
    there = select(files.c.image_id).where(
        files.c.status == "ok", files.c.image_id.not_in(decisions.ever("label"))
    )
    return connection.scalar(select(func.count()).select_from(there.distinct().subquery())) or 0


def _images_by_rule(table: pd.DataFrame) -> dict[str, int]:
    counted = table.groupby("rule", sort=False)["image_id"].nunique()
    return {str(rule): int(number) for rule, number in counted.items()}


def _wanted(summary: Any) -> dict[str, int]:
    wanted = summary.get("wanted")
    return {str(rule): int(number) for rule, number in wanted.items()} if wanted else {}


def _by_rule(
    chosen: Sequence[Rule], table: pd.DataFrame, left: pd.DataFrame, notes: Mapping[str, str]
) -> pd.DataFrame:
    of_rule, back = dict(iter(table.groupby("rule"))), left.groupby("rule")["image_id"].nunique()
    rows = []
    for rule in chosen:
        files = of_rule.get(rule.name, table.head(0))
        rows.append(
            {
                "rule": rule.name,
                "action": rule.action,
                "images": int(files["image_id"].nunique()),
                "files": len(files),
                "bytes": int(files["bytes"].sum()),
                "kept_back": int(back.get(rule.name, 0)),
                "note": notes.get(rule.name, ""),
            }
        )
    return pd.DataFrame(rows)


def _by_class(table: pd.DataFrame) -> pd.DataFrame:
    groups = table.groupby("predicted", dropna=False)
    counted = groups.agg(
        images=("image_id", "nunique"), files=("path", "size"), bytes=("bytes", "sum")
    ).reset_index()
    return counted.sort_values(["files", "predicted"], ascending=[False, True], ignore_index=True)


def _since(
    library: Library, known: bool, moving: pd.DataFrame, chosen: Sequence[Rule]
) -> pd.DataFrame | None:
    """Compare with the plan before, as far as it is about the same rules."""
    if not known:
        return None
    before = plans.last(library).table
    asked = [rule.name for rule in chosen]
    found = difference(before[before["rule"].isin(asked)], moving)
    return found if len(found) else pd.DataFrame(columns=list(COLUMNS))
