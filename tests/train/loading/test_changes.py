from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest

from curate.augment.policy import DEFAULT
from curate.core.errors import InputError
from curate.train.examples import Examples
from curate.train.loading.changes import Change, augmentation
from curate.train.settings import TrainSettings

EXAMPLES = Examples(
    ["a", "b", "c"], [], np.array([0, 1, 2]), {}, ("arrow left", "arrow right", "tree"), "", ""
)
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
SETTINGS = TrainSettings(seed=1)


def variant(change: Change, target: int, image_id: str, again: int = 0) -> bytes:
    return change.draw(target, again).of(PIXELS, image_id).tobytes()


def test_a_variant_depends_on_seed_epoch_and_image_alone() -> None:
    change = augmentation(SETTINGS, EXAMPLES, 1)
    other = augmentation(dataclasses.replace(SETTINGS, seed=2), EXAMPLES, 1)
    variant(change, 1, "b")
    first = variant(change, 0, "a")
    assert first == variant(pickle.loads(pickle.dumps(change)), 0, "a")
    different = {
        first,
        variant(other, 0, "a"),
        variant(augmentation(SETTINGS, EXAMPLES, 2), 0, "a"),
        variant(change, 0, "b"),
        variant(change, 0, "a", again=1),
        variant(change, 0, "a", again=2),
    }
    assert len(different) == 6


def test_a_class_has_its_own_recipe_and_the_others_the_common_one() -> None:
    settings = dataclasses.replace(
        SETTINGS, augment="flip(p=1)", augment_classes={"arrow right": "", "tree": "vflip(p=1)"}
    )
    change = augmentation(settings, EXAMPLES, 4)
    assert change == Change("flip(p=1)", 1, 4, {1: "", 2: "vflip(p=1)"})
    assert variant(change, 0, "a") == PIXELS[:, ::-1].tobytes()
    assert variant(change, 1, "a") == PIXELS.tobytes()
    assert variant(change, 2, "a") == PIXELS[::-1].tobytes()


def test_the_pixels_that_are_given_stay_as_they_are() -> None:
    before = PIXELS.copy()
    for at in range(20):
        Change(DEFAULT, at, 1).draw(0).of(PIXELS, "a")
    assert np.array_equal(PIXELS, before)


def test_a_class_that_is_not_trained_is_an_error_that_lists_them() -> None:
    settings = dataclasses.replace(SETTINGS, augment_classes={"arrow lift": ""})
    with pytest.raises(InputError, match="arrow lift") as raised:
        augmentation(settings, EXAMPLES, 1)
    assert "arrow left, arrow right, tree" in str(raised.value)
    assert "Did you mean arrow left?" in str(raised.value)


def test_the_recipe_of_a_class_that_fell_below_the_cutoff_waits() -> None:
    examples = dataclasses.replace(EXAMPLES, left_out=frozenset({"bush"}))
    settings = dataclasses.replace(SETTINGS, augment_classes={"bush": "", "tree": "vflip(p=1)"})
    change = augmentation(settings, examples, 1)
    assert change.classes == {EXAMPLES.classes.index("tree"): "vflip(p=1)"}
    wrong = dataclasses.replace(SETTINGS, augment_classes={"bush": "spin"})
    with pytest.raises(InputError, match="spin"):
        augmentation(wrong, examples, 1)


def test_of_very_many_classes_some_are_listed() -> None:
    classes = tuple(f"{n:04}" for n in range(1500))
    examples = dataclasses.replace(EXAMPLES, classes=classes)
    settings = dataclasses.replace(SETTINGS, augment_classes={"x": ""})
    with pytest.raises(InputError, match="1500 in all") as raised:
        augmentation(settings, examples, 1)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    "settings", [TrainSettings(augment="spin"), TrainSettings(augment_classes={"tree": "spin"})]
)
def test_a_wrong_recipe_is_said_before_the_first_image(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match="spin"):
        augmentation(settings, EXAMPLES, 1)


def test_a_worker_does_not_import_what_only_a_training_needs() -> None:
    code = "import sys, curate.train.loading.loader; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "timm", "sqlalchemy", "duckdb"} & set(told.stdout.split())
