"""`curate train`: a checkpoint from a split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

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
)
from curate.cli.train_input import asked_of, before, initial_of, settings_of

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.models.checkpoint import Checkpoint
    from curate.store.library import Library
    from curate.train import Progress, TrainResult, TrainSettings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(train)


def train(
    out: options.Out,
    throw_away: options.ThrowAway = False,
    min_count: MinCount = None,
    arch: options.Arch = None,
    from_: options.From = None,
    pretrained: options.Pretrained = False,
    head: options.Head = None,
    rename: options.Rename = None,
    resume: options.Resume = None,
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    patience: options.Patience = None,
    size: options.Size = None,
    batch_size: BatchSize = None,
    accumulate: options.Accumulate = None,
    lr: options.Lr = None,
    weight_decay: options.WeightDecay = None,
    optimizer: options.Optimizer = None,
    schedule: options.Schedule = None,
    warm_up: options.WarmUp = None,
    freeze: options.Freeze = None,
    augment: options.Augment = None,
    mix: options.Mix = None,
    balance: options.Balance = None,
    smoothing: options.Smoothing = None,
    ema: options.Ema = None,
    precision: options.Precision = None,
    compile_: options.Compile = None,
    track: options.Track = None,
    seed: Seed = 0,
    device: Device = "auto",
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on the split, or a throw-away model.

    The benchmark is never opened. Ctrl-C leaves a checkpoint that can be used, and --resume goes
    on from there. Several GPUs: torchrun --nproc-per-node 4 -m curate train …
    """
    from curate.cli.output import Printer
    from curate.core import config
    from curate.store.library import opened
    from curate.train import train as train_model
    from curate.train.ranks import ranks_of

    ranks = ranks_of(os.environ)
    given = {
        "rename": options.renamed(rename) or None,
        "head": head,
        "epochs": epochs,
        "steps": steps,
        "patience": patience,
        "size": size,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "lr": lr,
        "weight_decay": weight_decay,
        "optimizer": optimizer,
        "schedule": schedule,
        "warm_up": warm_up,
        "freeze": freeze,
        "mix": mix,
        "balance": balance,
        "smoothing": smoothing,
        "ema": ema,
        "precision": precision,
        "compile": compile_,
        "seed": seed or None,
        "device": device,
        "pretrained": pretrained or None,
        **options.augmented(augment),
    }
    printer = Printer(as_json)
    with opened(library) as place:
        settings_file = config.load(place.root)
        kept = None
        if resume is not None:
            kept, found = before(out, resume)
            throw_away, arch = found.throw_away, arch or (None if from_ else found.arch)
            min_count = found.min_count if throw_away else min_count
        asked = asked_of(place, settings_file, throw_away, min_count)
        given |= {"throw_away": throw_away, "min_count": asked.min_count}
        settings, usual_arch = settings_of(settings_file, given, kept)
        initial, recipe = initial_of(from_, arch, usual_arch)

        def trained(told: Callable[[Progress], None] | None) -> TrainResult:
            return train_model(
                asked.table,
                recipe,
                out,
                settings,
                initial=initial,
                resume=resume,
                on_progress=told,
                ranks=ranks,
            )

        if not ranks.first:
            trained(None)
            return
        parameters = {
            "arch": recipe or (initial.arch if initial else None),
            "from": initial.digest if initial else None,
            "out": str(out),
            "resume": resume,
            "processes": ranks.world,
            "sought": list(asked.sought),
            **asdict(settings),
        }
        result = _recorded(place, parameters, settings, asked.table, track or [], trained)
    _print_trained(printer, result, initial)
    printer.write(result.history, csv, parquet)
    _name_the_next(printer, result, asked.sought)
    printer.finish()


def _recorded(
    place: Library,
    parameters: Mapping[str, Any],
    settings: TrainSettings,
    table: pd.DataFrame,
    track: list[str],
    trained: Callable[[Callable[[Progress], None]], TrainResult],
) -> TrainResult:
    """Train as a run of the library, told to the trackers and shown as it goes."""
    from curate.cli.output import records
    from curate.store import runs
    from curate.train.trackers import tracking

    with (
        # First: what a tracker lacks is said before there is a run of it.
        tracking(track, place.folder) as tracker,
        runs.running(place, "train", parameters) as run,
        _bars(settings, table) as told,
    ):
        tracker.begin(f"train-{run.run_id}", parameters)
        history = run.summary.setdefault("history", [])

        def tell(state: Progress) -> None:
            told(state)
            if state.metrics:
                tracker.epoch(state.metrics)
                # Whatever becomes of the training, its epochs are known.
                history.append(dict(state.metrics))
                runs.note(place, run)

        result = trained(tell)
        checkpoint = result.checkpoint
        run.summary.update(
            metrics=dict(checkpoint.metrics),
            digest=checkpoint.digest,
            path=str(result.path.resolve()),
            parent=checkpoint.parent,
            throw_away=checkpoint.throw_away,
            history=records(result.history),
            recalls=records(result.recalls),
        )
        tracker.end(result, [result.path])
    return result


@contextmanager
def _bars(settings: TrainSettings, table: pd.DataFrame) -> Iterator[Callable[[Progress], None]]:
    """Show the whole training as one bar, with what the last epoch came to."""
    from curate.engine import progress

    images = int((table["split"] == "train").sum())
    note = ""
    before = 0
    with progress("Training", images * settings.epochs) as advance:

        def told(state: Progress) -> None:
            nonlocal note, before
            now = (state.epoch - 1) * images + state.images
            if state.metrics:
                accuracy = state.metrics["val_accuracy"]
                note = f"epoch {state.epoch} of {state.epochs}, val {accuracy:.3f}"
            advance(max(0, now - before), note)
            before = max(before, now)

        yield told


def _name_the_next(printer: Printer, result: TrainResult, sought: tuple[str, ...]) -> None:
    """Say what the model was made for, and the command that uses it so."""
    from curate.cli.output import counted, quoted

    why = "identify the pool"
    printer.facts(sought=list(sought))
    if sought:
        shown = ", ".join(sought[:8]) + (", …" if len(sought) > 8 else "")
        printer.say(f"\nMade to find images of {counted(len(sought), 'class', 'classes')}: {shown}")
        why += ", then `curate queue low-count` offers the images that may be theirs"
    printer.next(f"curate bulk-id --model {quoted(result.path)} FOLDER", why)


def _print_trained(printer: Printer, result: TrainResult, initial: Checkpoint | None) -> None:
    from curate.cli.output import counted, records

    checkpoint, history = result.checkpoint, result.history
    printer.facts(
        path=str(result.path),
        last=str(result.last),
        digest=checkpoint.digest,
        arch=checkpoint.arch,
        classes=list(checkpoint.classes),
        metrics=dict(checkpoint.metrics),
        throw_away=checkpoint.throw_away,
        history=records(history),
        recalls=records(result.recalls),
        failures=records(result.failures),
        transplant=asdict(result.transplant),
    )
    printer.table(
        ["epoch", "loss", "val loss", "val accuracy", "images/s", "waited", "lr"],
        [
            (
                row["epoch"],
                row["loss"],
                row["val_loss"],
                row["val_accuracy"],
                round(row["images_per_second"]),
                f"{row['waited']:.0%}",
                f"{row['lr']:.2g}",
            )
            for row in records(_few(history))
        ],
        ["bold" if epoch == result.best_epoch else "" for epoch in _few(history)["epoch"]],
    )
    if initial is not None:
        kept = result.transplant
        printer.say(
            f"\nKept the body of {initial.arch} ({kept.kept} tensors); classes: "
            f"{len(kept.classes_kept)} known ({len(kept.classes_renamed)} of them renamed), "
            f"{len(kept.classes_new)} new, {len(kept.classes_dropped)} dropped"
        )
    weakest = result.recalls.sort_values(["recall", "class"]).head(5)
    if "test_accuracy" in checkpoint.metrics:
        accuracy = checkpoint.metrics["test_accuracy"]
        printer.say(
            f"\nTest: {accuracy:.1%} of {counted(int(checkpoint.metrics['test_images']), 'image')} "
            f"right ({len(checkpoint.classes)} classes, chance {1 / len(checkpoint.classes):.1%}). "
            "The weakest classes:"
        )
        printer.table(
            ["class", "images", "right", "recall"],
            [
                (row["class"], row["images"], row["correct"], row["recall"])
                for row in records(weakest)
            ],
        )
    if len(result.failures):
        printer.say(f"{counted(len(result.failures), 'image')} could not be used:")
        printer.table(
            ["path", "reason"], result.failures[["path", "reason"]].head(5).to_numpy().tolist()
        )
    mark = " (throw-away: to find images, not to deploy)" if checkpoint.throw_away else ""
    printer.say(
        f"\nWrote {result.path}{mark}: epoch {result.best_epoch}, the best; {result.last}: the last"
    )


def _few(history: pd.DataFrame) -> pd.DataFrame:
    """Give at most eight rows of the history, evenly spread, the last one among them."""
    step = -(-len(history) // 8)
    return history[::-1].iloc[::step][::-1]
