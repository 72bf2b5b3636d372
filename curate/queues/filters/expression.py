"""Conditions over columns: from the nodes of DuckDB's parser to SQL that can only compute.

Each node is written anew as text with a kind: number, text, truth or date. A node that is not known
here, or arguments of the wrong kind, are refused. What is written raises nothing: numbers are
computed as doubles, a division by zero and a text that is no date are missing values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from curate.core import names

NUMBER, TEXT, TRUTH, DATE = "number", "text", "truth", "date"

DEEPEST = 50
"""So many nodes may lie in each other."""

Written = tuple[str, str]
"""The kind of an expression, and its SQL."""

FUNCTIONS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "lower": ((TEXT,), TEXT, "lower({})"),
    "upper": ((TEXT,), TEXT, "upper({})"),
    "length": ((TEXT,), NUMBER, "length({})::DOUBLE"),
    "contains": ((TEXT, TEXT), TRUTH, "contains({}, {})"),
    "starts_with": ((TEXT, TEXT), TRUTH, "starts_with({}, {})"),
    "regexp_matches": ((TEXT, TEXT), TRUTH, "regexp_matches({}, {})"),
    "abs": ((NUMBER,), NUMBER, "abs({})"),
    "round": ((NUMBER,), NUMBER, "round({})"),
    "year": ((DATE,), NUMBER, "year({})::DOUBLE"),
    "month": ((DATE,), NUMBER, "month({})::DOUBLE"),
}
"""Functions by name: the kinds of their arguments, their own kind, and how they are written.

Beside these, `coalesce` takes any number of arguments of one kind.
"""

_OPERATORS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "~~": ((TEXT, TEXT), TRUTH, "({} LIKE {})"),
    "!~~": ((TEXT, TEXT), TRUTH, "({} NOT LIKE {})"),
    "~~*": ((TEXT, TEXT), TRUTH, "({} ILIKE {})"),
    "!~~*": ((TEXT, TEXT), TRUTH, "({} NOT ILIKE {})"),
    "+": ((NUMBER, NUMBER), NUMBER, "({} + {})"),
    "-": ((NUMBER, NUMBER), NUMBER, "({} - {})"),
    "*": ((NUMBER, NUMBER), NUMBER, "({} * {})"),
    "/": ((NUMBER, NUMBER), NUMBER, "({} / nullif({}, 0))"),
    "%": ((NUMBER, NUMBER), NUMBER, "({} % nullif({}, 0))"),
}

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")

_COMPARED = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_DISTINCT_FROM": "IS DISTINCT FROM",
    "COMPARE_NOT_DISTINCT_FROM": "IS NOT DISTINCT FROM",
}

_PLAIN = {
    **{"filter": None, "schema": "", "catalog": "", "distinct": False, "export_state": False},
    "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
}
"""What a call holds that only computes."""


class Refused(Exception):
    """A condition cannot be used; the rule that it breaks, and the remedy."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.remedy = remedy


def written(node: Any, columns: Mapping[str, str], pattern_fault: Callable[[str], str]) -> Written:
    """Write a tree of nodes as SQL.

    Parameters
    ----------
    node : dict
        As `json_serialize_sql` gives it.
    columns : mapping
        The columns that may be named, and the kind of each.
    pattern_fault : callable
        Says why a text is no regular expression.

    Raises
    ------
    Refused
        A node is none of those that are known here, or has the wrong kind.
    """
    return _Writer(columns, pattern_fault).write(node, 0)


@dataclass(frozen=True)
class _Writer:
    columns: Mapping[str, str]
    pattern_fault: Callable[[str], str]

    def write(self, node: Mapping[str, Any], depth: int) -> Written:
        if depth > DEEPEST:
            raise Refused(f"it is nested more than {DEEPEST} deep", "Write it with less brackets.")
        known = {
            "COLUMN_REF": self._column,
            "CONSTANT": self._constant,
            "COMPARISON": self._comparison,
            "BETWEEN": self._between,
            "CONJUNCTION": self._conjunction,
            "OPERATOR": self._operator,
            "FUNCTION": self._call,
            "CAST": self._cast,
        }
        kind = str(node.get("class"))
        if kind not in known:
            raise Refused(
                f"a {kind.lower()} has no place in it",
                "Use columns, constants, comparisons, AND, OR, NOT, IN, BETWEEN, LIKE and IS NULL.",
            )
        return known[kind](node, depth + 1)

    def _column(self, node: Mapping[str, Any], _: int) -> Written:
        name = ".".join(node["column_names"])
        if name.lower() not in self.columns:
            meant = names.nearest(name.lower(), self.columns)
            hint = f"Did you mean {meant}? " if meant else ""
            raise Refused(
                f"there is no column {name!r}",
                f"{hint}Columns: {', '.join(self.columns)}. A text stands in single quotes.",
            )
        kind = self.columns[name.lower()]
        quoted = f'"{name.lower()}"'
        # A measure that could not be taken may be NaN, which DuckDB sorts above all numbers.
        return kind, f"nullif({quoted}::DOUBLE, 'nan'::DOUBLE)" if kind == NUMBER else quoted

    def _constant(self, node: Mapping[str, Any], _: int) -> Written:
        value = _value(node)
        if value is None:
            raise Refused("nothing equals NULL", "Write IS NULL or IS NOT NULL.")
        if isinstance(value, bool):
            return TRUTH, "true" if value else "false"
        if isinstance(value, float):
            return NUMBER, f"CAST({value!r} AS DOUBLE)"
        return TEXT, _quoted(value)

    def _comparison(self, node: Mapping[str, Any], depth: int) -> Written:
        _, left, right = self._alike([node["left"], node["right"]], depth)
        return TRUTH, f"({left} {_COMPARED[node['type']]} {right})"

    def _between(self, node: Mapping[str, Any], depth: int) -> Written:
        _, value, low, high = self._alike([node["input"], node["lower"], node["upper"]], depth)
        return TRUTH, f"({value} BETWEEN {low} AND {high})"

    def _conjunction(self, node: Mapping[str, Any], depth: int) -> Written:
        word = {"CONJUNCTION_AND": " AND ", "CONJUNCTION_OR": " OR "}[node["type"]]
        parts = [self._as(TRUTH, child, depth) for child in node["children"]]
        return TRUTH, f"({word.join(parts)})"

    def _operator(self, node: Mapping[str, Any], depth: int) -> Written:
        children = node["children"]
        match node["type"]:
            case "OPERATOR_NOT":
                return TRUTH, f"(NOT {self._as(TRUTH, children[0], depth)})"
            case "OPERATOR_IS_NULL":
                return TRUTH, f"({self.write(children[0], depth)[1]} IS NULL)"
            case "OPERATOR_IS_NOT_NULL":
                return TRUTH, f"({self.write(children[0], depth)[1]} IS NOT NULL)"
            case "COMPARE_IN":
                _, value, *others = self._alike(children, depth)
                return TRUTH, f"({value} IN ({', '.join(others)}))"
            case "COMPARE_NOT_IN":
                _, value, *others = self._alike(children, depth)
                return TRUTH, f"({value} NOT IN ({', '.join(others)}))"
            case "OPERATOR_COALESCE":
                kind, *parts = self._alike(children, depth)
                return kind, f"coalesce({', '.join(parts)})"
        raise Refused(
            f"{str(node['type']).lower()} has no place in it", "Use comparisons and functions."
        )

    def _call(self, node: Mapping[str, Any], depth: int) -> Written:
        name = str(node["function_name"]).lower()
        arguments = _arguments(node)
        if any(node.get(part, plain) != plain for part, plain in _PLAIN.items()):
            raise Refused(f"{name} is called with more than its arguments", "Leave the rest out.")
        if name == "-" and len(arguments) == 1:
            return NUMBER, f"(-{self._as(NUMBER, arguments[0], depth)})"
        known = _OPERATORS if node.get("is_operator") else FUNCTIONS
        if name not in known:
            raise Refused(
                f"there is no function {name!r} here",
                f"Functions: {', '.join([*FUNCTIONS, 'coalesce'])}; and + - * / %, LIKE, ILIKE.",
            )
        kinds, kind, form = known[name]
        if len(arguments) != len(kinds):
            noun = "argument" if len(kinds) == 1 else "arguments"
            raise Refused(
                f"{name} is given {len(arguments)} arguments", f"It takes {len(kinds)} {noun}."
            )
        if name == "regexp_matches":
            self._refuse_pattern(arguments[1])
        pairs = zip(kinds, arguments, strict=True)
        return kind, form.format(*(self._as(wanted, one, depth) for wanted, one in pairs))

    def _refuse_pattern(self, node: Mapping[str, Any]) -> None:
        pattern = _value(node) if node["class"] == "CONSTANT" else None
        fault = self.pattern_fault(pattern) if isinstance(pattern, str) else "it is no constant"
        if fault:
            raise Refused(
                f"this is no pattern for regexp_matches: {fault}", "Give one such as '(^|/)IMG_'."
            )

    def _cast(self, node: Mapping[str, Any], depth: int) -> Written:
        # The name of the type: DuckDB 2 gives an expression, earlier ones a type.
        given = node.get("type_expr", {}).get("type_name") or node.get("cast_type", {}).get("id")
        name = str(given).upper()
        child = node["child"]
        if name == "DATE":
            return DATE, f"date_trunc('day', {self._as(DATE, child, depth)})"
        if name == "TIMESTAMP":
            return DATE, self._as(DATE, child, depth)
        if name == "BOOLEAN" and child["class"] == "CONSTANT" and _value(child) in ("t", "f"):
            return TRUTH, "true" if _value(child) == "t" else "false"
        raise Refused(f"nothing can be cast to {name} here", "Cast to DATE or TIMESTAMP.")

    def _alike(self, nodes: Sequence[Mapping[str, Any]], depth: int) -> list[str]:
        """Write nodes that are compared, behind the kind that all of them have.

        Dates and texts may be compared: the texts are then dates.
        """
        each = [self.write(node, depth) for node in nodes]
        kinds = {kind for kind, _ in each}
        if kinds == {DATE, TEXT}:
            kinds = {DATE}
        if len(kinds) > 1:
            raise Refused(
                f"a {' and a '.join(sorted(kinds))} cannot be compared",
                f"Compare like with like. {_listed(self.columns)}",
            )
        (kind,) = kinds
        return [kind, *(self._made(kind, *pair) for pair in zip(nodes, each, strict=True))]

    def _as(self, wanted: str, node: Mapping[str, Any], depth: int) -> str:
        """Write a node that must have a kind; a text may be a date."""
        return self._made(wanted, node, self.write(node, depth))

    def _made(self, wanted: str, node: Mapping[str, Any], have: Written) -> str:
        kind, sql = have
        if wanted == DATE and kind == TEXT:
            if node["class"] == "CONSTANT":
                _refuse_no_date(_value(node))
            return f"TRY_CAST({sql} AS TIMESTAMP)"
        if kind != wanted:
            raise Refused(f"a {kind} stands where a {wanted} is needed", _listed(self.columns))
        return sql


def _listed(columns: Mapping[str, str]) -> str:
    """Say which columns are of which kind."""
    kinds = {kind: [n for n, k in columns.items() if k == kind] for kind in (NUMBER, TEXT, TRUTH)}
    return " ".join(f"{kind.capitalize()}s: {', '.join(have)}." for kind, have in kinds.items())


def _refuse_no_date(text: object) -> None:
    try:
        # Python reads more than DuckDB does, such as 20260531.
        if not _MOMENT.fullmatch(str(text)):
            raise ValueError
        datetime.fromisoformat(str(text))
    except ValueError:
        raise Refused(f"{text!r} is no date", "Write a date such as '2026-05-31'.") from None


def _value(node: Mapping[str, Any]) -> str | float | bool | None:
    """Read a constant, as DuckDB 2 (literal) or earlier ones (value) give it."""
    if "literal" in node:
        kind, value = node["literal"]["kind"], node["literal"].get("text", "")
    else:
        kind = node["value"]["type"]["id"]
        value = None if node["value"]["is_null"] else node["value"]["value"]
        if kind == "DECIMAL":
            value = value / 10 ** node["value"]["type"]["type_info"]["scale"]
    if kind in ("STRING", "VARCHAR"):
        return str(value)
    if kind == "BOOLEAN":
        return value in (True, "true")
    if kind in ("NULL_LITERAL", "NULL"):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise Refused(f"{value} is no number that can be used", "Write it in digits.")
    return number


def _arguments(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the arguments of a call, as DuckDB 2 (named) or earlier ones give them."""
    if "children" in node:
        return list(node["children"])
    if any(argument.get("name") for argument in node["arguments"]):
        raise Refused("an argument has a name", "Leave the name out.")
    return [argument["expression"] for argument in node["arguments"]]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
