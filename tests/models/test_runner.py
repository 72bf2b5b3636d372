"""The runner: what it gives depends on the images alone, whatever happens on the way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.core.errors import CurateError, InputError
from curate.models import backends
from curate.models.backends import Forward, Plan
from curate.models.checkpoint import Checkpoint
from curate.models.runner import MemoryShort, Runner, is_out_of_memory
from curate.models.scores import energy, log_softmax

from .test_network import made

Pixels = NDArray[np.uint8]
PLAN = Plan(batch_size=4)


def batch(number: int, side: int = 32, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


def named(number: int) -> Pixels:
    """Images whose pixels all say which they are."""
    names = np.arange(number, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(names, (number, 32, 32, 3)).copy()


class Fake:
    """A backend that says which image it saw, and runs out of memory above some number."""

    def __init__(self, room: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.room = room
        self.error = error
        self.sizes: list[int] = []

    def __call__(self, checkpoint: Checkpoint, plan: Plan, features: bool) -> Forward:
        def forward(given: Pixels) -> NDArray[np.float32]:
            self.sizes.append(len(given))
            if len(given) > self.room:
                raise self.error("DefaultCPUAllocator: not enough memory: you tried to allocate")
            seen = given[:, 0, 0, :1].astype(np.float32)
            return np.concatenate([seen + k for k in range(5)], axis=1)[:, : 5 if features else 3]

        return forward


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(room: int, error: type[Exception] = torch.OutOfMemoryError) -> Fake:
        backend = Fake(room, error)
        monkeypatch.setitem(backends.BACKENDS, "fake", backend)
        return backend

    return install


def test_logits_and_features_have_their_shapes(checkpoint: Checkpoint) -> None:
    output = Runner(checkpoint, PLAN, features=True).run(batch(6))
    assert output.features is not None
    assert output.logits.shape == (6, 3)
    assert output.logits.dtype == np.float32
    assert len(output.features) == 6
    assert output.features.dtype == np.float32
    without = Runner(checkpoint, PLAN).run(batch(6))
    assert without.features is None
    assert np.allclose(without.logits, output.logits, atol=1e-5)


@pytest.mark.parametrize("features", [False, True])
def test_no_image_gives_no_row_of_the_same_width(checkpoint: Checkpoint, features: bool) -> None:
    runner = Runner(checkpoint, PLAN, features=features)
    none, some = runner.run(batch(0)), runner.run(batch(1))
    assert none.logits.shape == (0, 3)
    assert (none.features is None) == (some.features is None) == (not features)
    if none.features is not None and some.features is not None:
        assert none.features.shape == (0, some.features.shape[1])


def test_a_batch_may_be_read_only_or_strided(checkpoint: Checkpoint) -> None:
    runner = Runner(checkpoint, PLAN)
    frozen = batch(2)
    frozen.flags.writeable = False
    strided = np.repeat(frozen, 2, axis=0)[::2]
    assert np.array_equal(runner.run(strided).logits, runner.run(frozen).logits)


@pytest.mark.parametrize(
    "wrong",
    [batch(2, 31), batch(2).astype(np.float32), batch(2)[0], batch(2).transpose(0, 3, 1, 2)],
)
def test_a_batch_of_another_shape_is_refused(checkpoint: Checkpoint, wrong: Any) -> None:
    with pytest.raises(InputError, match=r"takes uint8 \(N, 32, 32, 3\)"):
        Runner(checkpoint, PLAN).run(wrong)


def test_the_neighbours_in_a_batch_do_not_matter(checkpoint: Checkpoint) -> None:
    runner, pixels = Runner(checkpoint, PLAN), batch(7)
    together = runner.run(pixels).logits
    alone = np.concatenate([runner.run(pixels[i : i + 1]).logits for i in range(7)])
    assert np.allclose(together, alone, atol=1e-5)
    assert together.std(axis=0).min() > 0


def test_threads_at_once_get_what_one_gets(checkpoint: Checkpoint) -> None:
    runner = Runner(checkpoint, replace(PLAN, streams=3), features=True)
    batches = [batch(5, seed=seed) for seed in range(12)]
    serial = [runner.run(pixels) for pixels in batches]
    with ThreadPoolExecutor(3) as pool:
        for one, other in zip(serial, pool.map(runner.run, batches), strict=True):
            assert np.allclose(one.logits, other.logits, atol=1e-6)
            assert one.features is not None
            assert other.features is not None
            assert np.allclose(one.features, other.features, atol=1e-6)


def test_torch_takes_the_plans_threads(checkpoint: Checkpoint) -> None:
    runner = Runner(checkpoint, replace(PLAN, threads=2))
    told = []

    def work() -> None:
        runner.run(batch(1))
        told.append(torch.get_num_threads())

    before = torch.get_num_threads()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    torch.set_num_threads(before)
    assert told == [2]


def test_not_a_number_stays_so_in_its_row(checkpoint: Checkpoint) -> None:
    broken = dict(checkpoint.weights)
    name = next(key for key in broken if key.endswith("fc.weight"))
    broken[name] = broken[name].clone()
    broken[name][0] = float("nan")
    for flip in (False, True):
        logits = Runner(replace(checkpoint, weights=broken), PLAN, flip=flip).run(batch(2)).logits
        assert np.isnan(logits[:, 0]).all()


# The mirror ------------------------------------------------------------------------------------


def test_an_image_and_its_mirror_get_the_same(checkpoint: Checkpoint) -> None:
    runner = Runner(checkpoint, PLAN, features=True, flip=True)
    pixels = batch(6)
    one, other = runner.run(pixels), runner.run(pixels[:, :, ::-1])
    assert np.allclose(one.logits, other.logits, atol=1e-5)
    assert one.features is not None
    assert other.features is not None
    assert np.allclose(one.features, other.features, atol=1e-5)
    plain = Runner(checkpoint, PLAN).run(pixels).logits
    assert not np.allclose(one.logits, plain, atol=1e-5)


def test_flip_averages_probabilities_energies_and_features(checkpoint: Checkpoint) -> None:
    pixels, heat = batch(5), checkpoint.temperature
    runner = Runner(checkpoint, PLAN, features=True)
    parts = [runner.run(pixels), runner.run(np.ascontiguousarray(pixels[:, :, ::-1]))]
    found = Runner(checkpoint, PLAN, features=True, flip=True).run(pixels)
    expected = np.mean([np.exp(log_softmax(part.logits, heat)) for part in parts], axis=0)
    assert np.allclose(np.exp(log_softmax(found.logits, heat)), expected, atol=1e-6)
    energies = np.mean([energy(part.logits, heat) for part in parts], axis=0)
    assert np.allclose(energy(found.logits, heat), energies, atol=1e-5)
    assert found.features is not None
    features = np.mean([part.features for part in parts if part.features is not None], axis=0)
    assert np.allclose(found.features, features, atol=1e-6)


# Memory ----------------------------------------------------------------------------------------


@given(
    number=st.integers(1, 60),
    size=st.integers(1, 32),
    room=st.integers(1, 40),
    flip=st.booleans(),
    features=st.booleans(),
)
def test_halving_loses_no_row_and_keeps_their_order(
    number: int, size: int, room: int, flip: bool, features: bool
) -> None:
    backend = Fake(room)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backends.BACKENDS, "fake", backend)
        plan = replace(PLAN, backend="fake", batch_size=size)
        runner = Runner(TINY, plan, flip=flip, features=features)
        output = runner.run(named(number))
    assert np.allclose(output.logits, np.arange(number)[:, None] + np.arange(3), atol=1e-4)
    if output.features is not None:
        assert np.array_equal(output.features, np.arange(number)[:, None] + np.arange(3, 5))
    assert runner.plan.batch_size <= size
    assert max(backend.sizes) <= size
    # It goes down only as far as it must.
    assert runner.plan.batch_size == size or 2 * runner.plan.batch_size + 1 > room


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_the_smaller_size_is_remembered(
    checkpoint: Checkpoint, fake: Any, error: type[Exception]
) -> None:
    backend = fake(3, error)
    runner = Runner(checkpoint, replace(PLAN, backend="fake", batch_size=16))
    runner.run(named(16))
    assert runner.plan.batch_size == 2
    backend.sizes.clear()
    runner.run(named(5))
    assert backend.sizes == [2, 2, 1]


def test_threads_that_fail_together_halve_once(checkpoint: Checkpoint, fake: Any) -> None:
    fake(8)
    runner = Runner(checkpoint, replace(PLAN, backend="fake", batch_size=16, streams=4))
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(runner.run, [named(50)] * 8))
    assert runner.plan.batch_size == 8
    for output in outputs:
        assert output.logits[:, 0].tolist() == list(range(50))


def test_not_one_image_fits(checkpoint: Checkpoint, fake: Any) -> None:
    fake(0)
    runner = Runner(checkpoint, replace(PLAN, backend="fake", batch_size=4))
    with pytest.raises(MemoryShort, match="not even one image fits") as caught:
        runner.run(named(4))
    assert isinstance(caught.value, CurateError)
    assert "--device cpu" in caught.value.remedy


def test_other_errors_are_not_swallowed(checkpoint: Checkpoint, fake: Any) -> None:
    fake(0, ValueError)
    with pytest.raises(ValueError, match="not enough"):
        Runner(checkpoint, replace(PLAN, backend="fake")).run(named(4))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_is_out_of_memory(error: Exception, said: bool) -> None:
    assert is_out_of_memory(error) is said


def test_a_compiled_network_meets_one_size_only(checkpoint: Checkpoint, fake: Any) -> None:
    backend = fake(5)
    plan = replace(PLAN, backend="fake", batch_size=8, compiled=True)
    runner = Runner(checkpoint, plan)  # compiles, and finds that 8 are too many
    assert runner.plan.batch_size == 4
    output = runner.run(named(9))
    assert backend.sizes == [8, 4, 4, 4, 4, 4]
    assert output.logits[:, 0].tolist() == list(range(9))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"backend": "torhc"}, "Did you mean torch"),
        ({"precision": "int3"}, "known are fp32, bf16, fp16"),
        ({"device": "tpu"}, "known are auto"),
        ({"batch_size": 0}, "at least 1"),
        ({"streams": -1}, "at least 1"),
        ({"threads": 0}, "at least 1"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    checkpoint: Checkpoint, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        Runner(checkpoint, replace(PLAN, **change))


TINY = replace(made("test_resnet"), classes=("ant", "bee", "cat"))
