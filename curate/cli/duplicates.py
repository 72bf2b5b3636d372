"""`curate duplicates`: which images are the same, and what leaks from one split into another?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli.options import (
    CsvOption,
    JsonOption,
    LibraryOption,
    ParquetOption,
    SheetOption,
    in_a_folder,
)

if TYPE_CHECKING:
    from curate.cli.duplicates_output import Outputs
    from curate.cli.output import Printer
    from curate.duplicates import DuplicatePolicy

FAULT = 1

_LIBRARY_ONLY = {"--embeddings"}

IN_LIBRARY = "library"
"""Names the embeddings that bulk identification kept."""
_GROUPS_ONLY = {"--imagededup", "--fastdup"}
_LOOKING = {"FOLDER", "--across", "--against", "--similarity", "--flips", "--turns", "--hash"}
_FILES = {"--sheet", "--csv", "--parquet"}
_DECIDING = _LOOKING | _FILES | _GROUPS_ONLY | _LIBRARY_ONLY

_NOT_WITH = {
    "--apart": _DECIDING | {"--together"},
    "--together": _DECIDING,
    "--across": {"FOLDER", "--against"} | _GROUPS_ONLY | _LIBRARY_ONLY,
    "--against": _GROUPS_ONLY | _LIBRARY_ONLY,
    "FOLDER": _LIBRARY_ONLY,
}
"""Options that ask for something else, by the option that says what is to be done."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(duplicates)


def duplicates(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Look at these images only, and write nothing down.",
            show_default=False,
        ),
    ] = None,
    across: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHERE",
            help="Find leaks; exit 1 if there are any. `splits` for the library's own, a table "
            "with a split column, a folder of train/ val/ test/, or twice with two folders.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="Which images of FOLDER are in another folder, or in the `library`?",
            show_default=False,
        ),
    ] = "",
    similarity: Annotated[
        float | None,
        typer.Option(
            help="Near-duplicates from this on, 0.6 to 1.  [default: 0.8]", show_default=False
        ),
    ] = None,
    flips: Annotated[bool, typer.Option("--flips", help="Mirrored copies too.")] = False,
    turns: Annotated[bool, typer.Option("--turns", help="Copies turned by quarters too.")] = False,
    hashes: Annotated[
        list[str] | None,
        typer.Option(
            "--hash",
            metavar="NAME:BITS",
            help="Also look by phash, dhash, whash or colorhash.  [default: phash:8]",
            show_default=False,
        ),
    ] = None,
    embeddings: Annotated[
        str,
        typer.Option(
            metavar="FILE|library",
            help="Also compare neighbours by embedding: those that bulk-id kept in the library, or "
            "a Parquet file with image_id and embedding.",
            show_default=False,
        ),
    ] = "",
    apart: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="IMAGE IMAGE",
            help="Say for ever that two images are no duplicates.",
            show_default=False,
        ),
    ] = None,
    together: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="IMAGE IMAGE", help="Take an earlier --apart back.", show_default=False
        ),
    ] = None,
    sheet: SheetOption = None,
    imagededup: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the groups as imagededup does (JSON).",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    fastdup: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the pairs as fastdup does (CSV).",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find duplicates and near-duplicates, each group with a keeper and the reason.

    Only what is new is compared; splits keep together what is found here.
    """
    from curate.cli.duplicates_output import Outputs
    from curate.cli.output import Printer

    asked = {"similarity": similarity, "flips": flips, "turns": turns, "hashes": hashes}
    outputs = Outputs(sheet, csv, parquet, imagededup, fastdup)
    printer = Printer(as_json)
    options = {
        "FOLDER": folder, "--across": across, "--against": against, "--apart": apart,
        "--together": together, "--similarity": similarity is not None, "--flips": flips,
        "--turns": turns, "--hash": hashes, "--embeddings": embeddings, "--sheet": sheet,
        "--csv": csv, "--parquet": parquet, "--imagededup": imagededup, "--fastdup": fastdup,
    }  # fmt: skip
    _check([name for name, value in options.items() if value])
    leaks = 0
    if apart or together:
        _part(printer, library, apart or together or ("", ""), apart=bool(apart))
    elif across:
        leaks = _across(printer, library, across, asked, outputs)
    elif against:
        _against(printer, library, folder, against, asked, outputs)
    elif folder is not None:
        _in_folder(printer, library, folder, asked, outputs)
    else:
        _in_library(printer, library, embeddings, asked, outputs)
    printer.finish()
    if leaks:
        raise typer.Exit(FAULT)


def _check(given: Collection[str]) -> None:
    """Refuse options that ask for different things: none of them is passed by in silence."""
    from curate.core.errors import InputError

    for way, refused in _NOT_WITH.items():
        wrong = [name for name in given if name in refused]
        if way in given and wrong:
            raise InputError(
                f"{way} and {wrong[0]}", "these do not go together", "Give one of them."
            )


def _policy(root: Path | None, asked: Mapping[str, Any]) -> DuplicatePolicy:
    """Lay options over `curate.toml` over the defaults."""
    from curate.core import config
    from curate.duplicates import DuplicatePolicy

    said: dict[str, Any] = config.load(root or Path.cwd()).duplicates.given()
    said |= {
        name: value for name, value in asked.items() if value is not None and value is not False
    }
    for name in ("hashes", "keeper"):
        if name in said:
            said[name] = tuple(said[name])
    return DuplicatePolicy(**said)


def _in_library(
    printer: Printer,
    library: Path | None,
    embeddings: str,
    asked: Mapping[str, Any],
    outputs: Outputs,
) -> None:
    from curate import duplicates as stage
    from curate.cli.duplicates_output import print_groups, write_groups
    from curate.cli.output import counted
    from curate.store import embeddings as kept_embeddings
    from curate.store import thumbnails
    from curate.store.library import opened

    vectors = (
        stage.read_embeddings(Path(embeddings)) if embeddings not in ("", IN_LIBRARY) else None
    )
    with opened(library) as place:
        if embeddings == IN_LIBRARY:
            vectors = kept_embeddings.read(place)
        found = stage.find(place, _policy(place.root, asked), vectors)
        printer.say(
            f"{counted(found.compared, 'new image')} compared with all others"
            if found.compared
            else "No new image: what was compared before is remembered"
        )
        print_groups(printer, found)
        write_groups(printer, outputs, found, lambda ids: thumbnails.fetch(place, ids))
    if len(found.conflicts) and outputs.sheet is None:
        printer.next(
            "curate duplicates --sheet duplicates.jpg",
            "labels that differ stand first; --apart A B where they are no copies",
        )
    else:
        printer.next("curate split", "keeps together what was found")


def _in_folder(
    printer: Printer,
    library: Path | None,
    folder: Path,
    asked: Mapping[str, Any],
    outputs: Outputs,
) -> None:
    from curate import duplicates as stage
    from curate.cli.duplicates_output import print_failures, print_groups, write_groups
    from curate.cli.output import counted, quoted

    found, looked = stage.in_folder(folder, _policy(library, asked))
    printer.say(f"{counted(found.compared, 'image')} compared with each other")
    print_groups(printer, found)
    print_failures(printer, looked.failures)
    write_groups(printer, outputs, found, lambda ids: {one: looked.thumbnails[one] for one in ids})
    printer.next(f"curate scan {quoted(folder)}", "a library remembers what was compared")


def _across(
    printer: Printer,
    library: Path | None,
    across: Sequence[str],
    asked: Mapping[str, Any],
    outputs: Outputs,
) -> int:
    """Find leaks; give their number."""
    from curate import duplicates as stage
    from curate.cli.duplicates_output import (
        print_failures,
        print_leaks,
        print_sides,
        write_pairs,
    )
    from curate.store import thumbnails
    from curate.store.library import opened

    unread = 0
    if list(across) == ["splits"] and not Path("splits").exists():
        with opened(library) as place:
            policy = _policy(place.root, asked)
            stage.find(place, policy)
            pairs = stage.leaks(place, policy)
            write_pairs(printer, outputs, pairs, lambda ids: thumbnails.fetch(place, ids))
    else:
        crossed = stage.across_sources([Path(one) for one in across], _policy(library, asked))
        pairs, unread = crossed.pairs, len(crossed.failures)
        print_sides(printer, crossed)
        print_failures(printer, crossed.failures)
        write_pairs(printer, outputs, pairs, crossed.pictures)
    print_leaks(printer, pairs, unread)
    return len(pairs)


def _against(
    printer: Printer,
    library: Path | None,
    folder: Path | None,
    against: str,
    asked: Mapping[str, Any],
    outputs: Outputs,
) -> None:
    from curate import duplicates as stage
    from curate.cli.duplicates_output import print_failures, print_known, write_pairs
    from curate.core.errors import InputError
    from curate.store import thumbnails
    from curate.store.library import opened

    if folder is None:
        raise InputError(
            f"--against {against}",
            "says what to compare with, and not what",
            f"Give a folder: curate duplicates FOLDER --against {against}.",
        )
    if against == "library":
        with opened(library) as place:
            crossed = stage.against_library(folder, place, _policy(place.root, asked))
            write_pairs(
                printer,
                outputs,
                crossed.pairs,
                lambda ids: {**thumbnails.fetch(place, ids), **crossed.pictures(ids)},
            )
    else:
        crossed = stage.across_sources([folder, Path(against)], _policy(library, asked))
        write_pairs(printer, outputs, crossed.pairs, crossed.pictures)
    print_failures(printer, crossed.failures)
    print_known(printer, crossed, folder, against)


def _part(printer: Printer, library: Path | None, pair: tuple[str, str], *, apart: bool) -> None:
    from curate import duplicates as stage
    from curate.cli.images import find_image
    from curate.store.library import opened

    with opened(library) as place:
        first, second = (find_image(place, image) for image in pair)
        news = stage.part(place, first, second, apart=apart)
    what = "are no duplicates" if apart else "may be duplicates"
    before = "" if news else " (that was said before)" if apart else " (nobody had parted them)"
    printer.facts(first=first, second=second, apart=apart, news=news)
    printer.say(f"{pair[0]} and {pair[1]} {what}{before}")
    printer.next("curate duplicates", "forms the groups anew")
