"""The outlines that every animal is built from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo.canvas import Layer, Place
from zoo.shapes import Array, bend, ellipse, spline, strip, turn

coordinate = st.floats(-3, 3, allow_nan=False)
points = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=6, unique=True)


@given(points)
def test_a_curve_passes_through_its_points(given_points: list[tuple[float, float]]) -> None:
    curve = spline(given_points, each=8)
    assert curve[::8] == pytest.approx(np.array(given_points), abs=1e-9)


@given(points, st.floats(-720, 720))
def test_turning_back_and_forth_changes_nothing(
    given_points: list[tuple[float, float]], angle: float
) -> None:
    there = turn(given_points, angle, (1.0, 2.0))
    assert turn(there, -angle, (1.0, 2.0)) == pytest.approx(np.array(given_points), abs=1e-9)


def test_turning_is_counter_clockwise() -> None:
    assert turn([1.0, 0.0], 90) == pytest.approx([0.0, 1.0])


@given(st.floats(0.3, 1.0), st.floats(0.3, 1.0), st.floats(0.5, 0.95), st.sampled_from([1, -1]))
def test_a_joint_keeps_the_length_of_its_bones(
    upper: float, lower: float, stretch: float, side: int
) -> None:
    # Near-equal bones: the joint is kept off the ends of the limb.
    lower = float(np.clip(lower, upper * 0.8, upper * 1.2))
    end = np.array([0.0, -(upper + lower) * stretch])
    joint = bend((0.0, 0.0), end, upper, lower, side)
    assert np.hypot(*joint) == pytest.approx(upper, rel=1e-6)
    assert np.hypot(*(end - joint)) == pytest.approx(lower, rel=1e-6)
    # Going down, left of the way is to the right of the picture.
    assert np.sign(joint[0]) == side


def test_a_limb_that_cannot_reach_is_straight() -> None:
    assert bend((0, 0), (0, -2), 0.5, 0.5, 1.0)[0] == pytest.approx(0.0)


def test_a_strip_knows_left_from_right() -> None:
    bar = strip([(0, 0), (1, 0), (2, 0)], [0.2, 0.2, 0.2], [0.1, 0.1, 0.1])
    assert bar.point(0.5, 1.0) == pytest.approx([1.0, 0.2])
    assert bar.point(0.5, -1.0) == pytest.approx([1.0, -0.1])
    assert bar.width(0.5) == pytest.approx(0.3)
    assert bar.length == pytest.approx(2.0, rel=0.1)


def test_a_strip_goes_on_beyond_its_ends() -> None:
    bar = strip([(0, 0), (1, 0), (2, 0)], [0.2, 0.2, 0.2])
    assert bar.point(-0.1)[0] < -0.1
    assert bar.point(1.1)[0] > 2.1


def _area(outline: Array) -> float:
    x, y = outline[:, 0], outline[:, 1]
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def test_an_outline_encloses_the_strip_and_its_round_ends() -> None:
    bar = strip([(0, 0), (1, 0), (2, 0)], [0.2, 0.2, 0.2])
    assert _area(bar.outline()) == pytest.approx(2 * 0.4 + np.pi * 0.04, rel=0.03)


def test_a_window_is_a_share_of_the_strip() -> None:
    bar = strip([(0, 0), (1, 0), (2, 0)], [0.2, 0.2, 0.2])
    assert _area(bar.window((0.0, 1.0), (0.0, 1.0))) == pytest.approx(0.4, rel=0.02)


class TestLayer:
    def layer(self) -> Layer:
        return Layer((60, 40), Place(30, 20, 10))

    def test_fill_covers_the_shape_in_its_colour(self) -> None:
        layer = self.layer()
        layer.fill(ellipse((0, 0), 1, 1), (200.0, 100.0, 50.0))
        assert layer.cover[20, 30] == 1
        assert layer.rgb[20, 30] == pytest.approx([200, 100, 50])
        assert layer.cover.sum() == pytest.approx(np.pi * 100, rel=0.1)

    def test_paint_stays_inside_the_stencil(self) -> None:
        layer = self.layer()
        inside = layer.fill(ellipse((0, 0), 1, 1), (0.0, 0.0, 0.0))
        before = layer.cover.copy()
        layer.paint(inside, ellipse((1, 0), 1, 1), (250.0, 250.0, 250.0))
        assert np.array_equal(layer.cover, before)
        assert layer.rgb[20, 36] == pytest.approx([250, 250, 250])
        assert layer.rgb[20, 26] == pytest.approx([0, 0, 0])

    def test_up_is_up_and_facing_left_mirrors(self) -> None:
        place = Place(30, 20, 10, facing=-1)
        assert place.pixels(np.array([[1.0, 1.0]]))[0] == pytest.approx([20.0, 10.0])

    def test_a_soft_edge_is_not_dark(self) -> None:
        layer = self.layer()
        layer.fill(ellipse((0, 0), 1, 1), (200.0, 200.0, 200.0), soft=0.3)
        assert layer.rgb[layer.cover > 0.02].min() > 190

    def test_shade_lights_the_side_that_faces_the_light(self) -> None:
        layer = self.layer()
        layer.fill(ellipse((0, 0), 1.5, 1.5), (120.0, 120.0, 120.0))
        layer.shade((0.0, -1.0), 0.3, 0.5)
        assert layer.rgb[7, 30].mean() > 130
        assert layer.rgb[33, 30].mean() < 110
