"""`curate augment check`: what would an augmentation spoil?"""

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
    SheetOption,
    Workers,
    in_a_folder,
)

if TYPE_CHECKING:
    import pandas as pd

    from curate.augment.checks.verb import Checked
    from curate.cli.output import Printer

SHOWN = 12
"""Rows that are shown of each table; all of them are in the files."""


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to `curate augment`."""
    app.command("check")(check)


def check(
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="CKPT",
            help="A checkpoint, best one trained with --augment ''; without one, classes and "
            "turned images are not checked.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            help="What is checked.  [default: that of curate.toml, or the usual one]",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the proposed policy (TOML), for `curate train --augment FILE`.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    sheet: SheetOption = None,
    device: Device = "auto",
    batch_size: BatchSize = None,
    workers: Workers = 0,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the images and the classes that do not survive an augmentation.

    Nothing is changed: what to do about them is proposed.
    """
    from curate.augment.checks import verb
    from curate.augment.policy import DEFAULT
    from curate.cli.output import Printer, quoted
    from curate.core import config
    from curate.core.files import write_asked
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        usual = config.load(place.root).train.augment
        chosen = next(one for one in (recipe, usual, DEFAULT) if one is not None)
        checked = verb.check_library(
            place, chosen, model, device=device, batch_size=batch_size, workers=workers
        )
        _print(printer, checked, with_model=model is not None)
        printer.write(checked.verdicts, csv, parquet)
        if policy is not None:
            write_asked(policy, f"{checked.proposal.to_toml()}\n".encode())
            printer.say(f"Wrote the proposal: {policy}")
            printer.next(f"curate train --augment {quoted(policy)} -o model.pt", "train with it")
        if sheet is not None:
            write_asked(sheet, verb.sheet(place, checked))
            printer.say(f"Drew a contact sheet: {sheet}")
    printer.finish()


def _print(printer: Printer, checked: Checked, *, with_model: bool) -> None:
    from curate.cli.output import counted, records

    verdicts, proposal = checked.verdicts, checked.proposal
    unsafe = verdicts[verdicts["verdict"] == "unsafe"]
    classes = unsafe[unsafe["scope"] == "class"]
    images = unsafe[unsafe["scope"] == "image"]
    printer.facts(
        images=len(checked.images),
        unsafe_images=images["image_id"].nunique(),
        verdicts=records(verdicts),
        failures=records(checked.failures),
        recipe=proposal.augment,
        trained_with=checked.taught,
        proposed={"augment": proposal.augment, "augment_classes": proposal.augment_classes},
        policy=proposal.to_toml(),
    )
    printer.say(f"Checked {counted(len(checked.images), 'image')} against: {proposal.augment}")
    if with_model:
        _classes(printer, verdicts, classes)
        if checked.taught is None:
            printer.say("\nThe model does not say how it was trained: only what it shows counts.")
    else:
        printer.say("Classes and turned images were not checked: --model CKPT")
    _images(printer, images)
    if len(checked.failures):
        printer.say(f"\n{counted(len(checked.failures), 'image')} could not be looked at:")
        failures = checked.failures[["path", "reason"]].head(5)
        printer.table(["path", "reason"], failures.to_numpy().tolist())
    if proposal.augment_classes:
        printer.say("\nProposed, for you to take over into curate.toml:\n")
        printer.say(proposal.to_toml())


def _classes(printer: Printer, verdicts: pd.DataFrame, unsafe: pd.DataFrame) -> None:
    from curate.cli.output import counted

    of_classes = verdicts[verdicts["scope"] == "class"]
    count = of_classes["verdict"].value_counts()
    printer.say(
        f"{counted(of_classes['class'].nunique(), 'class', 'classes')} under "
        f"{counted(of_classes['transform'].nunique(), 'transform')}: "
        + ", ".join(f"{count.get(name, 0):,} {name}" for name in ("unsafe", "unknown", "safe"))
    )
    printer.say()
    columns = ["class", "transform", "reason"]
    printer.table(columns, unsafe[columns].head(SHOWN).to_numpy().tolist())
    _more(printer, unsafe)
    unknown = of_classes[of_classes["verdict"] == "unknown"]
    reasons = unknown.groupby("reason", sort=False).size().sort_values(ascending=False)
    printer.say()
    rows = [(int(n), reason) for reason, n in reasons.head(5).items()]
    printer.table(["unknown", "most often because"], rows)


def _images(printer: Printer, images: pd.DataFrame) -> None:
    from curate.cli.output import counted, tail

    found = images["image_id"].nunique()
    printer.say(
        f"\n{counted(found, 'image')} would not survive" if found else "\nNo image is unsafe"
    )
    rows = [
        (tail(one["path"], 30), one["class"], one["transform"], one["reason"])
        for one in images.head(SHOWN).to_dict("records")
    ]
    printer.table(["file", "class", "transform", "reason"], rows)
    _more(printer, images)


def _more(printer: Printer, table: pd.DataFrame) -> None:
    if len(table) > SHOWN:
        printer.say(f"… and {len(table) - SHOWN:,} more")
