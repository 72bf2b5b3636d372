"""`curate show`: what a checkpoint is; and how `curate export` writes it for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.options import Classes, JsonOption, LibraryOption

if TYPE_CHECKING:
    from curate.cli.output import Printer
    from curate.models.card import Card

Source = Annotated[
    Path, typer.Argument(metavar="CKPT", help="A checkpoint of curate's or of timm's.")
]
Arch = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Architecture of a checkpoint from elsewhere.", show_default=False
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("show")(show)


def show(
    checkpoint: Source,
    arch: Arch = None,
    classes: Classes = None,
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help="Name every class, and not only the first ones.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a checkpoint is, what it was made from, how good it is and how to use it."""
    from curate.cli.output import Printer, quoted
    from curate.models.card import card_of, is_named
    from curate.models.checkpoint import describe, load

    printer = Printer(as_json)
    # Of a foreign file much can be said without the names.
    loaded = load(checkpoint, arch, classes, any_classes=True)
    run = _run_of(library, loaded.digest or "")
    printer.facts(
        path=str(checkpoint), bytes=checkpoint.stat().st_size, run=run, **describe(loaded)
    )
    _print_card(printer, quoted(checkpoint), card_of(loaded, all_classes), run)
    words = [quoted(checkpoint)]
    words += ["--arch", quoted(arch)] if arch else []
    if not is_named(loaded):
        words += ["--classes", "FILE"]
    elif classes:
        words += ["--classes", quoted(classes)]
    given = " ".join(words)
    printer.next(f"curate bulk-id FOLDER --model {given}", "to use it")
    printer.say(f"      curate export {given} -o model.onnx   (for other programs)")
    printer.finish()


def export_checkpoint(
    printer: Printer, checkpoint: Path, out: Path, arch: str | None, classes: Path | None
) -> None:
    """Write a checkpoint as ONNX, or as a folder that timm loads.

    What is written is first asked beside the checkpoint: it gives the same scores, or nothing is
    written.
    """
    from curate.cli.output import quoted
    from curate.models.checkpoint import load
    from curate.models.exports import export as write

    loaded = load(checkpoint, arch, classes)
    written = write(loaded, out)
    printer.facts(
        kind=written.kind,
        files=[str(path) for path in written.paths],
        digest=loaded.digest,
        calibrated=written.calibrated,
        largest_difference=written.difference,
        throw_away=loaded.throw_away,
    )
    for path in written.paths:
        printer.say(f"Wrote {quoted(path)}, {path.stat().st_size:,} bytes")
    printer.say(
        f"Its scores are the checkpoint's; the largest difference: {written.difference:.1e}"
    )
    printer.say(
        _HOW[written.kind, written.calibrated].format(out=out, temperature=loaded.temperature)
    )
    if loaded.throw_away:
        printer.say("\nA throw-away model: use it to find images, not to deploy.")


_HOW = {
    ("onnx", False): "In: pixels, uint8 (images, height, width, 3). Out: scores (calibrated) and "
    "logits.",
    ("timm", True): 'timm.create_model("local-dir:{out}", pretrained=True) loads it; the softmax '
    "of its logits is calibrated.",
    ("timm", False): 'timm.create_model("local-dir:{out}", pretrained=True) loads it; divide its '
    "logits by {temperature:.6g} before the softmax.",
}


def _run_of(root: Path | None, digest: str) -> int | None:
    """Find the run that made a checkpoint, where there is a library that knows it."""
    from sqlalchemy import select

    from curate.core.errors import LibraryError
    from curate.store import schema
    from curate.store.library import opened

    runs = schema.runs
    made = runs.c.summary.contains(f'"digest": "{digest}"')
    query = select(runs.c.run_id).where(made).order_by(runs.c.run_id)
    try:
        with opened(root) as place, place.reading() as connection:
            found = connection.execute(query).scalar()
    except LibraryError:
        # A checkpoint is whole by itself; only a library that was named has to be there.
        if root is not None:
            raise
        return None
    return None if found is None else int(found)


def _print_card(printer: Printer, path: str, card: Card, run: int | None) -> None:
    loud = [("!!", card.warning)] if card.warning else []
    here = [("run", f"{run} of this library")] if run is not None else []
    printer.table(["checkpoint", path], [*loud, *card.rows, *here], ["bold red"] * len(loud))
    for header, rows in (
        (["measured", "val", "test"], card.measures),
        (["wanted precision", "score from", "right on test", "share of test"], card.thresholds),
    ):
        if rows:
            printer.say()
            printer.table(header, rows)
