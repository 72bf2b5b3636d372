"""Curves: as text for the terminal, and as PNG, SVG or HTML files."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from curate.core.errors import InputError
from curate.core.files import write_asked_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = ("braille", "•", "×", "+", "o", "*")
"""Of the first line, the second …, in the terminal, where there is no colour to tell them apart."""

_SHOWN = {"braille": "⠒"}

_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")
_MARKED = ("#d62728", "#2ca02c", "#9467bd", "#8c564b")

_TICKS = 8
"""Labels on an axis, at most."""


@dataclass(frozen=True)
class Line:
    """One curve. Points without a finite place on both axes are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Mark:
    """A place on the x axis that has a name."""

    x: float
    label: str


@dataclass(frozen=True)
class Plot:
    """Curves over one pair of axes.

    Attributes
    ----------
    title, x_label, y_label : str
        What is written above and beside.
    lines : sequence of Line
        The first one lies on top.
    x_log : bool
        Whether x grows by factors; points at 0 and below have no place then.
    marks : sequence of Mark
        Upright lines.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_log: bool = False
    marks: Sequence[Mark] = ()


def text(plot: Plot, width: int = 72, height: int = 18) -> str:
    """Draw a plot with characters, without colours.

    Parameters
    ----------
    plot : Plot
        What to draw.
    width, height : int
        Characters and rows of the picture; what it means follows below it.

    Returns
    -------
    str
        Rows without trailing spaces: the picture, then one row that names the lines where there
        are several, and one a mark, from the left.
    """
    drawn = [(line, _points(line, plot.x_log)) for line in plot.lines]
    below = _explained(plot)
    everything = [point for _, points in drawn for point in points]
    if not everything:
        return "\n".join([_plain(plot.title), "(nothing to draw)", *below])
    rows = _canvas(plot, [points for _, points in drawn], width, height)
    return "\n".join([*rows, *below])


def write(plot: Plot, path: Path) -> None:
    """Draw a plot into a file of the kind that its suffix names.

    Parameters
    ----------
    plot : Plot
        What to draw. The same plot gives the same bytes.
    path : Path
        ``.png``, ``.svg``, or ``.html`` (one file that needs no other, the curves as SVG).

    Raises
    ------
    InputError
        Another suffix, or the file cannot be written.
    """
    writer = writer_of(path)
    write_asked_by(path, lambda file: writer(plot, file))


def writer_of(path: Path) -> Callable[[Plot, IO[bytes]], None]:
    """Give what writes files of this suffix.

    Raises
    ------
    InputError
        There is none.
    """
    if path.suffix.lower() not in WRITERS:
        raise InputError(str(path), f"a plot ends in {', '.join(WRITERS)}", "Rename it")
    return WRITERS[path.suffix.lower()]


def _png(plot: Plot, file: IO[bytes]) -> None:
    _save(plot, file, "png")


def _svg(plot: Plot, file: IO[bytes]) -> None:
    _save(plot, file, "svg")


def _html(plot: Plot, file: IO[bytes]) -> None:
    inner = io.BytesIO()
    _save(plot, inner, "svg")
    svg = inner.getvalue().decode()
    title = html.escape(_plain(plot.title))
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>'
        "\n<style>body { margin: 2em; } svg { max-width: 100%; height: auto; }</style>\n</head>\n"
        # What stands before the picture is for files that are nothing but SVG.
        f"<body>\n{svg[svg.index('<svg') :]}</body>\n</html>\n"
    )
    file.write(page.encode())


WRITERS: dict[str, Callable[[Plot, IO[bytes]], None]] = {
    ".png": _png,
    ".svg": _svg,
    ".html": _html,
}


def _canvas(
    plot: Plot, drawn: list[list[tuple[float, float]]], width: int, height: int
) -> list[str]:
    import plotext

    marks = [_place(mark.x, plot.x_log) for mark in _marks(plot)]
    places = [x for points in drawn for x, _ in points] + marks
    values = [y for points in drawn for _, y in points]
    along, up = _scale(places), _scale(values)
    # Its figure is one for all: it is cleared before and after.
    figure = plotext.figure
    plotext.terminal.limit(False, False)
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    figure.title(_plain(plot.title))
    figure.label(_plain(plot.x_label), "x")
    figure.label(_plain(plot.y_label), "y")
    for mark in marks:
        figure.line(along(mark), "vertical")
    # Later ones lie on top.
    for number, points in reversed(list(enumerate(drawn))):
        if points:
            signal = figure.signal(
                [along(x) for x, _ in points],
                [up(y) for _, y in points],
                marker=_MARKERS[number % len(_MARKERS)],
            )
            # Where the points lie close, joining the jumps of a noisy line would hide the others.
            signal.lines(number % len(_MARKERS) == 0 or len(points) < width / 2)
            figure.draw(signal)
    for axis, scale, ticks in (
        ("x", along, _x_ticks(places, plot.x_log)),
        ("y", up, _round_ticks(values, 6)),
    ):
        ruler = figure.ruler(axis)
        ruler.ticks([scale(place) for place, _ in ticks], [label for _, label in ticks])
        ruler.lim(0, 1)
    rows = figure.build().string(colorless=True).splitlines()
    figure.clear()
    return [row.rstrip() for row in rows]


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    """Give what maps the range of some numbers to 0…1.

    plotext 6.1 gets nothing but such: a NaN ends its whole process, and 1e300 is too much for it.
    """
    # As halves: the difference of two numbers may be too large to be one.
    low, span = min(values) / 2, max(values) / 2 - min(values) / 2
    return lambda value: (value / 2 - low) / span if span > 0 else 0.5


def _explained(plot: Plot) -> list[str]:
    """Name the lines and the marks, below the picture, where nothing is hidden by it."""
    rows = []
    if len(plot.lines) > 1:
        signs = [_MARKERS[number % len(_MARKERS)] for number in range(len(plot.lines))]
        named = zip(signs, plot.lines, strict=True)
        rows.append("  ".join(f"{_SHOWN.get(s, s)} {_plain(line.name)}" for s, line in named))
    rows += [f"│ {mark.x:.2g}  {_plain(mark.label)}" for mark in _marks(plot)]
    return rows


def _save(plot: Plot, file: IO[bytes], kind: str) -> None:
    import warnings

    import matplotlib as mpl

    metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[kind]
    # Names are names, not formulas; ids inside an SVG do not change from one time to the next.
    with (
        mpl.rc_context(
            {"text.parse_math": False, "svg.hashsalt": "curate", "svg.fonttype": "none"}
        ),
        warnings.catch_warnings(),
    ):
        # A script that the font lacks is drawn as boxes; that is no reason to give no plot.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        _figure(plot).savefig(file, format=kind, dpi=120, metadata=metadata)


def _figure(plot: Plot) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(_plain(plot.title))
    axes.set_xlabel(_plain(plot.x_label))
    axes.set_ylabel(_plain(plot.y_label))
    axes.grid(alpha=0.3)
    if plot.x_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    elif all(float(x).is_integer() for line in plot.lines for x in line.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = [], []
    for number, line in reversed(list(enumerate(plot.lines))):
        points = [(x, y) for x, y in zip(line.x, line.y, strict=True) if _drawable(x, y, plot)]
        colour = _COLOURS[number % len(_COLOURS)]
        # A line of one point would not be seen.
        style = "o" if len(points) == 1 else "-"
        handles += axes.plot([x for x, _ in points], [y for _, y in points], style, color=colour)
        labels.append(_plain(line.name))
    handles, labels = handles[::-1], labels[::-1]
    for number, mark in enumerate(_marks(plot)):
        colour = _MARKED[number % len(_MARKED)]
        handles.append(axes.axvline(mark.x, color=colour, linestyle="--", linewidth=1.2))
        labels.append(f"{_plain(mark.label)} ({mark.x:.2g})")
    if len(handles) > 1:
        # matplotlib leaves out what begins with an underscore.
        axes.legend(handles, [f" {n}" if n.startswith("_") else n for n in labels], fontsize=9)
    return figure


def _points(line: Line, x_log: bool) -> list[tuple[float, float]]:
    """Give the points that have a place, x as it is measured along the axis."""
    plot = Plot("", "", "", (), x_log)
    return [
        (_place(x, x_log), float(y))
        for x, y in zip(line.x, line.y, strict=True)
        if _drawable(x, y, plot)
    ]


def _drawable(x: float, y: float, plot: Plot) -> bool:
    return math.isfinite(x) and math.isfinite(y) and (x > 0 or not plot.x_log)


def _marks(plot: Plot) -> list[Mark]:
    """Give the marks that have a place, from the left."""
    return sorted(
        (mark for mark in plot.marks if _drawable(mark.x, 0, plot)), key=lambda mark: mark.x
    )


def _place(x: float, x_log: bool) -> float:
    return math.log10(x) if x_log else float(x)


def _x_ticks(places: Sequence[float], x_log: bool) -> list[tuple[float, str]]:
    low, high = math.ceil(min(places)), math.floor(max(places))
    if not x_log:
        return _round_ticks(places, _TICKS, whole=all(place.is_integer() for place in places))
    if high - low < 2:
        return [(at, f"{10**at:.2g}") for at in (min(places), max(places))]
    every = -(-(high - low + 1) // _TICKS)
    return [(at, f"{10.0**at:g}") for at in range(low, high + 1, every)]


def _round_ticks(
    values: Sequence[float], most: int, whole: bool = False
) -> list[tuple[float, str]]:
    """Give at most so many multiples of 1, 2 or 5 times a power of ten."""
    low, high = min(values), max(values)
    span = high / 2 - low / 2
    if span <= 1e-9 * max(abs(low), abs(high)):
        return [(low, f"{low:.4g}")]
    power = math.floor(math.log10(span / most))
    for factor in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0):
        step = max(factor * 10.0**power, 1.0 if whole else 0.0)
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < most:
            break
    return [(number * step, f"{number * step:.12g}") for number in range(first, last + 1)]


def _plain(words: str) -> str:
    """Replace what is not printed: a name must not move the cursor or break a file."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words
    )
