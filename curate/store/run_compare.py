"""Runs beside each other: in what they differ, what was measured, and how they went on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from curate.store.run_rows import Recorded

_BEST_IS = {"accuracy": max, "recall": max, "images_per_second": max,
            "loss": min, "ece": min, "seconds": min}  # fmt: skip
"""Which of several values is the best, by the end of a metric's name; of others none is."""

_SAME_MEASURE = "_calibrated"


def compared(rows: Sequence[Recorded]) -> pd.DataFrame:
    """Lay runs beside each other.

    Parameters
    ----------
    rows : sequence of Recorded
        Two or more, no run twice.

    Returns
    -------
    DataFrame
        kind (parameter, version or metric), name, one column ``run <number>`` for each run (a
        number, a text, other values as JSON; missing where the run has none), best (numbers of the
        runs with the best value, joined by commas; '' where no value is better than another).
        Parameters and versions are those in which the runs differ, metrics all of them. A value
        that a run lacks is unlike every value of another.
    """
    parts = [
        *_differing("parameter", [row.parameters for row in rows]),
        *_differing("version", [row.versions for row in rows]),
        *(("metric", name, values) for name, values in _named([row.metrics for row in rows])),
    ]
    columns = [f"run {row.run_id}" for row in rows]
    numbers = [row.run_id for row in rows]
    listed = [
        (kind, name, *values, _best(numbers, name, values) if kind == "metric" else "")
        for kind, name, values in parts
    ]
    return pd.DataFrame(listed, columns=["kind", "name", *columns, "best"], dtype=object)


def curves(rows: Sequence[Recorded], metric: str) -> dict[int, tuple[list[float], list[float]]]:
    """Give the curve of a metric for each run that has one.

    Returns
    -------
    dict of int to (list of float, list of float)
        By number of the run: epochs, and the metric after each. Epochs without it are left out.
    """
    found = {}
    for row in rows:
        history = row.history
        if {"epoch", metric} <= set(history.columns):
            told = history[["epoch", metric]].apply(pd.to_numeric, errors="coerce").dropna()
            if len(told):
                found[row.run_id] = (told["epoch"].tolist(), told[metric].tolist())
    return found


def _named(mappings: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    """Give every name that any of them has, with the value of each; None where it has none."""
    names = dict.fromkeys(name for one in mappings for name in one)
    return [(name, [_plain(one.get(name)) for one in mappings]) for name in names]


def _differing(
    kind: str, mappings: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str, list[Any]]]:
    def same(name: str) -> bool:
        told = [json.dumps(one[name], sort_keys=True) for one in mappings if name in one]
        return len(told) == len(mappings) and len(set(told)) == 1

    return [(kind, name, values) for name, values in _named(mappings) if not same(name)]


def _best(numbers: Sequence[int], name: str, values: Sequence[float | None]) -> str:
    best = next((f for end, f in _BEST_IS.items() if _measure(name).endswith(end)), None)
    known = [value for value in values if value is not None]
    if best is None or len(set(known)) < 2:
        return ""
    first = best(known)
    return ",".join(
        str(number) for number, value in zip(numbers, values, strict=True) if value == first
    )


def _measure(name: str) -> str:
    return name.removesuffix(_SAME_MEASURE)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)
