"""Coats: spots, rosettes, stripes and patches, laid along the strips of a body."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo.canvas import Colour, Layer, Stencil
from zoo.shapes import Array, Strip, ellipse, spline


def _places(
    part: Strip, gap: float, rng: np.random.Generator, v: tuple[float, float]
) -> Iterator[tuple[float, float]]:
    """Give jittered places about ``gap`` apart, as (u, v)."""
    columns = max(int(part.length / gap), 1)
    for column in range(-1, columns + 1):
        u = (column + 0.5) / columns
        rows = max(round(part.width(u) * (v[1] - v[0]) / 2 / gap), 1)
        for row in range(rows):
            shift = 0.5 * (column % 2)
            vv = v[0] + (row + 0.25 + shift + rng.normal(0, 0.13)) / rows * (v[1] - v[0])
            yield float(u + rng.normal(0, 0.16) / columns), float(vv)


def spots(
    layer: Layer,
    inside: Stencil,
    part: Strip,
    colour: Colour,
    size: float,
    gap: float,
    rng: np.random.Generator,
    v: tuple[float, float] = (-1.0, 1.0),
) -> None:
    """Paint solid round spots of radius ``size``, ``gap`` apart."""
    shapes = []
    for u, vv in _places(part, gap, rng, v):
        x, y = part.point(u, vv)
        r = size * rng.uniform(0.75, 1.2)
        shapes.append(ellipse((x, y), r, r * rng.uniform(0.7, 1), rng.uniform(0, 180), 10))
    layer.paint(inside, shapes, colour)


def rosettes(
    layer: Layer,
    inside: Stencil,
    part: Strip,
    colours: tuple[Colour, Colour],
    size: float,
    gap: float,
    rng: np.random.Generator,
    v: tuple[float, float] = (-1.0, 1.0),
) -> None:
    """Paint broken rings with a darker heart: ``colours`` are (ring, heart)."""
    rings: list[Array] = []
    hearts: list[Array] = []
    for u, vv in _places(part, gap, rng, v):
        centre = part.point(u, vv)
        start = rng.uniform(0, 2 * np.pi)
        r = size * rng.uniform(0.85, 1.15)
        hearts.append(ellipse((centre[0], centre[1]), r * 0.75, r * 0.7, 0, 10))
        blobs = int(rng.integers(3, 5))
        for k in range(blobs):
            a = start + 2 * np.pi * k / blobs
            x, y = centre + r * np.array([np.cos(a), np.sin(a)])
            turned = float(np.rad2deg(a)) + 90
            rings.append(ellipse((x, y), r * 0.56, r * 0.34, turned, 8))
    layer.paint(inside, hearts, colours[1])
    layer.paint(inside, rings, colours[0])


def stripes(
    layer: Layer,
    inside: Stencil,
    part: Strip,
    colour: Colour,
    count: int,
    rng: np.random.Generator,
    fill: float = 0.5,
    u: tuple[float, float] = (0.0, 1.0),
    lean: float = 0.0,
) -> None:
    """Paint bands across a part; ``fill`` is the dark share, ``lean`` shifts the far end."""
    shapes = []
    step = (u[1] - u[0]) / count
    # One more at either end, for the round caps.
    for k in range(-1 if u[0] <= 0 else 0, count + 1 if u[1] >= 1 else count):
        middle = u[0] + (k + 0.5 + rng.normal(0, 0.09)) * step
        half = step * fill / 2 * rng.uniform(0.8, 1.2)
        v = np.linspace(-1.15, 1.15, 7)
        wave = middle + lean * step * (v - 0.2) + rng.normal(0, 0.07, 7) * step
        thick = half * (0.55 + 0.45 * np.clip(v + 0.9, 0, 1))
        edge = np.vstack([part.at(wave - thick, v), part.at(wave + thick, v)[::-1]])
        shapes.append(spline(edge, closed=True, each=4))
    layer.paint(inside, shapes, colour)


def patches(
    layer: Layer,
    inside: Stencil,
    part: Strip,
    colour: Colour,
    gap: float,
    rng: np.random.Generator,
) -> None:
    """Paint a net: angular patches that leave pale lines between them."""
    columns = max(int(part.length / gap), 2)
    rows = max(round(part.width(0.4) / gap), 2)
    # Two columns more at either end, for the round caps.
    u_lines = np.arange(-2, columns + 3) / columns
    grid_u, grid_v = np.meshgrid(u_lines, np.linspace(-1.1, 1.1, rows + 1), indexing="ij")
    grid_u = grid_u + rng.normal(0, 0.17 / columns, grid_u.shape)
    grid_v = grid_v + rng.normal(0, 0.34 / rows, grid_v.shape)
    grid_u[:, 1::2] += 0.5 / columns
    shapes = []
    for i in range(len(u_lines) - 1):
        for j in range(rows):
            corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            u = np.array([grid_u[c] for c in corners])
            v = np.array([grid_v[c] for c in corners])
            u, v = u.mean() + (u - u.mean()) * 0.8, v.mean() + (v - v.mean()) * 0.8
            shapes.append(part.at(u, v))
    layer.paint(inside, shapes, colour)


def fade(
    layer: Layer, inside: Stencil, part: Strip, colour: Colour, v: tuple[float, float], soft: float
) -> None:
    """Paint the side of a part from ``v[0]`` to ``v[1]`` with a soft edge (belly, back)."""
    layer.paint(inside, part.window((0.0, 1.0), v), colour, soft=soft)
