"""`curate cleanup forget`: a scanned folder that is gone for good."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from curate.cli.options import JsonOption, LibraryOption


def forget(
    folder: Annotated[
        str,
        typer.Argument(metavar="FOLDER", help="Its whole name, as it was scanned."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Forget; otherwise only say what.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a scanned folder whose disk was retired, so that plans no longer wait for it.

    Refused while the folder is there. Labels and all other decisions stay; a scan of the folder
    brings its files back.
    """
    from curate.cleanup.forgetting import forget as forgotten
    from curate.cli.cleanup_moves import watched
    from curate.cli.output import Printer, counted
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        found = forgotten(place, folder)
        if not yes and not as_json and watched():
            files = counted(found.files, "file")
            yes = typer.confirm(f"{found.root} is gone for good, with {files}?")
        if yes:
            found = forgotten(place, folder, really=True)
    printer.facts(**vars(found))
    done = "forgotten" if yes else "would be forgotten"
    printer.say(f"{counted(found.files, 'file')} in {found.root} {done}")
    if found.labelled:
        images = counted(found.labelled, "labelled image")
        printer.say(f"Nowhere else: {images}; the labels stay")
    if found.quarantined:
        held = counted(found.quarantined, "file")
        printer.say(f"From there, in quarantine: {held}; restore cannot put them back")
    if yes:
        printer.next("curate cleanup plan", "it no longer waits for that folder")
    else:
        command = f"curate cleanup forget {shlex.quote(found.root)} --yes"
        printer.next(command, "if its disk never comes back")
    printer.finish()
