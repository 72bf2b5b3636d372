from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from curate.core.errors import CheckpointError, InputError
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, load
from curate.train.recipes.optimizers import optimizer_of
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


NOW = ("bee", "cat", "wasp")
RENAMED = (("ant", "wasp"),)


@pytest.mark.parametrize("head", ["fresh", "map"])
def test_a_renamed_class_is_a_kept_one(head: str) -> None:
    begun = start(None, earlier(), NOW, TrainSettings(head=head, rename=RENAMED))
    moved = begun.transplant
    assert (moved.classes_kept, moved.classes_new) == (("bee", "wasp"), ("cat",))
    assert (moved.classes_dropped, moved.classes_renamed) == ((), RENAMED)
    # A row of the head is new: its tensors are not wholly the earlier ones.
    assert moved.fresh == ("fc.weight", "fc.bias")


def test_a_mapped_head_keeps_the_rows_of_its_classes() -> None:
    initial = earlier()
    begun = start(None, initial, NOW, TrainSettings(head="map", rename=RENAMED))
    weight = begun.model.get_parameter("fc.weight")
    assert torch.equal(weight[0], initial.weights["fc.weight"][1])
    assert torch.equal(weight[2], initial.weights["fc.weight"][0])


def test_a_wholly_mapped_head_has_nothing_fresh() -> None:
    initial = earlier(classes=("ant", "bee", "cat"))
    begun = start(None, initial, ("cat", "ant"), TrainSettings(head="map"))
    assert begun.transplant.fresh == ()
    assert begun.transplant.kept == len(begun.model.state_dict())
    assert begun.transplant.classes_dropped == ("bee",)


@pytest.mark.parametrize(
    ("settings", "flag"),
    [(TrainSettings(head="map"), "--head map"), (TrainSettings(rename=RENAMED), "--rename")],
)
def test_what_speaks_of_an_earlier_model_needs_one(settings: TrainSettings, flag: str) -> None:
    with pytest.raises(InputError, match=f"{flag} without --from"):
        start("test_resnet", None, ("ant", "bee"), settings)


def test_an_impossible_renaming_is_refused() -> None:
    with pytest.raises(InputError, match="'fly' is no class of the earlier model"):
        start(None, earlier(), NOW, TrainSettings(rename=(("fly", "wasp"),)))


def test_weights_from_elsewhere_are_a_start_whatever_their_head(tmp_path: Path) -> None:
    theirs = timm.create_model("test_resnet", num_classes=11)
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(theirs.state_dict(), path)
    initial = load(path, arch="test_resnet", any_classes=True)
    begun = start(None, initial, ("a", "b"), PLAIN)
    state = begun.model.state_dict()
    assert len(begun.transplant.classes_dropped) == 11
    assert state["fc.weight"].shape[0] == 2
    assert all(torch.equal(state[k], v) for k, v in theirs.state_dict().items() if k[:2] != "fc")
    with pytest.raises(InputError, match="none of the classes"):
        start(None, initial, ("a", "b"), TrainSettings(head="map"))


def test_named_outputs_of_weights_from_elsewhere_are_mapped(shared: Path) -> None:
    folder = shared / "weights"
    initial = load(
        folder / "mobilenetv2_100_same.in1k.fp16.safetensors",
        classes=folder / "imagenet_classes.txt",
    )
    known = initial.classes[7]
    begun = start(None, initial, ("beer can", known), TrainSettings(head="map", size=64))
    kept = begun.transplant
    assert (kept.classes_kept, kept.classes_new) == ((known,), ("beer can",))
    row = begun.model.state_dict()["classifier.weight"][1]
    assert torch.equal(row, initial.weights["classifier.weight"][7].float())
    assert begun.licence == "Apache-2.0"


def test_an_inception_v4_is_trained_and_transplanted() -> None:
    torch.manual_seed(0)
    settings = TrainSettings(size=75)  # it takes no smaller one
    first = start("inception_v4", None, ("a", "b", "c"), settings)
    assert (first.preprocessing.height, first.preprocessing.width) == (75, 75)
    optimizer = optimizer_of("adamw", first.model, 1e-4, 0.05)
    before = first.model.get_parameter("last_linear.weight").detach().clone()
    logits = first.model(torch.randn(2, 3, 75, 75))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    optimizer.step()
    initial = Checkpoint(
        "inception_v4", ("a", "b", "c"), first.preprocessing, first.model.state_dict()
    )
    assert not torch.equal(before, initial.weights["last_linear.weight"])

    second = start(None, initial, ("c", "d"), replace(settings, head="map"))
    assert second.transplant.fresh == ("last_linear.weight", "last_linear.bias")
    images = torch.randn(2, 3, 75, 75)
    with torch.inference_mode():
        said, says = first.model.eval()(images), second.model.eval()(images)
    assert says.shape == (2, 2)
    assert torch.allclose(said[:, 2], says[:, 0], atol=1e-5)
