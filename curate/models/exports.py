"""A checkpoint for other programs: an ONNX model, or a folder that timm loads.

Whatever is written is first asked beside the checkpoint, and only written if it says the same.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from curate.core import files
from curate.core.errors import InputError
from curate.models import arch as architectures
from curate.models.backends import Plan, is_installed, traced
from curate.models.checkpoint import Checkpoint
from curate.models.device import to_input
from curate.models.network import Network, network_of
from curate.models.recipe import parse
from curate.models.runner import Runner
from curate.models.scores import log_softmax
from curate.models.weights import WRITERS, Content

ALLOWED = 1e-4
"""The largest difference of a score that an export may make; rounding makes a hundredth of it."""

WEIGHTS, CONFIG = "model.safetensors", "config.json"
"""Files of a folder that timm loads, by the names that its hub has for them."""

_CONFIGURED = ("fixed_input_size", "first_conv", "classifier")
"""What timm needs to know of the architecture, beside its preprocessing, to change the model."""

Scores = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Prepared pixels, uint8 (N, height, width, 3), to calibrated scores (N, K)."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    kind : str
        Key of `KINDS`.
    paths : tuple of Path
        The files.
    calibrated : bool
        Whether the softmax of its logits is the calibrated score.
    difference : float
        The largest difference of a score from the checkpoint's, over a few images.
    """

    kind: str
    paths: tuple[Path, ...]
    calibrated: bool
    difference: float


@dataclass(frozen=True)
class _Made:
    """An export that lies nowhere yet: its files by name, and how it is asked."""

    contents: Mapping[str, bytes]
    calibrated: bool
    scores: Scores


def export(checkpoint: Checkpoint, out: Path) -> Exported:
    """Write a checkpoint for other programs.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to write.
    out : Path
        A file that ends in ``.onnx``; any other name is a folder, which is made, for timm.

    Raises
    ------
    InputError
        It cannot be written there, a package is missing, the exporter cannot express the
        architecture, or what came out gives other scores.
    """
    kind = "onnx" if out.suffix == ".onnx" else "timm"
    if kind == "timm" and not out.is_dir() and (out.suffix or out.exists()):
        raise InputError(
            str(out),
            "a file that ends in .onnx is written, or a folder for timm",
            "Name one of these; make the folder first if its name has a dot",
        )
    folder = out.parent if kind == "onnx" else out
    if not folder.is_dir() and not (kind == "timm" and out.parent.is_dir()):
        raise InputError(str(out), f"there is no folder {out.parent}", "Make it first")
    if kind == "timm" and (out / WEIGHTS).exists() and not (out / CONFIG).exists():
        # It may be a checkpoint of this name, which is more than what would replace it.
        raise InputError(
            str(out / WEIGHTS), f"it lies there without {CONFIG}: no export", "Name another folder"
        )
    made = KINDS[kind](checkpoint, out.name)
    difference = _difference(checkpoint, made.scores)
    if not difference <= ALLOWED:
        raise InputError(
            f"{checkpoint.arch} for {kind}",
            f"it would give other scores than the checkpoint, by up to {difference:.2g}",
            "Take another kind of export; nothing was written",
        )
    _make(folder)
    for name, content in made.contents.items():
        files.write_asked(folder / name, content)
    paths = tuple(folder / name for name in made.contents)
    return Exported(kind, paths, made.calibrated, difference)


class Served(nn.Module):
    """A network whose answer needs nothing more: calibrated scores, and the logits beside them."""

    def __init__(self, network: Network, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute scores and logits, float32 (N, K) each, of uint8 (N, height, width, 3)."""
        logits = self.network(pixels)
        return torch.softmax(logits / self.temperature, dim=1), logits


def _onnx(checkpoint: Checkpoint, name: str) -> _Made:
    if not is_installed("onnx"):
        raise InputError(
            name,
            "writing and checking an ONNX model needs onnx and onnxruntime, which are not here",
            "pip install 'curate[onnx]', or export for timm",
        )
    onnx, runtime = (importlib.import_module(package) for package in ("onnx", "onnxruntime"))
    network = Served(network_of(checkpoint), checkpoint.temperature).eval()
    drawn = traced(network, checkpoint, ("scores", "logits"), "Export it for timm: name a folder")
    model = onnx.load_from_string(drawn)
    model.producer_name = "curate"
    onnx.helper.set_model_props(model, _properties(checkpoint))
    content = model.SerializeToString(deterministic=True)

    def scores(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(["scores"], {"pixels": pixels})[0])

    return _Made({name: content}, False, scores)


def _properties(checkpoint: Checkpoint) -> dict[str, str]:
    """Say what a program must know that runs the model: texts, JSON but for plain ones."""
    told = {
        "arch": checkpoint.arch,
        "classes": list(checkpoint.classes),
        "preprocessing": checkpoint.preprocessing.to_json(),
        **_history(checkpoint),
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in told.items()
        if value is not None
    }


def _history(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "digest": checkpoint.digest,
        "temperature": checkpoint.temperature,
        "thresholds": dict(checkpoint.thresholds),
        "throw_away": checkpoint.throw_away,
        "licence": checkpoint.licence,
    }


def _timm(checkpoint: Checkpoint, _name: str) -> _Made:
    weights, folded = calibrated_weights(checkpoint)
    config = _config(checkpoint, folded)
    contents = {
        # One entry: the order of several in a header is not the same each time.
        WEIGHTS: WRITERS[".safetensors"](Content(weights, {"format": "pt"})),
        CONFIG: json.dumps(config, indent=2, ensure_ascii=False).encode(),
    }
    left = 1.0 if folded else checkpoint.temperature

    def scores(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            for name, content in contents.items():
                (Path(folder) / name).write_bytes(content)
            model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        with torch.inference_mode():
            answer = model(to_input(pixels, checkpoint.preprocessing, torch.device("cpu")))
        return np.exp(log_softmax(answer.numpy(), left))

    return _Made(contents, folded, scores)


def calibrated_weights(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], bool]:
    """Divide the head by the temperature, so that the softmax of its logits is calibrated.

    Returns
    -------
    weights : dict of str to Tensor
        In float32.
    folded : bool
        False where the head is not linear: then the logits are as they were.
    """
    weights = {
        key: value.float() if value.is_floating_point() else value
        for key, value in checkpoint.weights.items()
    }
    with torch.random.fork_rng(devices=[]):
        model = architectures.build(checkpoint.arch, len(checkpoint.classes))
    heads = architectures.head_of(model)
    linear = (nn.Linear, nn.Conv2d)
    if not heads or not all(isinstance(model.get_submodule(name), linear) for name in heads):
        return weights, False
    for key in weights:
        if architectures.in_head(key, heads):
            weights[key] = weights[key] / checkpoint.temperature
    return weights, True


def _config(checkpoint: Checkpoint, folded: bool) -> dict[str, Any]:
    """Write what timm reads: the architecture with its arguments, classes and preprocessing."""
    call, used = parse(checkpoint.arch)[0], checkpoint.preprocessing
    known = architectures.default_config(checkpoint.arch)
    number = len(checkpoint.classes)
    return {
        # The part after the dot names weights, and these are others.
        "architecture": call.name.partition(".")[0],
        "num_classes": number,
        "label_names": list(checkpoint.classes),
        "model_args": call.keywords,
        "pretrained_cfg": {
            "num_classes": number,
            "input_size": [3, used.height, used.width],
            "interpolation": used.interpolation,
            "crop_pct": used.crop_pct,
            "crop_mode": used.crop_mode,
            "mean": list(used.mean),
            "std": list(used.std),
            **{name: known[name] for name in _CONFIGURED if known.get(name) is not None},
            **({"license": checkpoint.licence} if checkpoint.licence else {}),
        },
        "curate": {**_history(checkpoint), "temperature_is_in_the_weights": folded},
    }


KINDS: dict[str, Callable[[Checkpoint, str], _Made]] = {"onnx": _onnx, "timm": _timm}
"""What a checkpoint can be written as: it and a file's name, to an export."""


def _difference(checkpoint: Checkpoint, scores: Scores) -> float:
    """Ask an export and the checkpoint the same; NaN where an answer is not a number."""
    used = checkpoint.preprocessing
    noise = np.random.default_rng(0).integers(0, 256, (used.height, used.width, 3), np.uint8)
    # Loud, quiet, black and white: what a network says of one kind may hide a fault.
    pixels = np.stack([noise, noise // 4, np.zeros_like(noise), np.full_like(noise, 255)])
    own = Runner(checkpoint, Plan(batch_size=len(pixels))).run(pixels).logits
    expected = np.exp(log_softmax(own, checkpoint.temperature))
    return float(np.abs(scores(pixels) - expected).max())


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            str(folder), f"cannot be made: {files.describe(error)}", "Choose another place"
        ) from error
