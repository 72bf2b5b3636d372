"""`curate augment`: what augmentation does to images, and synthetic images for thin classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli import augment_check
from curate.cli.options import JsonOption, LibraryOption, in_a_folder

if TYPE_CHECKING:
    from curate.augment.write import Written
    from curate.cli.output import Printer

augment = typer.Typer(
    no_args_is_help=True, help="Augmentation: look at it, check it, write synthetic images."
)
"""The group; other files add their commands to it."""

Recipe = Annotated[
    str,
    typer.Option(
        metavar="RECIPE",
        help="Steps such as 'flip(p=0.5) rotate(limit=10)'; the safe default when not given.",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    augment_check.add_to(augment)
    app.add_typer(augment, name="augment")


@augment.command()
def preview(
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The page: .html (everything) or .jpg (one sheet).",
            callback=in_a_folder,
        ),
    ],
    class_: Annotated[
        list[str] | None,
        typer.Option(
            "--class", metavar="NAME", help="Only this class; several may be.", show_default=False
        ),
    ] = None,
    recipe: Recipe = "",
    variants: Annotated[int, typer.Option(help="Made of each image.", min=1, max=100)] = 6,
    per_class: Annotated[int, typer.Option(help="Images of each class.", min=1)] = 2,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The table of `curate augment check`: what is unsafe is marked.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the images and their variants.")] = 0,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw images beside what the recipe makes of them, class by class."""
    from curate.augment.policy import DEFAULT
    from curate.augment.preview import preview as stage
    from curate.augment.preview import read_unsafe
    from curate.augment.sheet import page_of
    from curate.cli.output import Printer, counted, quoted
    from curate.core.files import write_asked
    from curate.store.library import opened

    printer = Printer(as_json)
    recipe = recipe or DEFAULT
    page = page_of(output)
    unsafe = read_unsafe(check) if check else None
    with opened(library) as place:
        shown = stage(
            place,
            class_ or (),
            recipe=recipe,
            variants=variants,
            per_class=per_class,
            seed=seed,
            unsafe=unsafe,
        )
    write_asked(output, page(shown, recipe))
    classes = len({one.label for one in shown})
    warned = sum(bool(one.warnings) for one in shown)
    failed = [one for one in shown if one.failure]
    printer.facts(
        file=str(output),
        recipe=recipe,
        images=len(shown),
        classes=classes,
        unsafe=warned,
        failures=[{"path": one.path, "reason": one.failure} for one in failed],
    )
    printer.say(
        f"{counted(len(shown), 'image')} of {counted(classes, 'class', 'classes')}, each with "
        f"{counted(variants, 'variant')}: {quoted(output)}"
    )
    if check:
        printer.say(f"{counted(warned, 'image')} marked as unsafe under this recipe")
    printer.table(["file", "reason"], [(one.path, one.failure) for one in failed])
    printer.finish()


@augment.command()
def write(
    class_: Annotated[
        str, typer.Option("--class", metavar="NAME", help="The class that lacks images.")
    ],
    to: Annotated[
        int, typer.Option(help="Usable images it is to have, synthetic ones among them.", min=1)
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Where the files are written.", file_okay=False
        ),
    ],
    recipe: Recipe = "",
    seed: Annotated[int, typer.Option(help="Of the parents, and of what is made of them.")] = 0,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write synthetic images of a thin class. They only train, and stay with their parents.

    The same command tops up, and never makes one image twice.
    """
    from curate.augment.policy import DEFAULT
    from curate.augment.write import write as stage
    from curate.cli.output import Printer, quoted, records
    from curate.scan import scan
    from curate.store.library import opened

    printer = Printer(as_json)
    recipe = recipe or DEFAULT
    with opened(library) as place:
        written = stage(place, class_, to, output, recipe=recipe, seed=seed)
        if written.manifest.exists():
            scan(place, output, labels=str(written.manifest))
    printer.facts(
        recipe=recipe,
        seed=seed,
        lacking=written.lacking,
        parents=written.parents,
        rows=records(written.table),
        failures=records(written.failures),
    )
    _say_written(printer, written, class_, to, quoted(output))
    printer.next("curate split", "they train, and nothing else")
    printer.finish()


def _say_written(printer: Printer, written: Written, name: str, to: int, folder: str) -> None:
    from curate.cli.output import counted, records

    if not written.lacking:
        printer.say(f"{name} has {to:,} usable images or more: nothing is written")
        return
    made = len(written.table)
    printer.say(
        f"{counted(made, 'synthetic image')} of {name}, made from "
        f"{counted(written.table['parent'].nunique(), 'image')}: {folder}"
    )
    if made < written.lacking:
        printer.say(f"It lacks {written.lacking - made:,} more: the recipe makes nothing else")
    if written.unsplit:
        printer.say(
            "Their parents were in no split yet, and now only train. To keep images for val and "
            "test, split before writing."
        )
    printer.table(
        ["parent", "reason"],
        [(row["path"], row["reason"]) for row in records(written.failures)],
    )
