"""Changes of a policy, carried out by torchvision's transforms, version 2."""

from __future__ import annotations

from math import ceil, cos, radians, sin

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as v2

from curate.augment.policy import Change, Colour, Mirror, Pixels, Turn, Warp
from curate.core.images import as_pixels


def change(pixels: Pixels, one: Change) -> Pixels:
    """Make one change of uint8 (height, width, 3); nothing is left to chance here."""
    picture = torch.from_numpy(pixels).permute(2, 0, 1)
    match one:
        case Mirror():
            made = (v2.vertical_flip if one.upside_down else v2.horizontal_flip)(picture)
        case Turn():
            made = torch.rot90(picture, -one.quarters, (1, 2))
        case Warp():
            made = _warped(picture, one)
        case _:
            made = _coloured(picture, one)
    return as_pixels(made.permute(1, 2, 0).numpy())


def _warped(picture: Tensor, warp: Warp) -> Tensor:
    """Warp within a mirrored frame: torchvision itself knows borders of one colour only."""
    height, width = picture.shape[1:]
    beside, above = _beyond(warp, height, width)
    # Padding and sampling compute with floats in any case: so they are made once, not twice.
    floats = picture.to(torch.float32, memory_format=torch.contiguous_format)
    framed = _framed(floats, beside, above)
    moved = v2.affine(
        framed,
        angle=warp.degrees,
        translate=[warp.right * width, warp.down * height],
        scale=warp.scale,
        shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    cut: Tensor = v2.crop(moved, above, beside, height, width)
    return cut.round().to(torch.uint8)


def _beyond(warp: Warp, height: int, width: int) -> tuple[int, int]:
    """How many pixels beyond the left or right, and the upper or lower border are looked at."""
    across, down = abs(cos(radians(warp.degrees))), abs(sin(radians(warp.degrees)))
    half_x = (0.5 + abs(warp.right)) * width / warp.scale
    half_y = (0.5 + abs(warp.down)) * height / warp.scale
    beside = across * half_x + down * half_y - width / 2
    above = down * half_x + across * half_y - height / 2
    return max(0, ceil(beside) + 1), max(0, ceil(above) + 1)


def _framed(picture: Tensor, beside: int, above: int) -> Tensor:
    """Mirror past the borders; wider than the picture takes several rounds."""
    while beside or above:
        height, width = picture.shape[1:]
        x, y = min(beside, width - 1), min(above, height - 1)
        picture = v2.pad(picture, [x, y], padding_mode="reflect")
        beside, above = beside - x, above - y
    return picture


def _coloured(picture: Tensor, colour: Colour) -> Tensor:
    # Arithmetic is quickest on channels that lie one after the other.
    picture = v2.adjust_brightness(picture.contiguous(), colour.brightness)
    picture = v2.adjust_contrast(picture, colour.contrast)
    picture = v2.adjust_saturation(picture, colour.saturation)
    # The way to hues and back is the dearest of all, also where it leads nowhere.
    made: Tensor = v2.adjust_hue(picture, colour.hue) if colour.hue else picture
    return made
