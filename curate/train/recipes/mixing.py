"""Mixing two images of a batch and their labels alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from curate.core.errors import PolicyError
from curate.train.recipes.kinds import Number, chosen

Mix = Callable[[Tensor, Tensor, np.random.Generator, int, float], tuple[Tensor, Tensor]]
"""``mix(inputs, targets, generator, num_classes, smoothing)``; see `mixing_of`."""


def mixing_of(recipe: str) -> Mix | None:
    """Read a recipe.

    Parameters
    ----------
    recipe : str
        ``mixup(alpha=0.2)`` or ``cutmix(alpha=1.0)``; empty is no mixing.

    Returns
    -------
    callable or None
        ``mix(inputs, targets, generator, num_classes, smoothing)`` takes float (n, 3, h, w) and
        int64 (n,) and gives new tensors on the same device: inputs of the same shape and soft
        targets, float32 (n, K), whose rows have a sum of 1. Each image meets one of the batch
        drawn by chance, all in the same proportion, drawn from Beta(alpha, alpha). All chance
        comes out of the generator. A single image is a `PolicyError`: it has none to be mixed with.

    Raises
    ------
    InputError
        An unknown kind, or an argument that it does not take.

    Notes
    -----
    Neither is safe everywhere. `cutmix` puts a rectangle of one image on another and believes its
    area: where the subject is small, or fills one corner, the rectangle holds none of it, or hides
    all of it, and the label is wrong. `mixup` blends whole images: where classes differ by faint
    marks or shades, the blend shows neither. Both make scores less sure, which the temperature
    mends. They pay off in long trainings with few images a class, not in a few epochs.

    H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; S. Yun et al.,
    "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV
    2019, algorithm A1.
    """
    if not recipe.strip():
        return None
    blend, numbers = chosen("mixing", recipe, KINDS)
    alpha = numbers["alpha"]

    def mix(
        inputs: Tensor,
        targets: Tensor,
        generator: np.random.Generator,
        num_classes: int,
        smoothing: float,
    ) -> tuple[Tensor, Tensor]:
        if len(inputs) < 2:
            raise PolicyError(
                f"a batch of {len(inputs)} to mix",
                "an image is mixed with another one",
                "Take larger batches, or leave the mixing out",
            )
        other = torch.from_numpy(generator.permutation(len(inputs))).to(inputs.device)
        drawn = float(generator.beta(alpha, alpha))
        mixed, share = blend(inputs, inputs[other], drawn, generator)
        soft = soft_targets(targets, num_classes, smoothing)
        return mixed, torch.lerp(soft[other], soft, share)

    return mix


def soft_targets(targets: Tensor, num_classes: int, smoothing: float) -> Tensor:
    """Give float32 (n, K): 1 - smoothing for the right class, and smoothing shared by all."""
    rest = smoothing / num_classes
    soft = torch.full((len(targets), num_classes), rest, device=targets.device)
    return soft.scatter_(1, targets[:, None], 1 - smoothing + rest)


def _mixup(
    inputs: Tensor, others: Tensor, share: float, generator: np.random.Generator
) -> tuple[Tensor, float]:
    return torch.lerp(others, inputs, share), share


def _cutmix(
    inputs: Tensor, others: Tensor, share: float, generator: np.random.Generator
) -> tuple[Tensor, float]:
    height, width = inputs.shape[-2:]
    sides = np.array([height, width])
    middle = generator.integers(sides)
    # Half the sides, rounded down as in the source; the share is what is left at the border.
    half = (sides * math.sqrt(1 - share)).astype(int) // 2
    top, left = np.maximum(middle - half, 0)
    bottom, right = np.minimum(middle + half, sides)
    mixed = inputs.clone()
    mixed[..., top:bottom, left:right] = others[..., top:bottom, left:right]
    return mixed, 1 - float((bottom - top) * (right - left)) / (height * width)


_Blend = Callable[[Tensor, Tensor, float, np.random.Generator], tuple[Tensor, float]]

KINDS: dict[str, tuple[_Blend, dict[str, Number]]] = {
    "mixup": (_mixup, {"alpha": Number(0.2, 0.01, 100)}),
    "cutmix": (_cutmix, {"alpha": Number(1.0, 0.01, 100)}),
}
"""The kinds: what blends two batches and says the share of the first, and its argument."""
