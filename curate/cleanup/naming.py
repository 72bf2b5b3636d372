"""Naming: which images each rule names now, and what people answered to such images before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pandas as pd
from sqlalchemy import select

from curate.cleanup import alike, cost, images
from curate.cleanup.planning import NAMED_COLUMNS
from curate.cleanup.policy import Rule
from curate.cleanup.recipes import ANSWERS, RECIPES, Recipe
from curate.core.chunks import batched
from curate.core.errors import PolicyError
from curate.core.names import REJECTED
from curate.store import pages, schema
from curate.store.library import Library
from curate.store.protection import MANY

_DECIDED = "label IS NOT NULL OR rejected"


@dataclass(frozen=True)
class Ask:
    """What cleanup asks of queues, answered by whoever has both: stages do not import each other.

    Attributes
    ----------
    check : callable
        Refuses a rule whose recipe or filters there are not.
    queue : callable
        Gives the queue of a rule, `planning.NAMED_COLUMNS`, without regard to `older_than` and
        `limit`; and the answers so far, a table as `losses.losses` takes it.
    passes : callable
        Gives those of some images (`images.COLUMNS`) that a rule's filters let through.
    """

    check: Callable[[Rule], None]
    queue: Callable[[Rule], tuple[pd.DataFrame, pd.DataFrame]]
    passes: Callable[[Rule, pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Named:
    """What the rules name.

    Attributes
    ----------
    rows : dict of str to DataFrame
        `planning.NAMED_COLUMNS` by rule.
    answers : dict of str to DataFrame
        By rule, what its cost is estimated from: see `cost.by_answers` and, of the recipes of
        queues, `cost.by_scores`.
    notes : dict of str to str
        By rule, for people: what its recipe was tried on, or why it names less than it could.
    """

    rows: dict[str, pd.DataFrame]
    answers: dict[str, pd.DataFrame]
    notes: dict[str, str]


def check(rules: Sequence[Rule], ask: Ask) -> None:
    """Refuse rules that nobody can follow.

    Raises
    ------
    PolicyError, InputError, ConfigError
        A recipe or a filter that there is not, or a rule without an age that needs one.
    """
    for rule in rules:
        ask.check(rule)
        recipe = RECIPES.get(rule.recipe)
        if recipe and recipe.aged and not rule.older_than:
            raise PolicyError(
                f"rule {rule.name!r}",
                f"{rule.recipe} names every image that came in just now",
                'Give it an age: older_than = "90d".',
            )


def named(
    library: Library, rules: Sequence[Rule], ask: Ask, now: datetime, told: images.Told
) -> Named:
    """Ask every rule which images it names.

    Parameters
    ----------
    library : Library
        Whose images.
    rules : sequence of Rule
        Checked ones.
    ask : Ask
        Answers for the recipes of queues, and for filters.
    now : datetime
        Ages are counted up to it.
    told : callable
        Is told how many rows were read.
    """
    found = Named({}, {}, {})
    young = {rule.name: _begun_since(library, now, rule) for rule in rules}
    own = [rule for rule in rules if rule.recipe in RECIPES]
    if own:
        with images.gathered(library, told) as answering:
            comparing = [rule.name for rule in own if RECIPES[rule.recipe].compares]
            if comparing:
                found.notes.update(dict.fromkeys(comparing, alike.lay(library, answering)))
            for rule in own:
                recipe = RECIPES[rule.recipe]
                where = f"label IS NULL AND arrived NOT IN ({_listed(young[rule.name])})"
                rows = _of_own(answering, rule, recipe, ask, where)
                if recipe.cost == ANSWERS:
                    answers = _answered(answering, rule, recipe, ask)
                    rows, found.answers[rule.name], note = surer(rows, answers)
                    found.notes.update({rule.name: note} if note else {})
                found.rows[rule.name] = rows
    for rule in rules:
        if rule.recipe not in RECIPES:
            rows, found.answers[rule.name] = ask.queue(rule)
            fresh = _arrived_in(library, rows["image_id"], young[rule.name])
            found.rows[rule.name] = rows.loc[~rows["image_id"].isin(fresh), list(NAMED_COLUMNS)]
    return found


def surer(rows: pd.DataFrame, answers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Leave out what is no surer than an image that somebody wanted and the recipe would name.

    Parameters
    ----------
    rows : DataFrame
        `planning.NAMED_COLUMNS`.
    answers : DataFrame
        answer, by_person and risk, of decided images that the same recipe would name.

    Returns
    -------
    rows, answers : DataFrame
        Those of less risk than every wanted image.
    note : str
        How many are left out, and why; '' where none is.
    """
    wanted = answers["answer"] != REJECTED
    least = float(answers.loc[wanted, "risk"].min()) if wanted.any() else float("inf")
    kept = rows[rows["risk"] < least]
    away = len(rows) - len(kept)
    note = f"{away:,} more are no surer than one that somebody wanted" if away else ""
    return kept, answers[answers["risk"] < least], note


def costs(rules: Sequence[Rule], found: Named, going: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Estimate what each rule costs.

    Parameters
    ----------
    rules : sequence of Rule
        Those of the plan.
    found : Named
        With the answers.
    going : mapping of str to Series
        The scores of the images that would go, by rule.

    Returns
    -------
    DataFrame
        `cost.COLUMNS`, in the order of the rules.
    """
    rows = []
    for rule in rules:
        scores, answers = going[rule.name], found.answers.get(rule.name, pd.DataFrame())
        if rule.recipe in RECIPES:
            told = cost.of_recipe(RECIPES[rule.recipe], len(scores), answers)
        else:
            told = cost.by_scores(scores, answers)
        rows.append({"rule": rule.name, **told})
    return pd.DataFrame(rows, columns=list(cost.COLUMNS))


def _of_own(
    answering: duckdb.DuckDBPyConnection, rule: Rule, recipe: Recipe, ask: Ask, where: str
) -> pd.DataFrame:
    tables = [pd.DataFrame(columns=list(NAMED_COLUMNS))]
    for piece in _seen(answering, rule, recipe, ask, where):
        rows = recipe.find(piece)
        tables.append(piece.loc[rows.index, ["image_id", "score", "predicted"]].join(rows))
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True)[list(NAMED_COLUMNS)]


def _answered(
    answering: duckdb.DuckDBPyConnection, rule: Rule, recipe: Recipe, ask: Ask
) -> pd.DataFrame:
    """Give the answers to images that a recipe would name, were they not decided, and the risk."""
    tables = [pd.DataFrame({"answer": [], "by_person": [], "risk": []})]
    for piece in _seen(answering, rule, recipe, ask, _DECIDED):
        risk = recipe.find(piece)["risk"]
        rows = piece.loc[risk.index]
        refused = rows["rejected"].astype(bool)
        told = {
            "answer": rows["label"].astype(object).mask(refused, REJECTED),
            "by_person": rows["by"] != "scan",
            "risk": risk,
        }
        tables.append(pd.DataFrame(told))
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True)


def _seen(
    answering: duckdb.DuckDBPyConnection, rule: Rule, recipe: Recipe, ask: Ask, where: str
) -> Iterator[pd.DataFrame]:
    """Give the images that a recipe looks at, a piece at a time: those that filters let through."""
    few = ("image_id", "score", "predicted", "label", "rejected", "by", *recipe.reads)
    for piece in images.pieces(answering, images.COLUMNS if rule.filters else few, where):
        yield ask.passes(rule, piece) if rule.filters else piece


def _begun_since(library: Library, now: datetime, rule: Rule) -> list[int]:
    """Give the runs in which images came in that are too young for a rule."""
    if not rule.older_than:
        return []
    runs = schema.runs
    # Both are written alike, so texts compare as times do.
    since = (now - rule.older_than).isoformat(timespec="seconds")
    with library.reading() as connection:
        return list(connection.scalars(select(runs.c.run_id).where(runs.c.started_at > since)))


def _listed(run_ids: Sequence[int]) -> str:
    return ", ".join(map(str, run_ids)) or "-1"


def _arrived_in(library: Library, image_ids: pd.Series, run_ids: Sequence[int]) -> set[str]:
    """Give those images that the library met first in some runs."""
    if not run_ids:
        return set()
    column, met = schema.images.c.image_id, schema.images.c.run_id.in_(run_ids)
    if len(image_ids) > MANY:
        every = pages.pages(library, schema.images, ["image_id"], met)
        return {row.image_id for page in every for row in page}
    with library.reading() as connection:
        return {
            name
            for some in batched(image_ids, 500)
            for name in connection.scalars(select(column).where(column.in_(some), met))
        }
