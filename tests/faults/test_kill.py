"""The short version of `kill.py`: a few kills on a few small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, save
from tests.faults.kill import torment


def _photos(folder: Path) -> Path:
    folder.mkdir()
    generator = np.random.default_rng(4)
    for number in range(60):
        pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(folder / f"{number:02}.jpg")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    return folder


def test_scan_survives_kills(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos")
    told = torment(["scan", str(photos)], "looks", times=4, seed=2, rows=8, scratch=tmp_path)
    assert told.kills == 4


def test_bulk_id_survives_kills(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos")
    torch.manual_seed(0)
    weights = build("test_resnet", 2).state_dict()
    small = preprocessing("test_resnet").at_size(32)
    save(Checkpoint("test_resnet", ("a", "b"), small, weights), tmp_path / "ckpt.pt")
    command = ["bulk-id", str(photos), "--model", str(tmp_path / "ckpt.pt")]
    told = torment(command, "predictions", times=2, seed=3, rows=8, scratch=tmp_path)
    assert told.kills == 2
