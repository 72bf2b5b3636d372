"""Changes of a policy, carried out by torchvision's transforms, version 2, and by torch.

Mirrors and turns are torchvision's own. Its way to hues and back, and its warps within a mirrored
frame, are several times slower than OpenCV's; the formulas here come to the same pictures in a
handful of operations, and the tests hold them against torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as v2

from curate.augment.policy import Change, Colour, Mirror, Pixels, Turn, Warp
from curate.core.images import as_pixels

_GREY = torch.tensor([0.299, 0.587, 0.114])
_HUES = torch.tensor([[0], [1 / 3], [-1 / 3]])
"""Where red, green and blue lie on the circle of hues, in turns."""


def change(pixels: Pixels, changes: Sequence[Change]) -> Pixels:
    """Make changes of uint8 (height, width, 3); nothing is left to chance here."""
    # torch warns of arrays that it may not write to, also where it only reads.
    picture = torch.from_numpy(np.require(pixels, requirements="W")).permute(2, 0, 1)
    for one in changes:
        match one:
            case Mirror():
                flip = v2.vertical_flip if one.upside_down else v2.horizontal_flip
                picture = flip(picture)
            case Turn():
                picture = torch.rot90(picture, -one.quarters, (1, 2))
            case Warp():
                picture = _warped(_planes(picture), one)
            case _:
                picture = _coloured(_planes(picture), one)
    return _pixels(picture)


def _planes(picture: Tensor) -> Tensor:
    """Lay the channels one after the other, as floats: arithmetic is quickest on these."""
    if picture.is_floating_point():
        return picture
    return torch.from_numpy(np.ascontiguousarray(picture.numpy())).float()


def _pixels(picture: Tensor) -> Pixels:
    """Give bytes again, the channels of a pixel side by side."""
    if not picture.is_floating_point():
        return as_pixels(picture.permute(1, 2, 0).numpy())
    made = np.empty((*picture.shape[1:], 3), np.uint8)
    # Channel by channel takes a third of the time of all at once.
    for channel, plane in enumerate(picture.numpy()):
        made[:, :, channel] = plane
    return made


def _warped(planes: Tensor, warp: Warp) -> Tensor:
    """Read every pixel from where it comes from; past the border the picture is mirrored."""
    height, width = planes.shape[1:]
    across = cos(radians(warp.degrees)) / warp.scale
    down = sin(radians(warp.degrees)) / warp.scale
    x = torch.arange(width) - (width - 1) / 2 - warp.right * width
    y = torch.arange(height) - (height - 1) / 2 - warp.down * height
    # torch counts places from -1 to 1, from the middle of the first pixel to that of the last.
    half = torch.tensor([max(width - 1, 1) / 2, max(height - 1, 1) / 2])
    by_x = x[:, None] * (torch.tensor([across, -down]) / half)
    by_y = (torch.tensor([down, across]) / half).repeat(width)
    places = torch.outer(y, by_y).add_(by_x.flatten()).view(1, height, width, 2)
    made = functional.grid_sample(
        planes[None], places, mode="bilinear", padding_mode="reflection", align_corners=True
    )
    return made[0].round_()


def _coloured(picture: Tensor, colour: Colour) -> Tensor:
    """Change values of 0…255; whole numbers after every step, as when each step gives bytes."""
    # What has become floats is no longer the caller's, and may be written to.
    planes = picture.reshape(3, -1)
    if colour.brightness != 1:
        planes.mul_(colour.brightness).clamp_max_(255).floor_()
    if colour.contrast != 1:
        middle = float(_GREY @ planes.mean(1))
        planes.mul_(colour.contrast).add_(middle * (1 - colour.contrast)).clamp_(0, 255).floor_()
    if colour.saturation != 1:
        torch.lerp(_GREY @ planes, planes, colour.saturation, out=planes)
        planes.clamp_(0, 255).round_()
    # The way to hues and back is the dearest of all, also where it leads nowhere.
    made = _hued(planes, colour.hue).round_() if colour.hue else planes
    return made.view(picture.shape)


def _hued(planes: Tensor, turn: float) -> Tensor:
    """Move hues round by a part of a turn.

    As in HSV, the lightest and the darkest channel of a pixel stay as light as they are. With the
    channels scaled to 0…1 between these two, a hue lies ``(1 + green + blue - red) / 6`` of a turn
    from red: forwards where there is more green than blue, else backwards. And a channel is full
    up to 1/6 of a turn from its own hue, and empty from 2/6 on.
    """
    red, green, blue = planes
    most = torch.maximum(red, green)
    torch.maximum(most, blue, out=most)
    least = torch.minimum(red, green)
    torch.minimum(least, blue, out=least)
    chroma = most - least
    sixfold = chroma * 6
    hue = (green + blue).sub_(red).sub_(least).div_(sixfold.clamp_min(1)).add_(1 / 6)
    hue.copysign_(green - blue).add_(turn)
    apart = hue - _HUES
    apart.sub_(apart.round()).abs_().clamp_(1 / 6, 2 / 6)
    return torch.addcmul(most.add_(chroma), sixfold, apart, value=-1)
