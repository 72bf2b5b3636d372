from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import curate.train.resume as resume
from curate.core.errors import CheckpointError, InputError
from curate.models.checkpoint import load
from curate.train import Progress, TrainSettings, train
from curate.train.keep import last_path
from curate.train.resume import State, read, state_path, write
from tests.train.conftest import Make

NET = "test_resnet"
NUMBERS = ["epoch", "steps", "loss", "val_loss", "val_accuracy", "val_recall", "lr"]


def interrupted_in(epoch: int) -> object:
    def tell(progress: Progress) -> None:
        if progress.epoch == epoch and progress.metrics is None:
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ema": 0.9, "optimizer": "sgd(momentum=0.9)", "schedule": "plateau"},
        {"accumulate": 2, "mix": "mixup(alpha=0.3)", "balance": "sampling", "freeze": 1},
    ],
    ids=["plain", "average and plateau", "mixed and balanced"],
)
def test_a_training_that_goes_on_ends_as_if_it_had_not_stopped(
    make_table: Make, quick: TrainSettings, tmp_path: Path, more: dict[str, object]
) -> None:
    table = make_table(train=11)
    settings = replace(quick, epochs=4, **more)  # type: ignore[arg-type]  # fields of it
    (tmp_path / "whole").mkdir()
    whole = train(table, NET, tmp_path / "whole" / "a.pt", settings)
    out = tmp_path / "a.pt"
    with pytest.raises(KeyboardInterrupt):
        train(table, NET, out, settings, on_progress=interrupted_in(3))  # type: ignore[arg-type]  # a callable
    gone_on = train(table, NET, out, settings, resume="last")
    pd.testing.assert_frame_equal(gone_on.history[NUMBERS], whole.history[NUMBERS])
    one, other = load(last_path(out)), load(whole.last)
    assert all(torch.equal(one.weights[key], other.weights[key]) for key in other.weights)
    assert gone_on.best_epoch == whole.best_epoch
    assert gone_on.checkpoint.metrics["test_loss"] == whole.checkpoint.metrics["test_loss"]


def test_it_goes_on_after_the_best_epoch_with_another_rate(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table, out = make_table(), tmp_path / "a.pt"
    first = train(table, NET, out, replace(quick, epochs=4))
    again = train(table, NET, out, replace(quick, epochs=6, lr=1e-5), resume="best")
    best = first.best_epoch
    pd.testing.assert_frame_equal(again.history.iloc[:best], first.history.iloc[:best])
    assert len(again.history) == 6
    assert (again.history["lr"].iloc[best:] <= 1e-5).all()


def test_a_longer_training_goes_on_where_the_shorter_one_ended(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table, out = make_table(), tmp_path / "a.pt"
    settings = replace(quick, schedule="constant")
    train(table, NET, out, replace(settings, epochs=2))
    longer = train(table, NET, out, replace(settings, epochs=3), resume="last")
    whole = train(table, NET, tmp_path / "b.pt", replace(settings, epochs=3))
    pd.testing.assert_frame_equal(longer.history[NUMBERS], whole.history[NUMBERS])


def test_a_finished_training_is_only_measured_again(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table, out = make_table(), tmp_path / "a.pt"
    first = train(table, NET, out, quick)
    again = train(table, NET, out, quick, resume="last")
    assert again.history["epoch"].tolist() == first.history["epoch"].tolist()
    assert again.checkpoint.metrics == first.checkpoint.metrics


def test_images_that_did_not_open_stay_out_when_it_goes_on(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table, out = make_table(train=11), tmp_path / "a.pt"
    for at in (0, 2, 3, 12, 20):
        Path(table["path"].iloc[at]).write_bytes(b"not an image")
    (tmp_path / "whole").mkdir()
    whole = train(table, NET, tmp_path / "whole" / "a.pt", quick)
    with pytest.raises(KeyboardInterrupt):
        train(table, NET, out, quick, on_progress=interrupted_in(2))  # type: ignore[arg-type]  # a callable
    gone_on = train(table, NET, out, quick, resume="last")
    # With them, the epoch would be cut into other batches.
    pd.testing.assert_frame_equal(gone_on.history[NUMBERS], whole.history[NUMBERS])
    pd.testing.assert_frame_equal(gone_on.failures, whole.failures)


def test_the_states_of_an_earlier_training_are_not_gone_on_with(
    make_table: Make, quick: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, out = make_table(), tmp_path / "a.pt"
    train(table, NET, out, quick)

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(resume, "write", killed)
        with pytest.raises(SystemExit):
            train(table, NET, out, replace(quick, seed=8))
    # The checkpoint is another training's now.
    with pytest.raises(InputError, match="there is none"):
        train(table, NET, out, quick, resume="last")


def test_an_earlier_training_outlives_an_interrupt_in_the_first_epoch(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table, out = make_table(), tmp_path / "a.pt"
    good = train(table, NET, out, quick)
    with pytest.raises(KeyboardInterrupt):
        train(table, NET, out, quick, on_progress=interrupted_in(1))  # type: ignore[arg-type]  # a callable
    assert load(out).digest == good.checkpoint.digest
    assert load(last_path(out)).metrics == {"epoch": 0}
    again = train(table, NET, out, quick, resume="last")
    assert again.checkpoint.metrics == good.checkpoint.metrics


def test_who_the_parent_was_is_not_forgotten(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table, out = make_table(), tmp_path / "b.pt"
    settings = replace(quick, size=None, schedule="constant")
    first = train(table, NET, tmp_path / "a.pt", replace(quick, epochs=1)).checkpoint
    train(table, None, out, replace(settings, epochs=1), initial=first)
    train(table, None, out, replace(settings, epochs=2), initial=load(out), resume="last")
    assert load(last_path(out)).parent == first.digest


@pytest.mark.parametrize("change", ["images", "architecture", "preprocessing", "optimizer"])
def test_another_training_is_refused(
    make_table: Make, quick: TrainSettings, tmp_path: Path, change: str
) -> None:
    table, out = make_table(), tmp_path / "a.pt"
    train(table, NET, out, replace(quick, epochs=1))
    arch = "test_resnet(stem_type='deep')" if change == "architecture" else NET
    fewer = table.drop(index=0) if change == "images" else table
    settings = {
        "preprocessing": replace(quick, size=48),
        "optimizer": replace(quick, optimizer="sgd"),
    }.get(change, quick)
    with pytest.raises(InputError, match=rf"another .*{change}"):
        train(fewer, arch, out, settings, resume="last")


def test_a_kept_body_is_gone_on_with_as_one(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table, out = make_table(), tmp_path / "b.pt"
    first = train(table, NET, tmp_path / "a.pt", replace(quick, epochs=1)).checkpoint
    train(table, None, out, replace(quick, epochs=1), initial=first)
    # From random weights, the statistics of its norms would no longer be kept.
    with pytest.raises(InputError, match="another start"):
        train(table, NET, out, quick, resume="last")


def test_what_cannot_be_gone_on_with_says_why(tmp_path: Path) -> None:
    out = tmp_path / "a.pt"
    with pytest.raises(InputError, match="known are last, best"):
        read(out, "first", {})
    with pytest.raises(InputError, match="there is none"):
        read(out, "last", {})
    state_path(out, "last").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(CheckpointError, match="truncated or broken"):
        read(out, "last", {})
    torch.save({"other": 1}, state_path(out, "last"))
    with pytest.raises(CheckpointError, match="no state"):
        read(out, "last", {})


def test_the_best_state_outlives_later_epochs(tmp_path: Path) -> None:
    out = tmp_path / "a.pt"
    write(out, State({}, [{"epoch": 1}], {"w": torch.ones(2)}), best=True)
    write(out, State({}, [{"epoch": 1}, {"epoch": 2}], {"w": torch.zeros(2)}), best=False)
    assert [len(read(out, which, {}).history) for which in ("best", "last")] == [1, 2]
    assert read(out, "best", {}).learner["w"].tolist() == [1, 1]
    assert {path.name for path in tmp_path.iterdir()} == {"a.last.state", "a.best.state"}


def test_a_disk_without_links_keeps_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("os.link", refuse)
    out = tmp_path / "a.pt"
    write(out, State({}, [{"epoch": 1}], {}), best=True)
    assert len(read(out, "best", {}).history) == 1


def test_no_state_can_run_code(tmp_path: Path) -> None:
    out = tmp_path / "a.pt"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return shutil.copy, (__file__, str(tmp_path / "stolen"))

    torch.save({"format": 1, "learner": Evil()}, state_path(out, "last"))
    with pytest.raises(CheckpointError):
        read(out, "last", {})
    assert not (tmp_path / "stolen").exists()
