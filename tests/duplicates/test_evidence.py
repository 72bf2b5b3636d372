"""When and where photos were taken; what is not known is like nothing."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.duplicates.candidates import COLUMNS
from curate.duplicates.evidence import BURST_SECONDS, Evidence

LOOKS = ["image_id", "taken", "camera", "latitude", "longitude"]

CITIES = {
    "London": (51.5074, -0.1278),
    "Paris": (48.8566, 2.3522),
    "New York": (40.7128, -74.0060),
    "Sydney": (-33.8688, 151.2093),
    "Fiji": (-17.7134, 178.065),
    "Samoa": (-13.759, -172.1046),
}


def evidence(*rows: tuple[str, object, object, object, object]) -> Evidence:
    return Evidence.of(pd.DataFrame(list(rows), columns=LOOKS))


def places() -> Evidence:
    return evidence(*[(name, None, "", *place) for name, place in CITIES.items()])


def seconds(of: Evidence, first: str, second: str) -> float:
    return float(of.seconds_apart(pd.Series([first]), pd.Series([second])).iloc[0])


def km(of: Evidence, first: str, second: str) -> float:
    return float(of.km_apart(pd.Series([first]), pd.Series([second])).iloc[0])


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [
        ("London", "Paris", 343.6),
        ("London", "New York", 5570),
        ("Sydney", "London", 16994),
        ("Fiji", "Samoa", 1137),  # across the date line
        ("Paris", "Paris", 0),
    ],
)
def test_known_distances(one: str, other: str, far: float) -> None:
    assert km(places(), one, other) == pytest.approx(far, rel=0.005, abs=1e-9)
    assert km(places(), other, one) == pytest.approx(km(places(), one, other))


degrees = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(one=degrees, other=degrees)
def test_distances_by_the_law_of_cosines(
    one: tuple[float, float], other: tuple[float, float]
) -> None:
    found = km(evidence(("a", None, "", *one), ("b", None, "", *other)), "a", "b")
    # By the chord through the earth, which is another way round.
    (x, y, z), (u, v, w) = (
        (cos(radians(la)) * cos(radians(lo)), cos(radians(la)) * sin(radians(lo)), sin(radians(la)))
        for la, lo in (one, other)
    )
    chord = min(2.0, sqrt((x - u) ** 2 + (y - v) ** 2 + (z - w) ** 2))
    assert found == pytest.approx(2 * 6371 * asin(chord / 2), abs=0.5)


@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 0))
def test_the_other_end_of_the_world_is_known(latitude: float, longitude: float) -> None:
    of = evidence(("a", None, "", latitude, longitude), ("b", None, "", -latitude, longitude + 180))
    assert km(of, "a", "b") == pytest.approx(20015, abs=1)


def test_a_place_that_is_not_known_is_not_near() -> None:
    of = evidence(
        ("a", None, "", None, None),
        ("b", None, "", None, None),
        ("c", None, "", 10.0, None),
        ("d", None, "", 10.0, 20.0),
    )
    for other in "abcd":
        for one in "abc":
            assert np.isnan(km(of, one, other))
    assert np.isnan(km(of, "d", "never looked at"))
    assert km(of, "d", "d") == 0


TIME = "2024-05-01T12:00:00"


def test_seconds_between_shots() -> None:
    of = evidence(
        ("a", TIME, "Canon", None, None),
        ("b", "2024-05-01T12:00:07", "Canon", None, None),
        ("c", "2024-05-01T12:00:07", "Nikon", None, None),
        ("d", "2024-05-02T12:00:00", "Canon", None, None),
    )
    assert seconds(of, "a", "b") == seconds(of, "b", "a") == 7
    assert seconds(of, "a", "d") == 24 * 3600
    assert np.isnan(seconds(of, "b", "c"))


@pytest.mark.parametrize("camera", ["", None, np.nan])
def test_a_camera_that_is_not_known_is_no_other(camera: object) -> None:
    of = evidence(("a", TIME, camera, None, None), ("b", TIME, camera, None, None))
    assert np.isnan(seconds(of, "a", "b"))
    assert len(of.moments()) == 0


@pytest.mark.parametrize(
    "taken", [None, "", "0000-00-00T00:00:00", "2024:05:01 12:00:00", "yesterday", "2024-02-30"]
)
def test_a_time_that_is_none_is_missing(taken: str | None) -> None:
    of = evidence(("a", taken, "Canon", None, None), ("b", taken, "Canon", None, None))
    assert np.isnan(seconds(of, "a", "b"))
    assert len(of.moments()) == 0
    mixed = evidence(("a", taken, "Canon", None, None), ("b", TIME, "Canon", None, None))
    assert np.isnan(seconds(mixed, "a", "b"))
    assert len(mixed.moments()) == 0


def test_answers_follow_the_rows_that_were_asked() -> None:
    of = places()
    first = pd.Series(["Sydney", "London", "gone"], index=[7, 3, 5])
    second = pd.Series(["London", "Paris", "London"], index=[7, 3, 5])
    assert of.km_apart(first, second).index.tolist() == [7, 3, 5]
    assert of.seconds_apart(first, second).index.tolist() == [7, 3, 5]
    assert of.km_apart(first, second).round(-3).tolist()[:2] == [17000, 0]
    none = pd.Series([], dtype=object)
    assert len(of.km_apart(none, none)) == len(of.seconds_apart(none, none)) == 0


shots = st.lists(
    st.tuples(st.none() | st.integers(0, 60), st.sampled_from(["", "Canon", "Nikon"])), max_size=12
)


@settings(max_examples=60)
@given(shots=shots, seed=st.integers(0, 99))
def test_moments_are_the_next_shots_of_one_camera(
    shots: list[tuple[int | None, str]], seed: int
) -> None:
    rows = [
        (f"i{n:02d}", None if at is None else f"2024-05-01T12:{at // 60:02d}:{at % 60:02d}", of)
        for n, (at, of) in enumerate(shots)
    ]
    table = pd.DataFrame([(*row, None, None) for row in rows], columns=LOOKS)
    found = Evidence.of(table.sample(frac=1, random_state=seed)).moments()
    assert list(found.columns) == COLUMNS
    wanted = set()
    for camera in ("Canon", "Nikon"):
        took = sorted(
            (at, f"i{n:02d}") for n, (at, of) in enumerate(shots) if of == camera and at is not None
        )
        for n, (at, one) in enumerate(took):
            wanted |= {
                (min(one, other), max(one, other))
                for later, other in took[n + 1 : n + 4]
                if later - at <= BURST_SECONDS
            }
    assert set(zip(found["first"], found["second"], strict=True)) == wanted
    assert len(found) == len(wanted)
    for column in ("first_part", "second_part", "view"):
        assert (found[column] == 0).all()
