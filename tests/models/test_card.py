"""The card says everything that a person asks of a checkpoint, and what must not be missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from curate.models.card import FIRST, card_of, is_named
from curate.models.checkpoint import Checkpoint
from curate.models.novelty import fit


def row(checkpoint: Checkpoint, name: str, *, all_classes: bool = False) -> str:
    """What a card says under one name; it stands there once."""
    found = [text for title, text in card_of(checkpoint, all_classes).rows if title == name]
    assert len(found) == 1
    return found[0]


def test_a_throw_away_model_is_marked(checkpoint: Checkpoint) -> None:
    assert card_of(checkpoint).warning == (
        "THROW-AWAY MODEL, trained with the min-count 35 only to find more images: "
        "not to be deployed."
    )
    assert "trained only to find" in card_of(replace(checkpoint, min_count=None)).warning
    assert card_of(replace(checkpoint, throw_away=False)).warning == ""


def test_it_says_what_the_model_is(checkpoint: Checkpoint) -> None:
    assert row(checkpoint, "architecture") == "test_resnet"
    assert row(checkpoint, "input").startswith("32 × 32 pixels, ")
    assert row(checkpoint, "classes") == "3: ant, bee, cat"
    assert row(checkpoint, "min-count") == "35"
    assert int(row(checkpoint, "parameters").replace(",", "")) > 300_000
    assert row(checkpoint, "temperature") == "1.5"
    assert row(replace(checkpoint, temperature=1.0), "temperature") == "1 (uncalibrated)"


def test_it_says_where_the_model_comes_from(checkpoint: Checkpoint) -> None:
    assert [row(checkpoint, name)[0] for name in ("parent", "split", "data")] == ["0", "1", "2"]
    assert row(checkpoint, "trained with") == "epochs 2, augment flip(p=0.5)"
    assert row(checkpoint, "made by") == "timm 1"
    foreign = replace(checkpoint, parent=None, split=None, data=None, settings={}, versions={})
    assert [row(foreign, name) for name in ("parent", "split", "data")] == ["not known"] * 3
    assert not {"trained with", "made by"} & {name for name, _ in card_of(foreign).rows}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "MIT (of the weights that it descends from)"),
        ({"licence": None}, "not known"),
        ({"licence": None, "parent": None}, "none: trained from random weights"),
        ({"licence": None, "parent": None, "settings": {"pretrained": True}}, "not known"),
        ({"licence": None, "parent": None, "settings": {}}, "not known"),
    ],
)
def test_the_licence_is_never_guessed(
    checkpoint: Checkpoint, changes: dict[str, Any], said: str
) -> None:
    assert row(replace(checkpoint, **changes), "licence").startswith(said)


def test_many_classes_are_cut_and_counted(checkpoint: Checkpoint) -> None:
    names = tuple(f"class {number}" for number in range(FIRST + 5))
    many = replace(checkpoint, classes=names)
    assert row(many, "classes").endswith(f"class {FIRST - 1} … and 5 more")
    assert row(many, "classes", all_classes=True).endswith(f"class {FIRST + 4}")


def test_names_that_are_made_up_are_not_shown(checkpoint: Checkpoint) -> None:
    unnamed = replace(checkpoint, classes=("output 1", "output 2", "output 3"))
    assert not is_named(unnamed)
    assert is_named(checkpoint)
    assert row(unnamed, "classes") == "3, which the file does not name"


def test_val_stands_beside_test(checkpoint: Checkpoint) -> None:
    metrics = {"epoch": 4, "lr": 1e-5, "val_accuracy": 0.8, "val_ece": 0.1, "test_accuracy": 0.7}
    card = card_of(replace(checkpoint, metrics=metrics))
    assert card.measures == (("accuracy", 0.8, 0.7), ("ece", 0.1, None))
    assert dict(card.rows)["epoch kept"] == "epoch 4, lr 1e-05"


def test_thresholds_come_with_what_they_did_on_test(checkpoint: Checkpoint) -> None:
    metrics = {
        "test_precision_at_0.9": 0.91,
        "test_coverage_at_0.9": 0.5,
        "val_precision_at_0.9": 1,
    }
    card = card_of(replace(checkpoint, thresholds={"0.95": 0.8, "0.9": 0.712345}, metrics=metrics))
    assert card.thresholds == (("0.9", "0.712345", 0.91, 0.5), ("0.95", "0.8", None, None))
    assert card.measures == ()


def test_whether_novelty_can_be_measured(checkpoint: Checkpoint) -> None:
    features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    whole = replace(checkpoint, novelty=fit(features, np.arange(30) % 3, features))
    assert row(whole, "novelty") == "can be measured"
    assert row(checkpoint, "novelty") == "cannot be measured"


def test_a_hostile_name_does_not_steer_the_terminal(checkpoint: Checkpoint) -> None:
    hostile = replace(checkpoint, classes=("a\x1b[2Jb", "c\nd", "é"))
    assert row(hostile, "classes") == "3: a�[2Jb, c�d, é"
