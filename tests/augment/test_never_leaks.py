"""The law: no synthetic image trains while its parent, or its parent's group, tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from curate.augment.write import write
from curate.core import paths
from curate.core.errors import FaultsError, PolicyError
from curate.scan import scan
from curate.splits import SPLITS, SplitPolicy, assign, split
from curate.splits.folds import assign_folds
from curate.splits.tables import group_columns
from curate.store import facts
from curate.store.library import opened
from tests.splits.libraries import Case, cases
from tests.store.made import decide, said

ZOO = Path(__file__).parents[2] / "sample_data" / "library"
HELD_OUT = SPLITS[1:]


def with_children(case: Case, random: np.random.Generator) -> pd.DataFrame:
    """Add synthetic images to a library: each of a real one, with its label, tied to it."""
    images = case.images.assign(group_parent=None)
    real = images.index[(images["origin"] == "real") & images["label"].notna()]
    chosen = random.choice(real, min(len(real), 12), replace=False)
    images.loc[chosen, "group_parent"] = images.loc[chosen, "image_id"]
    children = images.loc[random.choice(chosen, 20)].reset_index(drop=True)
    ids = [f"child {n} {parent}" for n, parent in enumerate(children["image_id"])]
    children = children.assign(image_id=ids, origin="synthetic", usable=True, unusable_reason="")
    children[[name for name in group_columns(images) if name != "group_parent"]] = None
    return pd.concat([images, children], ignore_index=True).astype({"usable": bool})


def any_split(images: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Put images anywhere, whatever ties them: what years of manifests and moves can come to."""
    anywhere = random.choice([*SPLITS, ""], len(images), p=[0.4, 0.15, 0.15, 0.1, 0.2])
    trains = random.choice(["train", ""], len(images))
    places = np.where(images["origin"] == "real", anywhere, trains)
    return pd.DataFrame({"image_id": images["image_id"], "split": places})


def leaks(images: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Synthetic images in train whose parent, or what shares a group with it, is held out."""
    split_of = table.set_index("image_id")["split"]
    rows = images.set_index("image_id")
    columns = group_columns(images)
    found = []
    for name in images["image_id"][images["image_id"].str.startswith("child")]:
        if split_of[name] != "train":
            continue
        parent = rows.loc[name, "group_parent"]
        near = {parent}
        if rows.loc[parent, "usable"] and rows.loc[parent, "label"] != "unknown":
            for column in columns:
                if isinstance(rows.loc[parent, column], str):
                    near |= set(rows.index[rows[column] == rows.loc[parent, column]])
        if any(split_of[other] in HELD_OUT for other in near):
            found.append(name)
    return found


@given(cases(), st.integers(0, 1000))
@settings(max_examples=25)
def test_whatever_a_library_has_come_to(case: Case, seed: int) -> None:
    random = np.random.default_rng(seed)
    assume(((case.images["origin"] == "real") & case.images["label"].notna()).any())
    images = with_children(case, random)
    before = any_split(images, random) if seed % 4 else None
    try:
        answer = assign(images, case.policy, before)
    except PolicyError:
        assume(False)
        raise
    assert leaks(images, answer.table) == []
    reasons = answer.table.set_index("image_id")["reason"]
    assert (reasons != "").all()
    # And once more, from what came of it.
    again = assign(images, case.policy, answer.table[["image_id", "split"]])
    assert leaks(images, again.table) == []


@given(cases(), st.integers(0, 1000))
@settings(max_examples=10)
def test_in_folds_parent_and_child_always_train(case: Case, seed: int) -> None:
    assume(((case.images["origin"] == "real") & case.images["label"].notna()).any())
    images = with_children(case, np.random.default_rng(seed))
    try:
        folds = assign_folds(images, case.policy, 3).set_index("image_id")["fold"]
    except PolicyError:
        assume(False)
        raise
    rows = images.set_index("image_id")
    for name in rows.index[rows.index.str.startswith("child")]:
        if folds[name] is not pd.NA and not pd.isna(folds[rows.loc[name, "group_parent"]]):
            assert folds[name] == folds[rows.loc[name, "group_parent"]] == -1


def test_a_synthetic_image_goes_when_its_group_comes_to_be_held_out() -> None:
    images = pd.DataFrame(
        {
            "image_id": ["child", "near", "parent", *(f"other{n}" for n in range(6))],
            "label": "cat",
            "sub_class": None,
            "origin": ["synthetic", *["real"] * 8],
            "usable": True,
            "unusable_reason": "",
            "group_parent": ["parent", None, "parent", *[None] * 6],
            "group_duplicates": [None, "near", "near", *[None] * 6],
        }
    )
    before = pd.DataFrame(
        {"image_id": ["child", "near", "parent"], "split": ["train", "val", "train"]}
    )
    answer = assign(images, SplitPolicy(min_count=1), before)
    table = answer.table.set_index("image_id")
    assert table.at["child", "split"] == ""
    assert table.at["child", "reason"] == "synthetic images only train, and its group lies in val"
    # The real ones stay where they were until a person decides, and the conflict is named.
    assert list(table.loc[["near", "parent"], "split"]) == ["val", "train"]
    assert set(answer.conflicts["image_id"]) == {"near", "parent"}
    assert "child" in set(answer.changes["image_id"])


@pytest.mark.parametrize("place", HELD_OUT)
@pytest.mark.parametrize("trained", [True, False])
def test_what_looks_like_a_held_out_image_goes_and_leaves_its_parent(
    place: str, trained: bool
) -> None:
    """The variant, not its parent, is a near-duplicate: a mirrored image, say."""
    images = pd.DataFrame(
        {
            "image_id": ["child", "near", "parent", *(f"other{n}" for n in range(6))],
            "label": "cat",
            "sub_class": None,
            "origin": ["synthetic", *["real"] * 8],
            "usable": True,
            "unusable_reason": "",
            "group_parent": ["parent", None, "parent", *[None] * 6],
            "group_duplicates": ["near", "near", None, *[None] * 6],
        }
    )
    before = pd.DataFrame(
        {"image_id": ["child", "near", "parent"], "split": ["train", place, "train"]}
    )
    table = assign(images, SplitPolicy(min_count=1), before[0 if trained else 1 :]).table
    split_of = table.set_index("image_id")["split"]
    assert dict(split_of[["child", "near", "parent"]]) == {
        "child": "",
        "near": place,
        "parent": "train",
    }


@pytest.mark.parametrize("what", ["rejected", "relabelled", "label gone", "file gone"])
def test_what_becomes_of_a_parent_becomes_of_its_children(tmp_path: Path, what: str) -> None:
    policy = SplitPolicy(min_count=5, val=0.15, test=0.15)
    shutil.copytree(ZOO, tmp_path / "zoo")
    with opened(tmp_path, make=True) as library:
        scan(library, tmp_path / "zoo", labels="folder")
        split(library, policy)
        written = write(library, "gazelle", 60, tmp_path / "made")
        scan(library, tmp_path / "made", labels=str(written.manifest))
        parent = str(written.table["parent"].iloc[0])
        children = list(written.table.loc[written.table["parent"] == parent, "image_id"])
        others = sorted(set(written.table["image_id"]) - set(children))
        with library.reading() as connection:
            before = facts.images(connection).set_index("image_id")
        assert set(before.loc[[*children, *others], "usable"]) == {True}
        match what:
            case "rejected":
                decide(library, said("reject", parent, "blurred"))
            case "relabelled":
                decide(library, said("label", parent, "penguin"))
            case "label gone":
                decide(library, said("label", parent, ""))
            case "file gone":
                paths_of = paths.from_text(str(before.at[parent, "path"]))
                Path(os.fsdecode(paths_of)).unlink()
                scan(library, tmp_path / "zoo", labels="folder")
        final = split(library, policy).table.set_index("image_id")
        assert set(final.loc[children, "split"]) == {""}
        assert final.loc[children, "reason"].str.startswith(f"its parent {parent} ").all()
        assert set(final.loc[others, "split"]) == {"train"}
        # The class lacks them again; they are made of other parents.
        again = write(library, "gazelle", 60, tmp_path / "made")
        assert again.lacking >= len(children)
        assert parent not in set(again.table["parent"])


def test_the_zoo(tmp_path: Path) -> None:
    """Split, write, split again, move a parent: at no moment does a child meet its parent."""
    policy = SplitPolicy(min_count=5, val=0.15, test=0.15, benchmark=0.1)
    with opened(tmp_path, make=True) as library:
        scan(library, ZOO, labels="folder")
        split(library, policy)
        for label, to in (("gazelle", 60), ("penguin", 30)):
            written = write(library, label, to, tmp_path / "made")
            assert len(written.table) == written.lacking > 0
            assert not written.unsplit
            scan(library, tmp_path / "made", labels=str(written.manifest))
        answer = split(library, policy)
        with library.reading() as connection:
            images = facts.images(connection)
        made = images[images["origin"] == "synthetic"]
        assert set(made["label"]) == {"gazelle", "penguin"}
        counts = images[images["usable"]].groupby("label").size()
        assert counts["gazelle"] == 60
        assert counts["penguin"] == 30
        table = answer.table.set_index("image_id")
        assert set(table.loc[made["image_id"], "split"]) == {"train"}
        assert set(table.loc[made["group_parent"], "split"]) == {"train"}
        # Nobody can move the parent away from under its children.
        parent = made["group_parent"].iloc[0]
        with pytest.raises(FaultsError, match="only trains"):
            split(library, policy, {parent: "val"})
        # Left out and moved alone, it goes; and then its children do not train.
        children = list(made.loc[made["group_parent"] == parent, "image_id"])
        split(library, policy, dict.fromkeys([parent, *children], "out"))
        final = split(library, policy).table.set_index("image_id")["split"]
        assert set(final[[parent, *children]]) == {""}
