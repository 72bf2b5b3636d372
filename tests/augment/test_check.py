"""All checks together, the policy that they propose, and a library with a model."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sqlalchemy import select

from curate.augment.check import check, taught_by
from curate.augment.checks.changed import changed_verdicts
from curate.augment.checks.proposal import Proposal, proposed, without
from curate.augment.checks.rows import COLUMNS, row, rows_table
from curate.augment.checks.transforms import AS_IT_IS, reached_by
from curate.augment.checks.verb import check_library, sheet
from curate.augment.policy import DEFAULT, compile_policy
from curate.core.errors import InputError
from curate.core.images import open_picture
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, save
from curate.scan import scan
from curate.store import schema
from curate.store.library import Library
from tests.conftest import MakePhoto
from tests.store.made import decide, said


def subjects(*sides: float) -> pd.DataFrame:
    rows = [(f"i{n}", "cat", side, 0.0, "saliency", "") for n, side in enumerate(sides)]
    columns = ["image_id", "class", "side", "contact", "source", "twice"]
    return pd.DataFrame(rows, columns=columns)


def seen(*answers: tuple[str, str, float, str, float]) -> pd.DataFrame:
    rows = [(image, "cat", *rest) for image, *rest in answers]
    columns = ["image_id", "class", "transform", "own", "predicted", "score"]
    return pd.DataFrame(rows, columns=columns)


def test_without_a_model_only_the_images_speak() -> None:
    found = check(DEFAULT, subjects(0.2, 0.8))
    assert tuple(found.columns) == COLUMNS
    assert list(found["image_id"]) == ["i0"]


def test_classes_come_first() -> None:
    table = seen(("i0", AS_IT_IS, 0.9, "cat", 0.9), ("i0", "flip", 0.0, "dog", 1.0))
    found = check(DEFAULT, subjects(0.2), table, None, lambda name: ())
    assert list(found["scope"]) == ["class", "image", "image"]
    assert list(found["transform"].iloc[1:]) == ["flip", "zoom out"]


def test_nothing_wrong_gives_an_empty_table() -> None:
    assert tuple(check("", subjects(0.2)).columns) == COLUMNS
    assert check("", subjects(0.2)).empty


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        ((0.9, 0.05, 0.9), True),
        ((0.5, 0.05, 0.9), False),  # never was sure
        ((0.9, 0.3, 0.7), False),  # still a little
        ((0.9, 0.05, 0.4), False),  # nothing else either
    ],
)
def test_an_image_that_becomes_another_class(
    answer: tuple[float, float, float], lost: bool
) -> None:
    before, after, other = answer
    table = seen(("i0", AS_IT_IS, before, "cat", before), ("i0", "flip", after, "dog", other))
    assert len(changed_verdicts(table, {"flip"}, ())) == lost
    assert changed_verdicts(table, {"zoom in"}, ()).empty
    assert changed_verdicts(table, {"flip"}, {("cat", "flip")}).empty


def test_of_several_losses_the_worst_is_named() -> None:
    table = seen(
        ("i0", AS_IT_IS, 0.9, "cat", 0.9),
        ("i0", "flip", 0.06, "dog", 0.9),
        ("i0", "dark", 0.01, "cow", 0.9),
    )
    found = changed_verdicts(table, {"flip", "dark"}, ())
    assert list(found["transform"]) == ["dark"]
    assert "takes it for cow" in found["reason"].iloc[0]


def unsafe(*pairs: tuple[str, str], scope: str = "class") -> pd.DataFrame:
    return rows_table([row(scope, "", name, what, "unsafe", "", 0.5) for name, what in pairs])


def test_a_policy_takes_out_what_is_unsafe_and_nothing_else() -> None:
    made = proposed(unsafe(("left", "flip"), ("left", "turn 180"), ("six", "turn 180")), DEFAULT)
    assert made.augment == DEFAULT
    assert set(made.augment_classes) == {"left"}
    assert reached_by(made.augment_classes["left"]) == reached_by(DEFAULT) - {"flip"}


def test_images_and_unknowns_propose_nothing() -> None:
    assert proposed(unsafe(("left", "flip"), scope="image"), DEFAULT).augment_classes == {}


ALL = DEFAULT + " vflip(p=0.5) rot90(p=0.5)"


@pytest.mark.parametrize("name", sorted(reached_by(ALL)))
def test_what_is_taken_out_is_never_reached(name: str) -> None:
    recipe = without(ALL, {name})
    compile_policy(recipe)
    assert name not in reached_by(recipe)
    assert reached_by(recipe) < reached_by(ALL)


@pytest.mark.parametrize(
    ("recipe", "name", "expected"),
    [
        ("flip(p=0.5) vflip(p=0.5)", "turn 180", "flip(p=0.5)"),
        ("flip(p=0.5) rot90(p=0.5)", "upside down", "flip(p=0.5)"),
        ("vflip(p=0.5) rot90(p=0.5)", "flip", "rot90(p=0.5)"),
        ("flip(p=0.5) rotate(limit=180)", "upside down", "flip(p=0.5) rotate(limit=89)"),
        ("rotate(limit=60) rotate(limit=60)", "turn 90", "rotate(limit=44) rotate(limit=44)"),
    ],
)
def test_steps_that_come_to_it_together_are_parted(recipe: str, name: str, expected: str) -> None:
    assert name in reached_by(recipe)
    assert without(recipe, {name}) == expected


def test_variants_of_an_image_are_not_looked_at(photos: Library) -> None:
    ids = sorted(check_library(photos, DEFAULT).images["image_id"])
    decide(
        photos,
        said("origin", ids[0], "synthetic"),
        said("group", ids[0], ids[1], field="parent"),
        said("origin", ids[2], "synthetic"),
    )
    # One that was rendered, and has no parent, is as good as any.
    assert sorted(check_library(photos, DEFAULT).images["image_id"]) == ids[1:]


def test_a_rotation_keeps_what_it_may() -> None:
    assert without("rotate(limit=180)", {"turn 180"}) == "rotate(limit=179)"
    assert without("rotate(limit=180)", {"turn 90"}) == "rotate(limit=89)"
    assert without("rotate(limit=30)", {"turn 90"}) == "rotate(limit=30)"
    assert without("rotate(limit=30)", {"rotate left"}) == ""


def test_the_policy_is_toml() -> None:
    odd = 'a "quoted" \\ name\x7f ü'
    made = Proposal(DEFAULT, {odd: "zoom(min=1, max=1.1)", "b": ""})
    train = tomllib.loads(made.to_toml())["train"]
    assert train == {"augment": DEFAULT, "augment_classes": made.augment_classes}
    assert tomllib.loads(Proposal("", {}).to_toml()) == {"train": {"augment": ""}}


def test_what_a_checkpoint_says_of_its_training() -> None:
    assert taught_by({})("a") is None
    taught = taught_by({"augment": "flip(p=0.5)", "augment_classes": {"b": ""}})
    assert (taught("a"), taught("b")) == ({"flip"}, set())


@pytest.fixture
def photos(library: Library, photo: MakePhoto, tmp_path: Path) -> Library:
    for seed in range(8):
        photo(f"photos/{('ant', 'bee')[seed % 2]}/{seed}.jpg", seed)
    photo("photos/okapi/9.jpg", 9)
    scan(library, tmp_path / "photos", labels="folder", backend="serial")
    return library


@pytest.fixture
def model(tmp_path: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        weights = build("test_resnet", 2).state_dict()
    made = Checkpoint(
        "test_resnet", ("ant", "bee"), preprocessing("test_resnet").at_size(32), weights
    )
    save(made, tmp_path / "m.pt")
    return tmp_path / "m.pt"


def test_a_library_is_checked_and_the_check_is_a_run(photos: Library, model: Path) -> None:
    found = check_library(photos, DEFAULT, model, device="cpu", batch_size=4, workers=1)
    assert list(found.verdicts.columns) == [*COLUMNS, "path", "split"]
    classes = found.verdicts[found.verdicts["scope"] == "class"]
    # The model does not know okapis.
    assert set(classes["class"]) == {"ant", "bee"}
    assert classes.groupby("class")["transform"].nunique().tolist() == [13, 13]
    assert (classes["verdict"] != "safe").all()
    assert (len(found.images), len(found.failures), found.taught) == (9, 0, None)
    with photos.reading() as connection:
        run = connection.execute(select(schema.runs).order_by(schema.runs.c.run_id.desc())).first()
    assert run is not None
    assert (run.stage, run.status) == ("augment check", "done")


def test_the_answer_is_the_same_again(photos: Library, model: Path) -> None:
    once, twice = (check_library(photos, DEFAULT, model, device="cpu", workers=n) for n in (1, 2))
    pd.testing.assert_frame_equal(once.verdicts, twice.verdicts)


def test_test_and_benchmark_are_not_looked_at(photos: Library) -> None:
    ids = sorted(check_library(photos, DEFAULT).images["image_id"])
    decide(photos, said("split", ids[0], "benchmark"), said("split", ids[1], "test"))
    assert sorted(check_library(photos, DEFAULT).images["image_id"]) == ids[2:]


def test_a_photo_that_cannot_be_read_is_a_failure(
    photos: Library, model: Path, tmp_path: Path
) -> None:
    gone, changed = tmp_path / "photos/ant/0.jpg", tmp_path / "photos/bee/1.jpg"
    gone.unlink()
    changed.write_bytes((tmp_path / "photos/bee/3.jpg").read_bytes())
    found = check_library(photos, DEFAULT, model, device="cpu")
    assert len(found.failures) == 2
    assert "changed since it was scanned" in set(found.failures["reason"])
    assert set(found.failures["stage"]) == {"augment check"}


def test_a_model_whose_answers_are_no_numbers(photos: Library, model: Path) -> None:
    from curate.models import checkpoint

    loaded = checkpoint.load(model)
    weights = {name: tensor.clone() for name, tensor in loaded.weights.items()}
    bias = next(name for name in weights if name.endswith("fc.bias"))
    weights[bias][:] = torch.finfo(torch.float32).max
    weights[bias.replace("bias", "weight")] *= 1e38
    save(replace(loaded, weights=weights), model)
    found = check_library(photos, DEFAULT, model, device="cpu")
    assert "the model's answer is no number" in set(found.failures["reason"])


def test_a_box_goes_before_saliency(library: Library, photo: MakePhoto, tmp_path: Path) -> None:
    photo("photos/a.jpg", 1, size=(200, 100))
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,label,bbox\na.jpg,ant,80 40 20 20\n")
    scan(library, tmp_path / "photos", labels=str(manifest), backend="serial")
    found = check_library(library, DEFAULT).verdicts
    assert list(found["transform"]) == ["zoom out"]
    assert "14% of the frame's side (box)" in found["reason"].iloc[0]


def test_the_sheet_has_pairs(photos: Library, model: Path) -> None:
    checked = check_library(photos, DEFAULT, model, device="cpu")
    image = checked.images["image_id"].iloc[0]
    rows = [
        row("class", "", "ant", "flip", "unsafe", "all become bee", 1.0),
        row("image", image, "ant", "turn 90", "unsafe", "it looks turned", 0.5),
        row("image", "gone", "ant", "zoom out", "unsafe", "it is small", 0.1),
    ]
    drawn = sheet(photos, replace(checked, verdicts=rows_table(rows)))
    pixels = open_picture(drawn).pixels
    assert pixels.shape[1] > pixels.shape[0]
    assert np.ptp(pixels) > 100
    assert open_picture(sheet(photos, replace(checked, verdicts=rows_table([])))).width > 100


def test_an_empty_library_says_what_to_do(library: Library) -> None:
    with pytest.raises(InputError, match="curate scan"):
        check_library(library, DEFAULT)
