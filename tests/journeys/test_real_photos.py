"""Real photos through the commands of the README, with hostile files among them."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform

from curate.core.identity import image_id
from curate.core.paths import from_text
from curate.models.arch import build
from curate.models.checkpoint import load

BROKEN = (
    *("corrupt-header.jpg", "truncated.jpg", "truncated_jpeg.jpg", "truncated.png"),
    *("truncated_image.png", "decompression_bomb.gif", "decompression_bomb.ico"),
    *("png_decompression_dos.png", "timeout-6646305047838720", "seek_too_large.tif"),
    *("reallybig.bmp", "badwidth.bmp", "shortfile.bmp", "badbitcount.bmp", "rgb24png.bmp"),
    *("expected_to_read.jp2", "hopper_webp.tif", "check.svg", "circle.svg", "giant-image.jpg"),
)
"""Twenty hostile files of the corpora."""

WEIGHTS = "weights/mobilenetv2_100_same.in1k.fp16.safetensors"
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def curate(place: Path, *arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(
        ["curate", *map(str, arguments), "--json"],
        cwd=place,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def trained(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scan, split and train on 535 photos of rubbish, from real pretrained weights."""
    place = tmp_path_factory.mktemp("trashnet")
    scanned = curate(place, "scan", shared / "photos/trashnet", "--labels", "folder")
    assert scanned["counts"]["files"] == scanned["counts"]["images"] == 535
    split = curate(place, "split", "--min-count", "40", "--val", "0.1", "--test", "0.2")
    assert split["sizes"]["test"] == 100
    assert [row["class"] for row in split["classes"] if row["status"] == "out"] == ["trash"]
    curate(
        place,
        *("train", "--from", shared / WEIGHTS, "--size", "96", "--epochs", "3"),
        *("--batch-size", "16", "--seed", "1", "-o", "ckpt.pt"),
    )
    return place


@pytest.mark.timeout(1200)
def test_the_model_beats_chance_by_far(trained: Path) -> None:
    metrics = load(trained / "ckpt.pt").metrics
    assert metrics["test_images"] == 100
    assert metrics["test_accuracy"] > 0.5  # five classes: chance is 0.2


@pytest.mark.timeout(1200)
def test_no_row_is_paired_with_another_file(trained: Path, shared: Path, tmp_path: Path) -> None:
    """200 photos and 20 broken files, in one folder under names that say nothing."""
    chance = random.Random(5)
    photos = chance.sample(sorted((shared / "photos").rglob("*.jpg")), 200)
    broken = [next((shared / "corpora").rglob(name)) for name in BROKEN]
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    sources = [*photos, *broken]
    chance.shuffle(sources)
    for number, source in enumerate(sources):
        shutil.copy(source, inbox / f"{number:03}{source.suffix}")
    curate(tmp_path, "bulk-id", inbox, "--model", trained / "ckpt.pt", "--parquet", "said.parquet")
    said = pd.read_parquet(tmp_path / "said.parquet").set_index("path")
    assert sorted(from_text(path) for path in said.index) == sorted(
        os.fsencode(path) for path in inbox.iterdir()
    )
    # The reference: timm's own transform and one forward pass for each file alone.
    checkpoint = load(trained / "ckpt.pt")
    model = build(checkpoint.arch, len(checkpoint.classes)).eval()
    model.load_state_dict(dict(checkpoint.weights))
    used = checkpoint.preprocessing
    transform = create_transform(
        input_size=(3, used.height, used.width),
        interpolation=used.interpolation,
        mean=used.mean,
        std=used.std,
        crop_pct=used.crop_pct,
        crop_mode=used.crop_mode,
    )
    differences = []
    for number, source in enumerate(sources):
        row = said.loc[str(inbox / f"{number:03}{source.suffix}")]
        if source in broken:
            assert row["status"] == "failed", source
            continue
        with torch.inference_mode(), Image.open(source) as image:
            logits = model(transform(image.convert("RGB"))[None])
        alone = (logits / checkpoint.temperature).softmax(1)[0].numpy()
        assert row["image_id"] == image_id(source.read_bytes())
        # What the reference says of the very class that the row names.
        named = float(alone[checkpoint.classes.index(row["predicted"])])
        differences.append(abs(named - row["score"]))
    assert len(differences) == 200
    assert max(differences) < 0.05
    assert float(np.median(differences)) < 1e-3


@pytest.mark.timeout(1200)
def test_all_hostile_files_become_rows(shared: Path, trained: Path, tmp_path: Path) -> None:
    corpora = shared / "corpora"
    files = sorted(path for path in corpora.rglob("*") if path.is_file() and not path.is_symlink())
    scanned = curate(tmp_path, "scan", corpora, "--csv", "scan.csv")
    identified = curate(
        tmp_path, "bulk-id", corpora, "--model", trained / "ckpt.pt", "--csv", "said.csv"
    )
    assert scanned["counts"]["files"] == identified["files"] == len(files)
    for name in ("scan.csv", "said.csv"):
        table = pd.read_csv(tmp_path / name, keep_default_na=False)
        assert sorted(table["path"]) == sorted(map(str, files))
        failed = table["status"] == "failed"
        assert (table.loc[failed, "reason"] != "").all()
        assert failed.sum() > 300
        assert not table["reason"].str.startswith(("crash", "time", "error")).any()


@pytest.mark.timeout(1200)
def test_weights_from_elsewhere(shared: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for path in sorted((shared / "photos/grocery/Banana").iterdir())[:20]:
        shutil.copy(path, inbox)
    names = shared / "weights/imagenet_classes.txt"
    said = curate(tmp_path, "bulk-id", inbox, "--model", shared / WEIGHTS, "--classes", names)
    assert said["identified"] == 20
    assert max(said["top_classes"], key=said["top_classes"].get) == "banana"
