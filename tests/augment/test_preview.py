"""Previews: which images, which warnings, and a page that shows them."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from curate.augment.preview import CHECKED, Shown, preview, read_unsafe
from curate.augment.sheet import as_html, as_jpeg, page_of
from curate.core.contact_sheet import MOST
from curate.core.errors import FaultsError, InputError
from curate.scan import scan
from curate.store.library import Library
from tests.conftest import MakePhoto
from tests.pictures import encoded, picture
from tests.store.made import decide, said


@pytest.fixture
def zoo(library: Library, photo: MakePhoto, tmp_path: Path) -> Library:
    """Four cats, three dogs, and one that nobody knows."""
    for number in range(4):
        photo(f"photos/cat/{number}.jpg", number)
    for number in range(3):
        photo(f"photos/dog/{number}.jpg", 10 + number)
    photo("photos/unknown/0.jpg", 20)
    scan(library, tmp_path / "photos", labels="folder")
    return library


def unsafe(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    """What is unsafe, as (scope, image_id, class, transform)."""
    cells = [(*row, "unsafe", "it is small") for row in rows]
    return pd.DataFrame(cells, columns=list(CHECKED))


def test_some_images_of_each_class(zoo: Library) -> None:
    shown = preview(zoo, variants=3)
    assert [one.label for one in shown] == ["cat", "cat", "dog", "dog"]
    assert {len(one.pictures) for one in shown} == {1 + 3}
    assert len({one.image_id for one in shown}) == 4
    assert preview(zoo, variants=3) == shown
    assert preview(zoo, variants=3, seed=1) != shown
    only = preview(zoo, ["dog"], per_class=9)
    assert [one.label for one in only] == ["dog"] * 3


def test_rejected_images_are_not_shown(zoo: Library) -> None:
    first = preview(zoo, ["dog"], per_class=3)
    decide(zoo, said("reject", first[0].image_id, "blurred"))
    assert {one.image_id for one in preview(zoo, ["dog"], per_class=3)} == {
        one.image_id for one in first[1:]
    }


def test_the_recipe_is_carried_out(zoo: Library) -> None:
    (one,) = preview(zoo, ["cat"], recipe="flip(p=1)", variants=1, per_class=1)
    before, after = (Image.open(io.BytesIO(jpeg)) for jpeg in one.pictures)
    mirrored = before.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    apart = [abs(a - b) for a, b in zip(mirrored.tobytes(), after.tobytes(), strict=True)]
    assert sum(apart) / len(apart) < 4


def test_what_is_unsafe_comes_first_and_says_why(zoo: Library) -> None:
    last = preview(zoo, ["cat"], per_class=4)[-1].image_id
    table = unsafe(("image", last, "cat", "zoom out"), ("class", "", "dog", "flip"))
    cats, dogs = preview(zoo, per_class=1, unsafe=table)
    assert (cats.image_id, cats.warnings) == (last, ("zoom out: it is small",))
    assert dogs.warnings == ("flip: it is small",)


@pytest.mark.parametrize(
    ("transform", "recipe", "marked"),
    [
        ("flip", "rotate(limit=10)", False),
        ("flip", "flip(p=0.5)", True),
        ("turn 90", "flip(p=0.5)", False),
        ("upside down", "flip(p=0.5)", False),
        ("as it is", "flip(p=0.5)", True),
        ("something new", "flip(p=0.5)", True),
    ],
)
def test_only_what_the_recipe_can_come_to_is_marked(
    zoo: Library, transform: str, recipe: str, marked: bool
) -> None:
    table = unsafe(("class", "", "cat", transform))
    (one,) = preview(zoo, ["cat"], recipe=recipe, per_class=1, unsafe=table)
    assert bool(one.warnings) == marked


def test_an_image_that_does_not_open_is_shown_as_that(zoo: Library, tmp_path: Path) -> None:
    for path in (tmp_path / "photos/cat").iterdir():
        path.unlink()
    (one,) = preview(zoo, ["cat"], per_class=1)
    assert one.pictures == ()
    assert "no such file" in one.failure
    assert "no such file" in as_html([one], "r").decode()
    assert as_jpeg([one], "r").startswith(b"\xff\xd8")


def test_a_class_that_is_not_there_is_refused(zoo: Library) -> None:
    with pytest.raises(InputError, match="Did you mean 'cat'"):
        preview(zoo, ["cats"])


def test_an_empty_library_has_nothing_to_show(library: Library) -> None:
    with pytest.raises(InputError, match="no usable image has a label"):
        preview(library)


def test_the_table_of_a_check_is_read(tmp_path: Path) -> None:
    path = tmp_path / "check.csv"
    path.write_text(
        "scope,image_id,class,transform,verdict,reason,figure\n"
        "image,1,cat,zoom out,unsafe,small,0.1\nclass,,dog,flip,safe,,\nclass,,ox,flip,unknown,,\n"
    )
    assert read_unsafe(path).to_dict("records") == [
        dict(zip(CHECKED, ("image", "1", "cat", "zoom out", "unsafe", "small"), strict=True))
    ]
    path.write_text("scope,image_id,class\n")
    with pytest.raises(FaultsError, match="'verdict' is missing"):
        read_unsafe(path)


def shown(label: str, pictures: int, *warnings: str, path: str = "a/b.jpg") -> Shown:
    return Shown("id", path, label, warnings, (encoded(picture(1), "JPEG"),) * pictures)


def test_a_page_has_a_section_a_class_and_needs_no_other_file() -> None:
    page = as_html([shown("<cat>", 3), shown("<cat>", 3, "flip: a & b"), shown("dog", 3)], "r<1")
    text = page.decode()
    assert re.findall("<h2>(.*?)</h2>", text) == ["&lt;cat&gt;", "dog"]
    assert text.count("<img ") == text.count("data:image/jpeg;base64,") == 9
    assert text.count('class="unsafe"') == 1
    assert "flip: a &amp; b" in text
    assert "r&lt;1" in text
    assert "http:" not in text
    assert "https:" not in text
    assert "3 images, 1 of them unsafe" in text


def test_a_sheet_has_a_row_an_image_and_marks_the_unsafe_red() -> None:
    def reds(page: bytes) -> int:
        image = Image.open(io.BytesIO(page)).convert("RGB").reduce(2)
        return sum(
            r > 170 and g < 90 and b < 80
            for r, g, b in zip(*[iter(image.tobytes())] * 3, strict=True)
        )

    safe, marked = (as_jpeg([shown("cat", 3, *said)], "r") for said in ((), ("flip",)))
    assert reds(marked) > reds(safe) + 50
    one, two = (Image.open(io.BytesIO(as_jpeg([shown("cat", 3)] * n, "r"))) for n in (1, 2))
    assert one.width == two.width
    assert one.height < two.height


def test_a_sheet_of_many_shows_whole_rows() -> None:
    many = as_jpeg([shown("cat", 7)] * 40, "r")
    some = as_jpeg([shown("cat", 7)] * (MOST // 7), "r")
    assert Image.open(io.BytesIO(many)).size == Image.open(io.BytesIO(some)).size


def test_the_suffix_says_which_page() -> None:
    assert page_of(Path("a.HTML")) is as_html
    assert page_of(Path("a.jpg")) is as_jpeg
    with pytest.raises(InputError, match=r"one of \.html"):
        page_of(Path("a.pdf"))
