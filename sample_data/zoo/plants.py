"""Trees, stones and grass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from zoo.canvas import Colour, darker, mix, paler

Base = tuple[float, float]


def ink(colour: Colour) -> tuple[int, int, int]:
    """Round a colour for the drawing library."""
    r, g, b = (int(np.clip(c, 0, 255)) for c in colour)
    return (r, g, b)


def _trunk(
    draw: ImageDraw.ImageDraw,
    base: Base,
    height: float,
    wide: float,
    colour: Colour,
) -> None:
    x, y = base
    draw.polygon(
        [(x - wide, y), (x - wide * 0.5, y - height), (x + wide * 0.5, y - height), (x + wide, y)],
        fill=ink(colour),
    )


def _acacia(
    draw: ImageDraw.ImageDraw, base: Base, height: float, colour: Colour, rng: np.random.Generator
) -> None:
    x, y = base
    _trunk(draw, base, height * 0.85, height * 0.035, mix(colour, (90, 66, 48), 0.6))
    for lift, wide in ((0.80, 0.62), (0.93, 0.42), (0.70, 0.34)):
        cx = x + rng.normal(0, 0.08) * height
        draw.ellipse(
            (
                cx - wide * height,
                y - (lift + 0.09) * height,
                cx + wide * height,
                y - (lift - 0.07) * height,
            ),
            fill=ink(darker(colour, rng.uniform(0, 0.15))),
        )


def _round(
    draw: ImageDraw.ImageDraw, base: Base, height: float, colour: Colour, rng: np.random.Generator
) -> None:
    x, y = base
    _trunk(draw, base, height * 0.6, height * 0.04, mix(colour, (90, 66, 48), 0.6))
    for k in range(5):
        r = rng.uniform(0.16, 0.26) * height
        cx, cy = x + rng.normal(0, 0.15) * height, y - rng.uniform(0.5, 0.85) * height
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=ink(paler(colour, 0.04 * k)))


def _bush(
    draw: ImageDraw.ImageDraw, base: Base, height: float, colour: Colour, rng: np.random.Generator
) -> None:
    x, y = base
    for k in range(4):
        r = rng.uniform(0.12, 0.2) * height
        cx = x + rng.normal(0, 0.2) * height
        draw.ellipse(
            (cx - 1.3 * r, y - 1.5 * r, cx + 1.3 * r, y + 0.3 * r),
            fill=ink(paler(colour, 0.05 * k)),
        )


def _pine(
    draw: ImageDraw.ImageDraw, base: Base, height: float, colour: Colour, rng: np.random.Generator
) -> None:
    x, y = base
    tone = mix(colour, (52, 84, 72), 0.5)
    _trunk(draw, base, height * 0.3, height * 0.03, mix(colour, (70, 52, 44), 0.7))
    for k in range(3):
        low, wide = y - (0.12 + 0.26 * k) * height, (0.26 - 0.06 * k) * height
        draw.polygon(
            [(x - wide, low), (x, low - 0.42 * height), (x + wide, low)],
            fill=ink(paler(tone, 0.06 * k)),
        )


TREES: dict[str, Callable[[ImageDraw.ImageDraw, Base, float, Colour, np.random.Generator], None]]
TREES = {"acacia": _acacia, "round": _round, "bush": _bush, "pine": _pine}


def boulders(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    """Paint a row of boulders along the horizon."""
    for x in np.sort(rng.uniform(-0.05, 1.05, 6)):
        w, h = rng.uniform(0.08, 0.2) * size[0], rng.uniform(0.10, 0.30) * size[1]
        y = (horizon + 0.02) * size[1]
        cx = x * size[0]
        top = np.array([[-1, 0], [-0.8, -0.6], [-0.3, -1], [0.35, -0.9], [0.85, -0.45], [1, 0]])
        points = [(cx + w * a, y + h * b) for a, b in (top + rng.normal(0, 0.05, top.shape))]
        tone = darker(colour, rng.uniform(0.0, 0.25))
        draw.polygon(points, fill=ink(tone))
        draw.polygon(
            [points[1], points[2], points[3], (cx, y - h * 0.5)], fill=ink(paler(tone, 0.16))
        )


def tufts(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    level: float,
    height: float,
    colour: Colour,
    count: int,
    rng: np.random.Generator,
) -> None:
    """Paint tufts of grass whose feet stand at ``level`` (pixels), ``height`` pixels tall."""
    for x in rng.uniform(0, size[0], count):
        foot = level + rng.uniform(-0.2, 0.5) * height
        for _ in range(6):
            lean, tall = rng.normal(0, 0.35) * height, height * rng.uniform(0.5, 1.1)
            wide = height * 0.05
            root = x + rng.normal(0, 0.16) * height
            draw.polygon(
                [(root - wide, foot), (root + lean, foot - tall), (root + wide, foot)],
                fill=ink(mix(colour, (250, 240, 190), rng.uniform(0, 0.25))),
            )
