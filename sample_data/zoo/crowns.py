"""What a four-legged kind wears beyond its coat: horns, manes, trunks and humps."""

from __future__ import annotations

import numpy as np

from zoo import heads
from zoo.beasts import Tones
from zoo.canvas import Layer, darker, mix
from zoo.quadruped import Body
from zoo.shapes import ellipse, heading, spline, step, strip


def crest(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add a standing mane along the neck."""
    mane = body.neck.window((0.05, 1.02), (0.7, 1.42))
    cut = layer.fill(mane, tones.dark)
    slits = [body.neck.window((u, u + 0.045), (0.6, 1.5)) for u in np.arange(0.1, 1.0, 0.16)]
    layer.paint(cut, slits, tones.coat, alpha=0.85)
    lock = body.skull(0.12, 1.0)
    layer.fill(ellipse((lock[0], lock[1]), 0.05, 0.035, heads.body_tilt(body)), tones.dark)


def ossicones(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add a giraffe's knobs and short mane."""
    base, tilt = body.skull(0.2, 0.8), heads.body_tilt(body) + 108
    for shift, shade in ((0.035, 0.25), (0.0, 0.0)):
        root = base + heading(tilt - 90) * shift
        horn = strip(np.array([root, root + heading(tilt) * 0.11]), [0.017, 0.014])
        layer.fill(horn.outline(), darker(tones.coat, shade))
        tip = root + heading(tilt) * 0.12
        layer.fill(ellipse((tip[0], tip[1]), 0.022, 0.022), darker(tones.dark, 0.5))
    _bristle(layer, body, tones, rng)


def _bristle(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    layer.fill(body.neck.window((0.05, 0.98), (0.86, 1.14)), darker(tones.dark, 0.2))


def antelope_horns(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add long horns that sweep back."""
    heads.horns(layer, body, heads.SABRE, rng.uniform(0.26, 0.42), 128, 0.026)


def gazelle_horns(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add shorter horns in the shape of a lyre."""
    heads.horns(layer, body, heads.LYRE, rng.uniform(0.22, 0.36), 122, 0.023)


def mane(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add a lion's mane behind the face."""
    centre = (body.neck.point(0.75) * 0.55) + body.head.point(0.1) * 0.45
    size = rng.uniform(0.27, 0.31)
    layer.fill(heads.ragged(rng, centre, size, size * 1.12, 20, 17), darker(tones.dark, 0.12))
    layer.fill(
        heads.ragged(rng, centre + step(0.02, 0.01), size * 0.78, size * 0.86, 40, 15),
        mix(tones.dark, tones.coat, 0.4),
    )


def _trunk(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator, ear: float) -> None:
    tilt = heads.body_tilt(body)
    way, drop = heading(tilt), np.array([0.0, -1.0])
    root = body.skull(0.82, -0.1)
    curl = rng.uniform(-0.1, 0.25)
    line = np.array(
        [
            root - way * 0.06,
            root + way * 0.10 + drop * 0.10,
            root + way * 0.13 + drop * 0.32,
            root + way * (0.12 + curl * 0.4) + drop * 0.5,
            root + way * (0.15 + curl) + drop * (0.56 - abs(curl) * 0.3),
        ]
    )
    trunk = strip(line, [0.10, 0.085, 0.062, 0.05, 0.042])
    cut = layer.fill(trunk.outline(), tones.coat)
    layer.paint(
        cut,
        [trunk.window((u, u + 0.018), (-1, 0.5)) for u in np.arange(0.25, 0.9, 0.09)],
        darker(tones.coat, 0.3),
        alpha=0.6,
    )
    tusk = strip(
        np.array(
            [root + drop * 0.09, root + way * 0.10 + drop * 0.2, root + way * 0.24 + drop * 0.18]
        ),
        [0.026, 0.022, 0.008],
    )
    layer.fill(tusk.outline(), (246.0, 238.0, 214.0))
    hinge = body.skull(0.18, 0.3)
    fan = (
        np.array(
            [
                [0.12, 0.42],
                [-0.30, 0.62],
                [-0.74, 0.40],
                [-0.82, -0.15],
                [-0.5, -0.72],
                [-0.18, -0.86],
                [0.06, -0.4],
            ]
        )
        * ear
    )
    flap = spline(fan + hinge, closed=True)
    cut = layer.fill(flap, darker(tones.coat, 0.12))
    layer.paint(
        cut,
        (flap - hinge) * 0.72 + hinge - step(0.02, 0.0),
        mix(tones.coat, tones.pale, 0.3),
        soft=0.03,
        alpha=0.6,
    )
    heads.eye(layer, body.skull(0.64, 0.2), 0.02)


def african(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add a trunk, tusks and wide ears."""
    _trunk(layer, body, tones, rng, rng.uniform(0.40, 0.46))


def asian(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add a trunk, tusks and small ears."""
    _trunk(layer, body, tones, rng, rng.uniform(0.24, 0.29))


def rhino_horn(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add two horns on the nose."""
    for u, size in ((0.94, rng.uniform(0.19, 0.26)), (0.68, rng.uniform(0.08, 0.12))):
        base, tilt = body.skull(u, 0.7), heads.body_tilt(body)
        line = base + np.outer([0, 0.6, 1.0], heading(tilt + 80)) * size
        line[2] -= heading(tilt) * size * 0.18
        horn = strip(line, [size * 0.24, size * 0.15, size * 0.03])
        layer.fill(horn.outline(), (128.0, 118.0, 106.0))


def hump(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add two humps."""
    for u in (0.36, 0.68):
        x, y = body.torso.point(u, 0.75)
        layer.fill(ellipse((x, y), 0.13, rng.uniform(0.17, 0.22), 0), darker(tones.coat, 0.12))
