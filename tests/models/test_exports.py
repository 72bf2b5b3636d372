"""What is exported gives the checkpoint's scores, in other programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data.config import resolve_model_data_config as resolve
from timm.data.transforms_factory import create_transform as transform_of

from curate.core.errors import InputError
from curate.models import arch, exports
from curate.models.backends import Plan
from curate.models.checkpoint import Checkpoint, load, save
from curate.models.exports import CONFIG, WEIGHTS, calibrated_weights, export
from curate.models.reading import read_prepared
from curate.models.runner import Runner
from curate.models.scores import log_softmax

from ..conftest import MakePhoto
from .test_network import ARCHS, made, pixels

resolve_model_data_config: Callable[[Any], dict[str, Any]] = resolve  # timm leaves them untyped
create_transform: Callable[..., Any] = transform_of

CLOSE = 1e-5
"""The largest difference between two scores of the same image."""


@pytest.fixture
def model() -> Checkpoint:
    return replace(made("test_resnet"), temperature=0.3, licence="MIT", thresholds={"0.9": 0.7})


def expected(checkpoint: Checkpoint, batch: NDArray[np.uint8]) -> NDArray[np.float64]:
    logits = Runner(checkpoint, Plan(batch_size=4)).run(batch).logits
    return np.exp(log_softmax(logits, checkpoint.temperature))


def by_onnx(path: Path, batch: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    scores, logits = session.run(["scores", "logits"], {"pixels": batch})
    return scores, logits


def loaded(folder: Path, **options: Any) -> Any:
    return timm.create_model(f"local-dir:{folder}", pretrained=True, **options)


def by_timm(folder: Path, images: list[Image.Image]) -> NDArray[Any]:
    """Do what a stranger does who has nothing but the folder and timm."""
    network = loaded(folder).eval()
    transform = create_transform(**resolve_model_data_config(network), is_training=False)
    with torch.inference_mode():
        logits = network(torch.stack([transform(image) for image in images]))
    return np.asarray(torch.softmax(logits, dim=1).numpy())


def as_images(batch: NDArray[np.uint8]) -> list[Image.Image]:
    return [Image.fromarray(one) for one in batch]


@pytest.mark.parametrize("arch", ARCHS)
def test_all_give_the_same_scores(tmp_path: Path, arch: str) -> None:
    checkpoint = replace(made(arch), temperature=0.3)
    # Whole pixels: nothing is resized or cropped away from a prepared image.
    whole = replace(checkpoint.preprocessing, crop_pct=1.0)
    checkpoint = replace(checkpoint, preprocessing=whole)
    noise = pixels(checkpoint, 1).numpy()
    batch = np.concatenate([noise, noise // 4, 255 - noise // 8])
    wanted = expected(checkpoint, batch)
    # One image for another, or a forgotten temperature, would be seen.
    assert np.abs(wanted - np.roll(wanted, 1, axis=0)).max(axis=1).min() > 10 * CLOSE
    assert np.abs(wanted - expected(replace(checkpoint, temperature=1), batch)).max() > 0.01
    export(checkpoint, tmp_path / "model.onnx")
    export(checkpoint, tmp_path / "model")
    assert np.abs(by_onnx(tmp_path / "model.onnx", batch)[0] - wanted).max() <= CLOSE
    assert np.abs(by_timm(tmp_path / "model", as_images(batch)) - wanted).max() <= CLOSE


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit"])
def test_all_give_the_same_scores_of_a_photo_from_a_file(
    tmp_path: Path, arch: str, photo: MakePhoto
) -> None:
    checkpoint = replace(made(arch), temperature=0.3)
    path = photo("a.jpg", size=(320, 240), quality=90)
    _, prepared = read_prepared(bytes(path), checkpoint.preprocessing)
    export(checkpoint, tmp_path / "model.onnx")
    export(checkpoint, tmp_path / "model")
    wanted = expected(checkpoint, prepared[np.newaxis])
    assert np.abs(by_onnx(tmp_path / "model.onnx", prepared[np.newaxis])[0] - wanted).max() <= CLOSE
    with Image.open(path) as image:
        found = by_timm(tmp_path / "model", [image.convert("RGB")])
    # Two decoders of JPEG may differ by a level.
    assert np.abs(found - wanted).max() <= 1e-3


def test_a_real_photo_through_real_weights(tmp_path: Path, shared: Path) -> None:
    weights = shared / "weights"
    checkpoint = load(
        weights / "mobilenetv2_100_same.in1k.fp16.safetensors",
        classes=weights / "imagenet_classes.txt",
    )
    path = sorted((shared / "photos" / "trashnet").glob("*/*.jpg"))[0]
    _, prepared = read_prepared(bytes(path), checkpoint.preprocessing)
    wanted = expected(checkpoint, prepared[np.newaxis])
    export(checkpoint, tmp_path / "model.onnx")
    export(checkpoint, tmp_path / "model")
    onnx = by_onnx(tmp_path / "model.onnx", prepared[np.newaxis])[0]
    assert np.abs(onnx - wanted).max() <= CLOSE
    with Image.open(path) as image:
        found = by_timm(tmp_path / "model", [image.convert("RGB")])
    assert np.abs(found - wanted).max() <= CLOSE


def test_onnx_takes_any_number_of_images_and_gives_logits_too(
    tmp_path: Path, model: Checkpoint
) -> None:
    written = export(model, tmp_path / "model.onnx")
    batch = pixels(model, 5).numpy()
    for number in (1, 5):
        scores, logits = by_onnx(written.paths[0], batch[:number])
        own = Runner(model, Plan()).run(batch[:number]).logits
        assert scores.shape == logits.shape == (number, len(model.classes))
        assert np.abs(logits - own).max() < 1e-4
    assert (written.kind, written.paths) == ("onnx", (tmp_path / "model.onnx",))


def test_onnx_carries_what_a_program_must_know(tmp_path: Path, model: Checkpoint) -> None:
    onnx = pytest.importorskip("onnx")
    saved = save(model, tmp_path / "a.pt")
    export(saved, tmp_path / "model.onnx")
    drawn = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(drawn)
    told = {entry.key: entry.value for entry in drawn.metadata_props}
    assert json.loads(told["classes"]) == list("abcde")
    assert json.loads(told["preprocessing"]) == model.preprocessing.to_json()
    assert told["digest"] == saved.digest
    assert json.loads(told["thresholds"]) == {"0.9": 0.7}
    assert (told["licence"], told["throw_away"]) == ("MIT", "false")


def test_equal_exports_are_equal_files(tmp_path: Path, model: Checkpoint) -> None:
    for name in "ab":
        export(model, tmp_path / f"{name}.onnx")
        export(model, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    for name in (WEIGHTS, CONFIG):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_timm_reads_names_and_preprocessing(tmp_path: Path, model: Checkpoint) -> None:
    written = export(model, tmp_path / "model")
    config = json.loads((tmp_path / "model" / CONFIG).read_text())
    network = loaded(tmp_path / "model")
    assert written.calibrated
    assert network.pretrained_cfg["label_names"] == list("abcde")
    assert network.num_classes == 5
    assert resolve_model_data_config(network)["input_size"] == [3, 32, 32]
    assert config["pretrained_cfg"]["license"] == "MIT"
    assert config["curate"]["temperature_is_in_the_weights"] is True
    assert config["curate"]["thresholds"] == {"0.9": 0.7}


def test_timm_can_fine_tune_from_it(tmp_path: Path, model: Checkpoint) -> None:
    export(model, tmp_path / "model")
    network = loaded(tmp_path / "model", num_classes=7)
    body = [key for key in model.weights if not key.startswith("fc.")]
    state = network.state_dict()
    assert state["fc.weight"].shape[0] == 7
    assert all(torch.equal(state[key], model.weights[key]) for key in body)


def test_arguments_of_the_architecture_travel(tmp_path: Path) -> None:
    checkpoint = made("deit_tiny_distilled_patch16_224(depth=1,img_size=32)")
    export(checkpoint, tmp_path / "model")
    config = json.loads((tmp_path / "model" / CONFIG).read_text())
    assert config["model_args"] == {"depth": 1, "img_size": 32}


def test_the_temperature_is_in_the_head_alone(model: Checkpoint) -> None:
    weights, folded = calibrated_weights(model)
    changed = {key for key in weights if not torch.equal(weights[key], model.weights[key])}
    assert folded
    assert changed == {"fc.weight", "fc.bias"}
    assert torch.allclose(weights["fc.weight"] * 0.3, model.weights["fc.weight"])


def test_a_head_that_is_not_linear_stays_and_that_is_said(
    tmp_path: Path, model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arch, "head_of", lambda model: ("conv1",))
    weights, folded = calibrated_weights(model)
    assert not folded
    assert all(torch.equal(weights[key], model.weights[key]) for key in weights)
    written = export(model, tmp_path / "model")
    config = json.loads((tmp_path / "model" / CONFIG).read_text())
    assert not written.calibrated
    assert config["curate"]["temperature_is_in_the_weights"] is False
    assert config["curate"]["temperature"] == 0.3


def test_half_precision_becomes_single(tmp_path: Path, model: Checkpoint) -> None:
    half = {
        key: value.half() if value.is_floating_point() else value
        for key, value in model.weights.items()
    }
    written = export(replace(model, weights=half), tmp_path / "model")
    again = load(written.paths[0], model.arch, model.classes)
    assert again.weights["fc.weight"].dtype == torch.float32


def test_what_gives_other_scores_is_not_written(
    tmp_path: Path, model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(checkpoint: Checkpoint) -> tuple[dict[str, torch.Tensor], bool]:
        return dict(checkpoint.weights), True

    monkeypatch.setattr(exports, "calibrated_weights", forgetful)
    with pytest.raises(InputError, match="other scores than the checkpoint, by up to 0"):
        export(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_missing_package_names_the_extra(
    tmp_path: Path, model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'curate\[onnx\]'"):
        export(model, tmp_path / "model.onnx")


def test_what_the_exporter_cannot_express_says_so(
    tmp_path: Path, model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(InputError, match=r"no such operator\)\. Export it for timm"):
        export(model, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("model.pt", r"ends in \.onnx"),
        ("taken", r"ends in \.onnx"),
        ("no/model.onnx", "no folder"),
        ("no/model", "no folder"),
        ("checkpoints", "no export"),
    ],
)
def test_places_that_are_refused(tmp_path: Path, model: Checkpoint, out: str, said: str) -> None:
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / WEIGHTS).write_text("a checkpoint of this name")
    with pytest.raises(InputError, match=said):
        export(model, tmp_path / out)
    assert (tmp_path / "taken").read_text() == "mine"
    assert (tmp_path / "checkpoints" / WEIGHTS).read_text() == "a checkpoint of this name"


def test_an_export_is_replaced(tmp_path: Path, model: Checkpoint) -> None:
    (tmp_path / "v1.2").mkdir()  # a folder whose name has a dot
    export(model, tmp_path / "v1.2")
    export(replace(model, temperature=2.0), tmp_path / "v1.2")
    config = json.loads((tmp_path / "v1.2" / CONFIG).read_text())
    assert config["curate"]["temperature"] == 2.0


def test_the_callers_random_numbers_are_left_alone(tmp_path: Path, model: Checkpoint) -> None:
    before = torch.random.get_rng_state()
    export(model, tmp_path / "model")
    export(model, tmp_path / "model.onnx")
    assert torch.equal(before, torch.random.get_rng_state())
