"""A recipe that names one kind out of a few, each with numbers that have a usual value."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from curate.core.errors import InputError
from curate.models.recipe import Call, parse

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Number:
    """An argument of a kind: its usual value, the range that it lies in, whether it is whole."""

    usual: float
    low: float
    high: float
    whole: bool = False

    def allows(self, value: object) -> bool:
        """Whether a literal can be this argument."""
        return (
            not isinstance(value, bool)
            and isinstance(value, int if self.whole else int | float)
            and math.isfinite(value)
            and self.low <= value <= self.high
        )

    def __str__(self) -> str:
        """Say what is allowed."""
        number = "a whole number" if self.whole else "a number"
        if self.high == math.inf:
            return f"{number} from {self.low:g} on"
        return f"{number} from {self.low:g} to {self.high:g}"


def chosen(
    what: str, recipe: str, kinds: Mapping[str, tuple[Kind, Mapping[str, Number]]]
) -> tuple[Kind, dict[str, float]]:
    """Read a recipe of a single call.

    Parameters
    ----------
    what : str
        What is chosen, for messages: ``schedule``.
    recipe : str
        ``name`` or ``name(argument=number, …)``; arguments left out have their usual value.
    kinds : mapping
        What each name stands for, and its arguments.

    Returns
    -------
    tuple
        What the name stands for, and the value of each argument.

    Raises
    ------
    InputError
        Another number of calls than one, an unknown name, or an argument that it does not take.
    """
    call = one_call(what, recipe, kinds)
    kind, numbers = kinds[call.name]
    for name, value in call.keywords.items():
        if name not in numbers:
            raise InputError(
                f"{what} {call}", f"it does not take {name!r}", f"Write like: {_usual(call, kinds)}"
            )
        if not numbers[name].allows(value):
            raise InputError(
                f"{name}={value!r} of {what} {call.name}",
                f"it is {numbers[name]}",
                f"Write like: {_usual(call, kinds)}",
            )
    return kind, {name: call.keywords.get(name, number.usual) for name, number in numbers.items()}


def one_call(what: str, recipe: str, names: Iterable[str]) -> Call:
    """Read a recipe of a single call whose name is one of `names`; see `chosen`."""
    names = list(names)
    calls = parse(recipe)
    if len(calls) != 1:
        raise InputError(f"{what} {recipe!r}", "it is one name", f"Write like: {names[0]}")
    name = calls[0].name
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        raise InputError(
            f"{what} {name!r}",
            f"known are {', '.join(names)}",
            f"Did you mean {' or '.join(near)}?" if near else "Take one of these",
        )
    return calls[0]


def _usual(call: Call, kinds: Mapping[str, tuple[Kind, Mapping[str, Number]]]) -> str:
    numbers = kinds[call.name][1]
    return str(Call(call.name, {name: number.usual for name, number in numbers.items()}))
