"""A network with its optimiser: a batch becomes a step."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from curate.models.arch import head_of, in_head
from curate.models.device import to_input
from curate.train.ranks import ALONE, Ranks
from curate.train.recipes.balance import effective_weights, log_priors
from curate.train.recipes.mixing import mixing_of
from curate.train.recipes.optimizers import optimizer_of
from curate.train.settings import TrainSettings
from curate.train.start import Start

LR_SCRATCH = 1e-3
LR_KEPT_BODY = 5e-4

_NOTHING = nullcontext()


class Learner:
    """What changes during a training: weights, averages, the state of the optimiser.

    Parameters
    ----------
    begun : Start
        The network with its first weights.
    settings : TrainSettings
        How it learns.
    counts : ndarray of int64, shape (K,)
        Training images of each class.
    device : torch.device
        Where it computes.
    ranks : Ranks
        Which of several processes this is; their gradients are one.

    Attributes
    ----------
    model : nn.Module
        The network that learns.
    peak : float
        The largest learning rate.
    steps : int
        Steps of the optimiser so far.
    """

    def __init__(
        self,
        begun: Start,
        settings: TrainSettings,
        counts: NDArray[np.int64],
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.model = begun.model.to(device).to(memory_format=torch.channels_last)
        self.peak = settings.lr or (LR_KEPT_BODY if begun.transplant.kept else LR_SCRATCH)
        self.steps = 0
        self._settings = settings
        self._kept = bool(begun.transplant.kept)
        self._preprocessing = begun.preprocessing
        self._device = device
        self._ranks = ranks
        self._optimizer = optimizer_of(
            settings.optimizer, self.model, self.peak, settings.weight_decay
        )
        self._mix = mixing_of(settings.mix)
        self._classes = len(counts)
        self._weights, self._priors = (
            torch.from_numpy(of(counts)).to(device) if settings.balance == name else None
            for name, of in (("effective", effective_weights), ("logits", log_priors))
        )
        self._type = precision_of(settings.precision, device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._type == torch.float16)
        self._average = (
            ModelEmaV3(self.model, decay=settings.ema, use_warmup=True) if settings.ema else None
        )
        self._frozen = False
        self._forward = self._wrapped()

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and written: the moving average where there is one."""
        average = self._average
        kept: nn.Module = self.model if average is None else average.module
        return kept

    def freeze(self, frozen: bool) -> None:
        """Let only the head learn, or all of the network."""
        if frozen != self._frozen:
            head = head_of(self.model)
            for name, parameter in self.model.named_parameters():
                parameter.requires_grad_(not frozen or in_head(name, head))
                parameter.grad = None
            self._frozen = frozen
            self._forward = self._wrapped()

    def begin(self) -> None:
        """Enter the mode of training."""
        self.model.train()
        if self._kept or self._frozen:
            # A kept body keeps its statistics: docs/decisions/0011 says why.
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def step(
        self,
        pixels: NDArray[np.uint8],
        targets: NDArray[np.int64],
        lr: float,
        generator: np.random.Generator,
    ) -> Tensor:
        """Learn from one batch.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (n, height, width, 3)
            This process's part of the batch; with `accumulate`, of several forward passes.
        targets : ndarray of int64, shape (n,)
            Index of each class.
        lr : float
            Learning rate of this step.
        generator : numpy.random.Generator
            Of the mixing.

        Returns
        -------
        Tensor
            Mean loss of this process's part, on the device. Nothing is learnt, and the loss is 0,
            where some process has fewer than two images: one has no variance to normalise by.
        """
        sizes = self._ranks.gathered(len(targets))
        if min(sizes) < 2:
            return torch.zeros((), device=self._device)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        # The mean over the images of all processes is taken, and they average what they send.
        scale = self._ranks.world / sum(sizes)
        parts = min(self._settings.accumulate, min(sizes) // 2)
        total = torch.zeros((), device=self._device)
        for number, part in enumerate(np.array_split(np.arange(len(targets)), parts), 1):
            with self._quiet(number < parts):
                loss = self._loss(pixels[part], targets[part], generator)
                self._scaler.scale(loss * scale).backward()  # type: ignore[no-untyped-call]  # torch's
            total += loss.detach()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad()
        self.steps += 1
        if self._average is not None:
            self._average.update(self.model, self.steps)
        return total / len(targets)

    def settle(self) -> None:
        """Take over the first process's statistics of norms: what is validated is what is kept."""
        for network in dict.fromkeys((self.model, self.kept)):
            self._ranks.equalise(network.buffers())

    def snapshot(self) -> dict[str, Any]:
        """Copy the whole state, to the CPU."""
        average = {} if self._average is None else self._average.module.state_dict()
        copied: dict[str, Any] = _on_cpu(
            {
                "model": self.model.state_dict(),
                "average": average,
                "optimizer": self._optimizer.state_dict(),
                "scaler": self._scaler.state_dict(),
                "steps": self.steps,
            }
        )
        return copied

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take a state back, bit for bit; the weight decay is that of the settings."""
        self.model.load_state_dict(state["model"])
        decays = [group["weight_decay"] for group in self._optimizer.param_groups]
        # Loading keeps references to what it is given.
        self._optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        for group, decay in zip(self._optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        self._optimizer.zero_grad()
        # Another precision than before has no scale yet, or needs none.
        if state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]
        if self._average is not None:
            # A training that goes on with an average it did not have begins it where it is.
            self._average.module.load_state_dict(state["average"] or state["model"])

    def _loss(
        self, pixels: NDArray[np.uint8], targets: NDArray[np.int64], generator: np.random.Generator
    ) -> Tensor:
        """Sum of the losses of some images."""
        smoothing = self._settings.smoothing
        inputs = to_input(pixels, self._preprocessing, self._device)
        wanted = torch.from_numpy(targets).to(self._device)
        if self._mix is not None:
            inputs, wanted = self._mix(inputs, wanted, generator, self._classes, smoothing)
            smoothing = 0.0
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, self._type, self._type != torch.float32):
            logits = self._forward(inputs)
        logits = logits.float()
        if self._priors is not None:
            logits = logits + self._priors
        return functional.cross_entropy(
            logits, wanted, self._weights, reduction="sum", label_smoothing=smoothing
        )

    def _wrapped(self) -> nn.Module:
        forward: nn.Module = self.model
        if self._ranks.world > 1:
            devices = None if self._device.type == "cpu" else [self._device]
            forward = DistributedDataParallel(forward, device_ids=devices)
        if self._settings.compile:
            forward = torch.compile(forward)  # type: ignore[assignment]  # it is one
        return forward

    @contextmanager
    def _quiet(self, quiet: bool) -> Iterator[None]:
        """Keep the gradients to this process while there are more passes to come."""
        inner = getattr(self._forward, "_orig_mod", self._forward)
        with inner.no_sync() if quiet and isinstance(inner, DistributedDataParallel) else _NOTHING:
            yield


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """Give the type that the forward pass computes in; ``auto`` is fp32 on a CPU."""
    if name == "auto" and device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return types.get(name, torch.float32)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, Mapping):
        return {key: _on_cpu(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_on_cpu(inner) for inner in value)
    return value
