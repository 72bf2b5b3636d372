"""Sheets that a person understands at a glance: keepers first, groups apart, colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from curate.core.contact_sheet import COLUMNS, MOST, Tile, contact_sheet
from curate.duplicates import crossing_sheet, groups_sheet
from curate.duplicates import sheet as module
from curate.duplicates.crossing import COLUMNS as PAIRS
from curate.duplicates.layout import COLUMNS as TABLE
from tests.pictures import encoded, picture

GREEN, RED = "#2e8b57", "#c0392b"


def thumbnails(ids: Sequence[str]) -> dict[str, bytes]:
    return {one: encoded(picture(1, (32, 24)), "JPEG") for one in ids if one != "gone"}


@pytest.fixture
def laid(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Tile | None], str, int]]:
    """Give what was laid on each sheet: tiles, title, total."""
    sheets: list[tuple[list[Tile | None], str, int]] = []

    def noting(tiles: list[Tile | None], *, title: str, total: int) -> bytes:
        sheets.append((tiles, title, total))
        return contact_sheet(tiles, title=title, total=total)

    monkeypatch.setattr(module, "contact_sheet", noting)
    return sheets


def groups(sizes: Sequence[int], labels: dict[str, str] | None = None) -> pd.DataFrame:
    """Make groups of so many images, named a0, a1, …; b0, …"""
    rows: list[dict[str, Any]] = [
        {
            "group": f"g{number:03}",
            "image_id": f"{number}.{place}",
            "path": f"/far/away/p/{number}.{place}.jpg",
            "label": (labels or {}).get(f"{number}.{place}"),
            "keeper": place == 0,
            "reason": "kept: most pixels" if place == 0 else "the same picture",
        }
        for number, size in enumerate(sizes)
        for place in range(size)
    ]
    return pd.DataFrame(rows, columns=TABLE)


def pairs(count: int) -> pd.DataFrame:
    rows = [("train", f"/s/{n}.jpg", "test", f"/t/{n}.jpg", 0.9, "like", f"a{n}", f"b{n}")
            for n in range(count)]  # fmt: skip
    return pd.DataFrame(rows, columns=PAIRS)


def drawn(tiles: Sequence[Tile | None]) -> list[str]:
    return [tile.caption[1].removesuffix(".jpg") if tile else "" for tile in tiles]


def size(sheet: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(sheet))
    image.load()
    assert image.format == "JPEG"
    assert not image.getexif()
    return image.size


def test_groups_stand_side_by_side_with_places_between(laid: list[Any]) -> None:
    sheet = groups_sheet(groups([3, 2, 2, 2]), thumbnails)
    ((tiles, title, total),) = laid
    assert drawn(tiles) == [
        "p/0.0", "p/0.1", "p/0.2", "", "p/1.0", "p/1.1", "", "",
        "p/2.0", "p/2.1", "", "p/3.0", "p/3.1",
    ]  # fmt: skip
    assert title == "4 groups of duplicates · green: kept"
    assert total == 9
    width, height = size(sheet)
    assert (width, height) == size(contact_sheet(tiles, title=title))
    # Two rows of eight.
    assert width > 8 * 160
    assert 2 * 160 < height < 4 * 160


def test_the_keeper_is_first_and_green(laid: list[Any]) -> None:
    groups_sheet(groups([2]), thumbnails)
    kept, other = laid[0][0]
    assert (kept.colour, other.colour) == (GREEN, module._OTHER)
    assert kept.caption == ("no label", "p/0.0.jpg", "kept: most pixels")


def test_labels_that_differ_come_first_in_red(laid: list[Any]) -> None:
    labels = {"0.0": "cat", "0.1": "cat", "1.0": "cat", "1.1": "dog", "2.0": "dog"}
    groups_sheet(groups([2, 2, 2], labels), thumbnails)
    ((tiles, title, _),) = laid
    shown = [tile for tile in tiles if tile]
    assert [tile.caption[0] for tile in shown] == ["cat", "dog", "cat", "cat", "dog", "no label"]
    assert [tile.colour for tile in shown[:3]] == [RED, RED, GREEN]
    assert title == "3 groups of duplicates · green: kept · red: labels differ"


def test_a_long_group_is_a_row_and_says_how_long_it_is(laid: list[Any]) -> None:
    groups_sheet(groups([12, 2]), thumbnails)
    tiles, _, total = laid[0]
    assert drawn(tiles) == [*(f"p/0.{n}" for n in range(8)), "p/1.0", "p/1.1"]
    assert tiles[0].caption[2] == "kept: most pixels (8 of 12 files are shown)"
    assert tiles[8].caption[2] == "kept: most pixels"
    assert total == 14


@pytest.mark.parametrize("sizes", [[2] * 200, [3] * 90, [8] * 40, [5, 2, 7, 3] * 30, [4]])
def test_no_group_is_broken_and_no_place_is_left_over(laid: list[Any], sizes: list[int]) -> None:
    asked: list[str] = []

    def noting(ids: Sequence[str]) -> dict[str, bytes]:
        asked.extend(ids)
        return thumbnails(ids)

    groups_sheet(groups(sizes), noting)
    tiles = laid[0][0]
    assert len(tiles) <= MOST
    names = drawn(tiles)
    rows = [names[start : start + COLUMNS] for start in range(0, len(names), COLUMNS)]
    for row in rows:
        for left, right in pairwise(row):
            assert not left or not right or left.split(".")[0] == right.split(".")[0]
        # A group starts with its keeper, also at the beginning of a row.
        assert row[0].endswith(".0")
    # Thumbnails are read of what is drawn alone, and the groups are the first ones.
    assert sorted(asked) == sorted(name.removeprefix("p/") for name in names if name)
    firsts = [int(name[2:-2]) for name in names if name.endswith(".0")]
    assert firsts == list(range(len(firsts)))
    assert len(firsts) == min(len(sizes), len(firsts))
    assert len(firsts) == len(sizes) or len(tiles) > MOST - 2 * COLUMNS


def test_a_picture_that_is_gone_says_so(laid: list[Any]) -> None:
    table = groups([2])
    table.loc[1, "image_id"] = "gone"
    groups_sheet(table, thumbnails)
    tile = laid[0][0][1]
    assert (tile.thumbnail, tile.reason) == (None, "the file cannot be read")


def test_nothing_to_draw() -> None:
    assert size(groups_sheet(groups([]), thumbnails))
    assert size(crossing_sheet(pairs(0), thumbnails, "0 pairs"))


def test_pairs_stand_beside_each_other_with_a_colour_a_side(laid: list[Any]) -> None:
    sheet = crossing_sheet(pairs(4), thumbnails, "4 pairs")
    ((tiles, title, total),) = laid
    assert drawn(tiles) == [
        "s/0", "t/0", "", "s/1", "t/1", "", "s/2", "t/2",
        "s/3", "t/3",
    ]  # fmt: skip
    assert (title, total) == ("4 pairs", 8)
    assert {tile.caption[0]: tile.colour for tile in tiles if tile} == {
        "train": module._SIDES[1], "test": module._SIDES[0],
    }  # fmt: skip
    assert [tile.caption[2] for tile in tiles[:2]] == ["", "like"]
    assert size(sheet)[0] > 8 * 160


def test_many_pairs_are_cut_at_whole_pairs(laid: list[Any]) -> None:
    crossing_sheet(pairs(500), thumbnails, "500 pairs")
    tiles, _, total = laid[0]
    assert sum(tile is not None for tile in tiles) == 90
    assert total == 1000


def test_names_that_no_font_has() -> None:
    table = groups([2], {"0.0": "c\tat\n", "0.1": "dog"})
    table["path"] = ["/p/x\\xff\\x0a.jpg", "/p/-\N{SNOWMAN}.jpg"]
    assert size(groups_sheet(table, thumbnails))
