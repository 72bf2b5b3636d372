"""What the figures of a bulk identification's benchmark say, and the tables that say it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

DECODE, FORWARD = "decode limit", "forward limit"
OURS = "curate"

TOP = 5


@dataclass(frozen=True)
class Record:
    """One run of one program.

    Attributes
    ----------
    turn : int
        The round.
    model, program : str
        What was run.
    rate : float
        Images a second, while it identifies.
    rest : float
        Seconds of its life that are not identifying: imports, loading, measuring, summing up. Of a
        decode limit: the start of the workers, which a run's own rate holds.
    megabytes, busy, gpu_megabytes : float
        See `bulk_id_process.Finished`.
    images : int
        How many.
    how : str
        Its plan or settings.
    failed : str
        Why there is no rate.
    """

    turn: int
    model: str
    program: str
    rate: float = math.nan
    rest: float = math.nan
    megabytes: float = math.nan
    busy: float = math.nan
    gpu_megabytes: float = math.nan
    images: int = 0
    how: str = ""
    failed: str = ""


@dataclass(frozen=True)
class Agreement:
    """How a program's rows compare with timm's, of the same photos.

    Attributes
    ----------
    images : int
        Photos that both have a row of.
    same : int
        Of them, those with the same best class.
    margin : float
        Of the others, the largest lead that timm's best class has over its second; 0 where there is
        none.
    difference : float
        The largest difference of a score, over the classes that are among the first five of both.
    """

    images: int
    same: int
    margin: float
    difference: float


@dataclass(frozen=True)
class Found:
    """All that was measured.

    Attributes
    ----------
    about : sequence of str
        Lines that say what was run on what.
    records : sequence of Record
        In the order in which they were made.
    agreements : dict of (model, program, how) to Agreement
        Against timm's transform and its forward pass in fp32.
    """

    about: Sequence[str]
    records: Sequence[Record] = ()
    agreements: dict[tuple[str, str, str], Agreement] = field(default_factory=dict)


def shared(decode: float, forward: float) -> float:
    """Give the rate at which cores do both, one after the other: 1 / (1/decode + 1/forward)."""
    return 1 / (1 / decode + 1 / forward)


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame) -> Agreement:
    """Compare rows of the same photos.

    Parameters
    ----------
    ours, theirs : DataFrame
        `file`, `class_1` … `class_5`, `score_1` … `score_5`; rows without a class are left out.
    """
    both = ours.dropna(subset="class_1").merge(theirs, on="file", suffixes=("", "_theirs"))
    same = both["class_1"] == both["class_1_theirs"]
    lead = (both["score_1_theirs"] - both["score_2_theirs"])[~same]
    differences = [0.0]
    for row in both.to_dict("records"):
        one, other = (
            {row[f"class_{n}{end}"]: row[f"score_{n}{end}"] for n in range(1, TOP + 1)}
            for end in ("", "_theirs")
        )
        differences += [abs(one[name] - other[name]) for name in one.keys() & other.keys()]
    return Agreement(
        len(both), int(same.sum()), float(lead.max() if len(lead) else 0), max(differences)
    )


def in_turns(records: Sequence[Record], model: str, program: str) -> dict[int, Record]:
    """Give what a program did with a model, by round; what failed is left out."""
    return {
        one.turn: one
        for one in records
        if one.model == model and one.program == program and not one.failed
    }


def shares(
    records: Sequence[Record], model: str, program: str, bound: Callable[[float, float], float]
) -> list[float]:
    """Give a program's rate over a bound made of both limits, each round's by its own.

    A noisy minute falls on all of a round. Where a program has limits of its own (another plan),
    they count.
    """
    done = in_turns(records, model, program)
    limits = [_limit(records, model, kind, program) for kind in (DECODE, FORWARD)]
    return [
        one.rate / bound(limits[0][turn].rate, limits[1][turn].rate)
        for turn, one in done.items()
        if turn in limits[0] and turn in limits[1]
    ]


def ratios(records: Sequence[Record], model: str, one: str, other: str) -> list[float]:
    """Give one program's rate over another's, round by round."""
    ones, others = in_turns(records, model, one), in_turns(records, model, other)
    return [ones[turn].rate / others[turn].rate for turn in ones if turn in others]


def limit_name(kind: str, program: str) -> str:
    """Give the name under which a limit of a program with a plan of its own is recorded."""
    return kind if program == OURS else f"{kind} of {program}"


def report(found: Found) -> str:
    """Give every table, as Markdown."""
    models = list(dict.fromkeys(one.model for one in found.records))
    parts = ["\n".join(f"* {line}" for line in found.about)]
    parts += [_rates(found.records, model) for model in models]
    parts += [
        _ratios(found.records, models),
        _agreements(found.agreements),
        _reasons(found.records),
    ]
    return "\n\n".join(part for part in parts if part)


def _limit(records: Sequence[Record], model: str, kind: str, program: str) -> dict[int, Record]:
    own = in_turns(records, model, limit_name(kind, program))
    return own or in_turns(records, model, kind)


def _rates(records: Sequence[Record], model: str) -> str:
    head = (
        model, "images/s", "of decode limit", "of forward limit", "of the smaller",
        "of both shared", "rest, s", "MB", "GPU busy", "GPU MB", "images", "how",
    )  # fmt: skip
    lines = []
    for program in dict.fromkeys(one.program for one in records if one.model == model):
        done = list(in_turns(records, model, program).values())
        if not done:
            continue
        bounds = (lambda d, f: d, lambda d, f: f, min, shared)
        of = [shares(records, model, program, bound) for bound in bounds]
        if not program.startswith(OURS):
            of = [[] for _ in bounds]
        lines.append(
            (
                program,
                spread([one.rate for one in done], ",.0f"),
                *(spread(some, ".0%") for some in of),
                spread([one.rest for one in done], ".1f"),
                *(
                    _number(max(values), form)
                    for values, form in (
                        ([one.megabytes for one in done], ",.0f"),
                        ([one.busy for one in done], ".0%"),
                        ([one.gpu_megabytes for one in done], ",.0f"),
                    )
                ),
                f"{done[-1].images:,}",
                "; ".join(dict.fromkeys(one.how for one in done)),
            )
        )
    return table(head, lines)


def _ratios(records: Sequence[Record], models: Sequence[str]) -> str:
    """Give how many times as fast ours are as the others; embeddings, as ours without."""
    programs = list(dict.fromkeys(one.program for one in records))
    ours = [name for name in programs if name.startswith(OURS)]
    theirs = [name for name in programs if not name.startswith(OURS) and "limit" not in name]
    lines = [
        (
            f"{one} / {other}",
            *(spread(ratios(records, model, one, other), ".2f") for model in models),
        )
        for one in ours
        for other in ([OURS] if "embeddings" in one else theirs)
    ]
    return table(("times as fast", *models), lines) if lines else ""


def _agreements(agreements: dict[tuple[str, str, str], Agreement]) -> str:
    head = (
        "against timm in fp32", "program", "how", "photos", "same best class",
        "timm's lead where not", "largest difference of a score",
    )  # fmt: skip
    lines = [
        (*key, f"{one.images:,}", f"{one.same:,}", f"{one.margin:.4f}", f"{one.difference:.1e}")
        for key, one in agreements.items()
    ]
    return table(head, lines) if lines else ""


def _reasons(records: Iterable[Record]) -> str:
    failed = {(one.model, one.program): one.failed for one in records if one.failed}
    return "\n".join(
        f"* {program} with {model} failed: {why}" for (model, program), why in failed.items()
    )


def spread(values: Sequence[float], form: str) -> str:
    """Give the median, and the lowest and highest where there are several."""
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return ""
    middle = format(statistics.median(known), form)
    if len(known) == 1:
        return middle
    return f"{middle} ({format(known[0], form)}–{format(known[-1], form)})"


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def table(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """Lay cells out as a Markdown table; columns that are empty throughout are left out."""
    rows = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    kept = [at for at in range(len(head)) if at == 0 or any(row[at] for row in rows)]
    shown = [[row[at] for at in kept] for row in (list(head), *rows)]
    shown.insert(1, ["---"] * len(kept))
    return "\n".join("| " + " | ".join(row) + " |" for row in shown)
