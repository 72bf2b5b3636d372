"""`curate label import|export`: answers of people in, labels out."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from curate.cli.options import CsvOption, JsonOption, LibraryOption, NewClass, ParquetOption


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(no_args_is_help=True, help="Bring answers in, take labels out.")
    group.command("import")(import_)
    group.command("export")(export)
    app.add_typer(group, name="label")


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A queue's CSV or Parquet with `label` filled in."),
    ],
    new_class: NewClass = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who answered.  [default: you]", show_default=False),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the answers of a queue back into the library.

    An answer is a class, `unknown` or `rejected`; an empty cell is none. All faults are listed
    together, and nothing is changed if there is one.
    """
    from curate.cli.output import Printer
    from curate.labels import import_answers
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        imported = import_answers(place, file, actor=by or user(), new_classes=new_class or ())
    printer.facts(counts=imported.counts)
    printer.say(", ".join(f"{number:,} {name}" for name, number in imported.counts.items()))
    printer.next("curate split", "places the new labels; nothing old moves")
    printer.finish()


def user() -> str:
    """Name the user; in a container the number may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def export(
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every label as a manifest, for `curate scan --labels`."""
    from curate.cli.output import Printer, counted, records
    from curate.labels import export_labels
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        table = export_labels(place)
    printer.facts(rows=records(table))
    printer.say(
        f"{counted(len(table), 'label')}" + ("" if csv or parquet else " (give --csv FILE)")
    )
    printer.write(table, csv, parquet)
    printer.finish()
