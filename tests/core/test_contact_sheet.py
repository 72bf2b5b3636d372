from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from curate.core.contact_sheet import COLUMNS, MOST, Tile, contact_sheet
from curate.core.errors import InputError
from curate.core.files import write_asked

from ..pictures import encoded, picture

RED = (200, 30, 40)


def coloured(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (160, 120)) -> bytes:
    return encoded(np.full((size[1], size[0], 3), colour, np.uint8), "JPEG", quality=95)


def opened(page: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(page))
    image.load()
    return image


def area(page: bytes, colour: tuple[int, int, int]) -> int:
    """How many pixels of a page have nearly this colour."""
    pixels = np.asarray(opened(page), np.int16)
    return int((np.abs(pixels - np.array(colour)).max(axis=2) <= 40).sum())


def drawn_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every text that is drawn from here on."""
    texts: list[str] = []
    original = ImageDraw.ImageDraw.text

    def text(self: Any, place: Any, said: str, *rest: Any, **options: Any) -> None:
        texts.append(said)
        original(self, place, said, *rest, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return texts


def test_every_picture_is_on_the_page_in_full() -> None:
    one, five = (contact_sheet([Tile(coloured())] * count) for count in (1, 5))

    assert area(one, RED) == pytest.approx(160 * 120, rel=0.05)
    assert area(five, RED) == pytest.approx(5 * 160 * 120, rel=0.05)


def test_a_larger_picture_is_shrunk_and_a_small_one_left() -> None:
    assert area(contact_sheet([Tile(coloured(size=(800, 400)))]), RED) == pytest.approx(
        160 * 80, rel=0.05
    )
    assert area(contact_sheet([Tile(coloured(size=(40, 40)))]), RED) == pytest.approx(
        1600, rel=0.12
    )


def test_rows_are_filled_from_the_left() -> None:
    greens = [Tile(coloured((20, 160, 60)))] * 4
    image = opened(contact_sheet([*greens, Tile(coloured())], columns=4))
    red = np.asarray(image)[:, :, 0] > 180

    rows, columns = np.nonzero(red & (np.asarray(image)[:, :, 1] < 80))
    assert columns.max() < image.width / 3
    assert rows.min() > image.height / 2


def test_the_page_grows_by_rows() -> None:
    heights = [opened(contact_sheet([Tile(None)] * n, columns=4)).height for n in (4, 5, 8, 9)]

    assert heights[0] < heights[1] == heights[2] < heights[3]
    widths = {opened(contact_sheet([Tile(None)] * n, columns=4)).width for n in (1, 4, 9)}
    assert len(widths) == 1
    assert opened(contact_sheet([Tile(None)] * COLUMNS)).width > widths.pop()


def test_title_captions_and_reasons_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = drawn_texts(monkeypatch)

    contact_sheet([Tile(None, ("kudu", "why"), reason="no file")], title="low-score")

    assert {"low-score", "1 of 1", "kudu", "why", "no file"} <= set(texts)


def test_a_sheet_is_limited_and_says_of_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = drawn_texts(monkeypatch)
    many = contact_sheet([Tile(None)] * (MOST + 30))
    exact = contact_sheet([Tile(None)] * MOST, total=1532)

    assert opened(many).size == opened(exact).size
    assert "120 of 150" in texts
    assert "120 of 1,532" in texts


def test_a_picture_that_cannot_be_opened_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = drawn_texts(monkeypatch)

    contact_sheet([Tile(b"no picture at all"), Tile(b""), Tile(coloured()[:300])])

    said = " ".join(texts)
    assert "not an image of" in said
    assert "empty file" in said
    assert "broken" in said


def test_a_colour_marks_a_tile() -> None:
    blue = (30, 60, 220)

    assert area(contact_sheet([Tile(None)]), blue) == 0
    assert area(contact_sheet([Tile(None, colour="#1e3cdc")]), blue) > 500


def test_long_captions_are_cut_and_the_last_one_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = drawn_texts(monkeypatch)
    reason = (
        "gazelle: 38 of 40 real images, 2 short; score 0.83 (61 candidates) and " + "more " * 50
    )

    contact_sheet([Tile(None, ("a name that is much too long for a tile", reason))])

    name = next(text for text in texts if text.startswith("a name"))
    assert name.endswith("…")
    lines = texts[texts.index(name) + 1 :]
    assert len(lines) == 3
    assert lines[0].startswith("gazelle: 38 of 40")
    assert lines[2].endswith("…")
    font = cast(ImageFont.FreeTypeFont, ImageFont.load_default(13))
    assert all(font.getbbox(line)[2] <= 162 for line in [name, *lines])


def test_a_word_without_end_and_odd_characters_are_survived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = drawn_texts(monkeypatch)

    contact_sheet([Tile(None, ("x" * 500, "a\udcffb c\nd", ""))], title="t" * 500 + "\n\udcff")

    assert any(text.startswith("xxx") and text.endswith("…") for text in texts)
    assert not any("\n" in text or "\udcff" in text for text in texts)


def test_nothing_gives_a_page_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = drawn_texts(monkeypatch)

    assert opened(contact_sheet([], title="low-score")).format == "JPEG"
    assert texts == ["no images", "low-score"]


def test_private_metadata_of_a_picture_is_not_on_the_page() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    data = encoded(picture(), "JPEG", exif=exif)
    assert b"secret place" in data

    page = contact_sheet([Tile(data)])

    assert b"secret place" not in page
    assert "exif" not in opened(page).info


def test_the_same_tiles_give_the_same_bytes() -> None:
    tiles = [Tile(coloured(), ("kudu", "why")), Tile(None)]

    assert contact_sheet(tiles, title="t") == contact_sheet(tiles, title="t")


def test_no_columns_are_refused() -> None:
    with pytest.raises(InputError, match="0 columns"):
        contact_sheet([], columns=0)


def test_a_sheet_is_written_whole(tmp_path: Path) -> None:
    write_asked(tmp_path / "sheet.jpg", contact_sheet([]))

    assert [path.name for path in tmp_path.iterdir()] == ["sheet.jpg"]
    with pytest.raises(InputError, match="cannot be written"):
        write_asked(tmp_path / "nowhere" / "sheet.jpg", b"")
