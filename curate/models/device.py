"""Devices, and how prepared pixels get to one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curate.core.errors import InputError
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
