from __future__ import annotations

from dataclasses import replace

import pytest
import timm
import torch

from curate.core.errors import CheckpointError, InputError
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint
from curate.train.settings import TrainSettings
from curate.train.start import start

PLAIN = TrainSettings()


def earlier(arch: str = "test_resnet", classes: tuple[str, ...] = ("ant", "bee")) -> Checkpoint:
    return Checkpoint(
        arch=arch,
        classes=classes,
        preprocessing=replace(preprocessing(arch), mean=(0.1, 0.2, 0.3)),
        weights=build(arch, len(classes)).state_dict(),
        licence="MIT",
    )


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit"])
def test_the_body_is_kept_and_the_head_is_fresh(arch: str) -> None:
    initial = earlier(arch)
    begun = start(None, initial, ("bee", "cat", "dog"), PLAIN)
    state = begun.model.state_dict()
    moved = begun.transplant
    head = {"test_resnet": ("fc.weight", "fc.bias"), "test_vit": ("head.weight", "head.bias")}[arch]
    assert moved.fresh == head
    assert moved.kept == len(state) - 2
    for key in state.keys() - set(head):
        assert torch.equal(state[key], initial.weights[key])
    assert state[head[0]].shape[0] == 3
    assert 0.001 < float(state[head[0]].std()) < 0.02
    assert (moved.classes_kept, moved.classes_new, moved.classes_dropped) == (
        ("bee",),
        ("cat", "dog"),
        ("ant",),
    )
    assert begun.arch == arch
    assert begun.preprocessing == initial.preprocessing
    assert begun.licence == "MIT"


def test_half_precision_bodies_become_full() -> None:
    initial = earlier()
    halves = {k: v.half() if v.is_floating_point() else v for k, v in initial.weights.items()}
    begun = start(None, replace(initial, weights=halves), ("a", "b"), PLAIN)
    assert {p.dtype for p in begun.model.parameters()} == {torch.float32}


def test_a_new_size_keeps_the_rest_of_the_preprocessing() -> None:
    begun = start(None, earlier(), ("a", "b"), TrainSettings(size=48))
    assert (begun.preprocessing.height, begun.preprocessing.width) == (48, 48)
    assert begun.preprocessing.mean == (0.1, 0.2, 0.3)


def test_without_an_earlier_model_everything_is_fresh() -> None:
    begun = start("test_vit", None, ("a", "b"), TrainSettings(size=64))
    assert begun.transplant.kept == 0
    assert set(begun.transplant.fresh) == set(begun.model.state_dict())
    assert begun.arch == "test_vit(img_size=64)"
    assert begun.preprocessing.height == 64
    assert begun.licence is None


def test_a_body_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"test_vit's body are missing .* Leave --arch"):
        start("test_vit", earlier(), ("a", "b"), PLAIN)


def test_weights_come_from_one_place() -> None:
    with pytest.raises(InputError, match="one place"):
        start(None, earlier(), ("a", "b"), TrainSettings(pretrained=True))
    with pytest.raises(InputError, match="needs one"):
        start(None, None, ("a", "b"), PLAIN)


def test_fetched_weights_bring_their_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    model = timm.create_model("test_resnet", num_classes=2)
    monkeypatch.setattr(timm, "create_model", lambda *args, **keywords: model)
    begun = start("test_resnet", None, ("a", "b"), TrainSettings(pretrained=True))
    assert begun.transplant.fresh == ("fc.weight", "fc.bias")
    assert begun.transplant.kept == len(model.state_dict()) - 2
    assert begun.licence == "apache-2.0"
