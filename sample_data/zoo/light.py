"""The light of a scene, and what the camera makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from zoo.canvas import Colour
from zoo.shapes import Array


@dataclass(frozen=True)
class Light:
    """What lights a scene.

    ``sky`` runs from the top to the horizon; ``tint`` multiplies the finished picture;
    ``direction`` points to the light in pixels; ``shading`` and ``shadow`` say how hard it is.
    """

    sky: tuple[Colour, Colour]
    tint: Colour
    direction: tuple[float, float]
    shading: float
    shadow: float
    haze: Colour


LIGHTS: dict[str, Light] = {
    "noon": Light(
        ((108, 172, 224), (206, 230, 240)),
        (1.02, 1.01, 0.98),
        (-0.4, -0.9),
        0.34,
        0.42,
        (198, 220, 228),
    ),
    "morning": Light(
        ((150, 190, 218), (248, 226, 196)),
        (1.05, 1.0, 0.92),
        (-0.8, -0.55),
        0.38,
        0.34,
        (236, 222, 200),
    ),
    "golden": Light(
        ((176, 176, 190), (250, 212, 160)),
        (1.08, 0.97, 0.84),
        (0.85, -0.5),
        0.42,
        0.40,
        (246, 208, 152),
    ),
    "overcast": Light(
        ((176, 186, 196), (216, 220, 220)),
        (0.94, 0.97, 1.0),
        (-0.1, -1.0),
        0.22,
        0.20,
        (208, 212, 212),
    ),
    "dusk": Light(
        ((112, 112, 160), (240, 172, 150)),
        (0.90, 0.80, 0.86),
        (0.9, -0.35),
        0.36,
        0.25,
        (206, 146, 146),
    ),
    "night": Light(
        ((22, 32, 66), (62, 82, 122)), (0.50, 0.60, 0.80), (-0.6, -0.8), 0.34, 0.25, (72, 90, 126)
    ),
}
WEIGHTS = {"noon": 3.4, "morning": 2.6, "golden": 1.8, "overcast": 2.2, "dusk": 0.7, "night": 0.4}


def draw_light(rng: np.random.Generator) -> tuple[str, Light]:
    """Draw a light, often daylight, seldom night."""
    names = list(LIGHTS)
    weights = np.array([WEIGHTS[name] for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    return name, LIGHTS[name]


@dataclass(frozen=True)
class Camera:
    """What the camera adds; ``blur`` in pixels, ``grain`` in steps of 0..255."""

    exposure: float
    contrast: float
    vignette: float
    blur: float
    grain: float


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draw the faults of one camera."""
    soft = rng.random() < 0.10
    return Camera(
        float(np.clip(rng.normal(1.0, 0.09), 0.76, 1.22)),
        float(rng.uniform(0.86, 1.08)),
        float(rng.uniform(0.0, 0.3)),
        float(rng.uniform(0.7, 1.5) if soft else rng.uniform(0.0, 0.45)),
        float(rng.uniform(0.6, 2.6)),
    )


def develop(
    picture: Array, size: tuple[int, int], tint: Colour, camera: Camera, rng: np.random.Generator
) -> Image.Image:
    """Turn a supersampled picture into a photograph.

    Parameters
    ----------
    picture : ndarray, shape (height, width, 3)
        Colours 0..255 at the drawing resolution.
    size : tuple of int
        Width and height of the photograph.
    tint : tuple of float
        What each channel is multiplied with.
    camera : Camera
        The faults to add.
    rng : numpy.random.Generator
        The grain.

    Returns
    -------
    PIL.Image.Image
    """
    lit = picture * (np.asarray(tint) * camera.exposure)
    lit = (lit - 118) * camera.contrast + 118
    sheet = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    sheet = sheet.resize(size, Image.Resampling.LANCZOS)
    if camera.blur > 0.3:
        sheet = sheet.filter(ImageFilter.GaussianBlur(camera.blur))
    small = np.asarray(sheet, dtype=float)
    y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
    small = small * (1 - camera.vignette * ((x**2 + y**2) / 2) ** 1.4)[..., None]
    # The same grain in all three channels: coloured noise is what a JPEG spends most bytes on.
    small = small + rng.normal(0, camera.grain, size[::-1])[..., None]
    return Image.fromarray(np.clip(small, 0, 255).astype(np.uint8))
