"""`curate check`: is the library whole?"""

from __future__ import annotations

import typer

from curate.cli.options import JsonOption, LibraryOption


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(check)


def check(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Check that the library is whole, to the last byte."""
    from curate.cli.output import Printer, counted
    from curate.store.check import faults
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        found = faults(place)
    printer.facts(faults=found)
    for line in found:
        printer.say(line)
    printer.say("The library is whole." if not found else f"{counted(len(found), 'fault')} found.")
    printer.finish()
    if found:
        raise typer.Exit(1)
