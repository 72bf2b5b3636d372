"""The same network with batch norms that hold the statistics of photos.

The statistics in converted weights may be any numbers that scale and shift make up for; who learns
them anew then has another network. Here they become those of photos, and scale and shift are set so
that the network answers as before: nothing in such weights suits one tool better than another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from curate.models import arch as architectures
from curate.models.checkpoint import Checkpoint

BATCH = 32


def mended(given: Checkpoint, paths: Sequence[str], size: int) -> dict[str, Tensor]:
    """Give the weights of the same function, its norms measured on these photos.

    Parameters
    ----------
    given : Checkpoint
        A network with batch norms.
    paths : sequence of str
        Photos.
    size : int
        Pixels a side at which they are shown.
    """
    model = architectures.build(given.arch, len(given.classes)).eval()
    model.load_state_dict(dict(given.weights))
    batches = list(_batches(given, paths, size))
    with torch.inference_mode():
        before = [model(pixels) for pixels in batches]
        for name, (mean, variance) in _measured(model, batches).items():
            _set(model.get_submodule(name), mean, variance)
        pairs = zip(batches, before, strict=True)
        apart = max(float((model(pixels) - said).abs().max()) for pixels, said in pairs)
    print(f"mended norms: logits differ by at most {apart:.2g}", flush=True)
    return {name: value.clone() for name, value in model.state_dict().items()}


def _measured(
    model: torch.nn.Module, batches: Sequence[Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Give mean and variance of what comes to each norm, by channel."""
    sums: dict[str, list[Tensor]] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_: Any, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].double()
            found = [values.mean((0, 2, 3)), values.square().mean((0, 2, 3))]
            known = sums.get(name, [torch.zeros_like(one) for one in found])
            sums[name] = [one + other for one, other in zip(known, found, strict=True)]

        return hook

    hooks = [
        module.register_forward_pre_hook(note(name))
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    ]
    for pixels in batches:
        model(pixels)
    for hook in hooks:
        hook.remove()
    means = {name: [one / len(batches) for one in two] for name, two in sums.items()}
    return {
        name: (mean, (square - mean.square()).clamp(min=1e-6))
        for name, (mean, square) in means.items()
    }


def _set(norm: Any, mean: Tensor, variance: Tensor) -> None:
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    norm.bias += (scale * (mean - norm.running_mean.double())).to(norm.bias.dtype)
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


def _batches(given: Checkpoint, paths: Sequence[str], size: int) -> Iterator[Tensor]:
    mean, std = (np.array(two) for two in (given.preprocessing.mean, given.preprocessing.std))
    for start in range(0, len(paths), BATCH):
        pixels = [
            np.asarray(Image.open(path).convert("RGB").resize((size, size)))
            for path in paths[start : start + BATCH]
        ]
        scaled = (np.stack(pixels) / 255 - mean) / std
        yield torch.from_numpy(scaled.transpose(0, 3, 1, 2).astype(np.float32))
