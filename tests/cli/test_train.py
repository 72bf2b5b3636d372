"""`curate train`: what it asks for, what it says, and what it leaves behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from PIL import Image

from curate.augment.policy import DEFAULT
from curate.cli.main import EXPECTED, INTERRUPTED, answer
from curate.cli.train_options import augmented, renamed
from curate.core.errors import InputError
from curate.models.checkpoint import load
from curate.store import facts, schema
from curate.store.library import opened
from curate.train import Progress, TrainSettings
from curate.train.ranks import ALONE, Ranks
from tests.splits.made import put, tell

SMALL = ["--arch", "test_resnet", "--size", "32", "--batch-size", "8", "--device", "cpu"]
TINY = [*SMALL, "--epochs", "1"]
PHOTOS = {"blue": (12, (40, 60, 200)), "green": (8, (50, 180, 60)), "red": (12, (200, 50, 40))}
"""How many photos of each class there are, and their colour."""

OPTIONS: dict[str, tuple[str, Any]] = {
    "epochs": ("--epochs 3", 3),
    "batch_size": ("--batch-size 7", 7),
    "accumulate": ("--accumulate 2", 2),
    "lr": ("--lr 0.02", 0.02),
    "weight_decay": ("--weight-decay 0", 0),
    "optimizer": ("--optimizer sgd(momentum=0.9)", "sgd(momentum=0.9)"),
    "schedule": ("--schedule one-cycle", "one-cycle"),
    "warm_up": ("--warm-up 0.5", 0.5),
    "freeze": ("--freeze 1", 1),
    "head": ("--head map", "map"),
    "rename": ("--rename a=b --rename c=d=e", (("a", "b"), ("c", "d=e"))),
    "balance": ("--balance effective", "effective"),
    "smoothing": ("--smoothing 0", 0),
    "mix": ("--mix cutmix(alpha=1.0)", "cutmix(alpha=1.0)"),
    "precision": ("--precision bf16", "bf16"),
    "compile": ("--compile", True),
    "ema": ("--ema 0.99", 0.99),
    "patience": ("--patience 4", 4),
    "steps": ("--steps 50", 50),
    "size": ("--size 48", 48),
    "seed": ("--seed 9", 9),
    "augment": ("--augment flip(p=0.5)", "flip(p=0.5)"),
    "device": ("--device cuda:1", "cuda:1"),
    "pretrained": ("--pretrained", True),
    "throw_away": ("--throw-away --min-count 6", True),
    "min_count": ("--throw-away --min-count 5", 5),
}
"""By field of `TrainSettings`: options that set it, and what it is then."""

WITHOUT_OPTION = {
    "workers": "changes nothing of what is trained: curate.toml has it",
    "augment_classes": "comes from the file that --augment names",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A library in which two classes pass the cutoff of 10, and one has 8 photos."""
    random = np.random.default_rng(1)
    photos = []
    for name, (number, colour) in PHOTOS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for at in range(number):
            pixels = random.normal(colour, 40, (40, 48, 3)).clip(0, 255).astype(np.uint8)
            photos.append(tmp_path / "photos" / name / f"{at}.png")
            Image.fromarray(pixels).save(photos[-1])
    with opened(tmp_path, make=True) as library:
        for image_id, path in zip(put(library, *photos), photos, strict=True):
            tell(library, image_id, label=path.parent.name)
    assert answer(["split", "--min-count", "10", "--val", "0.25", "--test", "0.2"]) == 0
    return tmp_path


@pytest.fixture
def verb() -> Iterator[MagicMock]:
    """Stand in for the training itself, and stop there."""
    with patch("curate.train.train", side_effect=InputError("stop", "here", "now")) as called:
        yield called


Said = Callable[..., dict[str, Any]]


@pytest.fixture
def said(place: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Train, and give what it says to programs."""

    def train(*arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        assert answer(["train", *arguments, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return train


def settings_of(verb: MagicMock) -> TrainSettings:
    settings = verb.call_args.args[3]
    assert isinstance(settings, TrainSettings)
    return settings


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Give what is said of a training that is not begun."""
    capsys.readouterr()
    assert answer(["train", *arguments, "-o", "a.pt"]) == EXPECTED
    return capsys.readouterr().err


def trainings(place: Path) -> list[Any]:
    with opened(place) as library, library.reading() as connection:
        query = sa.select(schema.runs).where(schema.runs.c.stage == "train")
        return list(connection.execute(query))


def images(place: Path) -> pd.DataFrame:
    with opened(place) as library, library.reading() as connection:
        return facts.images(connection)


def test_every_setting_has_an_option() -> None:
    names = {one.name for one in fields(TrainSettings)}
    assert names == OPTIONS.keys() | WITHOUT_OPTION.keys()
    assert not OPTIONS.keys() & WITHOUT_OPTION.keys()


def test_every_option_reaches_the_training(place: Path, verb: MagicMock) -> None:
    usual, reached = TrainSettings(), {}
    for name, (words, value) in OPTIONS.items():
        assert getattr(usual, name) != value
        assert answer(["train", *words.split(), "-o", "a.pt"]) == EXPECTED
        reached[name] = getattr(settings_of(verb), name)
    assert reached == {name: value for name, (_, value) in OPTIONS.items()}


def test_without_options_it_trains_with_the_defaults(place: Path, verb: MagicMock) -> None:
    assert answer(["train", "-o", "a.pt"]) == EXPECTED
    (table, recipe, out, settings), more = verb.call_args
    assert settings == TrainSettings(min_count=10)
    assert (recipe, out, more["initial"], more["resume"]) == ("resnet18", Path("a.pt"), None, None)
    assert more["ranks"] == ALONE
    assert set(table.loc[table["split"] != "", "label"]) == {"blue", "red"}


def test_options_lie_over_the_settings_file(place: Path, verb: MagicMock) -> None:
    (place / "curate.toml").write_text(
        '[train]\narch = "resnet10t"\nepochs = 9\nsmoothing = 0.2\nworkers = 1\nema = 0.9\n'
        '[train.augment_classes]\nred = ""\n'
    )
    assert answer(["train", "--smoothing", "0", "--ema", "0", "-o", "a.pt"]) == EXPECTED
    expected = TrainSettings(
        epochs=9, smoothing=0, workers=1, augment_classes={"red": ""}, min_count=10
    )
    assert settings_of(verb) == expected
    assert verb.call_args.args[1] == "resnet10t"
    assert answer(["train", "--arch", "test_resnet", "-o", "a.pt"]) == EXPECTED
    assert verb.call_args.args[1] == "test_resnet"


def test_a_wrong_settings_file_is_refused(
    place: Path, verb: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "curate.toml").write_text("[train]\nepoch = 9\n")
    assert "did you mean 'epochs'?" in refused(capsys)
    verb.assert_not_called()


@pytest.mark.parametrize("text", ["antelope", "=gazelle", "antelope=", "=", ""])
def test_a_rename_names_two_classes(text: str) -> None:
    with pytest.raises(InputError, match=f"--rename {text!r}: it is OLD=NEW"):
        renamed(["cat=dog", text])


def test_what_speaks_of_an_earlier_model_needs_one(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "without --from" in refused(capsys, *TINY, "--rename", "blau=blue")
    assert "without --from" in refused(capsys, *TINY, "--head", "map")
    assert "known are fresh, map" in refused(capsys, *TINY, "--head", "new")


@pytest.mark.parametrize(
    "text",
    [
        'augment = "flip(p=0.3)"\n[augment_classes]\nred = ""\n',
        # As `curate augment check` proposes it.
        '[train]\naugment = "flip(p=0.3)"\n[train.augment_classes]\nred = ""\n',
    ],
)
def test_augmentation_by_class_comes_from_a_file(place: Path, verb: MagicMock, text: str) -> None:
    (place / "curate.toml").write_text('[train.augment_classes]\nblue = "flip(p=1)"\n')
    (place / "safe.toml").write_text(text)
    assert answer(["train", "--augment", "safe.toml", "-o", "a.pt"]) == EXPECTED
    settings = settings_of(verb)
    assert (settings.augment, settings.augment_classes) == ("flip(p=0.3)", {"red": ""})


def test_a_file_of_classes_alone_keeps_the_usual_recipe(place: Path, verb: MagicMock) -> None:
    (place / "safe.toml").write_text('[augment_classes]\nred = "flip(p=0.1)"\n')
    assert answer(["train", "--augment", "safe.toml", "-o", "a.pt"]) == EXPECTED
    settings = settings_of(verb)
    assert (settings.augment, settings.augment_classes) == (DEFAULT, {"red": "flip(p=0.1)"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "it cannot be read (No such file or directory)"),
        ("augment = ", "it is not TOML"),
        ("\xff", "it is not TOML"),
        ('augment_class = "flip"', "unknown key 'augment_class'"),
        ("[train]\nepochs = 3", "unknown key 'epochs'"),
        ("train = 3", "recipes are texts"),
        ("augment = 3", "recipes are texts"),
        ("[augment_classes]\nred = 3", "recipes are texts"),
        ('augment_classes = "flip"', "recipes are texts"),
    ],
)
def test_a_wrong_file_of_recipes_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "safe.toml").write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as raised:
        augmented("safe.toml")
    message = str(raised.value)
    assert message.startswith(f"safe.toml: {why}")
    assert "[augment_classes]" in message


def test_a_recipe_of_no_class_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "safe.toml").write_text('[augment_classes]\nrde = ""\n')
    assert "Did you mean red?" in refused(capsys, *TINY, "--augment", "safe.toml")


def test_without_a_split_there_is_nothing_to_train_on(
    tmp_path: Path, verb: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(tmp_path, make=True):
        pass
    assert "there is no split yet. Run `curate split` first" in refused(capsys)
    verb.assert_not_called()


def test_a_permanent_model_has_the_cutoff_of_the_split(
    place: Path, verb: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Add --throw-away" in refused(capsys, "--min-count", "6")
    verb.assert_not_called()


def test_a_throw_away_run_has_its_own_split(place: Path, verb: MagicMock) -> None:
    # The settings changed since: the split that there is was made otherwise.
    (place / "curate.toml").write_text("[split]\nmin_count = 30\nval = 0.0\n")
    before = images(place)
    assert answer(["train", "--throw-away", "--min-count", "6", "-o", "a.pt"]) == EXPECTED
    table = verb.call_args.args[0]
    used = table[table["split"] != ""]
    counts = used.groupby(["label", "split"]).size().to_dict()
    assert {name: counts["green", name] for name in ("train", "val", "test")} == {
        "train": 4, "val": 2, "test": 2,
    }  # fmt: skip
    assert used["path"].map(lambda path: Path(path).is_file()).all()
    # What has a place keeps it, and nothing is written down.
    now = table.set_index("image_id")["split"]
    permanent = before[before["split"] != ""].set_index("image_id")["split"]
    assert len(permanent) == 24
    pd.testing.assert_series_equal(now.reindex(permanent.index), permanent, check_dtype=False)
    pd.testing.assert_frame_equal(images(place), before)


def test_its_cutoff_is_below_that_of_the_split(
    place: Path, verb: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    # Not below that of the settings, which the split was not made with.
    (place / "curate.toml").write_text("[split]\nmin_count = 30\n")
    for words in ([], ["--min-count", "10"], ["--min-count", "12"]):
        assert "Give a --min-count of 9 or less" in refused(capsys, "--throw-away", *words)
    verb.assert_not_called()


def test_a_throw_away_model_says_what_it_is_for(place: Path, said: Said) -> None:
    before = images(place)
    found = said(*TINY, "--throw-away", "--min-count", "6", "-o", "throw away.pt")
    assert found["throw_away"] is True
    assert found["sought"] == ["green"]
    assert found["classes"] == ["blue", "green", "red"]
    assert found["next"] == "curate bulk-id --model 'throw away.pt' FOLDER"
    checkpoint = load(Path("throw away.pt"))
    assert (checkpoint.throw_away, checkpoint.min_count) == (True, 6)
    assert load(Path("throw away.last.pt")).throw_away
    (run,) = trainings(place)
    summary, parameters = json.loads(run.summary), json.loads(run.parameters)
    assert (summary["throw_away"], parameters["throw_away"]) == (True, True)
    assert (parameters["sought"], parameters["min_count"]) == (["green"], 6)
    pd.testing.assert_frame_equal(images(place), before)


def test_what_passes_the_cutoff_is_not_sought(place: Path, said: Said) -> None:
    # Classes have no place yet where nothing was split since they were labelled.
    shutil.rmtree(place / ".curate")
    (place / "curate.toml").write_text("[split]\nmin_count = 10\n")
    assert answer(["scan", "photos", "--labels", "folder"]) == 0
    found = said(*TINY, "--throw-away", "--min-count", "6", "-o", "t.pt")
    assert found["classes"] == ["blue", "green", "red"]
    assert found["sought"] == ["green"]
    assert (images(place)["split"] == "").all()


def test_people_are_told_so_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert answer(["train", *TINY, "--throw-away", "--min-count", "6", "-o", "t.pt"]) == 0
    heard = capsys.readouterr().out
    assert "Wrote t.pt (throw-away: to find images, not to deploy)" in heard
    assert "Made to find images of 1 class: green\n" in heard
    assert "Next: curate bulk-id --model t.pt FOLDER" in heard
    assert "curate queue low-count" in heard


def test_a_permanent_model_seeks_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert answer(["train", *TINY, "-o", "a.pt", "--csv", "history.csv"]) == 0
    heard = capsys.readouterr().out
    assert "throw-away" not in heard
    assert "Made to find" not in heard
    assert "Test: " in heard
    assert "(2 classes, chance 50.0%)" in heard
    assert "Wrote a.pt: epoch 1, the best; a.last.pt: the last" in heard
    assert pd.read_csv("history.csv")["epoch"].tolist() == [1]
    assert load(Path("a.pt")).min_count == 10


def test_the_run_is_in_the_library(place: Path, said: Said) -> None:
    first = said(*SMALL, "--epochs", "2", "--balance", "sampling", "-o", "a.pt")
    mapped = ["--from", "a.pt", "--head", "map", "--rename", "red=rot"]
    second = said(*mapped, "--epochs", "1", *_renamed(place))
    runs = trainings(place)
    assert [run.status for run in runs] == ["done", "done"]
    one, two = (json.loads(run.summary) for run in runs)
    asked = json.loads(runs[0].parameters)
    assert (asked["arch"], asked["from"], asked["balance"]) == ("test_resnet", None, "sampling")
    assert one["digest"] == first["digest"] == load(Path("a.pt")).digest
    assert one["history"] == first["history"]
    assert [row["epoch"] for row in one["history"]] == [1, 2]
    assert {row["class"] for row in one["recalls"]} == {"blue", "red"}
    assert one["metrics"]["test_accuracy"] == first["metrics"]["test_accuracy"]
    assert (one["parent"], one["throw_away"]) == (None, False)
    assert one["path"] == str(place / "a.pt")

    asked = json.loads(runs[1].parameters)
    assert (asked["arch"], asked["from"]) == ("test_resnet", first["digest"])
    assert (asked["head"], asked["rename"]) == ("map", [["red", "rot"]])
    assert two["parent"] == first["digest"]
    assert second["transplant"]["classes_kept"] == ["blue", "rot"]
    assert second["transplant"]["classes_renamed"] == [["red", "rot"]]


def _renamed(place: Path) -> list[str]:
    """Call a class otherwise, in the library; give what is left of the command."""
    table = images(place)
    with opened(place) as library:
        for image_id in table.loc[table["label"] == "red", "image_id"]:
            tell(library, image_id, label="rot")
    assert answer(["split", "--min-count", "10", "--val", "0.25", "--test", "0.2"]) == 0
    return ["--size", "32", "--batch-size", "8", "--device", "cpu", "-o", "b.pt"]


def test_an_unknown_tracker_is_refused_before_the_training(
    place: Path, verb: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "tracker 'tensorbord'" in refused(capsys, "--track", "tensorbord")
    verb.assert_not_called()


def test_trackers_are_told_every_epoch(place: Path, said: Said) -> None:
    with patch("curate.train.trackers.tracking") as made:
        found = said(*SMALL, "--epochs", "2", "--track", "tensorboard", "-o", "a.pt")
    names, folder = made.call_args.args
    assert (list(names), folder) == (["tensorboard"], place / ".curate")
    told = made.return_value.__enter__.return_value
    (run,) = trainings(place)
    name, parameters = told.begin.call_args.args
    assert name == f"train-{run.run_id}"
    assert parameters["epochs"] == 2
    assert [call.args[0] for call in told.epoch.call_args_list] == found["history"]
    result, files = told.end.call_args.args
    assert result.checkpoint.digest == found["digest"]
    assert files == [Path("a.pt")]


@contextmanager
def _interrupting(*_: Any) -> Iterator[Callable[[Progress], None]]:
    """Press Ctrl-C in the second epoch."""

    def told(state: Progress) -> None:
        if state.epoch == 2:
            raise KeyboardInterrupt

    yield told


def test_an_interrupted_training_goes_on(
    place: Path, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*SMALL, "--epochs", "3", "-o"]
    whole = said(*asked, "whole.pt")
    with patch("curate.cli.train._bars", _interrupting):
        assert answer(["train", *asked, "a.pt"]) == INTERRUPTED
    assert "--resume last goes on there" in capsys.readouterr().err
    assert load(Path("a.last.pt")).metrics["epoch"] == 1
    run = trainings(place)[-1]
    assert run.status == "interrupted"
    assert [row["epoch"] for row in json.loads(run.summary)["history"]] == [1]
    # Its settings come from what it wrote, whatever curate.toml says today.
    Path("curate.toml").write_text("[train]\nepochs = 9\nbatch_size = 5\n")
    resumed = said("--resume", "last", "-o", "a.pt")
    numbers = [[row["epoch"], row["loss"], row["val_loss"]] for row in resumed["history"]]
    assert numbers == [[row["epoch"], row["loss"], row["val_loss"]] for row in whole["history"]]
    assert resumed["metrics"]["test_loss"] == whole["metrics"]["test_loss"]
    assert json.loads(trainings(place)[-1].parameters)["resume"] == "last"


def test_only_a_state_that_is_there_can_be_gone_on_from(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is none" in refused(capsys, *TINY, "--resume", "last")
    assert "known are last, best" in refused(capsys, *TINY, "--resume", "first")


def test_only_the_first_process_speaks_and_writes(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    with patch("curate.train.train") as called:
        assert answer(["train", "--track", "tensorboard", "-o", "a.pt"]) == 0
    assert called.call_args.kwargs["ranks"] == Ranks(1, 2, 1)
    heard = capsys.readouterr()
    assert (heard.out, heard.err) == ("", "")
    assert trainings(place) == []
    assert not (place / ".curate/tensorboard").exists()


def test_a_place_that_cannot_be_written_is_refused_first(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["train", *TINY, "-o", "nowhere/a.pt"]) == EXPECTED
    assert answer(["train", *TINY, "-o", "a.txt"]) == EXPECTED
    heard = capsys.readouterr().err
    assert "there is no folder nowhere" in heard
    assert "a checkpoint ends in" in heard


def test_an_image_that_fails_is_told(place: Path, said: Said) -> None:
    table = images(place)
    chosen = table[table["split"] == "train"].iloc[0]
    Path(chosen["path"]).write_bytes(b"no image")
    found = said(*TINY, "-o", "a.pt")
    assert [row["image_id"] for row in found["failures"]] == [chosen["image_id"]]
