"""`curate sweep`: many short trainings, to learn which settings are good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli.options import CsvOption, Device, JsonOption, LibraryOption, ParquetOption

if TYPE_CHECKING:
    from curate.cli.output import Printer
    from curate.core.config import Config
    from curate.train.sweeps.plan import SweepPlan
    from curate.train.sweeps.rows import Ended
    from curate.train.sweeps.sweep import Swept

MOST_ROWS = 12
"""Trials shown to people: the best ones. Files and JSON have all."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(sweep)


def sweep(
    file: Annotated[
        Path, typer.Argument(metavar="SWEEP.TOML", help="What is tried: see docs/sweeps.md.")
    ],
    trials: Annotated[
        int | None,
        typer.Option(
            help="How many in all, those of earlier starts among them.  "
            "[default: what the file says; 20; all of a grid]",
            min=1,
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Trials at the same time, each with its share of the cores.", min=1)
    ] = 1,
    device: Device = "auto",
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try settings in short trainings, and name the best as a `curate train` command.

    Every trial is a run of the library. The same command goes on where it stopped; a changed file
    is a new sweep.
    """
    from curate.cli.output import Printer
    from curate.cli.train_input import asked_of, initial_of, settings_of
    from curate.core import config
    from curate.store.library import opened
    from curate.train.sweeps.plan import read_plan
    from curate.train.sweeps.sweep import sweep as sweep_settings
    from curate.train.sweeps.sweep import trials_of

    printer = Printer(as_json)
    with opened(library) as place:
        plan = read_plan(file)
        settings_file = config.load(place.root)
        given: dict[str, Any] = {"device": device, "epochs": plan.epochs, **plan.train}
        asked = asked_of(
            place, settings_file, given.get("throw_away", False), given.get("min_count")
        )
        base, usual_arch = settings_of(settings_file, {**given, "min_count": asked.min_count})
        from_ = Path(plan.initial) if plan.initial else None
        initial, arch = initial_of(from_, plan.arch, usual_arch)
        with _bar(trials_of(plan, trials)) as told:
            swept = sweep_settings(
                place,
                asked.table,
                plan,
                base,
                arch,
                name=file.stem,
                initial=initial,
                trials=trials,
                jobs=jobs,
                on_trial=told,
            )
    _print_swept(printer, plan, swept)
    printer.write(swept.trials, csv, parquet)
    _name_the_next(printer, plan, swept, settings_file)
    printer.finish()


def _print_swept(printer: Printer, plan: SweepPlan, swept: Swept) -> None:
    from curate.cli.output import bar, counted, records

    trials = swept.trials
    statuses = {str(name): int(count) for name, count in trials["status"].value_counts().items()}
    printer.facts(
        metric=plan.metric,
        trials=records(trials),
        importance=records(swept.importance),
        best=swept.best,
        checkpoint=str(swept.checkpoint) if swept.checkpoint else None,
        known=swept.known,
        changed=list(swept.changed),
    )
    if swept.changed:
        printer.say(
            f"A new sweep: since the last one of this name, {', '.join(swept.changed)} changed. "
            "The trials of that one stay in `curate runs`."
        )
    printer.say(
        f"{counted(len(trials), 'trial')}: "
        + ", ".join(f"{count} {status}" for status, count in statuses.items())
        + (f"; {swept.known} known from before" if swept.known else "")
    )
    best_first = trials.sort_values(
        ["value", "trial"], ascending=[plan.metric == "val_loss", True], na_position="last"
    )
    names = list(plan.space)
    printer.table(
        ["trial", plan.metric, *names, "epochs", "s", "status"],
        [
            (
                row["trial"],
                row["value"],
                *(_short(row[name]) for name in names),
                row["epochs_trained"],
                round(row["seconds"]),
                row["status"],
            )
            for row in records(best_first.head(MOST_ROWS))
        ],
        ["bold" if trial == swept.best else "" for trial in best_first["trial"]],
    )
    if len(trials) > MOST_ROWS:
        printer.say(f"… and {len(trials) - MOST_ROWS} more; --csv FILE has all")
    for row in records(trials[trials["status"] == "failed"].head(MOST_ROWS)):
        printer.say(f"Trial {row['trial']} failed: {row['reason']}")
    if len(swept.importance):
        printer.say()
        printer.table(
            ["parameter", "importance", ""],
            [
                (row["parameter"], row["importance"], bar(row["importance"], printer.bar))
                for row in records(swept.importance)
            ],
        )


def _name_the_next(printer: Printer, plan: SweepPlan, swept: Swept, file: Config) -> None:
    """Name the command that trains as the best trial did, or say that there is none."""
    from curate.cli.output import quoted
    from curate.cli.train_input import settings_of
    from curate.core.errors import PolicyError
    from curate.train.sweeps.command import command_of

    if swept.settings is None:
        printer.finish()
        raise PolicyError(
            "no trial came to its end", "a sweep needs one that does", "See their reasons above"
        )
    usual, _ = settings_of(file, {})
    command = command_of(swept.settings, swept.arch, plan.initial, usual=usual)
    if swept.checkpoint:
        printer.say(f"\nThe checkpoint of trial {swept.best}: {quoted(swept.checkpoint)}")
        printer.say("Those of the other trials were taken away.")
    printer.next(command, f"trains as trial {swept.best} did")


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[Ended], None]]:
    """Show how many trials have ended, and how the last one did."""
    from curate.engine import progress

    with progress("Trials", total, "trials") as advance:
        yield lambda trial: advance(1, f"trial {trial.told.number}: {trial.told.status}")
