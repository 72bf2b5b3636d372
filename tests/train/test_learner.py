from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from curate.models.device import to_input
from curate.train import TrainSettings
from curate.train.learner import Learner, precision_of
from curate.train.start import start

CPU = torch.device("cpu")
COUNTS = np.array([90, 9, 1])
CLASSES = ("a", "b", "c")


def learner_of(settings: TrainSettings, arch: str = "test_vit") -> Learner:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        begun = start(arch, None, CLASSES, settings)
    return Learner(begun, settings, COUNTS, CPU)


def batch(size: int = 8, side: int = 32) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    drawn = np.random.default_rng(2)
    pixels = drawn.integers(0, 256, (size, side, side, 3), dtype=np.uint8)
    return pixels, drawn.integers(0, 3, size)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(state: Any) -> list[Tensor]:
    if isinstance(state, Tensor):
        return [state]
    if isinstance(state, dict):
        return [found for key in state for found in flat(state[key])]
    return [found for inner in state for found in flat(inner)] if isinstance(state, list) else []


def same(one: Any, other: Any) -> bool:
    pairs = list(zip(flat(one), flat(other), strict=True))
    return bool(pairs) and all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def plain() -> TrainSettings:
    return TrainSettings(size=32, device="cpu", augment="", smoothing=0.0)


def test_a_step_is_the_gradient_of_the_mean_loss(plain: TrainSettings) -> None:
    settings = replace(plain, optimizer="sgd(momentum=0.0, nesterov=False)", weight_decay=0)
    learner, reference = learner_of(settings), learner_of(settings)
    pixels, targets = batch()
    said = learner.step(pixels, targets, 0.5, chance())

    model = reference.model.train()
    preprocessing = start("test_vit", None, CLASSES, settings).preprocessing
    loss = functional.cross_entropy(
        model(to_input(pixels, preprocessing, CPU)), torch.from_numpy(targets)
    )
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert said.item() == pytest.approx(loss.item(), rel=1e-5)
    for ours, theirs in zip(learner.model.parameters(), model.parameters(), strict=True):
        assert theirs.grad is not None
        assert torch.allclose(ours, theirs - 0.5 * theirs.grad, atol=1e-5)


def test_accumulated_passes_are_one_step(plain: TrainSettings) -> None:
    pixels, targets = batch(12)
    weights = []
    for parts in (1, 3):
        learner = learner_of(replace(plain, accumulate=parts))
        learner.step(pixels, targets, 1e-3, chance())
        assert learner.steps == 1
        weights.append(list(learner.model.parameters()))
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize("more", [{}, {"ema": 0.9}, {"optimizer": "sgd(momentum=0.9)"}])
def test_a_snapshot_is_taken_back_bit_for_bit(
    plain: TrainSettings, more: dict[str, object]
) -> None:
    learner = learner_of(replace(plain, **more), "test_resnet")  # type: ignore[arg-type]
    pixels, targets = batch()
    learner.begin()
    learner.step(pixels, targets, 1e-3, chance())
    before = learner.snapshot()
    weights = {key: value.clone() for key, value in learner.kept.state_dict().items()}
    after = []
    for _ in range(2):
        learner.step(pixels, targets, 1e-2, chance())
        after.append(learner.snapshot())
        assert not same(before["model"], after[-1]["model"])
        learner.restore(before)
        assert same(learner.snapshot(), before)
        assert same(dict(learner.kept.state_dict()), weights)
        assert learner.steps == 1
    # The state is all that a step depends on, and stepping did not reach into it.
    assert same(after[0], after[1])


def test_an_average_moves_slower_than_what_it_averages(plain: TrainSettings) -> None:
    learner = learner_of(replace(plain, ema=0.99))
    first = [p.detach().clone() for p in learner.kept.parameters()]
    pixels, targets = batch()
    for _ in range(4):
        learner.step(pixels, targets, 1e-2, chance())
    far, near = (
        sum(float((now.detach() - then).norm()) for now, then in zip(of, first, strict=True))
        for of in (learner.model.parameters(), learner.kept.parameters())
    )
    assert 0 < near < far
    plainly = learner_of(plain)
    assert plainly.kept is plainly.model


def test_a_training_goes_on_with_an_average_that_it_did_not_have(plain: TrainSettings) -> None:
    without, with_one = learner_of(plain), learner_of(replace(plain, ema=0.9))
    without.step(*batch(), 1e-2, chance())
    with_one.restore(without.snapshot())
    assert same(dict(with_one.kept.state_dict()), dict(without.model.state_dict()))


def test_it_goes_on_in_another_precision_and_with_another_decay(plain: TrainSettings) -> None:
    before = learner_of(plain)
    before.step(*batch(), 1e-3, chance())
    after = learner_of(replace(plain, precision="fp16", weight_decay=0.2))
    after.restore(before.snapshot())
    assert after.step(*batch(), 1e-3, chance()).isfinite()
    assert {group["weight_decay"] for group in after._optimizer.param_groups} == {0.2, 0.0}


def test_a_frozen_body_stays_and_thaws(plain: TrainSettings) -> None:
    learner = learner_of(plain, "test_resnet")
    first = {key: value.clone() for key, value in learner.model.state_dict().items()}
    learner.freeze(True)
    learner.begin()
    learner.step(*batch(), 1e-2, chance())
    moved = {
        key.split(".")[0]
        for key, value in learner.model.state_dict().items()
        if not torch.equal(value, first[key])
    }
    assert moved == {"fc"}
    learner.freeze(False)
    learner.begin()
    learner.step(*batch(), 1e-2, chance())
    after = learner.model.state_dict()
    assert not any(
        torch.equal(after[key], first[key]) for key in first if key.endswith("conv1.weight")
    )


def test_batches_of_one_teach_nothing(plain: TrainSettings) -> None:
    learner = learner_of(plain, "test_resnet")
    before = learner.snapshot()
    assert learner.step(*batch(1), 1e-2, chance()).item() == 0
    assert same(learner.snapshot(), before)
    assert learner.steps == 0


def test_what_the_loss_makes_of_classes(plain: TrainSettings) -> None:
    pixels, targets = batch()
    losses = {
        balance: learner_of(replace(plain, balance=balance)).step(pixels, targets, 0.0, chance())
        for balance in ("none", "sampling", "effective", "logits")
    }
    assert losses["none"].item() == losses["sampling"].item()
    assert len({round(loss.item(), 5) for loss in losses.values()}) == 3


def test_mixing_changes_the_loss_by_its_generator(plain: TrainSettings) -> None:
    pixels, targets = batch()
    mixed = replace(plain, mix="mixup(alpha=1.0)")
    losses = [
        learner_of(settings).step(pixels, targets, 0.0, chance(seed)).item()
        for settings, seed in ((plain, 0), (mixed, 0), (mixed, 0), (mixed, 1))
    ]
    assert losses[1] == losses[2]
    assert len(set(losses)) == 3


def test_precision(monkeypatch: pytest.MonkeyPatch, plain: TrainSettings) -> None:
    gpu = torch.device("cuda")
    for capable, best in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda capable=capable: capable)
        assert precision_of("auto", gpu) == best
    assert precision_of("auto", CPU) == precision_of("fp32", gpu) == torch.float32
    pixels, targets = batch()
    exact, coarse = (
        learner_of(replace(plain, precision=name)).step(pixels, targets, 0.0, chance()).item()
        for name in ("fp32", "bf16")
    )
    assert coarse != exact
    assert coarse == pytest.approx(exact, rel=0.05)


def test_the_network_is_compiled_when_asked(
    monkeypatch: pytest.MonkeyPatch, plain: TrainSettings
) -> None:
    calls: list[int] = []

    def compiled(model: nn.Module) -> Callable[[Tensor], Any]:
        def forward(inputs: Tensor) -> Any:
            calls.append(len(inputs))
            return model(inputs)

        return forward

    monkeypatch.setattr(torch, "compile", compiled)
    learner = learner_of(replace(plain, compile=True, accumulate=2))
    learner.step(*batch(), 1e-3, chance())
    assert calls == [4, 4]
    assert learner.steps == 1
