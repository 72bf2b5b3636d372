from __future__ import annotations

import io
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.core import contact_sheet, names
from curate.core.contact_sheet import Tile
from curate.queues import Filters, html_sheet, queue, sheet
from curate.queues.page import laid_out
from curate.scan import scan
from curate.store import files, thumbnails
from curate.store.library import Library

from ..conftest import MakePhoto
from .cases import predict, said

hostile = st.one_of(
    st.sampled_from(
        [
            "</script><script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onmouseover='alert(1)",
            "&lt;b&gt;",
            "<!-- ",
            "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
            "\x00\x1b[2J\n\t",
        ]
    ),
    st.text(st.sampled_from("<>&\"'`=/;-!ab \u2028\U0001f993"), max_size=12),
    st.text(max_size=12),
)
"""Names of classes and files that somebody chose to do harm."""


def test_a_queue_becomes_a_page_with_its_reasons(
    library: Library, photo: MakePhoto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [photo(f"pool/{seed}.jpg", seed) for seed in range(3)]
    scan(library, tmp_path / "pool", backend="serial")
    with library.reading() as connection:
        ids = list(files.one_path_each(connection)["image_id"])
    predict(library, [said(image_id, "zebra", 0.5) for image_id in ids])
    table = queue(library, "low-score", Filters(), min_count=40)
    drawn: list[Tile] = []

    def draw(tiles: list[Tile], **options: object) -> bytes:
        drawn.extend(tiles)
        return contact_sheet.contact_sheet(tiles, title=str(options["title"]))

    monkeypatch.setattr("curate.queues.page.contact_sheet", draw)
    page = sheet(library, table, "low-score")

    assert Image.open(io.BytesIO(page)).format == "JPEG"
    assert len(drawn) == len(paths)
    assert all(tile.thumbnail for tile in drawn)
    assert list(drawn[0].caption) == ["1. zebra", "best score 0.50 (zebra)"]


def test_a_page_holds_every_image_once_under_its_topic(
    library: Library, photo: MakePhoto, tmp_path: Path
) -> None:
    for seed in range(3):
        photo(f"pool/{seed}.jpg", seed)
    scan(library, tmp_path / "pool", backend="serial")
    with library.reading() as connection:
        files_ = files.one_path_each(connection)
    ids = list(files_["image_id"])
    made = thumbnails.fetch(library, ids)
    rows = [
        row(ids[0], "kudu", 'kudu: 3 of 10 real images; score 0.9; labelled "x"', 0.9),
        row(ids[1], "zebra", "zebra: 9 of 10 real images; score 0.8", float("nan")),
        row(ids[2], "kudu", "kudu: 3 of 10 real images; score 0.7", 0.4),
        row("gone", "zebra", "zebra: 9 of 10 real images; score 0.1", 0.2),
    ]
    page = read(html_sheet(library, pd.DataFrame(rows), "low-count"))

    assert page.headings == [
        ("kudu: 3 of 10 real images", "2 images, about 1 hits expected"),
        # Of one image nobody can say what to expect.
        ("zebra: 9 of 10 real images", "2 images"),
    ]
    assert page.pictures == [made[ids[0]], made[ids[2]], made[ids[1]]]
    assert [tile.split(" ")[0] for tile in page.tiles] == ["1.", "3.", "2.", "4."]
    assert 'score 0.9; labelled "x" · expected 0.90' in page.tiles[0]
    assert "expected" not in page.tiles[2]
    assert "the file cannot be read" in page.texts
    assert page.title == "low-count"


def test_an_empty_queue_and_one_without_topics_are_pages_too() -> None:
    table = pd.DataFrame([row("a", "", "best score 0.1 (kudu)", 0.5)])
    assert read(laid_out(table.head(0), {}, "q")).tiles == []
    page = read(laid_out(table, {}, "q"))
    assert page.headings == [("no topic", "1 image, about 0 hits expected")]
    assert "best score 0.1 (kudu)" in page.tiles[0]


def test_a_plan_has_headings_for_each_recipe() -> None:
    table = pd.DataFrame([row(name, "kudu", "score 0.5", 0.5) for name in "abc"])
    plan = table.assign(recipe=["random", "low-count", "random"])
    headings = read(laid_out(plan, {}, "plan")).headings
    assert [heading for heading, _ in headings] == ["random: kudu", "low-count: kudu"]


@given(said=st.lists(st.tuples(hostile, hostile, hostile, hostile), min_size=1, max_size=4))
@settings(max_examples=30)
def test_no_name_can_do_anything(said: list[tuple[str, str, str, str]]) -> None:
    """The page has the same elements, whatever the names, and shows each as it is."""

    def page_of(said_of: list[tuple[str, str, str, str]]) -> Page:
        rows = [
            row(f"{at}", f"{at}{topic}", f"{reason}; x", 0.5, predicted=predicted, path=path)
            for at, (topic, reason, predicted, path) in enumerate(said_of)
        ]
        return read(laid_out(pd.DataFrame(rows), {}, said[0][0]))

    made, plain = page_of(said), page_of([("a", "b", "c", "d")] * len(said))
    assert made.elements == plain.elements
    shown = [names.printable(predicted) for _, _, predicted, _ in said]
    for number, (tile, name) in enumerate(zip(made.tiles, shown, strict=True), start=1):
        assert tile.startswith(f"{number}. {name} 0.50")
    assert made.hovers == [names.printable(path) for *_, path in said]
    assert made.title == names.printable(said[0][0])


def test_a_page_lets_nothing_in_but_its_own_script() -> None:
    page = read(laid_out(pd.DataFrame([row("a", "kudu", "r", 0.5)]), {}, "q"))
    digest = b64encode(sha256(page.script.encode()).digest()).decode()
    assert page.policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )


class Page(HTMLParser):
    """What a browser makes of a page.

    `elements` are tags with the names of their attributes; `tiles` the text of each image.
    """

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.headings: list[tuple[str, str]] = []
        self.tiles: list[str] = []
        self.texts: list[str] = []
        self.pictures: list[bytes] = []
        self.hovers: list[str] = []
        self.title = self.script = self.policy = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(name for name, _ in attrs)))
        had = {name: value or "" for name, value in attrs}
        if tag not in ("meta", "img", "input"):
            self._open.append(tag)
        if tag == "img":
            kind, _, data = had["src"].partition(",")
            assert kind == "data:image/jpeg;base64"
            self.pictures.append(b64decode(data))
        if tag == "li":
            self.tiles.append("")
        if tag == "h2":
            self.headings.append(("", ""))
        if "title" in had:
            self.hovers.append(had["title"])
        if had.get("http-equiv"):
            self.policy = had["content"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        inside = self._open[-1] if self._open else ""
        if inside == "h2":
            self.headings[-1] = (self.headings[-1][0] + data, "")
        elif inside == "small":
            self.headings[-1] = (self.headings[-1][0], data)
        elif inside == "title":
            self.title += data
        elif inside == "script":
            self.script += data
        elif "li" in self._open and "div" not in self._open:
            self.tiles[-1] += data


def read(page: bytes) -> Page:
    parser = Page()
    parser.feed(page.decode())
    parser.close()
    return parser


def row(
    image_id: str,
    topic: str,
    reason: str,
    expected: float,
    predicted: str = "kudu",
    path: str = "/pool/x.jpg",
) -> dict[str, object]:
    """A row of a queue."""
    return {
        "image_id": image_id,
        "path": path,
        "predicted": predicted,
        "score": 0.5,
        "second": None,
        "second_score": float("nan"),
        "reason": reason,
        "label": "",
        "topic": topic,
        "expected": expected,
    }
