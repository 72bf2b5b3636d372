"""The filters of queues as options: the same for every command that makes a queue."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from curate.queues import Filters

Option = tuple[Any, Any]
"""What `typer` needs of an option: its annotated type and its default."""


def _text(metavar: str, said: str, *names: str) -> Option:
    how = typer.Option(*names, metavar=metavar, help=said, show_default=False)
    return Annotated[str, how], ""


def _number(said: str) -> Option:
    return Annotated[float | None, typer.Option(help=said, show_default=False)], None


def _several(metavar: str, said: str, *names: str) -> Option:
    how = typer.Option(*names, metavar=metavar, help=said, show_default=False)
    return Annotated[list[str] | None, how], None


OPTIONS: dict[str, Option] = {
    "class_": _several("NAME", "Predicted as this; may be given several times.", "--class"),
    "second": _text("NAME", "With this as the second class."),
    "sub_class": _text("NAME", "Labelled with this sub-class."),
    "class_count": _text("LOW-HIGH", "Predicted as a class with so many real images: 30-45."),
    "min_score": _number("Only scores from this on."),
    "max_score": _number("Only scores up to this."),
    "min_margin": _number("The best score leads the second by this or more."),
    "max_margin": _number("By this or less."),
    "min_novelty": _number("As far from all training images as this, or farther."),
    "max_novelty": _number("Or nearer."),
    "origin": _text("NAME", "real, staged or synthetic."),
    "labelled": _text("also|only", "Images with a label stay away; they come also, or only they."),
    "by": _text("NAME", "Labelled by this person last."),
    "folder": _text("FOLDER", "Below this folder, archive or URL."),
    "taken_from": _text("DAY", "Taken on this day (2026-05-31) or later."),
    "taken_to": _text("DAY", "Or earlier."),
    "camera": _text("TEXT", "With this in the make and model of the camera."),
    "min_side": _number("The shorter side has so many pixels or more."),
    "max_side": _number("Or fewer."),
    "min_bytes": _number("The file has so many bytes or more."),
    "max_bytes": _number("Or fewer."),
    "min_sharpness": _number("As sharp as this (0 is flat), or sharper."),
    "max_sharpness": _number("Or more blurred."),
    "min_brightness": _number("As bright as this (0 black, 255 white), or brighter."),
    "max_brightness": _number("Or darker."),
    "min_quality": _number("As good as this (0 to 1: sharp, bright, rich in contrast), or better."),
    "max_quality": _number("Or worse."),
    "where": _text(
        "SQL",
        "Any condition over columns: \"score > 0.5 AND camera ILIKE '%canon%'\"; a column that "
        "there is not is answered with all.",
    ),
    "limit": (Annotated[int, typer.Option(help="At most so many images.", min=1)], 500),
    "per_class": (
        Annotated[
            int | None,
            typer.Option(help="At most so many for one class.", min=1, show_default=False),
        ],
        None,
    ),
    "one_per_group": (
        Annotated[
            bool,
            typer.Option(
                "--one-per-group/--all-of-group",
                help="Of images that look alike, only the first.",
            ),
        ],
        True,
    ),
    "diverse": (
        Annotated[bool, typer.Option("--diverse", help="Images as unlike as can be.")],
        False,
    ),
    "sort": _text("NAME", "By score, margin, novelty, taken, path …; -score: the largest first."),
}
"""Every filter, by its name in `Filters`."""


def filters_of(**typed: Any) -> Filters:
    """Make filters of what was typed.

    Parameters
    ----------
    **typed
        Values of `OPTIONS`.

    Raises
    ------
    PolicyError, InputError
        As `Filters`.
    """
    from curate.core import paths
    from curate.core.errors import PolicyError
    from curate.queues import Filters

    values = {name: default for name, (_, default) in OPTIONS.items()} | typed
    decided = {"": False, "also": True, "only": "only"}
    if values["labelled"] not in decided:
        raise PolicyError(f"labelled {values['labelled']!r}", "there is none", "Give also or only.")
    folder, named = values["folder"], values["class_"] or [""]
    return Filters.from_dict(
        values
        | {
            "class_": named[0] if len(named) == 1 else named,
            "class_count": _counts(values["class_count"]),
            "labelled": decided[values["labelled"]],
            "folder": paths.to_text(paths.absolute(folder)) if folder else "",
        }
    )


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `OPTIONS` in the place of its parameter `filters`.

    So no command lists them, and all that make queues have the same.
    """
    # Filters is known to type checkers alone: at run time it takes DuckDB along.
    kinds = get_type_hints(command, localns={"Filters": Any}, include_extras=True)
    parameters = []
    for name, own in inspect.signature(command).parameters.items():
        given = OPTIONS if name == "filters" else {name: (kinds[name], own.default)}
        parameters += [
            inspect.Parameter(
                option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
            )
            for option, (kind, default) in given.items()
        ]

    def called(**given: Any) -> None:
        typed = {name: given.pop(name) for name in OPTIONS}
        command(**given, filters=filters_of(**typed))

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    # Typer reads here what a command takes.
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    vars(called)["__signature__"] = inspect.Signature(parameters)
    return called


def _counts(text: str) -> tuple[int | None, int | None] | None:
    """Read 30-45, 30-, -45 or 30."""
    from curate.core.errors import PolicyError

    if not text:
        return None
    low, dash, high = text.partition("-")
    if not (low or high) or not all(part.isdecimal() for part in (low, high) if part):
        raise PolicyError(
            f"class-count {text!r}", "is no range of counts", "Give one such as 30-45, 30- or -45."
        )
    first, last = (int(part) if part else None for part in (low, high))
    return first, last if dash else first
