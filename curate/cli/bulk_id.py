"""`curate bulk-id`: one row for every file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.options import (
    BatchSize,
    CsvOption,
    Device,
    JsonOption,
    LibraryOption,
    ParquetOption,
    Workers,
)

if TYPE_CHECKING:
    from curate.cli.output import Printer
    from curate.identify import Identified


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("bulk-id")(bulk_id)


def bulk_id(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER…", help="Images, at any depth.")],
    model: Annotated[
        Path, typer.Option(metavar="CKPT", help="A checkpoint of curate's or of timm's.")
    ],
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Architecture of a checkpoint from elsewhere, e.g. resnet18 or "
            "'mobilenetv2_100(pad_type=\"same\")'.",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Its class names, one a line, in order.", show_default=False
        ),
    ] = None,
    other_classes: Annotated[
        bool,
        typer.Option(
            "--other-classes", help="The model may know classes that the library's labels lack."
        ),
    ] = False,
    top: Annotated[int, typer.Option(help="Classes kept for each image.", min=1)] = 5,
    device: Device = "auto",
    batch_size: BatchSize = None,
    workers: Workers = 0,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a model identify every image under some folders.

    Every file gets a row: a prediction, or a failure with its reason. The same command again goes
    on where it stopped, and reads only what is new or has changed.
    """
    from curate import identify
    from curate.cli.output import Printer, quoted
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library, make=True) as place:
        identified = identify.bulk_id(
            place,
            model,
            folders,
            arch=arch,
            classes=classes,
            other_classes=other_classes,
            top=top,
            device=device,
            batch_size=batch_size or identify.BATCH_SIZE,
            workers=workers,
        )
        if place.made:
            printer.say(f"Made a library in {quoted(place.folder)}")
    _print_identified(printer, identified)
    printer.write(identify.flat(identified.table), csv, parquet)
    printer.next("curate queue low-score --csv queue.csv --sheet sheet.jpg")
    printer.finish()


def _print_identified(printer: Printer, identified: Identified) -> None:
    from curate.cli.output import bar, counted, histogram

    table = identified.table
    fine = table[table["status"] == "ok"]
    failed = table[table["status"] == "failed"]
    rate = identified.computed / identified.seconds if identified.seconds else None
    top = fine["predicted"].value_counts()
    median = fine.groupby("predicted")["score"].median().to_dict()
    scores = histogram(fine["score"].tolist())
    printer.facts(
        files=len(table),
        identified=len(fine),
        failed=len(failed),
        computed=identified.computed,
        seconds=identified.seconds,
        images_per_second=rate,
        links=identified.links,
        unlisted_folders=identified.unlisted,
        dropped_rows=identified.dropped,
        model=identified.checkpoint.digest,
        throw_away=identified.checkpoint.throw_away,
        top_classes=top.head(10).to_dict(),
        median_scores={str(name): median[name] for name in top.head(10).index},
        score_histogram=dict(scores),
        failures=failed["reason"].value_counts().to_dict(),
    )
    speed = f" at {rate:,.0f} images/s" if rate else ""
    printer.say(
        f"{counted(len(table), 'file')}: {len(fine):,} identified, {len(failed):,} failed; "
        f"{identified.computed:,} read now{speed}, {len(table) - identified.computed:,} known"
    )
    for line in identified.unlisted:
        printer.say(f"Could not be listed: {line}")
    if identified.dropped:
        printer.say(
            f"{counted(identified.dropped, 'prediction')} lay in damaged shards and were given up; "
            "the bulk-id commands that made them make them again."
        )
    kinds = failed["reason"].str.slice(0, 70).value_counts()
    printer.table(["failures", "reason"], list(zip(kinds.tolist(), kinds.index, strict=True))[:8])
    if len(fine):
        shown = top.head(10).to_dict()
        most = max(shown.values())
        printer.say()
        printer.table(
            ["class", "images", "", "median score"],
            [(name, n, bar(n / most, 20), median[name]) for name, n in shown.items()],
        )
        most = max(count for _, count in scores)
        printer.say()
        printer.table(
            ["score", "images", ""],
            [(label, count, bar(count / most, printer.bar)) for label, count in scores],
        )
    if identified.checkpoint.throw_away:
        printer.say("\nA throw-away model: use it to find images, not to deploy.")
