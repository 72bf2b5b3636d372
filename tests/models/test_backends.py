"""Every backend computes the same; what is not here says so."""

from __future__ import annotations

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from curate.core.errors import InputError
from curate.models import backends
from curate.models.backends import BACKENDS, PACKAGES, Plan, exported, is_installed
from curate.models.checkpoint import Checkpoint
from curate.models.runner import Runner

from .test_network import ARCHS, made, pixels

EXACT = 1e-3
"""Logits of a spread of 1 differ by less, in fp32, between any two backends."""


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name in PACKAGES:
        for package in PACKAGES[name]:
            pytest.importorskip(package)
    return name


@pytest.mark.parametrize("arch", ARCHS)
def test_every_backend_agrees(backend: str, arch: str) -> None:
    checkpoint = made(arch)
    batch = pixels(checkpoint, 5).numpy()
    reference = Runner(checkpoint, Plan(channels_last=False), features=True).run(batch)
    # Three parts, the last of another size.
    found = Runner(checkpoint, Plan(backend=backend, batch_size=2), features=True).run(batch)
    assert np.allclose(found.logits, reference.logits, atol=EXACT)
    assert found.features is not None
    assert reference.features is not None
    assert np.allclose(found.features, reference.features, atol=EXACT)


def test_every_backend_bears_threads_at_once(backend: str, checkpoint: Checkpoint) -> None:
    runner = Runner(checkpoint, Plan(backend=backend, batch_size=3, streams=2))
    batches = [pixels(checkpoint, 5).numpy() // (seed + 1) for seed in range(10)]
    serial = [runner.run(batch).logits for batch in batches]
    with ThreadPoolExecutor(2) as pool:
        for one, other in zip(serial, pool.map(runner.run, batches), strict=True):
            assert np.allclose(one, other.logits, atol=1e-5)


def test_an_output_is_not_overwritten_by_the_next(backend: str, checkpoint: Checkpoint) -> None:
    forward = BACKENDS[backend](checkpoint, Plan(backend=backend), False)
    batch = pixels(checkpoint, 2).numpy()
    first = forward(batch)
    kept = first.copy()
    forward(255 - batch)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_missing_package_is_named(
    name: str, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGES[name][0], None)
    with pytest.raises(InputError, match=rf"pip install 'curate\[{name}\]'"):
        Runner(checkpoint, Plan(backend=name))


def test_what_is_installed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed("torch")
    monkeypatch.setitem(backends.PACKAGES, "onnx", ("torch", "no_such_package_of_anybody"))
    assert not is_installed("onnx")


def test_a_backend_refuses_what_it_cannot(backend: str, checkpoint: Checkpoint) -> None:
    if backend == "torch":
        return
    with pytest.raises(InputError, match="fp16 on cpu"):
        Runner(checkpoint, Plan(backend=backend, precision="fp16"))


def test_openvino_computes_in_bf16(checkpoint: Checkpoint) -> None:
    pytest.importorskip("openvino")
    batch = pixels(checkpoint, 4).numpy()
    exact = Runner(checkpoint, Plan(backend="openvino")).run(batch).logits
    near = Runner(checkpoint, Plan(backend="openvino", precision="bf16")).run(batch).logits
    assert np.allclose(near, exact, atol=0.1)


def test_the_export_is_silent_and_the_same_each_time(checkpoint: Checkpoint) -> None:
    pytest.importorskip("onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, other = exported(checkpoint), exported(checkpoint)
    assert one == other
    assert b"pixels" in one


def test_what_cannot_be_exported_says_so(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand a long trace")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(InputError, match=r"exported to ONNX \(no such operator\)") as caught:
        exported(checkpoint)
    assert "--backend torch" in caught.value.remedy


def test_compiling_is_asked_for_once_and_for_one_size(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def compiler(network: torch.nn.Module, **options: object) -> torch.nn.Module:
        asked.append(options)
        return network

    monkeypatch.setattr(torch, "compile", compiler)
    batch = pixels(checkpoint, 3).numpy()
    plain = Plan(batch_size=2)
    found = Runner(checkpoint, replace(plain, compiled=True)).run(batch).logits
    assert asked == [{"dynamic": False}]
    assert np.allclose(found, Runner(checkpoint, plain).run(batch).logits, atol=1e-5)
