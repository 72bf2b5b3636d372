"""The network with its normalising, folding and head: the same numbers as timm's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from curate.models import network
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint
from curate.models.device import to_input
from curate.models.network import DTYPES, folded, network_of

# One of each way to pool: global average, a conv head after it, a norm before it, a class token,
# two classifiers.
ARCHS = [
    "test_resnet", "test_efficientnet", "test_mambaout", "test_convnext", "test_vit",
    "deit_tiny_distilled_patch16_224(depth=1,img_size=32)", "mobilenetv3_small_050",
]  # fmt: skip


def made(arch: str, side: int = 32) -> Checkpoint:
    """A checkpoint whose batch norms have something to say."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build(arch, 5)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(std=0.2)
                module.running_var.uniform_(0.5, 2)
    used = preprocessing(arch)
    if "vit" not in arch and "deit" not in arch:
        used = used.at_size(side)
    return Checkpoint(arch, tuple("abcde"), used, model.state_dict())


def pixels(checkpoint: Checkpoint, number: int = 3) -> torch.Tensor:
    used = checkpoint.preprocessing
    shape = (number, used.height, used.width, 3)
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return torch.from_numpy(values)


def plain(checkpoint: Checkpoint) -> nn.Module:
    model = build(checkpoint.arch, 5)
    model.load_state_dict(dict(checkpoint.weights))
    return model.eval()


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_logits_and_features_are_timms(arch: str, channels_last: bool) -> None:
    checkpoint = made(arch)
    model, given = plain(checkpoint), pixels(checkpoint)
    inputs = to_input(given.numpy(), checkpoint.preprocessing, torch.device("cpu"))
    with torch.inference_mode():
        expected = model(inputs)
        model_of_timm: Any = model
        pooled = model_of_timm.forward_head(model_of_timm.forward_features(inputs), pre_logits=True)
        if isinstance(pooled, tuple):
            pooled = sum(pooled) / len(pooled)
        found = network_of(checkpoint, channels_last=channels_last, features=True)(given)
        alone = network_of(checkpoint, channels_last=channels_last)(given)
    assert found.dtype == torch.float32
    assert torch.allclose(found[:, :5], expected, atol=1e-4)
    assert torch.allclose(found[:, 5:], pooled.flatten(1), atol=1e-3)
    assert torch.allclose(alone, expected, atol=1e-4)
    assert expected.std() > 0


def test_unfolded_it_is_timms_bit_for_bit() -> None:
    checkpoint = made("test_resnet")
    given = pixels(checkpoint)
    inputs = to_input(given.numpy(), checkpoint.preprocessing, torch.device("cpu"))
    with torch.inference_mode():
        assert torch.equal(network_of(checkpoint, fold=False)(given), plain(checkpoint)(inputs))


@pytest.mark.parametrize("arch", ["test_resnet", "test_efficientnet", "mobilenetv3_small_050"])
def test_folding_leaves_no_batch_norm(arch: str) -> None:
    found = network_of(made(arch))
    assert not [module for module in found.modules() if isinstance(module, nn.BatchNorm2d)]


class _Odd(nn.Module):
    """Uses the convolution's output beside the batch norm of it: folding would change it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        assert self.bn.running_mean is not None
        self.bn.running_mean += 1

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        made = self.conv(inputs)
        normal: torch.Tensor = self.bn(made)
        return torch.mean(made + normal, (2, 3))


class _Asks(_Odd):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        normal: torch.Tensor = self.bn(self.conv(inputs))
        return torch.div(normal.mean((2, 3)), self.bn.eps)


class _Twice(_Odd):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        once: torch.Tensor = self.bn(self.conv(inputs))
        return torch.mean(once + self.conv(inputs), (2, 3))


@pytest.mark.parametrize("kind", [_Odd, _Asks, _Twice])
def test_what_folding_would_change_stays(kind: type[_Odd]) -> None:
    model = kind().eval()
    assert folded(model, made("test_resnet").preprocessing) is model


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_lower_precision_is_near_and_keeps_the_head_whole(precision: str) -> None:
    checkpoint = made("test_resnet")
    found = network_of(checkpoint, precision, channels_last=True)
    kinds = {name: value.dtype for name, value in found.named_parameters()}
    assert DTYPES[precision] in kinds.values()
    assert {kind for name, kind in kinds.items() if "classifier" in name} == {torch.float32}
    with torch.inference_mode():
        expected = network_of(checkpoint)(pixels(checkpoint))
        near = found(pixels(checkpoint))
    assert near.dtype == torch.float32
    assert not torch.equal(near, expected)
    assert torch.allclose(near, expected, atol=0.1)


def test_half_precision_weights_are_computed_with_in_full() -> None:
    checkpoint = made("test_resnet")
    halves = {
        key: value.half() if value.is_floating_point() else value
        for key, value in checkpoint.weights.items()
    }
    half = Checkpoint(checkpoint.arch, checkpoint.classes, checkpoint.preprocessing, halves)
    assert {value.dtype for value in network_of(half).parameters()} == {torch.float32}


def test_building_leaves_random_numbers_and_weights_alone() -> None:
    checkpoint = made("test_resnet")
    weights = {name: value.clone() for name, value in checkpoint.weights.items()}
    before = torch.get_rng_state()
    network_of(checkpoint, "bf16", channels_last=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, checkpoint.weights[name]) for name, value in weights.items())


def test_folding_may_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_CLOSE", -1.0)
    found = network_of(made("test_resnet"))
    assert [module for module in found.modules() if isinstance(module, nn.BatchNorm2d)]
