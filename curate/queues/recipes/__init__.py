"""The recipes, in one place. A new one is a new entry: see docs/queues.md."""

from __future__ import annotations

from curate.core import names
from curate.core.errors import InputError
from curate.queues.recipe import Recipe, highest
from curate.queues.recipes import (
    disagree,
    diverse,
    duplicates,
    like_rejected,
    look_alike,
    low_count,
    low_score,
    new_class,
    random,
    recent,
    staged,
    uncertain,
    unknown,
    wrong_label,
)

LABELLED = frozenset({"labelled"})
COMPARED = frozenset({"labelled", "features"})
A_CLASS = "a class"

RECIPES: dict[str, Recipe] = {
    "low-count": low_count.recipe(
        "images likely to be of classes that just miss the cutoff, or just made it",
        low_count.thin,
        low_count.reason,
    ),
    "staged": low_count.recipe(
        "real images of classes that live on staged or synthetic ones",
        staged.on_stage,
        staged.reason,
    ),
    "look-alike": Recipe(
        "images between two classes; with --of, what a class may be hiding",
        look_alike.narrow,
        look_alike.score,
        highest,
        look_alike.reason,
        look_alike.expect,
        look_alike.PROMISE,
        needs=COMPARED,
    ),
    "unknown": Recipe(
        "images labelled unknown that the model can name by now",
        unknown.narrow,
        unknown.score,
        highest,
        unknown.reason,
        unknown.expect,
        unknown.PROMISE,
        needs=COMPARED,
        decided=True,
    ),
    "new-class": Recipe(
        "groups of pool images far from every class, each offered as a new one",
        new_class.narrow,
        new_class.score,
        new_class.select,
        new_class.reason,
        new_class.expect,
        new_class.PROMISE,
        needs=COMPARED | {"rejected"},
    ),
    "low-score": Recipe(
        "the lowest scores first: junk to remove, and classes that the model lacks",
        low_score.narrow,
        low_score.score,
        highest,
        low_score.reason,
        promise="a rejection",
        rank=low_score.rank,
    ),
    "like-rejected": Recipe(
        "the border of what cleanup takes for rubbish: looks there let it go on",
        like_rejected.narrow,
        like_rejected.score,
        highest,
        like_rejected.reason,
        promise="a rejection",
        needs=COMPARED | {"rejected"},
    ),
    "uncertain": uncertain.recipe(
        "images whose two best classes have nearly the same score (margin)",
        "margin",
        fewer=True,
        words=uncertain.by_margin,
    ),
    "uncertain-entropy": uncertain.recipe(
        "images whose scores are spread over many classes (entropy)",
        "entropy",
        fewer=False,
        words=uncertain.by_entropy,
    ),
    "uncertain-confidence": uncertain.recipe(
        "images whose best class has a low score (least confidence)",
        "score",
        fewer=True,
        words=uncertain.by_confidence,
    ),
    "disagree": Recipe(
        "images that two checkpoints take for different classes",
        disagree.narrow,
        disagree.score,
        highest,
        disagree.reason,
        disagree.expect,
        disagree.PROMISE,
        needs=frozenset({"labelled", "other"}),
    ),
    "wrong-label": Recipe(
        "labelled images whose label the model denies",
        wrong_label.narrow,
        wrong_label.score,
        highest,
        wrong_label.reason,
        wrong_label.expect,
        wrong_label.PROMISE,
        needs=LABELLED,
        decided=True,
    ),
    "diverse": Recipe(
        "a handful that stands for the pool, for a cold start",
        diverse.narrow,
        diverse.score,
        highest,
        diverse.reason,
        promise=A_CLASS,
        needs=COMPARED,
    ),
    "random": Recipe(
        "a fair sample, to measure with",
        random.narrow,
        random.score,
        highest,
        random.reason,
        promise=A_CLASS,
        rank=random.rank,
    ),
    "duplicates": Recipe(
        "near-duplicates of which none is decided: one look for many images",
        duplicates.narrow,
        duplicates.score,
        duplicates.select,
        duplicates.reason,
        promise=A_CLASS,
    ),
    "recent": Recipe(
        "what arrived last",
        recent.narrow,
        recent.score,
        highest,
        recent.reason,
        promise=A_CLASS,
        rank=recent.rank,
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
