"""A plan: a labelling budget, split over recipes by what their looks are expected to gain.

Gains of different kinds need one currency. It is the number of images of the pool that the next
model gets right because of a look, and all kinds are estimated from what is known before it:

- A class below min-count is not learnt at all: all its images are answered wrongly. Bringing it
  over the cutoff puts right as many as the pool has of it; each label on the way earns its share
  of that, whichever recipe brings it, for as many labels as are missing, and nothing where the
  candidates cannot suffice. Beyond that it earns nothing: errors of what is not learnt teach
  nobody.
- An image between two classes is of either, half as likely each.
- An image is of a new class at most as likely as it is of none that the model knows (`makeup`): a
  group may be tight, and of a class that the library has.
- A class that is learnt has an error that falls like n^-β with its n labels. One label more mends
  β/n of the errors; among images of which a share p is answered wrongly, labels teach p as much.
- A wrong label that is mended takes away a false example and adds a true one: twice as much.
- To remove junk makes no answer right. It has its own place: `removal`.

Every gain shrinks as labels of the same class are taken into the plan, so the greedy choice, always
the look that gains most, spreads over classes by itself.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from curate.core.errors import PolicyError
from curate.queues.recipe import QUEUE_COLUMNS

BETA = 0.3
"""How fast errors fall with labels: error ~ n^-β. ImageNet's has 0.31 (J. Hestness et al., "Deep
learning scaling is predictable, empirically", 2017)."""

EXPLORING = 0.1
"""This share of a budget goes to a fair sample, so that yields are measured by something that no
score chose."""

FAIR = ("random", "diverse")
"""Recipes that can explore; the first of them that the plan has."""

UNSAID = 0.5
"""A look of which nobody can say what it gives is taken to give it as likely as not."""

PLAN_COLUMNS = (*QUEUE_COLUMNS, "recipe")
SPLIT_COLUMNS = ("recipe", "looks", "expected", "gain", "why")


@dataclass(frozen=True)
class Standing:
    """What is known of the library and the pool before the looks.

    Attributes
    ----------
    classes : DataFrame
        As `facts.class_counts` gives it: label, usable, countable_real.
    min_count : int
        The cutoff.
    pool : mapping of str to int
        How many images of the pool are predicted as each class.
    """

    classes: pd.DataFrame
    min_count: int
    pool: Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    """A budget that was split.

    Attributes
    ----------
    table : DataFrame
        `PLAN_COLUMNS`: one queue, no image twice, what belongs together in one piece, the pieces
        that gain most by a look first.
    split : DataFrame
        `SPLIT_COLUMNS`, one row a recipe that was asked: looks (images of it in the plan), expected
        (so many of them come to what it promises), gain (images of the pool put right), why (text);
        the largest gain first.
    """

    table: pd.DataFrame
    split: pd.DataFrame


@dataclass
class _State:
    """What the plan holds so far."""

    labels: dict[str, float]
    missing: dict[str, float]
    pool: Mapping[str, float]
    """Images of each class; of one that the model lacks, as many as candidates are expected to be
    right."""
    covered: dict[str, float]
    """By class below the cutoff: how likely its candidates suffice, from 0 to 1."""
    taken: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By class: looks at it so far, which teach what it is, whatever the answers are."""
    brought: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By class: how many labels of it these looks are expected to bring."""


Look = Mapping[str, Any]
"""A row of a queue, with `chance` (how likely the look gives what its recipe promises), `of` (the
class that it is about) and `brings` (by class: how likely the look brings a label of it)."""

Gain = Callable[[Look, _State], float]


def _taught(name: str, state: _State) -> float:
    """How many answers one label more puts right, if all images of its class are wrong so far."""
    had = state.labels.get(name, 0.0) + state.taken[name]
    return BETA * state.pool.get(name, 0.0) / max(had, 1.0)


def _is_short(name: str, state: _State) -> bool:
    return state.brought[name] < state.missing.get(name, 0.0)


def _labelling(look: Look, wrong: float, state: _State) -> float:
    """Add up what a label earns that is `wrong` so likely by the model."""
    gain = 0.0
    for name, chance in look["brings"].items():
        if _is_short(name, state):
            share = state.pool.get(name, 0.0) * state.covered[name] / state.missing[name]
            gain += chance * share
    if not _is_short(look["of"], state):
        gain += wrong * _taught(look["of"], state)
    return gain


def _bringing(look: Look, state: _State) -> float:
    # The promise is a class, not an error: how likely an error is, its score says.
    return _labelling(look, float(look["chance"]) * (1 - float(look["score"])), state)


def _correcting(look: Look, state: _State) -> float:
    return _labelling(look, float(look["chance"]), state)


def _mending(look: Look, state: _State) -> float:
    return 2 * _correcting(look, state)


def _clearing(_look: Look, _state: _State) -> float:
    return 0.0


GAINS: dict[str, Gain] = {
    "low-count": _bringing,
    "staged": _bringing,
    "look-alike": _bringing,
    "unknown": _bringing,
    "new-class": _bringing,
    "uncertain": _correcting,
    "uncertain-entropy": _correcting,
    "uncertain-confidence": _correcting,
    "disagree": _correcting,
    "wrong-label": _mending,
    "low-score": _clearing,
    "like-rejected": _clearing,
    "duplicates": _clearing,
}
"""By recipe: what a look gains. A look of any other recipe samples the pool."""

_TO_A_CLASS = frozenset(name for name, gain in GAINS.items() if gain is _bringing)


def split(queues: Mapping[str, pd.DataFrame], budget: int, standing: Standing) -> Plan:
    """Split a budget of looks over recipes.

    Parameters
    ----------
    queues : mapping of str to DataFrame
        By recipe: its queue, `QUEUE_COLUMNS`, where `expected` is corrected by earlier answers
        (`yields.Calibration.of`). A column `group`, where there is one, names images that look
        alike: a plan has one of each. A column `known` says how likely an image is of a class that
        the model knows (`makeup.Makeup.of`).
    budget : int
        How many images somebody will look at.
    standing : Standing
        What is known before.

    Returns
    -------
    Plan
        Shorter than the budget where the queues have no more images.

    Raises
    ------
    PolicyError
        A budget below 1, or no recipe.
    """
    if budget < 1:
        raise PolicyError(f"budget {budget}", "a plan has room for an image", "Give 1 or more.")
    if not queues:
        raise PolicyError("no recipe", "a plan splits a budget over recipes", "Name one or more.")
    looks = {recipe: _looks(recipe, queue) for recipe, queue in sorted(queues.items())}
    state = _state(looks, standing)
    chosen: list[dict[str, Any]] = []
    seen: set[str] = set()
    fair = next((name for name in FAIR if name in looks), "")
    if fair:
        first = {fair: looks[fair]}
        chosen += _greedy(first, -(-budget * EXPLORING // 1), state, seen, in_order=True)
    chosen += _greedy(looks, budget - len(chosen), state, seen)
    table = pd.DataFrame(chosen, columns=[*PLAN_COLUMNS, "gain", "chance", "place", "of"])
    return Plan(_for_sitting(table), _split(table, queues, fair, state))


def _looks(recipe: str, queue: pd.DataFrame) -> list[dict[str, Any]]:
    chance = queue["expected"].fillna(UNSAID).clip(0, 1)
    if recipe == "new-class" and "known" in queue:
        # Until answers tell, a tight group of a class that the library has looks as new as any.
        chance = chance.clip(upper=1 - queue["known"].fillna(0.0))
    pairs = queue["topic"].astype("string").str.contains(" / ")
    predicted = queue["predicted"].astype(object)
    rows = queue.assign(
        chance=chance,
        place=range(len(queue)),
        group=queue["group"].fillna(queue["image_id"]) if "group" in queue else queue["image_id"],
        predicted=predicted,
        of=queue["topic"].astype(object).mask(pairs, predicted)
        if recipe in _TO_A_CLASS
        else predicted,
        score=queue["score"].fillna(0.0),
    )
    looks = [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
    return [{**look, "brings": _brings(recipe, look)} for look in looks]


def _brings(recipe: str, look: Look) -> dict[str, float]:
    chance, score = float(look["chance"]), float(look["score"])
    if recipe in _TO_A_CLASS:
        names = str(look["topic"]).split(" / ")
        return dict.fromkeys(names, chance / len(names))
    gain = GAINS.get(recipe)
    if gain is None:
        return {look["of"]: chance * score}
    return {look["of"]: 1 - chance} if gain is _correcting else {}


def _state(looks: Mapping[str, list[dict[str, Any]]], standing: Standing) -> _State:
    counted = standing.classes.set_index("label")
    labels = {str(name): float(value) for name, value in counted["usable"].items()}
    real = {str(name): float(value) for name, value in counted["countable_real"].items()}
    # An image that two recipes offer for a class is one candidate.
    likely: dict[str, dict[str, float]] = defaultdict(dict)
    for recipe in _TO_A_CLASS & set(looks):
        for look in looks[recipe]:
            own = likely[look["of"]]
            own[look["image_id"]] = max(own.get(look["image_id"], 0.0), look["chance"])
    right = {topic: sum(sorted(chances.values())) for topic, chances in likely.items()}
    names = sorted({*right, *real})
    missing = {name: max(0.0, standing.min_count - real.get(name, 0.0)) for name in names}
    pool = {**right, **standing.pool}
    # Of a class that nobody was asked for, the candidates are those that are predicted as it.
    there = {**standing.pool, **right}
    return _State(
        labels=labels,
        missing=missing,
        pool=pool,
        covered={
            name: min(1.0, there.get(name, 0.0) / lack) if lack else 1.0
            for name, lack in missing.items()
        },
    )


def _greedy(
    looks: Mapping[str, list[dict[str, Any]]],
    budget: float,
    state: _State,
    seen: set[str],
    *,
    in_order: bool = False,
) -> list[dict[str, Any]]:
    """Take the look that gains most, again and again; a topic's looks in the queue's order."""
    streams: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for recipe, rows in looks.items():
        for look in rows:
            streams[recipe, "" if in_order else look["of"]].append(look)
    heap: list[tuple[float, str, str]] = []
    for (recipe, topic), rows in streams.items():
        rows.reverse()
        heapq.heappush(heap, (-_gain(recipe, rows[-1], state), recipe, topic))
    chosen: list[dict[str, Any]] = []
    while heap and len(chosen) < budget:
        before, recipe, topic = heapq.heappop(heap)
        rows = streams[recipe, topic]
        while rows and not seen.isdisjoint((rows[-1]["group"], rows[-1]["image_id"])):
            rows.pop()
        if not rows:
            continue
        gain = _gain(recipe, rows[-1], state)
        # What was taken since has made it worth less: another may come first now.
        if -gain > before:
            heapq.heappush(heap, (-gain, recipe, topic))
            continue
        look = rows.pop()
        seen |= {look["group"], look["image_id"]}
        state.taken[look["of"]] += look["chance"] if recipe in _TO_A_CLASS else 1.0
        for name, chance in look["brings"].items():
            state.brought[name] += chance
        chosen.append({**look, "recipe": recipe, "gain": gain})
        if rows:
            heapq.heappush(heap, (-_gain(recipe, rows[-1], state), recipe, topic))
    return chosen


def _gain(recipe: str, look: Look, state: _State) -> float:
    return GAINS.get(recipe, _bringing)(look, state)


def _for_sitting(table: pd.DataFrame) -> pd.DataFrame:
    """Lay images of one recipe and topic together, what gains most by a look first."""
    mean = table.groupby(["recipe", "topic"])["gain"].transform("mean")
    ordered = table.assign(mean=mean).sort_values(
        ["mean", "recipe", "topic", "place"], ascending=[False, True, True, True]
    )
    texts = {name: "string" for name in PLAN_COLUMNS if not name.endswith(("score", "expected"))}
    return ordered[list(PLAN_COLUMNS)].astype(texts).reset_index(drop=True)


def _split(
    table: pd.DataFrame, queues: Mapping[str, pd.DataFrame], fair: str, state: _State
) -> pd.DataFrame:
    rows = []
    for recipe in sorted(queues):
        own = table[table["recipe"] == recipe]
        looks, expected, gain = len(own), float(own["chance"].sum()), float(own["gain"].sum())
        why = _why(recipe, own, queues[recipe], fair, state)
        rows.append((recipe, looks, expected, gain, why))
    found = pd.DataFrame(rows, columns=list(SPLIT_COLUMNS))
    return found.sort_values(["gain", "recipe"], ascending=[False, True], ignore_index=True)


def _why(recipe: str, own: pd.DataFrame, queue: pd.DataFrame, fair: str, state: _State) -> str:
    if queue.empty:
        return "it has no images"
    if own.empty:
        return "other looks gain more"
    if recipe in _TO_A_CLASS:
        found = own.groupby("of")["chance"].sum()
        over = [name for name in found.index if 0 < state.missing[name] <= found[name] + 1e-9]
        noun = "class" if len(over) == 1 else "classes"
        listed = f": {', '.join(over[:3])}" + (", …" if len(over) > 3 else "") if over else ""
        return f"expected to bring {len(over)} {noun} over the cutoff{listed}"
    if recipe == fair:
        return "a sample that no score chose, to measure with"
    if GAINS.get(recipe) is _clearing:
        return "it puts no answer right; there was room"
    name = own["predicted"].nunique()
    return f"labels where the model errs, of {name} predicted class{'es' if name != 1 else ''}"
