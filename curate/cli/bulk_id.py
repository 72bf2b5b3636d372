"""`curate bulk-id`: one row for every file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli.options import (
    BatchSize,
    Classes,
    CsvOption,
    Device,
    JsonOption,
    LibraryOption,
    ParquetOption,
    Workers,
)

if TYPE_CHECKING:
    import pandas as pd

    from curate.bulk_id import Identified
    from curate.cli.output import Printer

_ONE_RUN = "Which files"
_HOW = "How it is run"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("bulk-id")(bulk_id)


def bulk_id(
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="PLACE…",
            help="Folders (at any depth), image files, .tar or .zip archives, manifests (.csv, "
            ".parquet, .txt), quoted patterns ('photos/**/*.jpg'), URLs (s3://bucket/folder).",
        ),
    ],
    model: Annotated[
        list[Path],
        typer.Option(
            metavar="CKPT",
            help="A checkpoint of curate's or of timm's. Several are asked as an ensemble.",
        ),
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
    classes: Classes = None,
    other_classes: Annotated[
        bool,
        typer.Option(
            "--other-classes", help="The model may know classes that the library's labels lack."
        ),
    ] = False,
    top: Annotated[int, typer.Option(help="Classes kept for each image.", min=1)] = 5,
    tta: Annotated[
        str,
        typer.Option(
            metavar="VIEW",
            help="Test-time augmentation: flip looks at the mirrored image too.",
            show_default=False,
        ),
    ] = "",
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings", help="Keep the features too, for duplicates, novelty and diversity."
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            help="Do at most so many files now.",
            min=1,
            show_default=False,
            rich_help_panel=_ONE_RUN,
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            help="Do a fair sample of so many files now.",
            min=1,
            show_default=False,
            rich_help_panel=_ONE_RUN,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.", rich_help_panel=_ONE_RUN)] = 0,
    since: Annotated[
        str,
        typer.Option(
            metavar="WHEN",
            help="Only files written since then: 2026-11-01, or 7d for a week ago.",
            show_default=False,
            rich_help_panel=_ONE_RUN,
        ),
    ] = "",
    time_budget: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Stop after 30m, 2h …; what no model has seen and is no near-duplicate goes "
            "first.",
            show_default=False,
            rich_help_panel=_ONE_RUN,
        ),
    ] = "",
    device: Device = "auto",
    backend: Annotated[
        str, typer.Option(help="auto, torch, onnx, openvino.", rich_help_panel=_HOW)
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32, bf16, fp16.", rich_help_panel=_HOW)
    ] = "auto",
    batch_size: BatchSize = None,
    workers: Workers = 0,
    explain_plan: Annotated[
        bool,
        typer.Option(
            "--explain-plan",
            help="Show which ways to run the model were measured, and why one was chosen.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    engine: Annotated[
        str,
        typer.Option(help="processes (this machine) or ray (a cluster).", rich_help_panel=_HOW),
    ] = "processes",
    ray_address: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Of the cluster: auto, host:6379, ray://host:10001; one is started here without.",
            show_default=False,
            rich_help_panel=_HOW,
        ),
    ] = "",
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a model identify every image under some folders.

    Every file gets a row: a prediction, or a failure with its reason. The same command again goes
    on where it stopped, and reads only what is new or has changed.
    """
    from datetime import UTC, datetime

    from curate import bulk_id as stage
    from curate.bulk_id.selection import duration, moment
    from curate.cli.output import Printer, counted, quoted
    from curate.core import config
    from curate.core.errors import InputError
    from curate.engine.cluster import Cluster
    from curate.store.library import opened

    printer = Printer(as_json)
    ask = stage.Ask(top, tta, embeddings)
    means = stage.Means(device, backend, precision, batch_size or 0, workers)
    selection = stage.Selection(
        limit,
        sample,
        seed,
        moment(since, datetime.now(UTC)) if since else None,
        duration(time_budget) if time_budget else None,
    )
    with opened(library, make=True) as place:
        identified = stage.bulk_id(
            place,
            model,
            places,
            arch=arch,
            classes=classes,
            other_classes=other_classes,
            ask=ask,
            means=means,
            selection=selection,
            engine_name=engine,
            cluster=Cluster(ray_address),
            schemes=config.load(place.root).sources.schemes,
            announce=(lambda plan: _print_plan(printer, plan)) if explain_plan else None,
        )
        if place.made:
            printer.say(f"Made a library in {quoted(place.folder)}")
        _print_identified(printer, identified)
        _write(printer, identified, top, csv, parquet)
    files, fine = printer.collected["files"], printer.collected["identified"]
    if fine or not files:
        printer.next("curate queue low-score --csv queue.csv --sheet sheet.jpg")
    printer.finish()
    if files and not fine:
        raise InputError(
            " ".join(places),
            f"none of {counted(files, 'file')} could be identified; their reasons are written down",
            "Is it the folder that was meant, and does it hold photos?",
        )


def _print_plan(printer: Printer, plan: pd.DataFrame) -> None:
    from curate.cli.output import records

    printer.facts(plan=records(plan))
    rows = [
        (
            "→" if row["chosen"] else "",
            " ".join(
                [row["device"], row["backend"], row["precision"]]
                + ["compiled"] * row["compiled"]
                + ["nchw"] * (row["backend"] == "torch" and not row["channels_last"])
            ),
            f"{row['streams']}×{row['threads']}, {row['batch_size']}",
            row["images_per_second"],
            row["largest_difference"],
            row["reason"],
        )
        for row in plan.to_dict("records")
    ]
    printer.table(["", "how", "threads, batch", "images/s", "largest Δ", "why"], rows)
    printer.say()


def _write(
    printer: Printer, identified: Identified, top: int, csv: Path | None, parquet: Path | None
) -> None:
    from curate.cli.output import quoted
    from curate.formats import tables

    width = min(top, len(identified.checkpoints[0].classes))
    for file, write in ((csv, tables.write_csv_pieces), (parquet, tables.write_parquet_pieces)):
        if file is not None:
            write(identified.results.pieces(width), file)
            printer.say(f"Wrote {printer.collected['files']:,} rows to {quoted(file)}")


def _ran_short(identified: Identified) -> bool:
    """Whether fewer images went through at a time than planned."""
    if identified.batch_size is None:
        return False
    planned = identified.plan.loc[identified.plan["chosen"], "batch_size"]
    return identified.batch_size < int(planned.min())


def _print_identified(printer: Printer, identified: Identified) -> None:
    from curate.cli.output import bar, counted

    said = identified.results.summary()
    counts = identified.counts
    rate = counts["computed"] / identified.seconds if identified.seconds else None
    first = identified.checkpoints[0]
    scores = [(f"{low:.1f}–{high:.1f}", count) for low, high, count in said["score_histogram"]]
    throw_away = any(checkpoint.throw_away for checkpoint in identified.checkpoints)
    facts: dict[str, Any] = {**said, "score_histogram": dict(scores)}
    printer.facts(
        **facts,
        computed=counts["computed"],
        left=counts["left"],
        seconds=identified.seconds,
        images_per_second=rate,
        links=counts["links"],
        unlisted_folders=identified.unlisted,
        sidecars=counts["sidecars"],
        notes=identified.notes,
        dropped_rows=counts["dropped"],
        batch_size=identified.batch_size,
        model=first.digest,
        throw_away=throw_away,
    )
    speed = f" at {rate:,.0f} images/s" if rate else ""
    known = said["files"] - counts["computed"]
    printer.say(
        f"{counted(said['files'], 'file')}: {said['identified']:,} identified, "
        f"{said['failed']:,} failed; {counts['computed']:,} read now{speed}, {known:,} known"
    )
    if counts["left"]:
        printer.say(f"{counted(counts['left'], 'file')} left: the same command goes on with them.")
    for line in identified.notes:
        printer.say(f"Note: {line}")
    for line in identified.unlisted:
        printer.say(f"Could not be listed: {line}")
    if counts["dropped"]:
        printer.say(
            f"{counted(counts['dropped'], 'row')} lay in damaged shards and were given up; "
            "the bulk-id commands that made them make them again."
        )
    if _ran_short(identified):
        printer.say(
            f"Memory ran short: in the end {counted(identified.batch_size or 0, 'image')} went "
            f"through at a time. --batch-size {identified.batch_size} saves the attempts."
        )
    failures = list(said["failures"].items())
    printer.table(["failures", "reason"], [(n, reason[:70]) for reason, n in failures[:8]])
    if said["identified"]:
        shown, medians = said["top_classes"], said["median_scores"]
        most = max(shown.values())
        printer.say()
        printer.table(
            ["class", "images", "", "median score"],
            [(name, n, bar(n / most, 20), medians[name]) for name, n in shown.items()],
        )
        most = max(count for _, count in scores)
        printer.say()
        printer.table(
            ["score", "images", ""],
            [(label, count, bar(count / most, printer.bar)) for label, count in scores],
        )
    if throw_away:
        printer.say("\nA throw-away model: use it to find images, not to deploy.")
