"""Recipes: a string that can be stored beside what it made, and read back.

A recipe is a row of calls with literal keyword arguments, ``flip(p=0.5) rotate(limit=10)``, or a
bare name, ``resnet18``. Nothing in it is ever evaluated: arguments are Python literals.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from curate.core.errors import InputError

LONGEST = 2000
"""Characters of the longest recipe; a longer one is a mistake, or made to hurt the parser."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?:-[A-Za-z0-9_.]+)*")
_SYNTAX = "a recipe is a row of names, each with literal keyword arguments in brackets if any"
_EXAMPLE = "Write it like: flip(p=0.5) rotate(limit=10)"


@dataclass(frozen=True)
class Call:
    """One step of a recipe: a name and its keyword arguments."""

    name: str
    keywords: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Write the call as `parse` reads it."""
        if not self.keywords:
            return self.name
        inner = ", ".join(f"{key}={value!r}" for key, value in self.keywords.items())
        return f"{self.name}({inner})"


def parse(text: str) -> tuple[Call, ...]:
    """Read a recipe.

    Parameters
    ----------
    text : str
        ``name(key=literal, …) name …``; brackets may be left out where there are no arguments.

    Returns
    -------
    tuple of Call
        In the order of the text; empty for an empty text.

    Raises
    ------
    InputError
        Not a recipe. Positional arguments and anything that is not a literal are refused.
    """
    if len(text) > LONGEST:
        raise InputError(
            f"a recipe of {len(text)} characters", f"at most {LONGEST} are read", _EXAMPLE
        )
    calls = []
    rest = text.strip()
    while rest:
        name = _NAME.match(rest)
        if name is None:
            raise InputError(f"{rest!r} in a recipe", _SYNTAX, _EXAMPLE)
        after = rest[name.end() :]
        arguments = _arguments(after) if after.startswith("(") else ""
        calls.append(Call(name[0], _keywords(arguments)))
        remaining = after[len(arguments) :]
        if remaining and not remaining[0].isspace():
            raise InputError(f"{remaining!r} in a recipe", "a space parts its steps", _EXAMPLE)
        rest = remaining.strip()
    return tuple(calls)


def _arguments(text: str) -> str:
    """Give the shortest start of `text` that is a bracket closed by Python's own rules."""
    for end, character in enumerate(text):
        # Brackets also stand in strings and tuples; only the parser knows which one closes.
        if character == ")" and _call(text[: end + 1]) is not None:
            return text[: end + 1]
    raise InputError(f"{text!r} in a recipe", _SYNTAX, _EXAMPLE)


def _keywords(arguments: str) -> dict[str, Any]:
    call = _call(arguments) if arguments else None
    if call is None:
        return {}
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        raise InputError(
            f"{arguments!r} in a recipe", "every argument has a name", "Write name=value"
        )
    if len({keyword.arg for keyword in call.keywords}) < len(call.keywords):
        raise InputError(
            f"{arguments!r} in a recipe", "no argument is given twice", "Leave one of them out"
        )
    try:
        return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except ValueError as error:
        raise InputError(
            f"{arguments!r} in a recipe",
            "arguments are literals: numbers, strings, True, False, None, tuples, lists",
            "Write the value itself",
        ) from error


def _call(arguments: str) -> ast.Call | None:
    try:
        expression = ast.parse(f"_{arguments}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return expression if isinstance(expression, ast.Call) else None
