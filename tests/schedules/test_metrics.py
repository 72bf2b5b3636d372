"""Figures for Prometheus: its format, its names, and what they say."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from curate.schedules.commands import Row
from curate.schedules.metrics import Figure, figures, text_of

ROWS = [
    Row("scan", "", "done", 0, 1.5),
    Row("scan", "", "failed", 1, 0.5),
    Row("cleanup", "", "not run", None, 0.0),
    Row("queues", "", "skipped", None, 0.0),
]
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\["\\n])*",?)*)\})? (\S+)')


def read(text: str) -> dict[str, float]:
    """Read the text format: HELP and TYPE first, then the samples of a metric together."""
    found: dict[str, float] = {}
    name, kind = "", ""
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            name = line.split()[2]
        elif line.startswith("# TYPE "):
            assert line.split()[2] == name
            kind = line.split()[3]
            assert kind in ("gauge", "counter")
            assert name.endswith("_total") == (kind == "counter")
        else:
            match = SAMPLE.fullmatch(line)
            assert match
            assert match[1] == name
            found[line.rpartition(" ")[0]] = float(match[3])
    assert text.endswith("\n")
    return found


def test_a_run_is_said_in_figures() -> None:
    made = figures("nightly", 1, 1000.0, 2.0, ROWS, {"done": 3, "failed": 1}, 900.5, (7, 1234))
    assert read(text_of(made)) == {
        'curate_job_exit_status{job="nightly"}': 1,
        'curate_job_start_time_seconds{job="nightly"}': 1000,
        'curate_job_duration_seconds{job="nightly"}': 2,
        'curate_job_last_success_time_seconds{job="nightly"}': 900.5,
        'curate_job_runs_total{job="nightly",ended="done"}': 3,
        'curate_job_runs_total{job="nightly",ended="failed"}': 1,
        'curate_job_step_duration_seconds{job="nightly",step="scan"}': 2,
        'curate_job_step_duration_seconds{job="nightly",step="cleanup"}': 0,
        'curate_job_step_duration_seconds{job="nightly",step="queues"}': 0,
        'curate_job_step_failed{job="nightly",step="scan"}': 1,
        'curate_job_step_failed{job="nightly",step="cleanup"}': 1,
        'curate_job_step_failed{job="nightly",step="queues"}': 0,
        "curate_quarantine_files": 7,
        "curate_quarantine_bytes": 1234,
    }


def test_commands_of_one_step_are_one_figure() -> None:
    rows = [Row(f"cleanup {what}", "", "done", 0, 1.0) for what in ("plan", "apply", "purge")]
    found = read(text_of(figures("cleanup", 0, 0.0, 3.0, rows, {}, None, (0, 0))))
    assert found['curate_job_step_duration_seconds{job="cleanup",step="cleanup"}'] == 3
    # A night that never went well has no time of it: an alert on its absence is meant.
    assert not [name for name in found if "success" in name]


@given(st.text(st.sampled_from('a"\\\n{},= ü'), max_size=8))
def test_any_label_is_escaped(value: str) -> None:
    text = text_of([Figure("curate_x", "Help.", "gauge", [({"job": value}, 1)])])
    ((name, number),) = read(text).items()
    label = name.removeprefix('curate_x{job="').removesuffix('"}')
    plain = re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), label)
    assert (plain, number) == (value, 1)
