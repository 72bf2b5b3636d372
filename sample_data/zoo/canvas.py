"""Paint: layers of colour that parts of a body are filled into, then lit and laid on a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo.shapes import Array, turn

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Place:
    """Where on the canvas an animal stands: its units to pixels.

    ``x, y`` is the ground point in pixels, ``scale`` the pixels a unit, ``facing`` 1 (right) or
    -1 (left), ``tilt`` degrees.
    """

    x: float
    y: float
    scale: float
    facing: int = 1
    tilt: float = 0.0

    def pixels(self, points: Array) -> Array:
        """Take points from the animal's units (y up) to pixels (y down)."""
        p = turn(points, self.tilt)
        return np.column_stack(
            [self.x + self.facing * self.scale * p[:, 0], self.y - self.scale * p[:, 1]]
        )


@dataclass(frozen=True)
class Stencil:
    """A mask (0..1) over one box of the canvas."""

    rows: slice
    columns: slice
    mask: Array


class Layer:
    """A sheet of paint the size of the canvas, with its own coverage.

    Parameters
    ----------
    size : tuple of int
        Width and height in pixels.
    place : Place
        How points are taken to pixels.
    """

    def __init__(self, size: tuple[int, int], place: Place) -> None:
        self.size = size
        self.place = place
        self.rgb = np.zeros((size[1], size[0], 3))
        self.cover = np.zeros((size[1], size[0]))

    def stencil(self, shapes: Sequence[Array], soft: float = 0.0) -> Stencil:
        """Cut a mask of the union of shapes; ``soft`` blurs its edge, in the animal's units."""
        outlines = [self.place.pixels(shape) for shape in shapes]
        blur = soft * self.place.scale
        every = np.vstack(outlines)
        pad = 2 + int(3 * blur)
        x0 = int(np.clip(every[:, 0].min() - pad, 0, self.size[0] - 1))
        y0 = int(np.clip(every[:, 1].min() - pad, 0, self.size[1] - 1))
        x1 = int(np.clip(every[:, 0].max() + pad, x0 + 1, self.size[0]))
        y1 = int(np.clip(every[:, 1].max() + pad, y0 + 1, self.size[1]))
        sheet = Image.new("L", (x1 - x0, y1 - y0))
        draw = ImageDraw.Draw(sheet)
        for outline in outlines:
            draw.polygon([(x - x0, y - y0) for x, y in outline.tolist()], fill=255)
        if blur > 0.3:
            sheet = sheet.filter(ImageFilter.GaussianBlur(blur))
        return Stencil(slice(y0, y1), slice(x0, x1), np.asarray(sheet, dtype=float) / 255)

    def fill(
        self, shapes: Sequence[Array] | Array, colour: Colour, soft: float = 0.0, alpha: float = 1.0
    ) -> Stencil:
        """Fill shapes with a colour, and return their mask to paint inside it later."""
        cut = self.stencil([shapes] if isinstance(shapes, np.ndarray) else shapes, soft)
        cover = self.cover[cut.rows, cut.columns]
        # Bare paper is black: without this a soft edge would have a dark rim.
        self.rgb[cut.rows, cut.columns][cover == 0] = colour
        self._lay(cut, cut.mask * alpha, colour)
        np.maximum(cover, cut.mask * alpha, out=cover)
        return cut

    def paint(
        self,
        inside: Stencil,
        shapes: Sequence[Array] | Array,
        colour: Colour,
        soft: float = 0.0,
        alpha: float = 1.0,
    ) -> None:
        """Paint shapes, but only where ``inside`` lets them show."""
        given = [shapes] if isinstance(shapes, np.ndarray) else list(shapes)
        if not given:
            return
        cut = self.stencil(given, soft)
        whole = np.zeros(self.cover.shape)
        whole[cut.rows, cut.columns] = cut.mask
        mask = whole[inside.rows, inside.columns] * inside.mask * alpha
        self._lay(inside, mask, colour)

    def _lay(self, where: Stencil, mask: Array, colour: Colour) -> None:
        old = self.rgb[where.rows, where.columns]
        old += (np.asarray(colour) - old) * mask[..., None]

    def shade(self, light: tuple[float, float], depth: float, strength: float) -> None:
        """Round the flat layer: lit where its edge faces the light, dark where it turns away.

        Parameters
        ----------
        light : tuple of float
            Direction to the light in pixels (x to the right, y down).
        depth : float
            How far in from the edge the rounding reaches, in the animal's units.
        strength : float
            0 leaves the layer flat.
        """
        radius = max(depth * self.place.scale, 1.0)
        sheet = Image.fromarray((self.cover * 255).astype(np.uint8))
        height = np.asarray(sheet.filter(ImageFilter.GaussianBlur(radius)), dtype=float) / 255
        slope_y, slope_x = np.gradient(height)
        towards = -(slope_x * light[0] + slope_y * light[1]) * radius * 2.5
        facing = np.clip(np.atleast_3d(towards), -1, 1) * strength
        self.rgb = np.where(
            facing > 0, self.rgb + (255 - self.rgb) * facing * 0.6, self.rgb * (1 + facing)
        )

    def onto(self, under: Array) -> Array:
        """Lay the sheet on a picture of shape (height, width, 3)."""
        over: Array = under + (self.rgb - under) * self.cover[..., None]
        return over


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Blend two colours; ``share`` of the second."""
    r, g, bl = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return (r, g, bl)


def darker(colour: Colour, by: float) -> Colour:
    """Darken a colour by a share of itself."""
    return mix(colour, (20.0, 14.0, 16.0), by)


def paler(colour: Colour, by: float) -> Colour:
    """Move a colour towards warm white."""
    return mix(colour, (255.0, 248.0, 236.0), by)


def vary(rng: np.random.Generator, colour: Colour, by: float = 9.0) -> Colour:
    """Give the colour of one individual: light and hue a little off."""
    light = rng.normal(0, by)
    r, g, b = (float(np.clip(c + light + rng.normal(0, by / 3), 4, 252)) for c in colour)
    return (r, g, b)
