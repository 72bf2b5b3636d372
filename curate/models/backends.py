"""What computes a network's forward pass: torch, ONNX Runtime, OpenVINO."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from curate.core.errors import InputError
from curate.models.checkpoint import Checkpoint
from curate.models.network import Network, network_of

Pixels = NDArray[np.uint8]
Forward = Callable[[Pixels], NDArray[np.float32]]
"""uint8 (N, height, width, 3) to float32 (N, K), with features (N, K + D). N is at least 1; may be
called from `Plan.streams` threads at once."""


@dataclass(frozen=True)
class Plan:
    """How a model is run.

    Attributes
    ----------
    device : str
        ``cpu``, ``cuda:0`` ….
    backend : str
        Key of `BACKENDS`.
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.
    batch_size : int
        Images in one forward pass.
    streams : int
        Forward passes at the same time, each called from its own thread.
    threads : int
        CPU threads inside one forward pass.
    channels_last : bool
        Whether torch keeps the channels of a pixel together.
    compiled : bool
        Whether torch compiles the network first.
    """

    device: str = "cpu"
    backend: str = "torch"
    precision: str = "fp32"
    batch_size: int = 16
    streams: int = 1
    threads: int = 1
    channels_last: bool = True
    compiled: bool = False


PACKAGES = {"onnx": ("onnxruntime", "onnx"), "openvino": ("openvino", "onnx")}
"""What a backend needs to be installed: its runtime, and the writer of its models. Each backend
that needs something is an extra of its name."""


def is_installed(backend: str) -> bool:
    """Whether what a backend needs can be imported; nothing is imported for the answer."""
    return all(importlib.util.find_spec(name) for name in PACKAGES.get(backend, ()))


def _torch(checkpoint: Checkpoint, plan: Plan, features: bool) -> Forward:
    network = network_of(
        checkpoint, plan.precision, channels_last=plan.channels_last, features=features
    )
    device = torch.device(plan.device)
    return _on_cpu(network, plan) if device.type == "cpu" else _on_cuda(network, plan, device)


def _on_cpu(network: Network, plan: Plan) -> Forward:
    compute = _compiled(network) if plan.compiled else network

    def forward(batch: Pixels) -> NDArray[np.float32]:
        # OpenMP counts its threads for each calling thread.
        if torch.get_num_threads() != plan.threads:
            torch.set_num_threads(plan.threads)
        with torch.inference_mode():
            return np.asarray(compute(_tensor(batch)).numpy())

    return forward


def _on_cuda(network: Network, plan: Plan, device: torch.device) -> Forward:
    network.to(device)
    torch.cuda.synchronize(device)  # other streams use the weights from here on
    compute = _compiled(network) if plan.compiled else network
    own = threading.local()
    make_stream: Callable[[torch.device], Any] = torch.cuda.Stream  # untyped in torch

    def forward(batch: Pixels) -> NDArray[np.float32]:
        if not hasattr(own, "stream"):
            own.stream = make_stream(device)
        with torch.inference_mode(), torch.cuda.stream(own.stream):
            # From pinned memory the copy runs beside the other streams' arithmetic.
            pixels = _tensor(batch).pin_memory().to(device, non_blocking=True)
            output = compute(pixels)
            result = torch.empty(output.shape, dtype=output.dtype, pin_memory=True)
            result.copy_(output, non_blocking=True)
        own.stream.synchronize()
        return np.asarray(result.numpy())

    return forward


def _tensor(batch: Pixels) -> torch.Tensor:
    # torch warns of arrays that it could not write to; such a batch is copied.
    return torch.from_numpy(np.require(batch, requirements=["C", "W"]))


def _compiled(network: Network) -> Callable[[torch.Tensor], torch.Tensor]:
    # It says that it found no CUDA, which is the user's business where it is wanted only.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    # One batch size at a time is met (`Runner` pads): code for a fixed one is faster.
    compiled: Callable[[torch.Tensor], torch.Tensor] = torch.compile(network, dynamic=False)

    def compute(pixels: torch.Tensor) -> torch.Tensor:
        with warnings.catch_warnings():
            # What the compiler says of its own innards; later calls are silent and skip nothing.
            warnings.simplefilter("ignore")
            return compiled(pixels)

    return compute


def _onnx(checkpoint: Checkpoint, plan: Plan, features: bool) -> Forward:
    runtime = _module("onnx")
    _only_on_cpu(plan, ("fp32",))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = plan.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads must leave the cores to the decoders.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(
        exported(checkpoint, features), options, providers=["CPUExecutionProvider"]
    )

    def forward(batch: Pixels) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {"pixels": batch})[0])

    return forward


def _openvino(checkpoint: Checkpoint, plan: Plan, features: bool) -> Forward:
    openvino = _module("openvino")
    _only_on_cpu(plan, tuple(_HINTS))
    core = openvino.Core()
    model = core.read_model(exported(checkpoint, features))
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[plan.precision],
        "NUM_STREAMS": plan.streams,
        "INFERENCE_NUM_THREADS": plan.streams * plan.threads,
    }
    compiled = core.compile_model(model, "CPU", settings)
    own = threading.local()

    def forward(batch: Pixels) -> NDArray[np.float32]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return np.asarray(own.request.infer([np.ascontiguousarray(batch)])[0])

    return forward


_HINTS = {"fp32": "f32", "bf16": "bf16"}

Backend = Callable[[Checkpoint, Plan, bool], Forward]
"""Checkpoint, plan and whether features are wanted, to what computes a batch."""

BACKENDS: dict[str, Backend] = {"torch": _torch, "onnx": _onnx, "openvino": _openvino}
"""What can compute a forward pass, by the name that `--backend` takes."""


def exported(checkpoint: Checkpoint, features: bool = False) -> bytes:
    """Write the network as an ONNX model in float32.

    Returns
    -------
    bytes
        Input ``pixels``, uint8 (N, height, width, 3); output ``output``, float32 (N, K) or
        (N, K + D). N is free.

    Raises
    ------
    InputError
        The exporter cannot express this architecture.
    """
    network = network_of(checkpoint, features=features)
    return traced(network, checkpoint, ("output",), "Take --backend torch")


def traced(
    network: nn.Module, checkpoint: Checkpoint, outputs: Sequence[str], remedy: str
) -> bytes:
    """Write a network that takes a checkpoint's pixels as an ONNX model.

    Parameters
    ----------
    network : torch.nn.Module
        From uint8 (N, height, width, 3) to a tensor, or a tuple of them, with N first.
    checkpoint : Checkpoint
        Its size of pixels is used, and its architecture is named where this fails.
    outputs : sequence of str
        Names of what comes out; what goes in is called ``pixels``. N is free.
    remedy : str
        What to do where it fails.

    Raises
    ------
    InputError
        The exporter cannot express this architecture.
    """
    used = checkpoint.preprocessing
    # Two images: with one, some exporters take the number for a constant.
    pixels = torch.zeros((2, used.height, used.width, 3), dtype=torch.uint8)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            warnings.catch_warnings(),
            torch.inference_mode(),
        ):
            target = Path(folder) / "model.onnx"
            # It warns that it is old, and of every size that it takes as fixed, which ours are.
            warnings.simplefilter("ignore")
            # The tracing exporter needs no further package and a tenth of the other's time.
            torch.onnx.export(
                network,
                (pixels,),
                target,
                dynamo=False,
                input_names=["pixels"],
                output_names=list(outputs),
                dynamic_axes={name: {0: "images"} for name in ("pixels", *outputs)},
            )
            return target.read_bytes()
    except Exception as error:  # the exporter fails in whatever way the network's code does
        lines = str(error).strip().splitlines()
        raise InputError(
            f"architecture {checkpoint.arch!r}",
            f"it cannot be exported to ONNX ({lines[0] if lines else type(error).__name__})",
            remedy,
        ) from error


def _module(backend: str) -> Any:
    """Import a backend's runtime."""
    try:
        runtime, *_ = (importlib.import_module(name) for name in PACKAGES[backend])
    except ImportError as error:
        raise InputError(
            f"backend {backend!r}",
            f"it needs {' and '.join(PACKAGES[backend])}, which cannot be imported ({error})",
            f"pip install 'curate[{backend}]', or take --backend torch",
        ) from error
    return runtime


def _only_on_cpu(plan: Plan, precisions: tuple[str, ...]) -> None:
    if plan.device != "cpu" or plan.precision not in precisions:
        raise InputError(
            f"backend {plan.backend!r} with {plan.precision} on {plan.device}",
            f"here it computes on the CPU, in {' or '.join(precisions)}",
            "Take --backend torch, or leave device and precision to auto",
        )
