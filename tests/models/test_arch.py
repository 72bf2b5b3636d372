from __future__ import annotations

from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
from timm.data.config import resolve_model_data_config

from curate.core.errors import InputError
from curate.models.arch import at_size, build, default_config, head_of, in_head, preprocessing


def test_the_network_is_timms_with_its_arguments() -> None:
    model = build('mobilenetv2_100(pad_type="same")', 7)
    reference = timm.create_model("mobilenetv2_100", pad_type="same", num_classes=7)
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in reference.state_dict().items()
    }
    assert type(model.conv_stem).__name__ == "Conv2dSame"


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(InputError, match=r"none of the .* The nearest: .*resnet18"):
        build("resnet_18", 3)


def test_a_name_like_no_other_still_says_where_to_look() -> None:
    with pytest.raises(InputError, match="list_models"):
        build("zzzzqqqq", 3)


@pytest.mark.parametrize(
    "recipe",
    [
        "resnet18(pretrained=True)",
        "resnet18(checkpoint_path='/etc/passwd')",
        "resnet18(pretrained_cfg={'url': 'x'})",
        "resnet18(num_classes=4)",
        "resnet18(in_chans=1)",
    ],
)
def test_a_recipe_can_neither_fetch_nor_open_nor_decide(recipe: str) -> None:
    with pytest.raises(InputError, match="cannot set"):
        build(recipe, 3)


def test_a_name_from_the_hub_is_no_architecture() -> None:
    with pytest.raises(InputError, match="recipe"):
        build("hf-hub:someone/something", 3)


@pytest.mark.parametrize("recipe", ["", "resnet18 resnet34"])
def test_exactly_one_architecture_is_named(recipe: str) -> None:
    with pytest.raises(InputError, match="one timm name"):
        build(recipe, 3)


@pytest.mark.parametrize("recipe", ["resnet18(colour=3)", "test_vit(img_size='wide')"])
def test_arguments_that_do_not_fit_are_an_error_not_a_crash(recipe: str) -> None:
    with pytest.raises(InputError, match="cannot build it"):
        build(recipe, 3)


def test_pretrained_weights_without_a_network_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", "/nonexistent")
    with pytest.raises(InputError, match=r"cannot be fetched .*--from"):
        build("resnet18", 3, pretrained=True)


def test_pretrained_weights_come_from_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def create_model(name: str, **keywords: Any) -> torch.nn.Module:
        asked.append((name, keywords))
        return torch.nn.Identity()

    monkeypatch.setattr(timm, "create_model", create_model)
    build("resnet18(drop_rate=0.1)", 3, pretrained=True)
    assert asked == [("resnet18", {"pretrained": True, "num_classes": 3, "drop_rate": 0.1})]


@pytest.mark.parametrize("name", ["test_resnet", "mobilenetv2_100", "inception_v4", "test_vit"])
def test_the_preprocessing_is_timms(name: str) -> None:
    resolve: Any = resolve_model_data_config
    config = resolve(timm.create_model(name))
    ours = preprocessing(name)
    assert (3, ours.height, ours.width) == tuple(config["input_size"])
    assert ours.interpolation == config["interpolation"]
    assert ours.crop_pct == config["crop_pct"]
    assert (ours.mean, ours.std) == (tuple(config["mean"]), tuple(config["std"]))


def test_what_a_file_says_overrides_timm() -> None:
    ours = preprocessing("resnet18", {"mean": (0.5, 0.5, 0.5), "input_size": (3, 96, 128)})
    assert (ours.mean, ours.height, ours.width) == ((0.5, 0.5, 0.5), 96, 128)
    assert ours.std == preprocessing("resnet18").std


def test_a_network_of_fixed_size_gets_it_in_its_recipe() -> None:
    assert at_size("resnet18", 96) == "resnet18"
    recipe = at_size("test_vit(drop_rate=0.1)", 64)
    assert recipe == "test_vit(drop_rate=0.1, img_size=64)"
    assert preprocessing(recipe).height == 64
    assert build(recipe, 3).eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


@pytest.mark.parametrize(("name", "head"), [("resnet18", ("fc",)), ("test_vit", ("head",))])
def test_the_head_is_found(name: str, head: tuple[str, ...]) -> None:
    assert head_of(build(name, 3)) == head
    assert default_config(name)["classifier"] == head[0]
    assert in_head(f"{head[0]}.weight", head)
    assert not in_head("header.weight", head)
