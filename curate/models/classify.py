"""A checkpoint at work: prepared pixels in, logits out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curate.core.errors import InputError
from curate.models.arch import build
from curate.models.checkpoint import Checkpoint
from curate.models.preprocess import Preprocessing


def pick_device(name: str = "auto") -> torch.device:
    """Find the device that computes.

    Parameters
    ----------
    name : str
        ``auto`` (the GPU where there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1``.

    Raises
    ------
    InputError
        No such device, or it is not in this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise InputError(f"device {name!r}", "known are auto, cpu, cuda and cuda:N", "Take auto")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if int(number or 0) >= count:
        noun = "GPU" if count == 1 else "GPUs"
        have = f"this machine has {count} {noun}" if kind == "cuda" else "there is one CPU device"
        raise InputError(f"device {name!r}", have, "Take auto, or leave it out")
    return torch.device(name)


def to_input(
    batch: NDArray[np.uint8], preprocessing: Preprocessing, device: torch.device
) -> Tensor:
    """Move prepared pixels to a device and normalise them there.

    Parameters
    ----------
    batch : ndarray of uint8, shape (N, height, width, 3)
        From `curate.models.preprocess.prepare`.
    preprocessing : Preprocessing
        Its mean and std are used.
    device : torch.device
        Where the model is.

    Returns
    -------
    Tensor of float32, shape (N, 3, height, width)
        The same operations in the same order as timm's ``ToTensor`` and ``Normalize``.
    """
    # A quarter of the bytes travel: the batch becomes float on the device.
    # torch warns of arrays that it could not write to; such a batch is copied.
    moved = torch.from_numpy(np.require(batch, requirements=["C", "W"])).to(device)
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        for values in (preprocessing.mean, preprocessing.std)
    )
    return moved.permute(0, 3, 1, 2).contiguous().float().div_(255).sub_(mean).div_(std)


class Classifier:
    """A checkpoint's network on a device, ready to be asked.

    Parameters
    ----------
    checkpoint : Checkpoint
        Half-precision weights are computed with in float32.
    device : str
        See `pick_device`.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        self.checkpoint = checkpoint
        self.device = pick_device(device)
        # The weights are replaced at once: building must not use up the caller's random numbers.
        with torch.random.fork_rng(devices=[]):
            model = build(checkpoint.arch, len(checkpoint.classes))
        model.load_state_dict(dict(checkpoint.weights))
        self._model = model.to(self.device).eval()

    def logits(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the logits of prepared images.

        Parameters
        ----------
        batch : ndarray of uint8, shape (N, height, width, 3)
            From `curate.models.preprocess.prepare` with the checkpoint's preprocessing.

        Returns
        -------
        ndarray of float32, shape (N, K)
            Not yet divided by the temperature; columns in the order of the checkpoint's classes.
        """
        used = self.checkpoint.preprocessing
        expected = (used.height, used.width, 3)
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != expected:
            raise InputError(
                f"a batch of {batch.dtype} {batch.shape}",
                f"this checkpoint takes uint8 (N, {used.height}, {used.width}, 3)",
                "Make it with curate.models.preprocess.prepare",
            )
        if not len(batch):
            return np.empty((0, len(self.checkpoint.classes)), np.float32)
        with torch.inference_mode():
            output = self._model(to_input(batch, used, self.device))
            return np.asarray(output.float().cpu().numpy())
