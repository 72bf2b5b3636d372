"""What `curate jobs` shows: the steps of a run, past runs, and when the next ones are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from curate.cli.nightly import NAMES, counts
from curate.cli.output import Printer, local, quoted, tail
from curate.core import names

if TYPE_CHECKING:
    from curate.schedules.commands import Row
    from curate.store.library import Library
    from curate.store.run_rows import Recorded

_STYLES = {"done": "", "skipped": "yellow", "stopped": "yellow"}
"""Colours of rows by how they ended; red for any other."""


def said(rows: Sequence[Row]) -> str:
    """Say in a line what did not end well; '' where all did."""
    return "; ".join(f"{row.step}: {row.reason}" for row in rows if not row.well)


def as_facts(row: Row) -> dict[str, Any]:
    """Give what is remembered and printed of a command."""
    kept = ("step", "about", "command", "how", "exit", "reason")
    facts = {name: getattr(row, name) for name in kept}
    return {**facts, "seconds": round(row.seconds, 3), "counts": counts(row)}


def say_rows(printer: Printer, rows: Sequence[Row]) -> None:
    """Print the commands of a run as they ended."""
    facts = [as_facts(row) for row in rows]
    printer.table(
        ["step", "ended", "took", "what"],
        [
            (
                f"{row['step']} {tail(names.printable(row['about']), 24)}".rstrip(),
                row["how"],
                _brief(row["seconds"]) if row["exit"] is not None else "",
                row["reason"] or _counted(row["counts"]) or "nothing to do",
            )
            for row in facts
        ],
        [_STYLES.get(row["how"], "red") for row in facts],
    )


def _counted(counts: Mapping[str, int]) -> str:
    """Say counts in words; the first of them also where all are 0."""
    some = {name: number for name, number in counts.items() if number} or dict(
        [*counts.items()][:1]
    )
    return ", ".join(f"{number:,} {name}" for name, number in some.items())


def say_past(printer: Printer, rows: Sequence[Recorded]) -> None:
    """Print runs of jobs, one a row, with what their steps came to."""
    printer.facts(
        runs=[
            {
                "run_id": row.run_id,
                "job": row.parameters["job"],
                "how": how(row),
                "started": row.started,
                "seconds": row.seconds,
                **{name: row.summary.get(name) for name in ("exit", "steps", "told", "log")},
            }
            for row in rows
        ]
    )
    if not rows:
        printer.say("No job has run yet.")
        return
    printer.table(
        ["run", "job", "began", "took", "ended", "what"],
        [
            (
                str(row.run_id),
                row.parameters["job"],
                local(row.started),
                "" if row.seconds is None else _brief(row.seconds),
                how(row),
                _told(row),
            )
            for row in rows
        ],
        [_STYLES.get(how(row), "red") for row in rows],
    )


def how(row: Recorded) -> str:
    """Say how a run ended, from what it wrote down of its steps."""
    from curate.schedules.commands import HOW

    if row.status in ("running", "interrupted"):
        return row.status
    steps = row.summary.get("steps") or []
    if any(step["how"] == "out of time" for step in steps):
        return "out of time"
    return HOW.get(int(row.summary.get("exit") or row.status == "failed"), "failed")


def _told(row: Recorded) -> str:
    """Say what a run did: its counts, or what went wrong in it."""
    steps = row.summary.get("steps") or []
    bad = [step for step in steps if step["how"] not in ("done", "skipped")]
    if bad:
        return "; ".join(f"{step['step']}: {step['reason']}" for step in bad)
    sums: dict[str, Counter[str]] = {}
    for step in steps:
        sums.setdefault(step["step"], Counter()).update(step["counts"])
    words = (f"{step}: {_counted(found)}" for step, found in sums.items() if found)
    return "; ".join(words) or str(row.summary.get("error", ""))


def say_next(printer: Printer, place: Library) -> bool:
    """Say when this machine runs the jobs of a library next; False where it does not."""
    from curate.schedules.installing import installed

    now = datetime.now()
    found = [each for name in NAMES for each in installed(name, str(place.root))]
    coming = [(each, each.at.after(now)) for each in found]
    printer.facts(
        scheduled=[
            {"job": each.job, "by": each.by, "next": at.astimezone().isoformat()}
            for each, at in coming
        ]
    )
    printer.say()
    for each, at in sorted(coming, key=lambda pair: pair[1]):
        printer.say(f"Next {each.job}: {at:%Y-%m-%d %H:%M}, by {each.by}")
    if not coming:
        printer.say(f"No job of {quoted(place.root)} is scheduled in your crontab or by systemd.")
    return bool(coming)


def _brief(seconds: float) -> str:
    """Write how long something took, as people say it: 0.4 s, 12 s, 3 min, 2.5 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} h"
