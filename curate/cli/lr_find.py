"""`curate lr-find`: which learning rate suits a training?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli import train_options as options
from curate.cli.options import (
    BatchSize,
    CsvOption,
    Device,
    JsonOption,
    LibraryOption,
    MinCount,
    ParquetOption,
    Seed,
    in_a_folder,
)
from curate.cli.train_input import asked_of, initial_of, settings_of

if TYPE_CHECKING:
    from curate.cli.output import Printer
    from curate.cli.plot import Plot
    from curate.train.lr_find import LrFound


_USUAL = (("--seed", 0), ("--device", "auto"))
"""Options that the next command need not repeat."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(lr_find)


def lr_find(
    low: Annotated[float, typer.Option(help="The first learning rate.")] = 1e-7,
    high: Annotated[float, typer.Option(help="The last learning rate.")] = 100.0,
    steps: Annotated[int, typer.Option(help="Steps from the first to the last.", min=20)] = 113,
    throw_away: options.ThrowAway = False,
    min_count: MinCount = None,
    arch: options.Arch = None,
    from_: options.From = None,
    pretrained: options.Pretrained = False,
    head: options.Head = None,
    rename: options.Rename = None,
    size: options.Size = None,
    batch_size: BatchSize = None,
    accumulate: options.Accumulate = None,
    weight_decay: options.WeightDecay = None,
    optimizer: options.Optimizer = None,
    augment: options.Augment = None,
    mix: options.Mix = None,
    balance: options.Balance = None,
    smoothing: options.Smoothing = None,
    precision: options.Precision = None,
    seed: Seed = 0,
    device: Device = "auto",
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the curve: .png, .svg, or .html.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train for some steps at ever larger learning rates, and suggest one.

    Nothing that it learns is kept. Give it the options that the training will have.
    """
    from curate.cli import plot as plots
    from curate.cli.output import Printer, records
    from curate.core import config
    from curate.store import runs
    from curate.store.library import opened
    from curate.train.lr_find import find_lr

    if plot is not None:
        plots.writer_of(plot)
    given: dict[str, Any] = {
        "pretrained": pretrained,
        "head": head,
        "size": size,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "weight_decay": weight_decay,
        "optimizer": optimizer,
        "mix": mix,
        "balance": balance,
        "smoothing": smoothing,
        "precision": precision,
        "seed": seed,
        "device": device,
        "throw_away": throw_away,
    }
    same = {"arch": arch, "from": from_, "rename": rename, "augment": augment, **given}
    given |= {"rename": options.renamed(rename), **options.augmented(augment)}
    printer = Printer(as_json)
    with opened(library) as place:
        settings_file = config.load(place.root)
        asked = asked_of(place, settings_file, throw_away, min_count)
        settings, usual_arch = settings_of(settings_file, {**given, "min_count": asked.min_count})
        initial, recipe = initial_of(from_, arch, usual_arch)
        name = recipe or (initial.arch if initial else "")
        parameters = {
            "arch": name,
            "from": initial.digest if initial else None,
            **asdict(settings),
            "low": low,
            "high": high,
            "steps": steps,
        }
        with runs.running(place, "lr-find", parameters, alone=False) as run, _bar(steps) as told:
            found = find_lr(asked.table, recipe, settings, initial, low, high, steps, told)
            run.summary.update(
                curve=records(found.curve),
                suggestions=records(found.suggestions),
                stopped=found.stopped,
            )
    drawn = _plot(found, name)
    _print_found(printer, found, drawn)
    printer.write(found.curve, csv, parquet)
    if plot is not None:
        plots.write(drawn, plot)
        printer.say(f"Drew the curve: {plot}")
    _name_the_next(printer, found, {**same, "min_count": min_count})
    printer.finish()


@contextmanager
def _bar(steps: int) -> Iterator[Callable[[int, float], None]]:
    from curate.engine import progress

    with progress("Trying learning rates", steps, "steps") as advance:
        yield lambda done, smooth: advance(1, f"loss {smooth:.3f}")


def _plot(found: LrFound, arch: str) -> Plot:
    from curate.cli.plot import Line, Mark, Plot
    from curate.train.lr_find import DIVERGED

    curve = found.curve
    # On the way to divergence the loss has no bound: the rest would be a flat line.
    shown = curve[curve["smooth"] <= DIVERGED * curve["smooth"].min()]
    single = shown[shown["loss"] <= max(shown["smooth"], default=0)]
    suggested = found.suggestions.dropna(subset="lr")
    return Plot(
        title=f"Loss by learning rate: {arch}",
        x_label="learning rate",
        y_label="loss",
        lines=(
            Line("smoothed", shown["lr"].tolist(), shown["smooth"].tolist()),
            Line("single batches", single["lr"].tolist(), single["loss"].tolist()),
        ),
        x_log=True,
        marks=[Mark(lr, name) for name, lr in zip(suggested["name"], suggested["lr"], strict=True)],
    )


def _print_found(printer: Printer, found: LrFound, drawn: Plot) -> None:
    from curate.cli.output import counted, records
    from curate.cli.plot import text

    printer.facts(
        curve=records(found.curve),
        suggestions=records(found.suggestions),
        stopped=found.stopped,
        failures=records(found.failures),
    )
    if not printer.as_json:
        printer.say(text(drawn, width=max(40, min(100, printer.console.width))))
        printer.say(f"\n{counted(len(found.curve), 'step')}; {found.stopped}")
    printer.table(
        ["suggestion", "lr", "loss", "reason"],
        [
            (
                row["name"],
                "" if row["lr"] is None else f"{row['lr']:.2g}",
                row["loss"],
                row["reason"],
            )
            for row in records(found.suggestions)
        ],
    )
    if len(found.failures):
        printer.say(f"{counted(len(found.failures), 'image')} could not be used:")
        printer.table(
            ["path", "reason"], found.failures[["path", "reason"]].head(5).to_numpy().tolist()
        )


def _name_the_next(printer: Printer, found: LrFound, given: Mapping[str, Any]) -> None:
    """Give the training with the same options and the first learning rate that there is."""
    words = ["curate", "train"]
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif isinstance(value, list):
            words += [word for one in value for word in (flag, one)]
        elif value is not None and value is not False and (flag, value) not in _USUAL:
            words += [flag, str(value)]
    suggested = found.suggestions.dropna(subset="lr")
    if len(suggested):
        first = suggested.iloc[0]
        words += ["--lr", f"{first['lr']:.2g}"]
        why = f"the learning rate by {first['name']}"
    else:
        why = "its own learning rate: this curve suggests none"
    printer.next(f"{shlex.join(words)} -o ckpt.pt", why)
