"""`curate train`: a checkpoint from a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.options import (
    BatchSize,
    CsvOption,
    Device,
    JsonOption,
    LibraryOption,
    MinCount,
    ParquetOption,
)

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.core.config import Config
    from curate.models.checkpoint import Checkpoint
    from curate.store.library import Library
    from curate.train import Progress, TrainResult, TrainSettings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(train)


def train(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="CKPT", help="Where the best checkpoint goes.")
    ],
    throw_away: Annotated[
        bool,
        typer.Option(
            "--throw-away",
            help="A model only to find more images: --min-count may be lower than the permanent "
            "split's, which stays as it is.",
        ),
    ] = False,
    min_count: MinCount = None,
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Any timm architecture, e.g. resnet18.  [default: resnet18, or that of --from]",
            show_default=False,
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CKPT",
            help="Keep the body of this model: a checkpoint, or timm weights (.pth, .safetensors).",
            show_default=False,
        ),
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Fetch timm's pretrained weights from the hub.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(help="[default: 20]", min=1, show_default=False)
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the model's input in pixels.", min=16, show_default=False),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Largest learning rate.", show_default=False)
    ] = None,
    batch_size: BatchSize = None,
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            help="E.g. 'flip(p=0.5) rotate(limit=10)'.  [default: a safe one]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides what chance decides.")] = 0,
    device: Device = "auto",
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on the split, or a throw-away model.

    The benchmark is never opened. Ctrl-C leaves a checkpoint that can be used.
    """
    from curate.cli.output import Printer, quoted
    from curate.core import config
    from curate.models import checkpoint
    from curate.store import runs
    from curate.store.library import opened
    from curate.train import TrainSettings
    from curate.train import train as train_model

    printer = Printer(as_json)
    with opened(library) as place:
        settings_file = config.load(place.root)
        table, cutoff = _table(place, settings_file, throw_away, min_count)
        given = {
            "epochs": epochs,
            "size": size,
            "batch_size": batch_size,
            "augment": augment,
            "lr": lr,
        }
        kept = settings_file.train.given()
        usual_arch = kept.pop("arch", "resnet18")
        settings = TrainSettings(
            **{**kept, **{name: value for name, value in given.items() if value is not None}},
            seed=seed,
            device=device,
            pretrained=pretrained,
            throw_away=throw_away,
            min_count=cutoff,
        )
        initial = checkpoint.load(from_, arch=arch, any_classes=True) if from_ else None
        recipe = arch or (None if initial else usual_arch)
        parameters = {
            "arch": recipe or (initial.arch if initial else None),
            "from": initial.digest if initial else None,
            "out": str(out),
            **asdict(settings),
        }
        with runs.running(place, "train", parameters) as run, _bars(settings, table) as told:
            result = train_model(table, recipe, out, settings, initial=initial, on_progress=told)
            run.summary.update(
                metrics=dict(result.checkpoint.metrics), digest=result.checkpoint.digest
            )
    _print_trained(printer, result, initial)
    printer.write(result.history, csv, parquet)
    printer.next(f"curate bulk-id --model {quoted(out)} FOLDER", "identify the pool")
    printer.finish()


def _table(
    place: Library, config: Config, throw_away: bool, min_count: int | None
) -> tuple[pd.DataFrame, int]:
    """Give the images with their places, and the cutoff that the classes passed."""
    from curate.cli.split import policy_from
    from curate.core.errors import InputError, PolicyError
    from curate.splits import lowered, preview
    from curate.store import facts

    policy = policy_from(config)
    with place.reading() as connection:
        images = facts.images(connection)
    if throw_away:
        # Its own split, never written down; what has a place in the permanent one keeps it.
        own = lowered(policy, policy.min_count if min_count is None else min_count)
        table = preview(place, own).table
        return table.merge(images[["image_id", "path"]], on="image_id"), own.min_count
    if min_count is not None:
        raise PolicyError(
            f"--min-count {min_count}",
            "a permanent model is trained on the permanent split, which has its own min-count",
            "Add --throw-away, or change the split: `curate split --min-count …`.",
        )
    if not (images["split"] != "").any():
        raise InputError(str(place.root), "there is no split yet", "Run `curate split` first.")
    return images[images["usable"]], policy.min_count


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
        ["epoch", "loss", "val loss", "val accuracy", "images/s", "lr"],
        [
            (
                row["epoch"],
                row["loss"],
                row["val_loss"],
                row["val_accuracy"],
                round(row["images_per_second"]),
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
            f"{len(kept.classes_kept)} known, {len(kept.classes_new)} new"
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
