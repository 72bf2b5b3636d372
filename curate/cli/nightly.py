"""The steps of jobs: commands of `curate`, and which of them need that others went well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.core.errors import CurateError, PolicyError

if TYPE_CHECKING:
    from curate.core.config import Jobs
    from curate.schedules.commands import Commands, Row
    from curate.store.library import Library
    from curate.store.runs import Run

NAMES = ("cleanup", "nightly")
"""The jobs that there are: cleanup alone, and the steps of `[jobs.nightly]`."""

NEEDS: dict[str, tuple[str, ...]] = {"cleanup": ("scan", "duplicates")}
"""Steps that are not run after another that was asked for and did not end well: what cleanup takes
for a copy, or for gone, must be true tonight."""

COUNTS: dict[str, tuple[str, ...]] = {
    "scan": ("files", "read", "failed", "gone"),
    "duplicates": ("groups", "extra"),
    "bulk-id": ("computed", "failed"),
    "queues": ("images",),
    "cleanup plan": ("files", "bytes"),
    "cleanup apply": ("moved", "skipped"),
    "cleanup purge": ("purged", "skipped"),
    "report": ("images", "labelled", "pool"),
}
"""What is remembered of what the commands of a step said."""


@dataclass
class Night:
    """A run of a job, as its steps see it.

    Attributes
    ----------
    place : Library
        Whose images.
    settings : Jobs
        `[jobs]` of its curate.toml.
    commands : Commands
        Runs what the steps ask for.
    run : Run
        What it writes down.
    """

    place: Library
    settings: Jobs
    commands: Commands
    run: Run


def steps_of(name: str, settings: Jobs) -> tuple[str, ...]:
    """Name the steps of a job."""
    return ("cleanup",) if name == "cleanup" else tuple(settings.nightly.steps)


def follow(night: Night, steps: tuple[str, ...]) -> Iterator[str]:
    """Run steps one after another, and name each when it has ended.

    One that fails does not keep the others from their work, but for `NEEDS`.
    """
    for step in steps:
        bad = [need for need in NEEDS.get(step, ()) if need in steps and not _well(night, need)]
        try:
            if bad:
                night.commands.skip(step, f"{' and '.join(bad)} did not end well", "not run")
            else:
                STEPS[step](night)
        except CurateError as error:
            night.commands.fail(step, str(error))
        yield step


def counts(row: Row) -> dict[str, int]:
    """Pick from what a command said the counts that are remembered."""
    inner = row.told.get("counts")
    told: dict[str, Any] = {**row.told, **(inner if isinstance(inner, Mapping) else {})}
    return {name: told[name] for name in COUNTS.get(row.step, ()) if type(told.get(name)) is int}


def _well(night: Night, step: str) -> bool:
    return all(row.well for row in night.commands.rows if row.step == step)


def _scan(night: Night) -> None:
    from curate.schedules.roots import declared

    with night.place.reading() as connection:
        roots = declared(connection)
    if not roots:
        night.commands.skip("scan", "no folder was ever scanned")
    for root in roots:
        said = [f"--labels={root.labels}"] if root.labels else []
        said += [f"--origin={root.origin}"] if root.origin else []
        night.commands.run("scan", "scan", *said, root.path, about=root.path)


def _duplicates(night: Night) -> None:
    night.commands.run("duplicates", "duplicates")


def _bulk_id(night: Night) -> None:
    from curate.schedules.roots import declared

    with night.place.reading() as connection:
        pools = [root.path for root in declared(connection) if not root.labels]
    if not night.settings.model:
        night.commands.skip("bulk-id", "[jobs] in curate.toml names no model")
    elif not pools:
        night.commands.skip("bulk-id", "no pool was ever scanned")
    else:
        night.commands.run("bulk-id", "bulk-id", f"--model={night.settings.model}", *pools)


def _queues(night: Night) -> None:
    from curate.store import queues

    with night.place.reading() as connection:
        names = queues.names(connection)
    if not names:
        night.commands.skip("queues", "no queue is saved")
    for name in names:
        night.commands.run("queues", "queue", f"--saved={name}", "--refresh", about=name)


def _cleanup(night: Night) -> None:
    """Plan, apply that plan, and purge; what a person should look at first stops all of it."""
    policy = night.run.summary["policy"] = approved_policy(night.place)
    file = night.commands.log.with_suffix(".plan.json")
    try:
        planned = night.commands.run("cleanup plan", "cleanup", "plan", "-o", str(file))
        if planned.how != "done":
            return
        if planned.told.get("policy") != policy:
            raise PolicyError("cleanup plan", "follows another policy than the approved", _APPROVE)
        applied = night.commands.run("cleanup apply", "cleanup", "apply", str(file))
    finally:
        # The library keeps the plan itself.
        file.unlink(missing_ok=True)
    if applied.how == "done":
        night.commands.run("cleanup purge", "cleanup", "purge", "--yes")


def approved_policy(place: Library) -> str:
    """Give the digest of the policy, which a person must have approved.

    Raises
    ------
    PolicyError
        Nobody has, or it was changed since.
    """
    from curate.cleanup.policy import approved, digest
    from curate.cli.cleanup_rules import policy_of

    found = digest(policy_of(place))
    with place.reading() as connection:
        if approved(connection) != found:
            raise PolicyError(
                "the cleanup policy", "is not approved, or was changed since", _APPROVE
            )
    return found


def _report(night: Night) -> None:
    night.commands.run("report", "status")


_APPROVE = "Look at `curate cleanup plan`, then `curate cleanup approve`."

STEPS: dict[str, Callable[[Night], None]] = {
    "scan": _scan,
    "duplicates": _duplicates,
    "bulk-id": _bulk_id,
    "queues": _queues,
    "cleanup": _cleanup,
    "report": _report,
}
"""The steps by their names in `[jobs.nightly]`."""
