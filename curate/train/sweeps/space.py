"""What a sweep tries: for each parameter a list of choices, or a range to draw from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.core import chance

Value = str | int | float | bool
Values = dict[str, Value]
"""What one trial takes for each parameter."""


@dataclass(frozen=True)
class Choices:
    """A parameter that takes one of some values.

    Attributes
    ----------
    values : tuple
        Two or more of them is usual; one alone is allowed.
    """

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """A parameter that takes any number between two, both included.

    Attributes
    ----------
    low, high : float
        The bounds.
    log : bool
        Whether factors count and not differences: right for learning rates and decays.
    whole : bool
        Whether it takes whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


Space = Mapping[str, Choices | Range]


def combinations(space: Space, seed: int) -> list[Values]:
    """List all combinations of the choices, each once, in an order of chance.

    The order depends on the seed and on the combinations alone: a grid that is cut short has seen
    something of every corner, and not all of the first choice.

    Parameters
    ----------
    space : mapping
        Of `Choices` only; see `without_choices`.
    seed : int
        Decides the order.
    """
    lists = [part.values if isinstance(part, Choices) else () for part in space.values()]
    found = [dict(zip(space, taken, strict=True)) for taken in itertools.product(*lists)]
    names = [json.dumps(values, sort_keys=True) for values in found]
    drawn = chance.fractions(seed, names, "grid")
    return [found[position] for position in drawn.argsort(kind="stable")]


def without_choices(space: Space) -> list[str]:
    """Name the parameters of which no list can be made: those with a range."""
    return [name for name, part in space.items() if isinstance(part, Range)]


def as_content(space: Space) -> dict[str, Any]:
    """Write a space as the table of a TOML file has it; `int` follows from the parameter."""
    return {
        name: list(part.values)
        if isinstance(part, Choices)
        else {"low": part.low, "high": part.high, "log": part.log}
        for name, part in space.items()
    }
