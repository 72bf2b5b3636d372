"""Figures of a job as a text file for Prometheus (its textfile collector reads it).

Source: the text-based exposition format, version 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from curate.schedules.commands import Row


@dataclass(frozen=True)
class Figure:
    """One metric.

    Attributes
    ----------
    name, help : str
        Seconds and bytes stand at the end of a name, and ``_total`` at that of a counter.
    kind : str
        ``gauge``, or ``counter``: it only ever grows.
    samples : sequence of (mapping, float)
        Labels and value; whole numbers are written as such.
    """

    name: str
    help: str
    kind: Literal["gauge", "counter"]
    samples: Sequence[tuple[Mapping[str, str], float]]


def figures(
    job: str,
    status: int,
    began: float,
    seconds: float,
    rows: Sequence[Row],
    ended: Mapping[str, int],
    succeeded: float | None,
    quarantine: tuple[int, int],
) -> list[Figure]:
    """Say a run of a job in figures.

    Parameters
    ----------
    job : str
        Its name.
    status : int
        Its exit status.
    began, seconds : float
        When it began (Unix time), and how long it took.
    rows : sequence of Row
        Its commands.
    ended : mapping of str to int
        Runs of this job in this library, this one too, by how they ended.
    succeeded : float or None
        When the last good run ended (Unix time); None where none ever did.
    quarantine : (int, int)
        Files and bytes in quarantine.
    """
    of = {"job": job}
    steps: dict[str, tuple[float, int]] = {}
    for row in rows:
        step = row.step.split()[0]
        took, bad = steps.get(step, (0.0, 0))
        steps[step] = (took + row.seconds, bad or int(not row.well))
    good = [(of, succeeded)] if succeeded is not None else []
    return [
        Figure("curate_job_exit_status", "Of the last run.", "gauge", [(of, status)]),
        Figure("curate_job_start_time_seconds", "When the last run began.", "gauge", [(of, began)]),
        Figure("curate_job_duration_seconds", "How long it took.", "gauge", [(of, seconds)]),
        Figure("curate_job_last_success_time_seconds", "End of a good run.", "gauge", good),
        Figure(
            "curate_job_runs_total",
            "Runs, by how they ended.",
            "counter",
            [({**of, "ended": how}, count) for how, count in sorted(ended.items())],
        ),
        Figure(
            "curate_job_step_duration_seconds",
            "How long each step of the last run took.",
            "gauge",
            [({**of, "step": step}, took) for step, (took, _) in steps.items()],
        ),
        Figure(
            "curate_job_step_failed",
            "1 where a step of the last run did not end well.",
            "gauge",
            [({**of, "step": step}, bad) for step, (_, bad) in steps.items()],
        ),
        Figure("curate_quarantine_files", "Files in quarantine.", "gauge", [({}, quarantine[0])]),
        Figure("curate_quarantine_bytes", "Their bytes.", "gauge", [({}, quarantine[1])]),
    ]


def text_of(found: Iterable[Figure]) -> str:
    """Write metrics as Prometheus reads them; one without a sample is left out."""
    lines = []
    for figure in found:
        if figure.samples:
            lines.append(f"# HELP {figure.name} {figure.help}")
            lines.append(f"# TYPE {figure.name} {figure.kind}")
            lines += [f"{figure.name}{_labels(of)} {value}" for of, value in figure.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(of: Mapping[str, str]) -> str:
    if not of:
        return ""
    pairs = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    return "{" + ",".join(f'{name}="{value.translate(pairs)}"' for name, value in of.items()) + "}"
