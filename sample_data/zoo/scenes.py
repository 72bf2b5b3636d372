"""Where an animal stands: eight backgrounds, none of which belongs to any animal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo import plants
from zoo.canvas import Colour, darker, mix, paler
from zoo.light import Light
from zoo.plants import ink
from zoo.shapes import Array


@dataclass(frozen=True)
class Scene:
    """A painted background: ``back`` is (height, width, 3), ``horizon`` a share of the height."""

    name: str
    back: Array
    horizon: float
    ground: Colour


def gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """Fill a picture with a gradient from top to bottom."""
    t = np.linspace(0, 1, size[1])[:, None]
    column = np.asarray(top) * (1 - t) + np.asarray(bottom) * t
    whole = np.repeat(column[:, None, :], size[0], axis=1)
    return Image.fromarray(np.clip(whole, 0, 255).astype(np.uint8))


def ridge(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    level: float,
    height: float,
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    """Paint a line of hills: ``level`` and ``height`` are shares of the picture's height."""
    x = np.linspace(0, 1, 60)
    y = sum(
        rng.uniform(0.2, 1) / k * np.sin(2 * np.pi * (k * x * rng.uniform(0.6, 1.2) + rng.random()))
        for k in (1, 2, 3, 5)
    )
    top = (level - height * (0.5 + 0.3 * np.asarray(y))) * size[1]
    points = [(float(a * size[0]), float(b)) for a, b in zip(x, top, strict=True)]
    draw.polygon([*points, (size[0], size[1]), (0, size[1])], fill=ink(colour))


def blotches(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    colour: Colour,
    count: int,
    rng: np.random.Generator,
) -> None:
    """Paint flat patches on the ground, wider and sparser towards the viewer."""
    for depth in np.sort(rng.random(count)):
        y = (horizon + (1 - horizon) * depth) * size[1]
        w, h = (0.03 + 0.16 * depth) * size[0], (0.004 + 0.022 * depth) * size[1]
        x = rng.uniform(-0.1, 1.1) * size[0]
        w *= rng.uniform(0.5, 1.5)
        draw.ellipse(
            (x - w, y - h, x + w, y + h),
            fill=ink(mix(colour, (255, 255, 255), rng.uniform(0, 0.08))),
        )


Painter = Callable[[Image.Image, float, Light, np.random.Generator], Colour]


def _clouds(sheet: Image.Image, horizon: float, light: Light, rng: np.random.Generator) -> None:
    w, h = sheet.size
    cover = Image.new("L", sheet.size)
    draw = ImageDraw.Draw(cover)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, w), rng.uniform(0.05, 0.7) * horizon * h
        for _ in range(5):
            r = rng.uniform(0.02, 0.06) * w
            cx = x + rng.normal(0, 0.06) * w
            draw.ellipse((cx - 1.7 * r, y - r * 0.7, cx + 1.7 * r, y + r * 0.5), fill=150)
    cover = cover.filter(ImageFilter.GaussianBlur(w * 0.012))
    sheet.paste(ink(paler(light.sky[1], 0.55)), (0, 0), cover)


def _open_land(grass: Colour, hill: Colour, trees: tuple[str, ...], many: int) -> Painter:
    def paint(sheet: Image.Image, horizon: float, light: Light, rng: np.random.Generator) -> Colour:
        draw, size = ImageDraw.Draw(sheet), sheet.size
        ground = mix(grass, (rng.uniform(90, 220), rng.uniform(110, 200), 90.0), 0.14)
        ridge(draw, size, horizon + 0.02, 0.17, mix(hill, light.haze, 0.62), rng)
        ridge(draw, size, horizon + 0.03, 0.09, mix(hill, light.haze, 0.32), rng)
        near = darker(ground, 0.16)
        draw.rectangle((0, int(horizon * size[1]), size[0], size[1]), fill=ink(ground))
        floor = gradient((size[0], size[1] - int(horizon * size[1])), paler(ground, 0.12), near)
        sheet.paste(floor, (0, int(horizon * size[1])))
        for _ in range(int(rng.integers(0, many + 1))):
            kind = trees[int(rng.integers(len(trees)))]
            base = (rng.uniform(0, 1) * size[0], (horizon + rng.uniform(0.0, 0.05)) * size[1])
            plants.TREES[kind](
                draw,
                base,
                rng.uniform(0.16, 0.42) * size[1],
                mix(hill, light.haze, rng.uniform(0.0, 0.25)),
                rng,
            )
        blotches(draw, size, horizon, darker(ground, 0.10), 16, rng)
        blotches(draw, size, horizon, paler(ground, 0.14), 10, rng)
        return ground

    return paint


def _forest(sheet: Image.Image, horizon: float, light: Light, rng: np.random.Generator) -> Colour:
    draw, size = ImageDraw.Draw(sheet), sheet.size
    ground = mix((112, 106, 66), (92, 128, 70), rng.random())
    leaf = mix((58, 92, 60), (106, 118, 58), rng.random())
    for depth in (0.65, 0.4, 0.15):
        tone = mix(leaf, light.haze, depth)
        draw.rectangle((0, 0, size[0], int(0.12 * size[1])), fill=ink(tone))
        for _ in range(7):
            x, r = rng.uniform(0, size[0]), rng.uniform(0.07, 0.16) * size[1]
            y = rng.uniform(0.02, 0.24) * size[1]
            draw.ellipse((x - 1.6 * r, y - r, x + 1.6 * r, y + r), fill=ink(tone))
        for _ in range(5):
            x, w = rng.uniform(0, size[0]), (0.006 + 0.03 * (0.7 - depth)) * size[0]
            draw.polygon(
                [
                    (x - w, 0),
                    (x + w, 0),
                    (x + w * 1.4, horizon * size[1] + 6),
                    (x - w * 1.4, horizon * size[1] + 6),
                ],
                fill=ink(mix((84, 64, 50), light.haze, depth)),
            )
    floor = gradient(
        (size[0], size[1] - int(horizon * size[1])), mix(ground, leaf, 0.4), darker(ground, 0.1)
    )
    sheet.paste(floor, (0, int(horizon * size[1])))
    draw = ImageDraw.Draw(sheet)
    blotches(draw, size, horizon, darker(ground, 0.22), 14, rng)
    blotches(draw, size, horizon, paler(mix(ground, leaf, 0.5), 0.2), 10, rng)
    return ground


def _water(sheet: Image.Image, horizon: float, light: Light, rng: np.random.Generator) -> Colour:
    draw, size = ImageDraw.Draw(sheet), sheet.size
    sand = mix((206, 186, 142), (146, 150, 104), rng.random())
    ridge(draw, size, horizon + 0.02, 0.14, mix((84, 116, 84), light.haze, 0.45), rng)
    shore = horizon + rng.uniform(0.12, 0.22)
    lake = gradient(
        (size[0], int((shore - horizon) * size[1]) + 8),
        mix(light.sky[1], (120, 160, 180), 0.4),
        mix(light.sky[0], (60, 120, 140), 0.45),
    )
    sheet.paste(lake, (0, int(horizon * size[1])))
    draw = ImageDraw.Draw(sheet)
    for _ in range(14):
        y = rng.uniform(horizon + 0.01, shore) * size[1]
        x, w = rng.uniform(0, size[0]), rng.uniform(0.03, 0.12) * size[0]
        draw.ellipse((x - w, y - 1.2, x + w, y + 1.2), fill=ink(paler(light.sky[1], 0.3)))
    ridge(draw, size, shore + 0.02, 0.025, sand, rng)
    blotches(draw, size, shore + 0.04, darker(sand, 0.12), 9, rng)
    return sand


def _enclosure(
    sheet: Image.Image, horizon: float, light: Light, rng: np.random.Generator
) -> Colour:
    draw, size = ImageDraw.Draw(sheet), sheet.size
    wall = mix((168, 152, 134), (140, 150, 150), rng.random())
    floor = mix((196, 172, 130), (150, 154, 108), rng.random())
    top = rng.uniform(0.06, 0.2)
    for _ in range(4):
        x, r = rng.uniform(0, size[0]), rng.uniform(0.08, 0.16) * size[1]
        draw.ellipse(
            (x - 1.5 * r, top * size[1] - r, x + 1.5 * r, top * size[1] + r),
            fill=ink(mix((86, 120, 76), light.haze, 0.3)),
        )
    sheet.paste(
        gradient(
            (size[0], int((horizon - top) * size[1]) + 4), paler(wall, 0.1), darker(wall, 0.22)
        ),
        (0, int(top * size[1])),
    )
    draw = ImageDraw.Draw(sheet)
    if rng.random() < 0.5:
        plants.boulders(draw, size, horizon, wall, rng)
    else:
        for x in np.arange(rng.uniform(0, 0.08), 1.05, rng.uniform(0.07, 0.13)):
            draw.rectangle(
                (x * size[0], top * size[1], x * size[0] + 5, horizon * size[1]),
                fill=ink(darker(wall, 0.4)),
            )
        for y in (top + 0.02, (top + horizon) / 2):
            draw.rectangle((0, y * size[1], size[0], y * size[1] + 5), fill=ink(darker(wall, 0.4)))
    sheet.paste(
        gradient(
            (size[0], size[1] - int(horizon * size[1])), paler(floor, 0.1), darker(floor, 0.14)
        ),
        (0, int(horizon * size[1])),
    )
    draw = ImageDraw.Draw(sheet)
    blotches(draw, size, horizon, darker(floor, 0.12), 12, rng)
    return floor


def _rocks(sheet: Image.Image, horizon: float, light: Light, rng: np.random.Generator) -> Colour:
    stone = mix((156, 134, 116), (132, 136, 140), rng.random())
    draw = ImageDraw.Draw(sheet)
    ridge(draw, sheet.size, horizon, 0.3, mix(stone, light.haze, 0.5), rng)
    plants.boulders(draw, sheet.size, horizon, stone, rng)
    size = sheet.size
    sheet.paste(
        gradient(
            (size[0], size[1] - int(horizon * size[1])), paler(stone, 0.16), darker(stone, 0.1)
        ),
        (0, int(horizon * size[1])),
    )
    blotches(ImageDraw.Draw(sheet), size, horizon, darker(stone, 0.14), 14, rng)
    return stone


SCENES: dict[str, Painter] = {
    "savanna": _open_land((206, 176, 104), (122, 124, 74), ("acacia", "acacia", "bush"), 4),
    "meadow": _open_land((134, 166, 84), (78, 116, 70), ("round", "bush"), 4),
    "desert": _open_land((226, 190, 138), (190, 142, 104), ("bush",), 2),
    "snow": _open_land((230, 234, 240), (110, 128, 140), ("pine", "pine", "bush"), 5),
    "forest": _forest,
    "water": _water,
    "enclosure": _enclosure,
    "rocks": _rocks,
}


def paint_scene(size: tuple[int, int], light: Light, rng: np.random.Generator) -> Scene:
    """Paint a background.

    Parameters
    ----------
    size : tuple of int
        Width and height in pixels.
    light : Light
        The light it stands in.
    rng : numpy.random.Generator
        Which scene it is, and all that grows there.

    Returns
    -------
    Scene
    """
    name = list(SCENES)[int(rng.integers(len(SCENES)))]
    horizon = float(rng.uniform(0.36, 0.62))
    sheet = gradient(size, light.sky[0], light.sky[1])
    _clouds(sheet, horizon, light, rng)
    ground = SCENES[name](sheet, horizon, light, rng)
    # The camera looks at the animal: what lies behind it is out of focus.
    sheet = sheet.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 3.2)))
    return Scene(name, np.asarray(sheet, dtype=float), horizon, ground)
