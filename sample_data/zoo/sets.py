"""Where no animal lives: tables and studio backdrops for toys, and the empty room of a renderer."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo.canvas import Colour, darker, mix, paler
from zoo.plants import ink
from zoo.scenes import gradient
from zoo.shapes import Array

CLOTHS: tuple[Colour, ...] = (
    (226, 208, 196),
    (176, 204, 214),
    (232, 200, 140),
    (206, 190, 220),
    (188, 208, 180),
    (150, 150, 160),
    (244, 240, 234),
)
WOODS: tuple[Colour, ...] = ((186, 136, 92), (148, 100, 66), (214, 176, 130), (110, 78, 60))


def paint_table(size: tuple[int, int], horizon: float, rng: np.random.Generator) -> Array:
    """Paint a wooden table before a wall, or a seamless studio cloth."""
    cloth = CLOTHS[int(rng.integers(len(CLOTHS)))]
    edge = int(horizon * size[1])
    if rng.random() < 0.45:
        sheet = gradient(size, paler(cloth, 0.25), darker(cloth, 0.12))
        floor = gradient((size[0], size[1] - edge), paler(cloth, 0.12), paler(cloth, 0.4))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).rectangle((0, edge, *size), fill=255)
        whole = Image.new("RGB", size)
        whole.paste(floor, (0, edge))
        sheet.paste(whole, (0, 0), mask.filter(ImageFilter.GaussianBlur(size[1] * 0.05)))
        return np.asarray(sheet, dtype=float)
    wood = WOODS[int(rng.integers(len(WOODS)))]
    sheet = gradient(size, paler(cloth, 0.1), darker(cloth, 0.2))
    draw = ImageDraw.Draw(sheet)
    for _ in range(6):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, edge)
        r = rng.uniform(0.04, 0.1) * size[0]
        draw.ellipse((x - r, y - r, x + r, y + r), fill=ink(paler(cloth, rng.uniform(0.2, 0.5))))
    if rng.random() < 0.6:
        x, top = rng.uniform(0, 0.7) * size[0], rng.uniform(0.1, 0.5) * edge
        for _ in range(4):
            wide = rng.uniform(0.03, 0.07) * size[0]
            draw.rectangle(
                (x, top, x + wide, edge),
                fill=ink(
                    mix(
                        cloth,
                        (rng.uniform(60, 220), rng.uniform(60, 200), rng.uniform(60, 200)),
                        0.5,
                    )
                ),
            )
            x += wide
    sheet = sheet.filter(ImageFilter.GaussianBlur(5))
    sheet.paste(
        gradient((size[0], size[1] - edge), paler(wood, 0.18), darker(wood, 0.1)), (0, edge)
    )
    draw = ImageDraw.Draw(sheet)
    for depth in np.linspace(0.06, 1, 5) ** 1.6:
        y = edge + depth * (size[1] - edge)
        draw.line((0, y, size[0], y), fill=ink(darker(wood, 0.3)), width=2)
    return np.asarray(sheet.filter(ImageFilter.GaussianBlur(1)), dtype=float)


def paint_grid(size: tuple[int, int], horizon: float, rng: np.random.Generator) -> Array:
    """Paint the checkered floor and plain sky that renderers come with."""
    hues = (CLOTHS[int(rng.integers(len(CLOTHS)))], CLOTHS[int(rng.integers(len(CLOTHS)))])
    sheet = np.asarray(gradient(size, darker(hues[0], 0.25), paler(hues[0], 0.4)), dtype=float)
    picture = np.array(sheet)
    edge = int(horizon * size[1])
    rows = np.arange(edge, size[1])
    far = 1.0 / ((rows - edge + 6) / size[1])
    across = (np.arange(size[0]) - size[0] / 2) / size[0]
    check = (np.floor(far * 1.1)[:, None] + np.floor(across[None, :] * far[:, None] * 1.5)) % 2
    # Far squares are smaller than a pixel: they melt into their mean.
    sharp = np.clip(2.2 - far / 7, 0, 1)[:, None]
    share = (0.5 + (check - 0.5) * sharp)[..., None]
    picture[edge:] = np.asarray(paler(hues[1], 0.3)) * share + np.asarray(darker(hues[1], 0.22)) * (
        1 - share
    )
    return picture
