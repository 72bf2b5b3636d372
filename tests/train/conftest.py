from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curate.core import paths
from curate.core.identity import image_id
from curate.train import TrainSettings

Make = Callable[..., pd.DataFrame]

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}


@pytest.fixture
def make_table(tmp_path: Path) -> Make:
    """Draw noisy pictures of a colour each, easily told apart, and give their table."""

    def make(
        train: int = 8,
        val: int = 3,
        test: int = 3,
        classes: tuple[str, ...] = ("blue", "green", "red"),
        side: int = 40,
    ) -> pd.DataFrame:
        random = np.random.default_rng(1)
        rows: list[tuple[str, str, str, str]] = []
        for label in classes:
            for split in ["train"] * train + ["val"] * val + ["test"] * test:
                pixels = random.normal(COLOURS[label], 40, (side, side + 8, 3)).clip(0, 255)
                path = tmp_path / f"{label}-{len(rows)}.png"
                Image.fromarray(pixels.astype(np.uint8)).save(path)
                name = image_id(path.read_bytes())
                rows.append((name, paths.to_text(bytes(path)), label, split))
        return pd.DataFrame(rows, columns=["image_id", "path", "label", "split"], dtype="str")

    return make


@pytest.fixture
def quick() -> TrainSettings:
    return TrainSettings(epochs=3, batch_size=8, size=32, device="cpu", seed=3, lr=3e-3)
