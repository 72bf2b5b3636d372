"""Images that lie turned beside the others of their class, and those of which nobody can say."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from curate.augment.checks import turned
from curate.augment.checks.exif import turned_twice, twice_verdicts
from curate.augment.checks.turned import LEAST, likeness, turned_verdicts
from curate.core.images import open_picture

WIDTH = 24


def features(
    count: int, planted: dict[int, int], oriented: float = 3.0, seed: int = 0
) -> NDArray[np.float64]:
    """Make features in which the direction of "up" shows, for images some of which lie turned."""
    random = np.random.default_rng(seed)
    up = np.random.default_rng(9).normal(0, oriented, (4, WIDTH))
    made = random.normal(0, 1, (count, 4, WIDTH)) + random.normal(0, 5, (count, 1, WIDTH))
    for image in range(count):
        quarters = planted.get(image, 0)
        made[image] += up[(np.arange(4) + quarters) % 4]
    return made


def images(count: int, name: str = "carton") -> pd.DataFrame:
    ids = [f"{number:04}" for number in range(count)]
    return pd.DataFrame({"image_id": ids, "class": name})


def asked(made: NDArray[Any], table: pd.DataFrame) -> NDArray[np.float64]:
    return likeness(made, list(table["image_id"]), list(table["class"]))


def test_planted_turns_are_found_with_the_way_back() -> None:
    planted = {3: 1, 17: 2, 40: 3}
    table = images(60)
    found = turned_verdicts(table, asked(features(60, planted), table))
    assert dict(zip(found["image_id"], found["transform"], strict=True)) == {
        "0003": "turn 270",
        "0017": "turn 180",
        "0040": "turn 90",
    }
    assert set(found["verdict"]) == {"unsafe"}
    assert "turned by 90° clockwise" in found["reason"].iloc[0]


def test_a_class_without_an_up_has_no_turned_images() -> None:
    table = images(60, "ball")
    said = asked(features(60, {3: 1}, oriented=0.0), table)
    assert turned_verdicts(table, said).empty


def test_a_ball_among_cartons_has_no_up_either() -> None:
    cartons, balls = features(60, {5: 2}), features(60, {}, oriented=0.0, seed=1)
    table = pd.concat([images(60), images(60, "ball")], ignore_index=True)
    table["image_id"] = [f"{number:04}" for number in range(120)]
    said = asked(np.concatenate([cartons, balls]), table)
    assert list(turned_verdicts(table, said)["image_id"]) == ["0005"]


def test_a_class_of_few_images_is_not_asked() -> None:
    few = LEAST - 1
    table = pd.concat([images(60), images(few, "rare")], ignore_index=True)
    table["image_id"] = [f"{number:04}" for number in range(60 + few)]
    said = asked(features(60 + few, {65: 1}), table)
    assert turned_verdicts(table, said).empty


def test_the_order_of_images_does_not_matter() -> None:
    table, made = images(40), features(40, {3: 1, 20: 2})
    order = np.random.default_rng(0).permutation(40)
    said = asked(made, table)
    again = asked(made[order], table.iloc[order])
    np.testing.assert_allclose(again, said[order], atol=1e-9)


def test_turning_every_image_turns_the_answer_and_features_that_never_change_do_no_harm() -> None:
    table, made = images(40), features(40, {})
    made[:, :, 0] = 7.0
    said = asked(made, table)
    assert np.isfinite(said).all()
    assert (said.argmax(axis=1) == 0).all()


@pytest.mark.parametrize("part", [0.2, 0.3, 0.4])
def test_many_turned_images_do_not_hide_each_other(part: float) -> None:
    # They used to: a class of which a quarter was turned was held to have no up.
    number = round(60 * part)
    planted = {place: 1 + place % 3 for place in range(number)}
    table = images(60)
    found = turned_verdicts(table, asked(features(60, planted), table))
    assert set(found["image_id"]) == {f"{place:04}" for place in planted}


def test_a_class_that_mostly_lies_turned_is_left_alone() -> None:
    table = images(60)
    made = features(60, {place: 1 + place % 3 for place in range(45)})
    assert turned_verdicts(table, asked(made, table)).empty


def test_block_by_block_is_the_same_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table, made = images(50), features(50, {3: 1})
    whole = asked(made, table)
    monkeypatch.setattr(turned, "BLOCK", 7)
    np.testing.assert_allclose(asked(made, table), whole, atol=1e-9)


def test_only_some_of_a_large_class_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {3: 1, 17: 2, 40: 3}
    monkeypatch.setattr(turned, "FITTED", 30)
    table = images(90)
    made = features(90, planted)
    few = asked(made, table)
    found = turned_verdicts(table, few)
    assert set(found["image_id"]) == {"0003", "0017", "0040"}
    monkeypatch.setattr(turned, "FITTED", 90)
    assert not np.allclose(few, asked(made, table))


def test_memory_does_not_grow_with_the_features() -> None:
    table = images(6000)
    made = np.random.default_rng(0).normal(size=(6000, 4, 96)).astype(np.float16)
    asked(made[:12], table[:12])
    tracemalloc.start()
    asked(made, table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # As float64 they would be 18 MB, once.
    assert peak < 14e6


def photo(width: int, height: int, orientation: int, camera: tuple[int, int] | None) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    if camera is not None:
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        inner[ExifTags.Base.ExifImageWidth], inner[ExifTags.Base.ExifImageHeight] = camera
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.mark.parametrize(
    ("stored", "orientation", "camera", "expected"),
    [
        ((60, 40), 6, (60, 40), ""),  # as cameras write it
        ((40, 60), 6, (60, 40), "turn 270"),  # turned by a program that left the tag
        ((40, 60), 8, (60, 40), "turn 90"),
        ((60, 40), 6, (40, 60), "turn 270"),  # the sensor stands
        ((40, 60), 1, (60, 40), ""),  # the tag is gone, as it should be
        ((40, 60), 6, None, ""),
        ((40, 60), 6, (50, 50), ""),
        ((40, 60), 6, (0, 0), ""),
        ((40, 60), 3, (60, 40), ""),  # half a turn does not show
    ],
)
def test_photos_that_exif_turns_twice(
    stored: tuple[int, int], orientation: int, camera: tuple[int, int] | None, expected: str
) -> None:
    data = photo(*stored, orientation, camera)
    picture = open_picture(data)
    assert turned_twice(data, picture.width, picture.height) == expected


@pytest.mark.parametrize(
    "data",
    [b"", b"Exif\x00\x00", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", b"\xff\xd8Exif\x00\x00II" * 9],
)
def test_broken_exif_says_nothing(data: bytes) -> None:
    assert turned_twice(data, 40, 60) == ""


def test_a_photo_that_is_turned_twice_is_a_row() -> None:
    table = images(2).assign(twice=["", "turn 90"])
    rows = twice_verdicts(table)
    assert list(rows["image_id"]) == ["0001"]
    assert rows["reason"].iloc[0].endswith("turn 90 sets it upright")
