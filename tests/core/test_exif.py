"""What a camera wrote is read; what is malformed is missing and costs the picture nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curate.core.exif import camera, place
from curate.core.images import Picture, open_picture

from ..pictures import encoded, picture

MAKE, MODEL, GPS = 0x010F, 0x0110, 0x8825
CANBERRA = {1: "S", 2: (35.0, 18.0, 27.0), 3: "E", 4: (149.0, 7.0, 27.9)}


def opened(tags: dict[int, Any], gps: dict[int, Any] | None = None, kind: str = "JPEG") -> Picture:
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    if gps is not None:
        exif.get_ifd(GPS).update(gps)
    return open_picture(encoded(picture(), kind, exif=exif.tobytes()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_camera_and_the_place_are_read(kind: str) -> None:
    seen = opened({MAKE: "Acme", MODEL: "One"}, CANBERRA, kind)
    assert seen.camera == "Acme One"
    assert seen.place == pytest.approx((-35.3075, 149.12441667))


def test_without_exif_there_is_neither() -> None:
    seen = open_picture(encoded(picture(), "JPEG"))
    assert (seen.camera, seen.place) == (None, None)


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON CORPORATION NIKON D90"),
        ("Acme", None, "Acme"),
        (None, "One", "One"),
        ("  Acme \x00junk", "One\n2 ", "Acme One 2"),
        (" ", "\x00", None),
        (7, b"bytes", None),
    ],
)
def test_make_and_model_are_one_printable_text(
    make: object, model: object, expected: str | None
) -> None:
    assert camera({MAKE: make, MODEL: model}) == expected


@pytest.mark.parametrize(
    ("sides", "signs"), [("NE", (1, 1)), ("NW", (1, -1)), ("SE", (-1, 1)), ("sw", (-1, -1))]
)
def test_the_side_gives_the_sign(sides: str, signs: tuple[int, int]) -> None:
    found = place({GPS: {1: sides[0], 2: (10, 30, 0), 3: sides[1], 4: (20, 0, 36)}})
    assert found == pytest.approx((10.5 * signs[0], 20.01 * signs[1]))


@pytest.mark.parametrize(
    "changed",
    [
        {1: None}, {1: ""}, {1: "X"}, {1: 5}, {3: "NE?"}, {2: None}, {2: (35.0, 18.0)},
        {2: "far"}, {2: (91, 0, 0)}, {2: (-1, 0, 0)}, {2: (1, 60, 0)}, {2: (1, 0, -1)},
        {4: (180, 0, 1)}, {4: (float("nan"), 0, 0)}, {4: (float("inf"), 0, 0)}, {2: 35.0},
        {2: (0, 0, 0), 4: (0, 0, 0)},
    ],
)  # fmt: skip
def test_a_malformed_place_is_missing(changed: dict[int, Any]) -> None:
    assert place({GPS: CANBERRA | changed}) is None


def test_a_division_by_nothing_is_missing() -> None:
    from PIL.TiffImagePlugin import IFDRational

    assert place({GPS: CANBERRA | {2: (IFDRational(1, 0), 0, 0)}}) is None


def test_a_block_that_points_nowhere_costs_only_itself() -> None:
    exif = Image.Exif()
    exif[MODEL] = "One"
    exif.get_ifd(GPS).update(CANBERRA)
    whole = exif.tobytes()
    # Tag, kind (a long), one value; then where the block lies.
    entry = b"\x88\x25\x00\x04\x00\x00\x00\x01"
    start, found, rest = whole.partition(entry)
    assert found
    broken = start + entry + b"\x7f\xff\xff\xf0" + rest[4:]
    for data, expected in ((whole, True), (broken, False)):
        seen = open_picture(encoded(picture(), "JPEG", exif=data))
        assert (seen.camera, seen.place is not None) == ("One", expected)


_NUMBER = st.one_of(st.floats(), st.integers(), st.text(max_size=3), st.none())


@given(
    st.dictionaries(
        st.integers(1, 4),
        st.one_of(_NUMBER, st.lists(_NUMBER, max_size=4), st.sampled_from("NSEW"), st.binary()),
    )
)
def test_any_place_is_on_the_globe_or_missing(gps: dict[int, Any]) -> None:
    found = place({GPS: gps})
    assert found is None or (abs(found[0]) <= 90 and abs(found[1]) <= 180)
