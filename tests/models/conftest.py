from __future__ import annotations

import pytest
import torch

from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint

TINY = "test_resnet"


@pytest.fixture
def checkpoint() -> Checkpoint:
    """A complete checkpoint of a network of 0.5 million weights, for three classes at 32 px."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = build(TINY, 3)
    return Checkpoint(
        arch=TINY,
        classes=("ant", "bee", "cat"),
        preprocessing=preprocessing(TINY).at_size(32),
        weights=model.state_dict(),
        temperature=1.5,
        throw_away=True,
        min_count=35,
        parent="0" * 32,
        split="1" * 32,
        data="2" * 32,
        metrics={"val_accuracy": 0.5},
        settings={"epochs": 2, "augment": "flip(p=0.5)"},
        versions={"timm": "1"},
        licence="MIT",
    )
