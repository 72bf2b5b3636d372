from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.cli.plot import Line, Mark, Plot, text, write
from curate.core.errors import InputError

RATES = [10.0**power for power in range(-7, 3)]
LOSSES = [2.0, 2.0, 1.9, 1.6, 1.1, 0.7, 0.8, 1.5, 3.0, 6.0]
PLOT = Plot(
    title="Loss by learning rate",
    x_label="learning rate",
    y_label="loss",
    lines=(Line("smoothed", RATES, LOSSES), Line("single", RATES, LOSSES[::-1])),
    x_log=True,
    marks=(Mark(1e-2, "minimum"), Mark(1e-3, "valley")),
)


def simple(x: list[float], y: list[float], x_log: bool = False) -> Plot:
    return Plot("title", "x", "y", (Line("one", x, y),), x_log=x_log)


def test_text_is_a_picture_of_the_size_asked_for() -> None:
    rows = text(PLOT, 60, 15).splitlines()
    # Then the names of the two lines and two marks.
    assert len(rows) == 15 + 1 + 2
    assert max(map(len, rows)) <= 60
    assert rows[0].strip() == "Loss by learning rate"
    assert rows[14].split() == ["loss", "learning", "rate"]
    assert not any(row.endswith(" ") for row in rows)


def test_text_is_as_wide_as_asked_for_on_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert max(map(len, text(PLOT, 110, 10).splitlines())) == 110


def test_text_has_no_colours() -> None:
    assert "\x1b" not in text(PLOT)


def test_text_names_lines_and_marks_from_the_left() -> None:
    rows = text(PLOT).splitlines()
    assert rows[-3].split("  ") == ["⠒ smoothed", "• single"]
    assert rows[-2:] == ["│ 0.001  valley", "│ 0.01  minimum"]


def test_the_axis_of_factors_has_a_label_a_decade() -> None:
    labels = text(PLOT, 100, 15).splitlines()[13].split()
    assert [float(label) for label in labels] == [1e-7, 1e-5, 1e-3, 0.1, 10]


def test_the_curve_runs_from_corner_to_corner() -> None:
    """The highest and the lowest point are in the picture, beyond the last label too."""
    rows = text(simple([0, 1, 2, 3], [0, 1.2, 2.3, 3.4]), 60, 16).splitlines()
    inside = [re.sub(r"^.*?[│┤](.*)│$", r"\1", row) for row in rows[2:-3]]
    assert inside[0][-1] != " "
    assert inside[-1][0] != " "
    assert inside[0][0] == inside[-1][-1] == " "


def test_epochs_are_whole_numbers() -> None:
    row = text(simple([1, 2, 3], [0.2, 0.5, 0.6])).splitlines()[-2]
    assert row.split() == ["1", "2", "3"]


def test_a_flat_curve_has_one_label() -> None:
    assert "0.25┤" in text(simple([1, 2, 3], [0.25, 0.25, 0.25]))


@pytest.mark.parametrize(
    "plot",
    [
        simple([], []),
        simple([1, 2], [math.nan, math.inf]),
        simple([-1, 0], [1, 2], x_log=True),
        Plot("title", "x", "y", ()),
    ],
)
def test_nothing_to_draw_is_said(plot: Plot) -> None:
    assert text(plot).splitlines() == ["title", "(nothing to draw)"]


def test_points_without_a_place_are_left_out() -> None:
    odd = simple([0, 1, 10, 100, 1000], [5, 1, math.nan, 3, math.inf], x_log=True)
    assert text(odd) == text(simple([1, 100], [1, 3], x_log=True))
    odd = Plot("title", "x", "y", odd.lines, True, (Mark(math.nan, "a"), Mark(-1, "b")))
    assert text(odd) == text(simple([1, 100], [1, 3], x_log=True))


def test_a_name_does_not_steer_the_terminal() -> None:
    plot = Plot(
        "\x1b[31mred\n", "x\r", "y\x07", (Line("a\x1b", [1, 2], [1, 2]), Line("b", [1], [1])),
        marks=(Mark(1, "m\n"),),
    )  # fmt: skip
    drawn = text(plot)
    assert "\ufffd[31mred\ufffd" in drawn
    assert not any(sign in drawn for sign in "\x1b\r\x07")
    assert len(drawn.splitlines()) == 18 + 1 + 1


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 1e-300])


@settings(max_examples=60)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=6), st.booleans())
def test_any_numbers_can_be_drawn(points: list[tuple[float, float]], x_log: bool) -> None:
    drawn = text(simple([x for x, _ in points], [y for _, y in points], x_log=x_log), 50, 10)
    assert drawn.startswith("title") or len(drawn.splitlines()) == 10


def test_png(tmp_path: Path) -> None:
    write(PLOT, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.size == (960, 540)
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or ()}
    # The first line, the second, the first mark.
    assert {(0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E), (0xD6, 0x27, 0x28)} <= colours


def test_svg_has_the_words_as_words(tmp_path: Path) -> None:
    write(PLOT, tmp_path / "a.SVG")
    root = ElementTree.fromstring((tmp_path / "a.SVG").read_text(encoding="utf-8"))
    words = {"".join(one.itertext()).strip() for one in root.iter() if one.tag.endswith("text")}
    assert {"Loss by learning rate", "learning rate", "loss", "smoothed", "single"} <= words
    assert {"valley (0.001)", "minimum (0.01)", "1e−06", "0.01"} <= words


def test_html_is_one_file(tmp_path: Path) -> None:
    write(Plot("a < b & c", "x", "y", PLOT.lines), tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<title>a &lt; b &amp; c</title>" in page
    assert page.count("<svg") == page.count("</svg>") == 1
    assert "<?xml" not in page
    # Names of namespaces and of the licence of SVG's metadata are no links.
    assert not re.search(r"(src|<link|<script|@import|url\(http)", page)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
def test_the_same_plot_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    write(PLOT, tmp_path / f"a{suffix}")
    write(PLOT, tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
def test_odd_names_and_numbers_are_drawn(tmp_path: Path, suffix: str) -> None:
    lines = (
        Line("_hidden $x_$ 日本", [1, 2, 3], [1, math.nan, math.inf]),
        Line("\x00\x1b", [], []),
        Line("flat", [1, 2], [5, 5]),
    )
    write(Plot("$\\bad$", "x", "y", lines, marks=(Mark(2, "_m"),)), tmp_path / f"a{suffix}")
    content = (tmp_path / f"a{suffix}").read_bytes()
    assert suffix == ".png" or "_hidden $x_$ 日本".encode() in content


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a plot ends in \.png, \.svg, \.html"):
        write(PLOT, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write(PLOT, tmp_path / "nowhere" / "a.png")
