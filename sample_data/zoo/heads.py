"""What sits on a head: ears, horns, eyes, manes, and faces that look at the camera."""

from __future__ import annotations

import numpy as np

from zoo.canvas import Colour, Layer, darker, mix, paler
from zoo.quadruped import Body
from zoo.shapes import Array, ellipse, heading, spline, strip, turn

INK: Colour = (34.0, 26.0, 26.0)
HORN: Colour = (78.0, 66.0, 58.0)


def eye(layer: Layer, centre: Array, size: float, colour: Colour = INK) -> None:
    """Paint an eye with a glint."""
    layer.fill(ellipse((centre[0], centre[1]), size, size * 1.05), colour)
    layer.fill(
        ellipse((centre[0] + size * 0.3, centre[1] + size * 0.4), size * 0.34, size * 0.34),
        (250.0, 250.0, 245.0),
    )


def ear(
    layer: Layer,
    base: Array,
    angle: float,
    length: float,
    width: float,
    tone: Colour,
    inner: Colour,
    rounded: bool,
) -> None:
    """Paint one ear that points ``angle`` degrees above the horizon."""
    if rounded:
        x, y = base + heading(angle) * length * 0.4
        layer.fill(ellipse((x, y), length * 0.62, width, angle), tone)
        layer.fill(ellipse((x, y), length * 0.36, width * 0.55, angle), inner)
        return
    leaf = np.array([[0, -0.4], [0.35, -1], [0.75, -0.7], [1, 0], [0.75, 0.7], [0.35, 1], [0, 0.4]])
    outer = spline(turn(leaf * [length, width], angle) + base, closed=True, each=5)
    layer.fill(outer, tone)
    layer.fill((outer - outer.mean(axis=0)) * [0.62, 0.62] + outer.mean(axis=0), inner)


def _curve(
    layer: Layer,
    base: Array,
    angle: float,
    size: float,
    points: Array,
    thick: float,
    colour: Colour,
) -> None:
    line = turn(np.asarray(points) * size, angle - 90) + base
    widths = list(np.linspace(thick, thick * 0.18, len(line)))
    horn = strip(line, widths)
    cut = layer.fill(horn.outline(), colour)
    rings = [horn.window((u, u + 0.025), (-1, 1)) for u in np.arange(0.08, 0.6, 0.075)]
    layer.paint(cut, rings, darker(colour, 0.45))
    layer.paint(cut, horn.window((0, 1), (0.3, 1)), paler(colour, 0.4), alpha=0.5)


# Each shape starts at the head and grows up; x < 0 is towards the back.
LYRE = np.array([[0, 0], [-0.10, 0.32], [-0.26, 0.66], [-0.20, 0.92], [-0.07, 1.06]])
SABRE = np.array([[0, 0], [-0.03, 0.40], [-0.14, 0.80], [-0.32, 1.16], [-0.52, 1.42]])


def horns(
    layer: Layer,
    body: Body,
    shape: Array,
    size: float,
    angle: float,
    thick: float,
    colour: Colour = HORN,
) -> None:
    """Paint a pair of horns on the skull; the far one a little ahead."""
    base = body.skull(0.16, 0.8)
    up = body_tilt(body) + angle
    _curve(
        layer,
        base + heading(up - 90) * 0.025,
        up - 7,
        size * 0.97,
        shape,
        thick,
        darker(colour, 0.35),
    )
    _curve(layer, base, up, size, shape, thick, colour)


def body_tilt(body: Body) -> float:
    """Give the angle of the head above the horizon, in degrees."""
    way = body.head.line[-1] - body.head.line[0]
    return float(np.rad2deg(np.arctan2(way[1], way[0])))


def ragged(
    rng: np.random.Generator, centre: Array, rx: float, ry: float, angle: float, tufts: int
) -> Array:
    """Outline a shaggy oval, such as a mane."""
    t = np.linspace(0, 2 * np.pi, tufts * 2, endpoint=False)
    r = np.where(np.arange(tufts * 2) % 2, 1.0, 0.86) + rng.normal(0, 0.035, tufts * 2)
    return spline(
        turn(np.column_stack([rx * r * np.cos(t), ry * r * np.sin(t)]), angle) + centre,
        closed=True,
        each=4,
    )


def face(
    layer: Layer, centre: Array, r: float, tones: dict[str, Colour], rounded_ears: float, tear: bool
) -> None:
    """Paint a head that looks at the camera.

    Parameters
    ----------
    layer : Layer
        Where to paint.
    centre : ndarray, shape (2,)
        Middle of the head.
    r : float
        Its radius.
    tones : dict
        The colours ``coat``, ``pale``, ``dark`` and ``iris``.
    rounded_ears : float
        Size of the ears against the head.
    tear : bool
        Whether a dark line runs from eye to mouth.
    """
    coat, pale = tones["coat"], tones["pale"]
    for side in (-1, 1):
        base = centre + np.array([side * 0.68 * r, 0.66 * r])
        ear(
            layer,
            base,
            90 - side * 30,
            rounded_ears * r,
            rounded_ears * r * 0.55,
            coat,
            mix(tones["dark"], coat, 0.35),
            True,
        )
    shape = np.array([[0, 0.98], [0.72, 0.72], [0.98, 0.05], [0.66, -0.62], [0, -0.98]])
    whole = np.vstack([shape, shape[-2:0:-1] * [-1, 1]])
    cut = layer.fill(spline(whole * r + centre, closed=True), coat)
    layer.paint(
        cut,
        [
            ellipse((centre[0] + s * 0.24 * r, centre[1] - 0.48 * r), 0.36 * r, 0.32 * r)
            for s in (-1, 1)
        ],
        pale,
    )
    layer.paint(cut, ellipse((centre[0], centre[1] - 0.8 * r), 0.34 * r, 0.26 * r), pale)
    for side in (-1, 1):
        spot = centre + np.array([side * 0.40 * r, 0.12 * r])
        layer.paint(
            cut, ellipse((spot[0], spot[1] + 0.03 * r), 0.24 * r, 0.2 * r), mix(coat, pale, 0.55)
        )
        layer.fill(ellipse((spot[0], spot[1]), 0.155 * r, 0.145 * r), tones["iris"])
        eye(layer, spot, 0.10 * r)
        if tear:
            line = strip(
                centre
                + np.array([[side * 0.30, 0.06], [side * 0.22, -0.25], [side * 0.36, -0.62]]) * r,
                [0.045 * r, 0.05 * r, 0.035 * r],
            )
            layer.paint(cut, line.outline(), INK)
    nose = np.array([[-0.2, -0.2], [0.2, -0.2], [0.06, -0.4], [-0.06, -0.4]]) * r + centre
    layer.fill(spline(nose, closed=True, each=5), mix(INK, (150.0, 80.0, 80.0), 0.3))
    mouth = strip(
        centre
        + np.array([[-0.28, -0.62], [-0.1, -0.64], [0, -0.5], [0.1, -0.64], [0.28, -0.62]]) * r,
        [0.03 * r] * 5,
    )
    layer.fill(mouth.outline(), darker(coat, 0.7))
