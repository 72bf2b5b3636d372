"""The recipes, in one place. A new one is a new entry: see docs/queues.md."""

from __future__ import annotations

from curate.core import names
from curate.core.errors import InputError
from curate.queues import look_alike, low_count, low_score
from curate.queues.recipe import Recipe, highest

RECIPES: dict[str, Recipe] = {
    "low-count": Recipe(
        "images likely to be of classes that just miss the cutoff, or just made it",
        low_count.narrow,
        low_count.score,
        low_count.in_portions,
        low_count.reason,
    ),
    "look-alike": Recipe(
        "images between two classes; with --class, what a class may be hiding",
        look_alike.narrow,
        look_alike.score,
        highest,
        look_alike.reason,
    ),
    "low-score": Recipe(
        "the lowest scores first: junk to remove, and classes that the model lacks",
        low_score.narrow,
        low_score.score,
        highest,
        low_score.reason,
    ),
}
"""Recipes by name."""


def recipe_of(name: str) -> Recipe:
    """Give a recipe by name.

    Raises
    ------
    InputError
        There is none; the message lists them.
    """
    if name not in RECIPES:
        meant = names.nearest(name, RECIPES)
        hint = f"Did you mean {meant}? " if meant else ""
        raise InputError(
            f"recipe {name!r}", "there is none of this name", f"{hint}Known: {', '.join(RECIPES)}."
        )
    return RECIPES[name]
