"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.core.errors import InputError


def in_a_folder(path: Path | None) -> Path | None:
    """Refuse a file in a folder that is not there before the work is done, not after."""
    if path is not None and not path.parent.is_dir():
        raise InputError(str(path), f"there is no folder {path.parent}", "Make it first.")
    return path


LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="FOLDER",
        help="The folder that holds .curate/ (found by walking up when not given).",
        show_default=False,
    ),
]
CsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Write the table as CSV.",
        callback=in_a_folder,
        show_default=False,
    ),
]
ParquetOption = Annotated[
    Path | None,
    typer.Option(
        "--parquet",
        metavar="FILE",
        help="Write the table as Parquet.",
        callback=in_a_folder,
        show_default=False,
    ),
]
SheetOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Draw a contact sheet (JPEG).",
        callback=in_a_folder,
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")
]
MinCount = Annotated[
    int | None,
    typer.Option(
        help="A class with fewer usable groups of images is left out.  [default: 40]",
        min=1,
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Decides what chance decides.")]
NewClass = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="A class that is new; may be given again.", show_default=False
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Its class names, one a line, in order.", show_default=False),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")]
Workers = Annotated[int, typer.Option(help="Processes that decode; 0 chooses.", min=0)]
BatchSize = Annotated[int | None, typer.Option(help="Images in a batch.", min=1)]
