"""The choice of a plan: what is fixed stays, what changes scores is refused, one is chosen."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.models import backends, plan
from curate.models.backends import Forward, Plan
from curate.models.checkpoint import Checkpoint
from curate.models.plan import LARGEST_DIFFERENCE, plan_of
from curate.models.runner import Runner

COLUMNS = [
    "device", "backend", "precision", "batch_size", "streams", "threads", "channels_last",
    "compiled", "images_per_second", "largest_difference", "chosen", "reason",
]  # fmt: skip


def measured(checkpoint: Checkpoint, **options: Any) -> tuple[Plan, pd.DataFrame]:
    settings = {"images": None, "device": "cpu", "cores": 2, "seconds": 0.1} | options
    return plan_of(checkpoint, **settings)


@pytest.fixture
def only_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the other backends, whose CPU has bf16."""
    monkeypatch.setattr(plan, "is_installed", lambda name: name not in backends.PACKAGES)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})


def offset(by: float, turned: bool = False) -> backends.Backend:
    """A backend whose calibrated scores lie off by about `by`."""

    def make(checkpoint: Checkpoint, plan: Plan, features: bool) -> Forward:
        exact = backends.BACKENDS["torch"](checkpoint, plan, features)

        def forward(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            logits = exact(batch).copy()
            logits[:, 0] += by
            return logits[:, ::-1] if turned else logits

        return forward

    return make


@pytest.mark.usefixtures("only_torch")
def test_the_table_says_what_was_tried_and_why(checkpoint: Checkpoint) -> None:
    chosen, table = measured(checkpoint)
    assert list(table.columns) == COLUMNS
    assert table["chosen"].sum() == 1
    row = table[table["chosen"]].iloc[0]
    assert {name: row[name] for name in asdict(chosen)} == asdict(chosen)
    assert row["images_per_second"] == table["images_per_second"].max()
    assert (table["reason"] != "").all()
    assert not table.duplicated(COLUMNS[:8]).any()
    taken = table[table["images_per_second"].notna()]
    assert (taken["largest_difference"] <= LARGEST_DIFFERENCE).all()
    assert {"fp32", "bf16"} == set(table["precision"])
    # Told what would be faster.
    told = table.set_index("backend")["reason"]
    assert told["openvino"] == "not tried: pip install 'curate[openvino]' adds it"


@pytest.mark.usefixtures("only_torch")
def test_few_images_are_not_measured_for(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "Runner", None)
    chosen, table = measured(checkpoint, images=plan.FEW - 1)
    assert (chosen.backend, chosen.precision, chosen.streams) == ("torch", "fp32", 2)
    assert len(table) == 1
    assert list(table.columns) == COLUMNS
    assert table["chosen"].all()
    assert table["images_per_second"].isna().all()
    assert "not measured: for 999 images" in table["reason"][0]


@pytest.mark.usefixtures("only_torch")
def test_a_short_run_measures_the_first_only(checkpoint: Checkpoint) -> None:
    _, table = measured(checkpoint, images=plan.FEW, seconds=60 * 60, cores=1)
    assert "the run is short" in table[table["chosen"]]["reason"].iloc[0]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Nobody waits for a timing here, however long it was asked to take."""
    true = plan._rate
    monkeypatch.setattr(plan, "_rate", lambda runner, pixels, _: true(runner, pixels, 0.01))


@pytest.mark.usefixtures("only_torch")
@pytest.mark.parametrize("images", [10, None])
@pytest.mark.parametrize(
    "fixed",
    [{"backend": "torch"}, {"precision": "bf16"}, {"precision": "fp16"}, {"batch_size": 3}],
)
def test_what_is_fixed_stays(
    checkpoint: Checkpoint, fixed: dict[str, Any], images: int | None
) -> None:
    chosen, table = measured(checkpoint, images=images, **fixed)
    for name, value in fixed.items():
        assert getattr(chosen, name) == value
        tried = table[~table["reason"].str.startswith("not tried")]
        assert (tried[name] == value).all()


@pytest.mark.usefixtures("only_torch")
@pytest.mark.parametrize("turned", [False, True])
def test_what_changes_the_scores_is_refused(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    monkeypatch.setitem(backends.BACKENDS, "off", offset(0.0 if turned else 5.0, turned))
    chosen, table = measured(checkpoint)
    off = table[table["backend"] == "off"]
    assert len(off)
    assert off["reason"].str.startswith("refused").all()
    assert off["images_per_second"].isna().all()
    assert (off["largest_difference"] > 0).all()
    assert chosen.backend == "torch"
    # Fixed by the user it is taken, and the difference is told all the same.
    chosen, table = measured(checkpoint, backend="off")
    assert chosen.backend == "off"
    assert table["largest_difference"].max() > 0


def test_the_difference_of_scores() -> None:
    expected = np.array([[0.6, 0.4], [0.505, 0.495], [np.nan, np.nan]])
    assert plan._difference(expected, expected) == (0.0, 0)
    found = np.array([[0.45, 0.55], [0.495, 0.505], [0.1, 0.9]])
    # The second is a tie but for rounding, the third was never a score.
    largest, moved = plan._difference(expected, found)
    assert largest == pytest.approx(0.15)
    assert moved == 1
    broken = np.full((3, 2), np.nan)
    assert not plan._difference(expected, broken)[0] <= LARGEST_DIFFERENCE
    assert np.isnan(plan._difference(broken, expected)[0])
    assert plan._difference(np.ones((2, 1)), np.ones((2, 1))) == (0.0, 0)


@pytest.mark.usefixtures("only_torch")
def test_what_does_not_run_is_a_row(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Forward:
        raise OSError("libsomething.so.7: no such file\nmore")

    monkeypatch.setitem(backends.BACKENDS, "broken", broken)
    chosen, table = measured(checkpoint)
    assert chosen.backend == "torch"
    reasons = set(table[table["backend"] == "broken"]["reason"])
    assert reasons == {"it does not run: libsomething.so.7: no such file"}
    with pytest.raises(OSError, match="libsomething"):
        measured(checkpoint, backend="broken")


@pytest.mark.usefixtures("only_torch")
def test_the_size_that_fits_is_planned(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tight(checkpoint: Checkpoint, plan: Plan, features: bool) -> Forward:
        exact = backends.BACKENDS["torch"](checkpoint, plan, features)

        def forward(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            if len(batch) > 2:
                raise MemoryError
            return exact(batch)

        return forward

    monkeypatch.setitem(backends.BACKENDS, "tight", tight)
    chosen, _ = measured(checkpoint, backend="tight")
    assert chosen.batch_size == 2


@pytest.mark.usefixtures("only_torch")
def test_streams_threads_and_layout_are_varied(checkpoint: Checkpoint) -> None:
    _, table = measured(checkpoint, cores=3)
    tried = table[~table["reason"].str.startswith("not tried")]
    assert {(3, 1), (1, 3)} == set(zip(tried["streams"], tried["threads"], strict=True))
    assert set(tried["channels_last"]) == {True, False}
    assert not tried["compiled"].any()


@pytest.mark.usefixtures("only_torch")
@pytest.mark.parametrize("compiler", ["/usr/bin/g++", None])
def test_a_long_run_tries_compiling_where_there_is_a_compiler(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, compiler: str | None
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: compiler)
    monkeypatch.setattr(torch, "compile", lambda network, **_: network)
    _, table = measured(checkpoint, images=10**9)
    assert table["compiled"].any() == bool(compiler)


def test_bf16_is_for_cpus_that_have_it(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, only_torch: None
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    _, table = measured(checkpoint)
    assert set(table["precision"]) == {"fp32"}


def test_callers_settings_are_left_alone(checkpoint: Checkpoint, only_torch: None) -> None:
    before = torch.get_num_threads(), torch.get_rng_state()
    measured(checkpoint, cores=3)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_the_callers_images_are_compared_on(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, only_torch: None
) -> None:
    seen = []

    class Spy(Runner):
        def run(self, batch: NDArray[np.uint8]) -> Any:
            seen.append(batch)
            return super().run(batch)

    monkeypatch.setattr(plan, "Runner", Spy)
    sample = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    measured(checkpoint, sample=sample)
    assert np.array_equal(seen[0], sample[: plan.SAMPLED])
    seen.clear()
    measured(checkpoint, sample=sample[:0])
    assert len(seen[0]) == plan.SAMPLED


def test_made_up_pixels_are_varied_and_the_same_each_time() -> None:
    one = plan._patterns(48, 32)
    assert one.shape == (plan.SAMPLED, 48, 32, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, plan._patterns(48, 32))
    assert len(np.unique(one.reshape(plan.SAMPLED, -1), axis=0)) == plan.SAMPLED
    assert np.ptp(one.mean(axis=(1, 2))) > 20


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"backend": "onx"}, "known are"), ({"precision": "fp8"}, "known are"),
     ({"device": "gpu"}, "known are"), ({"batch_size": -1}, "at least 1")],
)  # fmt: skip
def test_unknown_names_are_refused_at_once(
    checkpoint: Checkpoint, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        measured(checkpoint, images=1, **wrong)
