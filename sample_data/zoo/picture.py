"""One picture: a scene, a light, an animal in it, and the camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo import plants, sets
from zoo.animals import ANIMALS, TOYS, Animal
from zoo.canvas import Colour, Layer, Place, darker, paler
from zoo.chance import generator
from zoo.light import LIGHTS, Camera, Light, develop, draw_camera, draw_light
from zoo.pose import Pose, draw_pose, next_moment
from zoo.scenes import paint_scene
from zoo.shapes import Array

FINE = 3
SIZES = (*((144, 112),) * 6, (112, 144), (128, 128))
RENDERER = Camera(exposure=1.0, contrast=1.0, vignette=0.0, blur=0.0, grain=0.0)


@dataclass(frozen=True)
class Shot:
    """What to draw.

    ``animal`` is a name of ``ANIMALS``, empty for a scene with nothing in it; ``origin`` real,
    staged or synthetic; ``scene`` names the moment (two shots of one scene are a burst) and
    ``frame`` the picture within it.
    """

    animal: str
    origin: str
    scene: str
    frame: int = 0


def draw_shot(shot: Shot, seed: int) -> Image.Image:
    """Draw one picture.

    Parameters
    ----------
    shot : Shot
        What to draw.
    seed : int
        The seed of the zoo.

    Returns
    -------
    PIL.Image.Image
        About 144 x 112 pixels, RGB.
    """
    rng = generator(seed, shot.scene, "scene")
    moment = generator(seed, shot.scene, f"frame {shot.frame}")
    size = SIZES[int(rng.integers(len(SIZES)))]
    fine = (size[0] * FINE, size[1] * FINE)
    picture, light, ground = _backdrop(shot, fine, rng)
    camera = draw_camera(rng) if shot.origin != "synthetic" else RENDERER
    if shot.animal:
        picture = _with_animals(picture, shot, light, seed, moment)
    if shot.origin == "real":
        picture = _front(picture, ground, generator(seed, shot.scene, "front"))
    if shot.frame:
        camera = replace(camera, exposure=camera.exposure * moment.uniform(0.96, 1.04))
    return develop(picture, size, light.tint, camera, moment)


def _backdrop(
    shot: Shot, fine: tuple[int, int], rng: np.random.Generator
) -> tuple[Array, Light, Colour]:
    if shot.origin == "real":
        light = draw_light(rng)[1]
        if rng.random() < 0.5:
            light = replace(light, direction=(-light.direction[0], light.direction[1]))
        scene = paint_scene(fine, light, rng)
        return scene.back, light, scene.ground
    studio = replace(LIGHTS["noon"], tint=(1.0, 0.99, 0.97), shading=0.55, shadow=0.5)
    horizon = rng.uniform(0.48, 0.64)
    paint = sets.paint_table if shot.origin == "staged" else sets.paint_grid
    return paint(fine, horizon, rng), studio, (120.0, 110.0, 100.0)


def _with_animals(
    picture: Array, shot: Shot, light: Light, seed: int, moment: np.random.Generator
) -> Array:
    rng = generator(seed, shot.scene, "place")
    animal = (TOYS if shot.origin == "staged" else ANIMALS)[shot.animal]
    size = (picture.shape[1], picture.shape[0])
    first = Sitter(animal, draw_pose(rng, animal.poses), f"{shot.scene}/first", seed)
    place = _place(first, size, shot.origin, rng)
    if shot.origin == "real" and rng.random() < 0.12:
        second = Sitter(animal, draw_pose(rng, animal.poses), f"{shot.scene}/second", seed)
        behind = replace(
            place,
            x=size[0] * rng.uniform(0.05, 0.95),
            y=place.y - 0.07 * size[1],
            scale=place.scale * 0.62,
            facing=int(rng.choice([-1, 1])),
        )
        picture = _lay(picture, second, shot.origin, behind, light)
    if shot.frame:
        place = replace(
            place,
            x=place.x + moment.normal(0, 0.012) * size[0],
            y=place.y + moment.normal(0, 0.008) * size[1],
            scale=place.scale * moment.uniform(0.98, 1.02),
        )
        first = replace(first, pose=next_moment(first.pose, moment))
    if shot.origin == "staged" and rng.random() < 0.5:
        picture = _stand(picture, place)
    return _lay(picture, first, shot.origin, place, light)


@dataclass(frozen=True)
class Sitter:
    """One individual in one pose; ``name`` decides its looks."""

    animal: Animal
    pose: Pose
    name: str
    seed: int

    def painted(self, size: tuple[int, int], place: Place) -> tuple[Layer, Layer]:
        """Give its far and its near side."""
        layers = Layer(size, place), Layer(size, place)
        self.animal.paint(layers, self.pose, generator(self.seed, self.name))
        return layers

    def extent(self) -> tuple[float, float, float]:
        """Give how far it reaches to the left, to the right, and up, in its own units."""
        zoom = 30.0
        far, near = self.painted((180, 120), Place(90, 110, zoom))
        rows, columns = np.nonzero(np.maximum(far.cover, near.cover) > 0.5)
        return (
            float(columns.min() - 90) / zoom,
            float(columns.max() - 90) / zoom,
            float(110 - rows.min()) / zoom,
        )


def _place(sitter: Sitter, size: tuple[int, int], origin: str, rng: np.random.Generator) -> Place:
    left, right, top = sitter.extent()
    share = rng.triangular(0.6, 0.95, 1.1) if origin == "real" else rng.uniform(0.66, 0.9)
    wide = right - left
    scale = share * min(size[0] / wide, size[1] * 0.9 / top)
    facing = int(rng.choice([-1, 1]))
    spare = max(size[0] - scale * wide, 0) / 2
    x = size[0] / 2 + rng.uniform(-0.9, 0.9) * spare - facing * scale * (left + right) / 2
    low = size[1] * rng.uniform(0.86, 0.95)
    high = max(scale * top + 4, size[1] * 0.64)
    y = low if high >= low else rng.uniform(max(high, low - 0.14 * size[1]), low)
    return Place(x, y, scale, facing, float(rng.normal(0, 2.2)) if origin == "real" else 0.0)


def _lay(picture: Array, sitter: Sitter, origin: str, place: Place, light: Light) -> Array:
    """Paint an animal and its shadow on a picture."""
    far, near = sitter.painted((picture.shape[1], picture.shape[0]), place)
    picture = _shadow(picture, np.maximum(far.cover, near.cover), place, light, origin)
    flat = origin == "synthetic"
    for layer in (far, near):
        layer.shade(
            light.direction, 0.05 if not flat else 0.025, light.shading if not flat else 0.75
        )
        if flat:
            # A renderer's palette: few, clean steps of colour.
            layer.rgb = np.round(layer.rgb / 32) * 32
        picture = layer.onto(picture)
    return picture


def _shadow(picture: Array, cover: Array, place: Place, light: Light, origin: str) -> Array:
    """Lay the animal's outline on the ground, flattened and slanted away from the light."""
    height, width = cover.shape
    sheet = Image.fromarray((cover * 255).astype(np.uint8))
    slant, flat = light.direction[0] * 0.9, 5.5
    moved = sheet.transform(
        (width, height),
        Image.Transform.AFFINE,
        (1, -slant * flat * 0.35, slant * flat * 0.35 * place.y, 0, -flat, place.y * (1 + flat)),
        Image.Resampling.BILINEAR,
    )
    moved = moved.filter(ImageFilter.GaussianBlur(3.0 if origin == "real" else 5.0))
    feet = Image.new("L", (width, height))
    wide = 0.45 * place.scale
    ImageDraw.Draw(feet).ellipse(
        (
            place.x - wide,
            place.y - 0.035 * place.scale,
            place.x + wide,
            place.y + 0.035 * place.scale,
        ),
        fill=170,
    )
    feet = feet.filter(ImageFilter.GaussianBlur(4))
    dark = np.maximum(np.asarray(moved, dtype=float), np.asarray(feet, dtype=float)) / 255
    shaded: Array = picture * (1 - light.shadow * dark[..., None])
    return shaded


def _stand(picture: Array, place: Place) -> Array:
    """Put the plate of a figurine under its feet."""
    sheet = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(sheet)
    wide, high = 0.62 * place.scale, 0.07 * place.scale
    for drop, tone in ((0.05, (72, 84, 56)), (0.0, (116, 140, 82))):
        y = place.y + drop * place.scale
        draw.ellipse((place.x - wide, y - high, place.x + wide, y + high), fill=tone)
    return np.asarray(sheet, dtype=float)


def _front(picture: Array, ground: Colour, rng: np.random.Generator) -> Array:
    """Let grass, or now and then a fence, stand before the animal."""
    size = (picture.shape[1], picture.shape[0])
    chance = rng.random()
    if chance > 0.62:
        return picture
    sheet = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(sheet)
    if chance < 0.025:
        bar = plants.ink(darker((120, 110, 96), rng.uniform(0, 0.5)))
        for x in np.arange(rng.uniform(0, 0.2), 1, rng.uniform(0.16, 0.3)) * size[0]:
            draw.rectangle((x, 0, x + 7, size[1]), fill=bar)
    elif chance < 0.06:
        x, wide = rng.choice([0.06, 0.94]) * size[0], rng.uniform(0.04, 0.09) * size[0]
        draw.rectangle(
            (x - wide, 0, x + wide, size[1]),
            fill=plants.ink(darker((112, 88, 68), rng.uniform(0, 0.4))),
        )
    else:
        green = rng.random() < 0.6
        tone = (96.0, 124.0, 62.0) if green else paler(darker(ground, 0.2), 0.05)
        plants.tufts(
            draw,
            size,
            size[1] * rng.uniform(0.95, 1.02),
            size[1] * rng.uniform(0.06, 0.17),
            tone,
            int(rng.integers(5, 22)),
            rng,
        )
    return np.asarray(sheet, dtype=float)
