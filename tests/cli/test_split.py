"""`curate split`: every option reaches its verb, and what it writes is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from curate.cli.main import EXPECTED, answer
from curate.core.errors import InputError
from curate.splits import SplitPolicy
from curate.store import facts
from curate.store.library import opened
from tests.conftest import MakePhoto
from tests.splits.made import put, tell

DEMAND = ["--min-count", "4", "--val", "0.2", "--test", "0.2"]


@pytest.fixture
def photos(tmp_path: Path, photo: MakePhoto) -> list[Path]:
    """A library of ten cats and ten dogs, dogs 0 and 1 a burst."""
    names = [f"photos/{kind}/{n}.jpg" for kind in ("cat", "dog") for n in range(10)]
    photos = [photo(name, seed=n) for n, name in enumerate(names)]
    with opened(tmp_path, make=True) as library:
        for image_id, path in zip(put(library, *photos), photos, strict=True):
            tell(library, image_id, label=path.parent.name)
            if path.parent.name == "dog" and path.stem in "01":
                tell(library, image_id, group_burst="1")
    return photos


def asked(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json; give its status and what it says."""
    from _pytest.capture import MultiCapture, SysCapture

    capture = MultiCapture(in_=None, out=SysCapture(1), err=None)
    capture.start_capturing()
    try:
        status = answer(["split", *arguments, "--json"])
        out = capture.readouterr().out
    finally:
        capture.stop_capturing()
    return status, json.loads(out) if out else {}


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ("--keep newest --count images", SplitPolicy(keep="newest", count="images")),
        (
            "--sub-min-count 5 --sub-max-count 60",
            SplitPolicy(sub_min_count=5, sub_max_count=60),
        ),
        ("--val 20 --test 0.2 --benchmark 5", SplitPolicy(val=20, test=0.2, benchmark=5)),
    ],
)
def test_the_policy_reaches_its_verb(photos: list[Path], options: str, policy: SplitPolicy) -> None:
    with patch("curate.splits.split", side_effect=InputError("a", "b", "c")) as called:
        assert answer(["split", *options.split()]) == EXPECTED
    assert called.call_args.args[1] == policy
    assert type(called.call_args.args[1].val) is type(policy.val)


@pytest.mark.parametrize(
    ("options", "verb", "arguments", "keywords"),
    [
        ("--folds 5", "split_folds", [SplitPolicy(), 5], {}),
        ("--lock a.json", "split_and_lock", [SplitPolicy()], {}),
    ],
)
def test_each_way_has_its_verb(
    photos: list[Path], options: str, verb: str, arguments: list[Any], keywords: dict[str, Any]
) -> None:
    with patch(f"curate.splits.{verb}", side_effect=InputError("a", "b", "c")) as called:
        assert answer(["split", *options.split()]) == EXPECTED
    assert list(called.call_args.args[1:]) == arguments
    assert called.call_args.kwargs == keywords


def test_moves_are_named_by_path_or_id(photos: list[Path]) -> None:
    from curate.core.identity import file_id

    first, second = file_id(photos[0]), file_id(photos[1])
    with patch("curate.splits.split", side_effect=InputError("a", "b", "c")) as called:
        answer(["split", "--move", "photos/cat/0.jpg=val", "--move", f"{second}=out"])
    assert called.call_args.kwargs == {"moves": {first: "val", second: "out"}}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--explain x --check y.csv", "--explain and --check: these do not go together"),
        ("--folds 5 --move x=val", "--folds and --move"),
        ("--folds 5 --tree t", "--folds and --tree"),
        ("--check x.csv --lock l.json", "--check and --lock"),
        ("--from-lock l.json --move x=val", "--from-lock and --move"),
        ("--from-lock l.json --min-count 3", "--from-lock and --min-count"),
        ("--check x.csv --from-lock l.json --min-count 3", "the lock has the policy"),
        ("--copy", "--copy: there is nothing to copy to"),
        ("--tree t --imagefolder t", "a folder is a tree or an imagefolder"),
        ("--tree nowhere/t", "there is no folder nowhere"),
        ("--move photos/cat/0.jpg", "is not IMAGE=SPLIT with one of train, val, test"),
        ("--move photos/cat/0.jpg=vale", "is not IMAGE=SPLIT"),
        ("--move nobody.jpg=val", "nobody.jpg is neither the id"),
        (
            "--move photos/cat/0.jpg=val --move photos/cat/0.jpg=test",
            "the same image is moved elsewhere too",
        ),
        ("--keep best", "keep 'best'"),
        ("--count pixels", "count 'pixels'"),
        ("--val 1.5", "val 1.5"),
        ("--check nowhere.csv", "nowhere.csv: no such file"),
        ("--check photos", "there is no image in a folder named for a split"),
        ("--from-lock nowhere.json", "nowhere.json: no such file"),
        ("--folds 51", "51"),
    ],
)
def test_what_does_not_fit_is_said(
    photos: list[Path], capsys: pytest.CaptureFixture[str], options: str, said: str
) -> None:
    assert answer(["split", *options.split()]) == 1
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == [".curate", "photos"]
    with opened() as library, library.reading() as connection:
        assert not (facts.images(connection)["split"] != "").any()


def test_what_is_written_passes_the_check(photos: list[Path]) -> None:
    status, said = asked(
        *DEMAND, "--csv", "s.csv", "--parquet", "s.parquet", "--tree", "tree", "--imagefolder",
        "set", "--copy", "--lock", "l.json",
    )  # fmt: skip
    assert status == 0
    assert said["sizes"] == {"train": 12, "val": 4, "test": 4, "benchmark": 0}
    assert said["tree"]["made"] == 20
    assert said["imagefolder"]["made"] == 24
    for place in ("s.csv", "s.parquet", "tree", "set"):
        status, said = asked("--check", place, "--from-lock", "l.json")
        assert (status, said["faults"]) == (0, [])
        assert said["counts"]["known"] == 20


def test_a_fault_is_status_1_and_all_are_in_the_table(
    photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(str(p), "train" if p.stem != "1" else "test") for p in photos]
    rows += [(f"{'far/' * 20}gone{n}.jpg", "train") for n in range(50)]
    pd.DataFrame(rows, columns=["file", "set"]).to_csv("theirs.csv", index=False)
    assert answer(["split", "--check", "theirs.csv", "--csv", "faults.csv"]) == 1
    said = capsys.readouterr().out
    assert "51 faults: missing 50, group 1" in said
    assert "… and 11 more" in said
    assert "Cutoffs: none asked for" in said
    # However long a path is, the reason beside it can be read.
    assert said.count("no such file or") == 40
    faults = pd.read_csv("faults.csv")
    assert list(faults.columns) == ["check", "subject", "reason"]
    assert faults["check"].value_counts().to_dict() == {"missing": 50, "group": 1}
    status, as_json = asked("--check", "theirs.csv")
    assert status == 1
    assert len(as_json["faults"]) == 51


def test_a_stranger_is_held_against_the_cutoffs_that_are_asked_for(photos: list[Path]) -> None:
    pd.DataFrame({"path": [str(p) for p in photos], "split": "train"}).to_csv("s.csv")
    assert asked("--check", "s.csv")[1]["faults"] == []
    assert len(asked("--check", "s.csv", "--min-count", "12")[1]["faults"]) == 2
    assert asked("--check", "s.csv", "--sub-min-count", "3")[1]["cutoffs"] == {
        "min_count": 1, "max_count": None, "sub_min_count": 3, "sub_max_count": None,
    }  # fmt: skip
    Path("curate.toml").write_text("[split]\nmax_count = 9\nmin_count = 2\n")
    assert len(asked("--check", "s.csv")[1]["faults"]) == 2


def test_a_check_needs_no_library(
    tmp_path: Path, photo: MakePhoto, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train/cat/1.jpg", "test/cat/2.jpg"):
        photo(f"set/{name}", seed=1)
    assert answer(["split", "--check", "set"]) == 1
    assert "1 image (no library here): test 1" in capsys.readouterr().out
    reason = "the same content lies in test (test/cat/2.jpg) and in train (train/cat/1.jpg)"
    assert asked("--check", "set")[1]["faults"] == [
        {"check": "copy", "subject": "test/cat/2.jpg", "reason": reason}
    ]
    assert not (tmp_path / ".curate").exists()


def test_folds_are_written_and_the_split_stays(photos: list[Path]) -> None:
    assert asked(*DEMAND, "--csv", "s.csv")[0] == 0
    status, said = asked(*DEMAND, "--folds", "4", "--csv", "folds.csv")
    assert status == 0
    assert list(said["folds"]) == [f"fold {n}" for n in range(4)]
    assert all(4 <= size <= 6 for size in said["folds"].values())
    folds = pd.read_csv("folds.csv")
    assert list(folds.columns) == [
        "image_id", "path", "label", "sub_class", "origin", "group", "reason", "fold",
    ]  # fmt: skip
    assert folds["fold"].notna().all()
    assert asked(*DEMAND, "--csv", "again.csv")[0] == 0
    both = [pd.read_csv(name)["split"].to_list() for name in ("s.csv", "again.csv")]
    assert both[0] == both[1]


def test_a_lock_makes_the_split_again(
    photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(*DEMAND, "--lock", "l.json", "--csv", "s.csv")[0] == 0
    assert asked("--from-lock", "l.json", "--csv", "again.csv")[0] == 0
    assert Path("s.csv").read_bytes() == Path("again.csv").read_bytes()
    with opened() as library:
        tell(library, put(library, photos[0])[0], label="dog")
    assert answer(["split", "--from-lock", "l.json"]) == 1
    assert "inputs: label (differs)" in capsys.readouterr().err


def test_a_conflict_is_printed_with_its_ways_out(
    photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(*DEMAND, "--csv", "s.csv")[0] == 0
    table = pd.read_csv("s.csv")
    cats = table[table["label"] == "cat"]
    with opened() as library:
        for where in ("train", "val"):
            image = cats.loc[cats["split"] == where, "image_id"].iloc[0]
            tell(library, image, group_camera="7")
    assert answer(["split", *DEMAND]) == 0
    said = capsys.readouterr().out
    assert "2 images in conflict:" in said
    assert said.count("its group lies in train and val and stays so") == 2
    for way in ("curate duplicates --apart", "curate split --move", "=out`"):
        assert said.count(way) >= 2


def test_people_see_every_class_and_the_distance(
    photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["split", "--min-count", "10", "--val", "0.2", "--test", "0.2"]) == 0
    said = capsys.readouterr().out
    assert "usable  groups  used  train  val  test  benchmark  cut  short" in said
    # The burst counts once: nine groups of dogs, of ten.
    assert "Off the wish by 0.0 images in all; no assignment" in said
    assert "curate train --throw-away --min-count 8" in said
    assert "(1 more class would pass at 8)" in said


def test_other_commands_know_the_cutoffs_of_the_split_that_exists(
    photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def cutoff() -> int:
        assert answer(["status", "--json"]) == 0
        return int(json.loads(capsys.readouterr().out)["min_count"])

    assert cutoff() == 40
    assert answer(["split", "--min-count", "10"]) == 0
    capsys.readouterr()
    assert cutoff() == 10
    # What somebody writes down since then is meant.
    Path("curate.toml").write_text("[split]\nmin_count = 7\n")
    assert cutoff() == 7


def test_what_is_odd_about_a_class_stands_below_the_table(
    photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with opened() as library:
        for photo in photos:
            tell(library, put(library, photo)[0], group_camera="7")
    assert answer(["split", "--min-count", "1"]) == 0
    assert "cat: none in val, test: 1 group of real images" in capsys.readouterr().out


def test_a_tree_that_cannot_be_written_is_said_and_the_split_is_kept(
    photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tree").write_text("in the way")
    assert answer(["split", *DEMAND, "--tree", "tree"]) == 1
    assert "tree: cannot be written" in capsys.readouterr().err
    Path("tree").unlink()
    status, said = asked(*DEMAND, "--tree", "tree")
    assert (status, said["tree"]["made"], said["changes"]) == (0, 20, [])
