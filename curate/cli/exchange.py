"""`curate export`, `curate import`: images for other programs, and what these say of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.options import Classes, JsonOption, LibraryOption, NewClass
from curate.cli.show import Arch

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.formats.exchange import Format, Incoming, Outgoing
    from curate.store.library import Library

NAMES = (
    "label-studio, fiftyone, hf, coco, cvat, webdataset, cleanlab, timm, roboflow, folders, "
    "megadetector, speciesnet"
)
"""Names of `formats.kinds.FORMATS`, written out so that the help needs none of their packages."""

SHOWN = 3
"""Files without an image that are named."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("export")(export)
    app.command("import")(import_)


def export(
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Where: a checkpoint becomes a file that ends in .onnx, or a folder for timm; "
            "images a file or a new folder, here or at a URL such as s3://bucket/folder.",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="CKPT|QUEUE",
            help="A checkpoint; or with --format a queue: its CSV or Parquet, or the name that it "
            "is saved under. Everything with a label or a prediction when not given.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help=f"Images, as {NAMES}.", show_default=False),
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy pictures; otherwise links to them are made.")
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="CKPT",
            exists=True,
            dir_okay=False,
            help="With predictions of this checkpoint; the last one when not given.",
            show_default=False,
        ),
    ] = None,
    arch: Arch = None,
    classes: Classes = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a checkpoint, or images with labels and predictions, for other programs.

    A checkpoint is written as ONNX, or as a folder that timm loads, once it was seen to give the
    same scores. Images are written in the --format of another program.
    """
    from curate.cli.output import Printer
    from curate.cli.show import export_checkpoint

    printer = Printer(as_json)
    if format_ is not None:
        if arch or classes:
            raise typer.BadParameter("--arch and --classes are of a checkpoint, not of --format.")
        _export_images(printer, source, out, format_, copy, model, library)
    elif source is None:
        raise typer.BadParameter("Give a checkpoint, or the --format of images.")
    elif copy or model:
        raise typer.BadParameter("--copy and --model belong to --format.")
    else:
        export_checkpoint(printer, Path(source), Path(out), arch, classes)
    printer.finish()


def import_(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="What the other program wrote; also at a URL."),
    ],
    format_: Annotated[str, typer.Option("--format", metavar="NAME", help=f"What it is: {NAMES}.")],
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="The folder that its paths start from.  [default: that of FILE]",
            show_default=False,
        ),
    ] = None,
    new_class: NewClass = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who answered, where the file does not say.  [default: you]",
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring labels and predictions of other programs into the library.

    All faults are listed together, and nothing is changed if there is one.
    """
    from curate.bulk_id.foreign import check_predictions
    from curate.cli.label import user
    from curate.cli.output import Printer
    from curate.core import paths
    from curate.core.errors import InputError
    from curate.formats.kinds import format_of
    from curate.labels import import_table
    from curate.store.library import opened

    printer = Printer(as_json)
    kind, name = format_of(format_), _shown(file)
    with opened(library) as place, _local(file, kind) as local:
        incoming = _read(kind, format_, local)
        beside = [paths.absolute(local.parent if local.is_file() else local)]
        roots = [paths.absolute(root)] if root else [*beside, paths.absolute(place.root)]
        for note in incoming.notes:
            printer.say(f"({note})")
        if incoming.answers.empty and incoming.predictions.empty:
            raise InputError(
                name, "holds no answer and no prediction", "Is anything labelled in it?"
            )
        if len(incoming.predictions):
            # Before the answers are taken: a fault of either changes nothing.
            check_predictions(incoming.predictions, name)
        if len(incoming.answers):
            imported = import_table(
                place, incoming.answers, name, actor=by or user(), new_classes=new_class or (),
                roots=roots,
            )  # fmt: skip
            printer.facts(labels=imported.counts)
            printer.say(", ".join(f"{count:,} {name}" for name, count in imported.counts.items()))
            printer.next("curate split", "places the new labels; nothing old moves")
        if len(incoming.predictions):
            _take_predictions(printer, place, incoming, file, local, roots)
    printer.facts(notes=incoming.notes)
    printer.finish()


def _read(kind: Format, name: str, local: Path) -> Incoming:
    from curate.core.errors import InputError
    from curate.engine import progress

    if kind.read is None:
        raise InputError(f"format {name!r}", "is only written", "Give another --format.")
    with progress("Reading", None):
        return kind.read(local)


def _shown(file: str) -> str:
    """Name a file or a URL as it may be written down: without a signature."""
    from curate.core import urls

    return os.fsdecode(urls.shown(os.fsencode(file)))


@contextmanager
def _local(file: str, kind: Format) -> Iterator[Path]:
    """Give a file or folder that was named, fetched where it lies at a URL."""
    from curate.core import paths
    from curate.core.errors import InputError

    if paths.scheme_of(os.fsencode(file)):
        from curate.formats.carried import fetched

        with fetched(file, kind.second) as local:
            yield local
        return
    if not os.path.exists(file):
        raise InputError(file, "no such file or folder", "Give what the other program wrote.")
    yield Path(file)


def _take_predictions(
    printer: Printer,
    library: Library,
    incoming: Incoming,
    file: str,
    local: Path,
    roots: Sequence[bytes],
) -> None:
    from curate.bulk_id.foreign import import_predictions, is_known
    from curate.cli.output import counted, quoted
    from curate.engine import progress

    if is_known(library, incoming.model):
        # They went out with the images, and come back as they were.
        printer.say(f"(predictions of {incoming.model} are in the library already)")
        return
    with progress("Taking predictions", None):
        imported = import_predictions(
            library,
            incoming.predictions,
            incoming.model,
            (),
            local,
            source_name=_shown(file),
            roots=roots,
        )
    printer.facts(predictions=imported.counts, model=imported.model, unfound=imported.unfound)
    said = ", ".join(f"{count:,} {name}" for name, count in imported.counts.items())
    printer.say(f"Predictions of {incoming.model or 'a model without a name'}: {said}")
    for text in imported.unfound[:SHOWN]:
        printer.say(f"  {text}")
    if len(imported.unfound) > SHOWN:
        more = counted(len(imported.unfound) - SHOWN, "more file")
        printer.say(f"  … and {more} that the library does not have")
    choose = f" --model {quoted(file)}" if local.is_file() and local == Path(file) else ""
    printer.next(f"curate queue uncertain{choose}", "what these predictions leave open")


def _export_images(
    printer: Printer,
    source: str | None,
    out: str,
    name: str,
    copy: bool,
    model: Path | None,
    library: Path | None,
) -> None:
    from curate.cli.output import counted
    from curate.core import paths
    from curate.core.errors import InputError
    from curate.core.identity import file_id
    from curate.engine import progress
    from curate.formats.kinds import format_of
    from curate.queues.outgoing import outgoing
    from curate.store.library import opened

    write = format_of(name).write
    if write is None:
        raise InputError(f"format {name!r}", "is only read", "Give another --format.")
    with opened(library) as place:
        images = None if source is None else _queue(place, source)
        given = outgoing(place, images, file_id(model) if model else None)
        total = len(given.table)
        if not total:
            raise InputError(
                source or str(place.root),
                "none of its images has a label or a prediction, or can be used any more",
                "`curate status` says what the library holds.",
            )

        def make(path: Path, copied: bool) -> None:
            with progress("Writing", total) as advance:
                write(given, path, copied, advance)

        if paths.scheme_of(os.fsencode(out)):
            _send(out, lambda path: make(path, True))
        else:
            make(Path(out), copy)
    _told(printer, given, name, out)
    printer.next(
        f"curate import FILE --format {name}",
        f"brings back what is said there of {counted(total, 'image')}",
    )


def _send(url: str, write: Callable[[Path], None]) -> None:
    from curate.engine import progress
    from curate.formats.carried import send

    left = send(url, write)
    # Written, with a bar of its own, before the one for sending begins.
    total = next(left)
    with progress("Sending", total, "files") as advance:
        for _ in left:
            advance(1)


def _told(printer: Printer, given: Outgoing, name: str, out: str) -> None:
    from curate.cli.output import counted, quoted

    table = given.table
    labelled, predicted = ((table[column] != "").sum() for column in ("label", "predicted"))
    left_out = table.attrs["left_out"]
    printer.facts(
        format=name, out=out, images=len(table), labelled=int(labelled), predicted=int(predicted),
        model=given.model, left_out=left_out,
    )  # fmt: skip
    printer.say(
        f"Wrote {counted(len(table), 'image')} to {quoted(out)}: {labelled:,} labelled, "
        f"{predicted:,} with a prediction"
    )
    if left_out:
        printer.say(f"({counted(left_out, 'image')} of the queue cannot be used any more)")


def _queue(library: Library, source: str) -> pd.DataFrame:
    """Give a queue by its file, or by the name that it is saved under."""
    import pandas as pd

    from curate.core.errors import FaultsError
    from curate.formats.tables import read_records
    from curate.store import queues

    if not source.endswith((".csv", ".parquet")):
        with library.reading() as connection:
            queues.saved(connection, source)
            return queues.images(connection, source)
    records = read_records(Path(source), "a queue")
    _, header = next(records, ("", []))
    if "image_id" not in header:
        raise FaultsError(source, ["line 1: no column image_id"], "Give a table of `curate queue`.")
    rows = [dict(zip(header, cells, strict=False)) for _, cells in records]
    return pd.DataFrame(rows, columns=["image_id", "reason"]).fillna("")
