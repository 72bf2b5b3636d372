from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform

from curate.core.errors import InputError
from curate.core.files import read
from curate.core.images import open_picture
from curate.models.checkpoint import Checkpoint, load
from curate.models.classify import Classifier, pick_device, to_input
from curate.models.preprocess import decode_side, prepare


def batch(number: int, side: int = 32) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


def test_the_input_is_timms_bit_for_bit(checkpoint: Checkpoint) -> None:
    used = checkpoint.preprocessing
    pixels = batch(3)
    transform = create_transform((3, 32, 32), mean=used.mean, std=used.std, crop_pct=1.0)
    expected = torch.stack([transform(Image.fromarray(image)) for image in pixels])
    assert torch.equal(to_input(pixels, used, torch.device("cpu")), expected)


def test_the_logits_are_the_networks(checkpoint: Checkpoint) -> None:
    model = timm.create_model("test_resnet", num_classes=3)
    model.load_state_dict(dict(checkpoint.weights))
    with torch.no_grad():
        inputs = to_input(batch(4), checkpoint.preprocessing, torch.device("cpu"))
        expected = model.eval()(inputs)
    logits = Classifier(checkpoint, "cpu").logits(batch(4))
    assert logits.dtype == np.float32
    assert np.array_equal(logits, expected.numpy())


def test_the_neighbours_in_a_batch_do_not_matter(checkpoint: Checkpoint) -> None:
    classifier = Classifier(checkpoint, "cpu")
    pixels = batch(6)
    together = classifier.logits(pixels)
    alone = np.concatenate([classifier.logits(pixels[i : i + 1]) for i in range(6)])
    assert np.allclose(together, alone, atol=1e-5)
    assert together.std(axis=0).min() > 0


def test_half_precision_weights_are_computed_with_in_full(checkpoint: Checkpoint) -> None:
    halves = {
        key: value.half() if value.is_floating_point() else value
        for key, value in checkpoint.weights.items()
    }
    full = Classifier(checkpoint, "cpu").logits(batch(2))
    half = Classifier(replace(checkpoint, weights=halves), "cpu").logits(batch(2))
    assert half.dtype == np.float32
    assert np.allclose(full, half, atol=0.05)


def test_a_batch_may_be_empty_or_read_only(checkpoint: Checkpoint) -> None:
    classifier = Classifier(checkpoint, "cpu")
    assert classifier.logits(batch(0)).shape == (0, 3)
    frozen = batch(1)
    frozen.flags.writeable = False
    assert classifier.logits(frozen).shape == (1, 3)


@pytest.mark.parametrize(
    "wrong",
    [batch(2, 31), batch(2).astype(np.float32), batch(2)[0], batch(2).transpose(0, 3, 1, 2)],
)
def test_a_batch_of_another_shape_is_refused(
    checkpoint: Checkpoint, wrong: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    with pytest.raises(InputError, match=r"takes uint8 \(N, 32, 32, 3\)"):
        Classifier(checkpoint, "cpu").logits(wrong)


def test_building_leaves_the_callers_random_numbers_alone(checkpoint: Checkpoint) -> None:
    before = torch.get_rng_state()
    Classifier(checkpoint, "cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_device_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device() == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpu", "known are"),
        ("cuda:x", "known are"),
        ("cuda:-1", "known are"),
        ("cuda:1", "has 1 GPU"),
        ("cuda:7", "has 1 GPU"),
        ("cpu:1", "one CPU"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=says):
        pick_device(name)


def test_the_shared_weights_know_a_real_apple(shared: Path) -> None:
    weights = shared / "weights"
    checkpoint = load(
        weights / "mobilenetv2_100_same.in1k.fp16.safetensors",
        classes=weights / "imagenet_classes.txt",
    )
    paths = sorted((shared / "photos" / "grocery" / "Granny-Smith").iterdir())[:4]
    side = decode_side(checkpoint.preprocessing)
    pixels = [open_picture(read(bytes(path)), side).pixels for path in paths]
    prepared = np.stack([prepare(image, checkpoint.preprocessing) for image in pixels])
    best = Classifier(checkpoint, "cpu").logits(prepared).argmax(axis=1)
    assert [checkpoint.classes[index] for index in best].count("Granny Smith") >= 3
