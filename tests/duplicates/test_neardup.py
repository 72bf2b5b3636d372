"""The families of near-duplicates that peers test themselves with, grouped as their names say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from curate.core.identity import image_id
from curate.duplicates import DuplicatePolicy, in_folder

FAMILIES = Path(__file__).with_name("neardup_families.csv")

POLICIES = {
    "defaults": DuplicatePolicy(),
    "flips": DuplicatePolicy(flips=True),
    "turns": DuplicatePolicy(turns=True),
}


@pytest.fixture(scope="module")
def named(shared: Path) -> pd.DataFrame:
    """One row an image: image_id, family, needs; files of the same bytes are one image."""
    table = pd.read_csv(FAMILIES, keep_default_na=False)
    content = [image_id((shared / "neardup" / path).read_bytes()) for path in table["path"]]
    table = table.assign(image_id=content).drop(columns="path").drop_duplicates()
    assert table["image_id"].is_unique, "files of the same bytes are named differently"
    return table


@pytest.fixture(scope="module", params=POLICIES)
def asked(request: pytest.FixtureRequest, shared: Path) -> tuple[str, pd.DataFrame, set[str]]:
    """What was asked for, the table of groups, and the files that cannot be read."""
    found, looked = in_folder(shared / "neardup", POLICIES[request.param])
    broken = {
        Path(path).relative_to(shared / "neardup").as_posix() for path in looked.failures["path"]
    }
    return request.param, found.table, broken


def families_of(named: pd.DataFrame, *needs: str) -> set[frozenset[str]]:
    """Families that show two or more contents."""
    some = named[named["needs"].isin(needs)].groupby("family")["image_id"].agg(frozenset)
    return {members for members in some if len(members) > 1}


def test_every_file_is_named(shared: Path) -> None:
    there = {
        path.relative_to(shared / "neardup").as_posix()
        for path in (shared / "neardup").rglob("*")
        if path.is_file() and path.name != "LICENSE"
    }
    table = pd.read_csv(FAMILIES)
    assert set(table["path"]) == there
    assert set(table["needs"]) == {*POLICIES, "beyond", "unreadable"}


def test_families_are_grouped_as_their_names_say(
    named: pd.DataFrame, asked: tuple[str, pd.DataFrame, set[str]]
) -> None:
    what, table, _ = asked
    reached = named.set_index("image_id")["needs"].isin(["defaults", what])
    found = table[table["image_id"].map(reached).astype(bool)]
    groups = {frozenset(ids) for _, ids in found.groupby("group")["image_id"]}
    assert {ids for ids in groups if len(ids) > 1} == families_of(named, "defaults", what)


def test_nothing_lies_in_the_group_of_another_family(
    named: pd.DataFrame, asked: tuple[str, pd.DataFrame, set[str]]
) -> None:
    """Neither what is beyond the search; it may lie in its own family's group."""
    family = asked[1]["image_id"].map(named.set_index("image_id")["family"])
    assert family.notna().all()
    assert (family.groupby(asked[1]["group"]).nunique() == 1).all()
    assert (family.groupby(asked[1]["tie"]).nunique() == 1).all()


def test_copies_of_the_same_bytes_lie_together(
    named: pd.DataFrame, asked: tuple[str, pd.DataFrame, set[str]]
) -> None:
    table = asked[1]
    assert (table.groupby("image_id")["group"].nunique() == 1).all()
    assert (table.groupby("group")["keeper"].sum() == 1).all()


def test_what_cannot_be_read_is_a_failure(asked: tuple[str, pd.DataFrame, set[str]]) -> None:
    table = pd.read_csv(FAMILIES)
    unreadable = set(table.loc[table["needs"] == "unreadable", "path"])
    assert {path for path in asked[2] if not path.endswith("LICENSE")} == unreadable
