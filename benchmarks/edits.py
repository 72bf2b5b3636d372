"""Twenty kinds of change that leave a photo the same photo, each in three strengths.

An edit is a pure function of an image (RGB), a strength (0 mild, 1 medium, 2 strong) and a random
generator that places what must lie somewhere. It returns an image, or an `Encoded` file where the
encoding is the change. The first line of its docstring names the three amounts: the docs print it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

STRENGTHS = ("mild", "medium", "strong")
_COLOURS = ((0, 0, 0), (255, 255, 255), (190, 30, 45), (25, 80, 160), (240, 200, 60))


class Encoded(NamedTuple):
    """A file as it lies on disk: where the encoding itself is the change."""

    suffix: str
    data: bytes


Edited = Image.Image | Encoded
Edit = Callable[[Image.Image, int, np.random.Generator], Edited]


def jpeg(image: Image.Image, strength: int, rng: np.random.Generator) -> Encoded:
    """JPEG at quality 80, 50, 25."""
    return _encode(image, ".jpg", quality=(80, 50, 25)[strength])


def webp(image: Image.Image, strength: int, rng: np.random.Generator) -> Encoded:
    """WebP at quality 80, 45, 10."""
    return _encode(image, ".webp", quality=(80, 45, 10)[strength])


def palette(image: Image.Image, strength: int, rng: np.random.Generator) -> Encoded:
    """PNG with a palette of 256, 64, 16 colours."""
    return _encode(image.quantize((256, 64, 16)[strength]), ".png")


def shrink(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Resized to 75 %, 50 %, 25 %."""
    return _scaled(image, *(2 * [(0.75, 0.5, 0.25)[strength]]))


def enlarge(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Resized to 125 %, 160 %, 220 %."""
    return _scaled(image, *(2 * [(1.25, 1.6, 2.2)[strength]]))


def squash(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """One side resized to 90 %, 80 %, 67 %."""
    factor = (0.9, 0.8, 0.67)[strength]
    return _scaled(image, factor, 1.0) if rng.random() < 0.5 else _scaled(image, 1.0, factor)


def crop(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """4 %, 8 %, 15 % of both sides cut off, off-centre."""
    kept = 1 - (0.04, 0.08, 0.15)[strength]
    width, height = round(image.width * kept), round(image.height * kept)
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def rotate(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Turned by 1, 3, 5 degrees and cut to the largest upright rectangle inside."""
    degrees = _either_way(rng) * (1, 3, 5)[strength]
    turned = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    # The same factor for both sides keeps the aspect: what a photo editor's straighten does.
    radians = math.radians(abs(degrees))
    long, short = max(image.size), min(image.size)
    factor = 1 / (math.cos(radians) + long / short * math.sin(radians))
    width, height = math.floor(image.width * factor), math.floor(image.height * factor)
    left, top = (turned.width - width) // 2, (turned.height - height) // 2
    return turned.crop((left, top, left + width, top + height))


def rotate_fill(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Turned by 1, 3, 5 degrees at the same size, corners filled with black or white."""
    degrees = _either_way(rng) * (1, 3, 5)[strength]
    fill = _COLOURS[int(rng.integers(2))]
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=fill)


def brightness(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Brighter or darker by 15 %, 30 %, 50 %."""
    change = _either_way(rng) * (0.15, 0.3, 0.5)[strength]
    return ImageEnhance.Brightness(image).enhance(1 + change)


def contrast(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Contrast up or down by 20 %, 35 %, 55 %."""
    change = _either_way(rng) * (0.2, 0.35, 0.55)[strength]
    return ImageEnhance.Contrast(image).enhance(1 + change)


def recolour(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Hue turned by 10, 25, 60 degrees, saturation up or down by 20 %, 40 %, 60 %."""
    degrees = _either_way(rng) * (10, 25, 60)[strength]
    change = _either_way(rng) * (0.2, 0.4, 0.6)[strength]
    pixels = np.array(image.convert("HSV"))
    pixels[..., 0] += np.uint8(round(degrees / 360 * 256) % 256)
    turned = Image.fromarray(pixels, "HSV").convert("RGB")
    return ImageEnhance.Color(turned).enhance(1 + change)


def tint(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """White balance off: red up and blue down, or the reverse, by 8 %, 16 %, 30 %."""
    change = _either_way(rng) * (0.08, 0.16, 0.3)[strength]
    return _clipped(np.asarray(image) * np.array([1 + change, 1.0, 1 - change]))


def grey(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Without colour: grey, sepia, the red channel alone."""
    if strength == 0:
        return image.convert("L")
    if strength == 1:
        return ImageOps.colorize(image.convert("L"), "#1e0f00", "#fff0cd")
    return image.getchannel("R")


def blur(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Gaussian blur, sigma 0.3 %, 0.6 %, 1.2 % of the shorter side."""
    sigma = (0.003, 0.006, 0.012)[strength] * min(image.size)
    return image.filter(ImageFilter.GaussianBlur(sigma))


def noise(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Gaussian noise on every channel, sigma 8, 16, 32 of 255."""
    sigma = (8, 16, 32)[strength]
    return _clipped(np.asarray(image) + rng.normal(0, sigma, (image.height, image.width, 3)))


def watermark(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """A name in one corner; a see-through name across the middle; see-through names all over."""
    opacity = (200, 110, 130)[strength]
    size = max(8, round((0.06, 0.16, 0.08)[strength] * min(image.size)))
    layer = Image.new("RGBA", image.size, (255, 255, 255, 0))
    pen, font = ImageDraw.Draw(layer), ImageFont.load_default(size)
    ink = (255, 255, 255, opacity)
    text = "© example.org"
    if strength == 0:
        corner = (image.width - size // 2, image.height - size // 2)
        pen.text(corner, text, ink, font, anchor="rs")
    elif strength == 1:
        pen.text((image.width / 2, image.height / 2), text, ink, font, anchor="mm")
    else:
        step = int(pen.textlength(text, font)) + size
        for row, y in enumerate(range(size // 2, image.height, 2 * size)):
            for x in range(-(row % 2) * step // 2, image.width, step):
                pen.text((x, y), text, ink, font, anchor="lm")
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def frame(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """A plain border of 3 %, 6 %, 12 % of the shorter side all round, in one of five colours."""
    border = round((0.03, 0.06, 0.12)[strength] * min(image.size))
    return ImageOps.expand(image, border, _COLOURS[int(rng.integers(len(_COLOURS)))])


def letterbox(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Black or white bars on two facing sides, each 6 %, 12 %, 20 % of that side."""
    share = (0.06, 0.12, 0.2)[strength]
    across, down = (share, 0.0) if rng.random() < 0.5 else (0.0, share)
    bars = (round(across * image.width), round(down * image.height))
    return ImageOps.expand(image, bars, _COLOURS[int(rng.integers(2))])


def caption(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """A date stamp; a sticker over 8 % of the area; a line of text over 18 % of the height."""
    out, short = image.copy(), min(image.size)
    pen = ImageDraw.Draw(out)
    if strength == 0:
        font = ImageFont.load_default(max(8, round(0.055 * short)))
        pen.text((short // 30, short // 30), "2024-05-17 14:03", (255, 160, 0), font)
    elif strength == 1:
        radius = math.sqrt(0.08 * image.width * image.height / math.pi)
        x = rng.uniform(radius, image.width - radius)
        y = rng.uniform(radius, image.height - radius)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), (250, 210, 40), (20, 20, 20))
        font = ImageFont.load_default(max(8, round(0.7 * radius)))
        pen.text((x, y), "-20%", (180, 0, 0), font, anchor="mm")
    else:
        top = round(0.82 * image.height)
        pen.rectangle((0, top, image.width, image.height), (255, 255, 255))
        font = ImageFont.load_default(max(8, round(0.08 * short)))
        middle = (image.width / 2, (top + image.height) / 2)
        pen.text(middle, "when you see it", (0, 0, 0), font, anchor="mm")
    return out


def flip(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """Mirrored: left to right, top to bottom, left to right and JPEG at quality 50."""
    if strength == 1:
        return ImageOps.flip(image)
    mirrored = ImageOps.mirror(image)
    return mirrored if strength == 0 else jpeg(mirrored, 1, rng)


def turn(image: Image.Image, strength: int, rng: np.random.Generator) -> Edited:
    """A quarter turn left, half a turn, a quarter turn right."""
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return image.transpose(turns[strength])


EDITS: dict[str, Edit] = {
    "jpeg": jpeg,
    "webp": webp,
    "palette": palette,
    "shrink": shrink,
    "enlarge": enlarge,
    "squash": squash,
    "crop": crop,
    "rotate": rotate,
    "rotate_fill": rotate_fill,
    "brightness": brightness,
    "contrast": contrast,
    "recolour": recolour,
    "tint": tint,
    "grey": grey,
    "blur": blur,
    "noise": noise,
    "watermark": watermark,
    "frame": frame,
    "letterbox": letterbox,
    "caption": caption,
}

# Found only when asked for: a mirrored photo is often a different thing (a hand, a sign, a map).
ON_REQUEST: dict[str, Edit] = {"flip": flip, "turn": turn}


def amounts(kind: str) -> str:
    """What the three strengths of `kind` are, in words."""
    text = ({**EDITS, **ON_REQUEST}[kind].__doc__ or "").strip()
    return text.splitlines()[0]


def apply(kind: str, image: Image.Image, strength: int, rng: np.random.Generator) -> Encoded:
    """Edit `image` and encode the result, as a file that a person would have saved.

    Parameters
    ----------
    kind : str
        A name in `EDITS` or `ON_REQUEST`.
    image : Image.Image
        The photo, upright; it is not changed.
    strength : int
        0 mild, 1 medium, 2 strong.
    rng : np.random.Generator
        Places what must lie somewhere.

    Returns
    -------
    Encoded
        The file's suffix and bytes. Edits of pixels are saved as JPEG at quality 90, as programs
        do, so that every edit is a re-encoding too.
    """
    edited = {**EDITS, **ON_REQUEST}[kind](image.convert("RGB"), strength, rng)
    return edited if isinstance(edited, Encoded) else _encode(edited, ".jpg", quality=90)


def _encode(image: Image.Image, suffix: str, quality: int = 90) -> Encoded:
    out = io.BytesIO()
    # A PNG has no quality; Pillow passes over what a format does not know.
    image.save(out, {".jpg": "JPEG", ".webp": "WEBP", ".png": "PNG"}[suffix], quality=quality)
    return Encoded(suffix, out.getvalue())


def _scaled(image: Image.Image, across: float, down: float) -> Image.Image:
    size = (max(1, round(image.width * across)), max(1, round(image.height * down)))
    return image.resize(size, Image.Resampling.BICUBIC)


def _either_way(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _clipped(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
