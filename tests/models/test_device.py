from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform

from curate.core.errors import InputError
from curate.core.files import read
from curate.core.images import open_picture
from curate.models.checkpoint import Checkpoint, load
from curate.models.device import pick_device, to_input
from curate.models.preprocess import decode_side, prepare
from curate.models.runner import Plan, Runner


def batch(number: int, side: int = 32) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


def test_the_input_is_timms_bit_for_bit(checkpoint: Checkpoint) -> None:
    used = checkpoint.preprocessing
    pixels = batch(3)
    transform = create_transform((3, 32, 32), mean=used.mean, std=used.std, crop_pct=1.0)
    expected = torch.stack([transform(Image.fromarray(image)) for image in pixels])
    assert torch.equal(to_input(pixels, used, torch.device("cpu")), expected)


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
    best = Runner(checkpoint, Plan()).run(prepared).logits.argmax(axis=1)
    assert [checkpoint.classes[index] for index in best].count("Granny Smith") >= 3
