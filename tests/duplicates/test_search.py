"""The search from end to end on pictures in memory, and that blocks and portions change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from curate.core.hashes import HASHES
from curate.core.images import Pixels
from curate.duplicates import search as module
from curate.duplicates.candidates import COLUMNS as STARTS_COLUMNS
from curate.duplicates.candidates import nearest_starts
from curate.duplicates.evidence import Evidence
from curate.duplicates.fingerprints import fingerprints
from curate.duplicates.pictures import parts
from curate.duplicates.policy import LEAST, DuplicatePolicy
from curate.duplicates.search import GROUPS, all_starts, arranged, measured
from curate.duplicates.verify import Parts

from .made import (
    EDITS,
    SYMMETRIC,
    as_seen,
    blank,
    clipped,
    cropped,
    drawn,
    framed,
    groups_in,
    images_of,
    jpeg,
    searched,
    transposed,
)
from .test_pictures import COLOURS

FRAMES = [
    (30, 30, 30, 30),
    (60, 60, 0, 0),
    (0, 0, 90, 90),
    (120, 0, 0, 0),
    (90, 90, 120, 120),
    (15, 15, 15, 15),
]


def library(seeds: int = 3) -> dict[str, Pixels]:
    """Every edit of some pictures, and blank ones."""
    pixels = {
        f"{seed}-{name}": as_seen(EDITS[name](drawn(seed)))
        for seed in range(seeds)
        for name in EDITS
    }
    return pixels | {f"blank-{n}": blank((9 * n, 90, 90)) for n in range(3)}


def fetching(pixels: dict[str, Pixels], wanted: Sequence[str] = ("",)) -> module.Fetch:
    def fetch(image_ids: Sequence[str]) -> Parts:
        return {image_id: parts(pixels[image_id], wanted) for image_id in image_ids}

    return fetch


def starts_of(pixels: dict[str, Pixels], policy: DuplicatePolicy | None = None) -> pd.DataFrame:
    policy = policy or DuplicatePolicy()
    prints = fingerprints(fetching(pixels, policy.symmetries)(list(pixels)))
    return all_starts(prints, images_of(pixels), set(pixels), policy)


def test_edited_copies_are_grouped_and_nothing_else() -> None:
    table, alike = searched(library())
    assert list(table.columns) == GROUPS
    wanted = {frozenset(f"{seed}-{name}" for name in EDITS) for seed in range(3)}
    assert groups_in(table) == wanted
    assert table["image_id"].is_monotonic_increasing
    assert {pair[0] for pair in alike["first"].str.split("-")} == {str(seed) for seed in range(3)}
    for group, some in table.groupby("group"):
        assert group == some["image_id"].min()
        assert some["keeper"].nunique() == 1
        assert some["keeper"].iloc[0] in set(some["image_id"])
        kept = some[some["image_id"] == some["keeper"]]
        assert kept["similarity"].tolist() == [1.0]
        assert kept["reason"].iloc[0].startswith("kept: ")
        others = some[some["image_id"] != some["keeper"]]
        assert others["similarity"].between(0.5, 1.001).all()
        assert not others["reason"].str.startswith("kept").any()


def test_the_same_whatever_the_order_of_the_images() -> None:
    pixels = library(2)
    table, alike = searched(pixels)
    backwards = dict(reversed(list(pixels.items())))
    again, alike_again = searched(backwards)
    pd.testing.assert_frame_equal(again, table)
    pd.testing.assert_frame_equal(alike_again, alike)


def test_blocks_and_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = library(2)
    asked: list[int] = []
    whole = searched(pixels)
    one_starts = starts_of(pixels)
    once = measured(one_starts, fetching(pixels), LEAST)
    monkeypatch.setattr(module, "BLOCK", 10)
    monkeypatch.setattr(module, "GROUPED", 3)

    def fetch(image_ids: Sequence[str]) -> Parts:
        asked.append(len(image_ids))
        assert list(image_ids) == sorted(set(image_ids))
        return fetching(pixels)(image_ids)

    pd.testing.assert_frame_equal(measured(one_starts, fetch, LEAST), once)
    assert len(asked) > 5
    for found, wanted in zip(searched(pixels), whole, strict=True):
        pd.testing.assert_frame_equal(found, wanted)


def test_blocks_never_part_the_starts_of_two_images(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = starts_of(library(2))
    low = starts[["first", "second"]].min(axis=1)
    for size in (1, 2, 7):
        monkeypatch.setattr(module, "BLOCK", size)
        blocks = list(module._blocks(starts))
        pd.testing.assert_frame_equal(pd.concat(blocks), starts)
        for one, other in pairwise(blocks):
            assert not set(low[one.index]) & set(low[other.index])


def test_nothing_is_searched() -> None:
    none, _ = searched({"a": drawn(1)})
    assert list(none.columns) == GROUPS
    assert len(none) == 0
    for pixels in ({"a": blank((0, 0, 0)), "b": blank((0, 0, 0))}, {"a": drawn(1), "b": drawn(2)}):
        table, alike = searched(pixels)
        assert len(table) == len(alike) == 0


@pytest.mark.parametrize("sides", FRAMES, ids=str)
def test_framed_copies(sides: tuple[int, int, int, int]) -> None:
    """As thumbnails show them: JPEG lets the colour of a frame run into the picture."""
    pixels = {}
    for seed, colour in enumerate(COLOURS.values()):
        photo = drawn(seed, (480, 360))
        pixels[f"{seed}"] = as_seen(photo)
        pixels[f"{seed}-framed"] = as_seen(jpeg(framed(photo, *sides, colour)))
    wanted = {frozenset((f"{seed}", f"{seed}-framed")) for seed in range(len(COLOURS))}
    assert groups_in(searched(pixels)[0]) == wanted


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, set()),
        ({"flips": True}, {"mirrored", "upside down"}),
        ({"turns": True}, {"turned left", "turned by half", "turned right"}),
        ({"flips": True, "turns": True}, set(SYMMETRIC)),
    ],
    ids=["upright", "flips", "turns", "both"],
)
def test_turned_copies_when_they_are_asked_for(asked: dict[str, bool], found: set[str]) -> None:
    pixels = {"upright": drawn(1), "other": drawn(2)}
    pixels |= {name: transposed(jpeg(drawn(1)), how) for name, how in SYMMETRIC.items()}
    _, alike = searched(pixels, None, **asked)
    with_upright = alike[alike["second"] == "upright"].set_index("first")["symmetry"]
    above = alike[alike["first"] == "upright"].set_index("second")["symmetry"]
    symmetry = pd.concat([with_upright, above])
    assert set(symmetry.index) == found
    # Which of the two was seen as it is cannot be told, but left is not half.
    same = {"turned left": "turned right", "turned right": "turned left"}
    assert all(said in (name, same.get(name)) for name, said in symmetry.items())


def test_turned_copies_lie_in_one_group() -> None:
    pixels = {"upright": drawn(1), "other": drawn(2)}
    pixels |= {name: transposed(jpeg(drawn(1)), how) for name, how in SYMMETRIC.items()}
    table, _ = searched(pixels, None, flips=True, turns=True)
    assert groups_in(table) == {frozenset(pixels) - {"other"}}
    assert table["similarity"].min() > 0.8


def test_a_long_burst_does_not_chain() -> None:
    """The camera pans: each frame is like the next, the first and the last show two scenes."""
    step, width, count = 12, 200, 14
    wide = drawn(11, (width + step * count, 108))
    pixels = {
        f"frame-{n:02d}": np.ascontiguousarray(wide[:, step * n : step * n + width])
        for n in range(count)
    }
    images = images_of(pixels).assign(
        taken=[f"2024-05-01T12:00:{n:02d}" for n in range(count)], camera="Canon"
    )
    table, alike = searched(pixels, images)
    assert set(table["image_id"]) == set(pixels)
    assert table["tie"].nunique() == 1
    groups = groups_in(table)
    assert len(groups) > 1
    for members in groups:
        numbers = [int(member[-2:]) for member in members]
        # No two of them have less than half in common.
        assert (max(numbers) - min(numbers)) * step <= width / 2 + 4
    alone = table[~table["group"].duplicated(keep=False)]
    assert (alone["reason"] == "alike to an image whose group looks unlike it").all()
    through = table["reason"].str.startswith("like others of the group: similarity 0.")
    met = set(zip(alike["first"], alike["second"], strict=True))
    for image_id, kept in table.loc[through, ["image_id", "keeper"]].itertuples(index=False):
        assert (min(image_id, kept), max(image_id, kept)) not in met
    assert through.any()


@pytest.mark.parametrize("names", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_a_detail_joins_its_picture_whatever_its_name(names: str) -> None:
    """A cut-out of a cut-out covers less than half of the picture, and shows it all the same."""
    photo = drawn(3, (480, 360))
    whole, middle, detail = list(names)
    pixels = {
        whole: as_seen(photo),
        middle: as_seen(cropped(photo, 0.19)),
        detail: as_seen(cropped(cropped(photo, 0.19), 0.19)),
    }
    table, _ = searched(pixels)
    assert groups_in(table) == {frozenset("abc")}


def test_parted_pairs() -> None:
    pixels = {"a": drawn(1), "b": jpeg(drawn(1)), "c": jpeg(drawn(1), 30), "d": drawn(2)}
    images = images_of(pixels)
    fetch, policy = fetching(pixels), DuplicatePolicy()
    measures = measured(starts_of(pixels), fetch, LEAST)
    assert len(measures) == 3

    def ask(apart: set[tuple[str, str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
        return arranged(measures, Evidence.of(images), images, fetch, policy, apart)

    table, alike = ask({("a", "c")})
    assert len(alike) == 2
    assert not any({"a", "c"} <= group for group in groups_in(table))
    assert set(table["tie"]) == {"a"}
    table, alike = ask({("a", "c"), ("b", "c"), ("a", "b")})
    assert len(table) == len(alike) == 0


def test_an_image_that_cannot_be_shown_is_left_out() -> None:
    pixels = {"a": drawn(1), "b": jpeg(drawn(1)), "c": jpeg(drawn(1), 30)}

    def fetch(image_ids: Sequence[str]) -> Parts:
        return fetching(pixels)([image_id for image_id in image_ids if image_id != "b"])

    measures = measured(starts_of(pixels), fetch, LEAST)
    assert measures[["first", "second"]].to_numpy().tolist() == [["a", "c"]]
    # Nor can one be, later, that was compared before.
    before = measured(starts_of(pixels), fetching(pixels), LEAST)
    images = images_of(pixels)
    known = before[before["first"] == "a"]
    table, _ = arranged(known, Evidence.of(images), images, fetch, DuplicatePolicy())
    assert not any({"b", "c"} <= group for group in groups_in(table))


def test_only_fresh_images_are_looked_at() -> None:
    pixels = library(2)
    prints, images = fingerprints(fetching(pixels)(list(pixels))), images_of(pixels)
    images["taken"], images["camera"] = "2024-05-01T12:00:00", "Canon"
    policy = DuplicatePolicy(hashes=("phash:8", "dhash:8"))
    every = all_starts(prints, images, set(pixels), policy)
    new = {"0-JPEG", "1-nothing", "blank-1"}
    some = all_starts(prints, images, new, policy)
    assert len(all_starts(prints, images, set(), policy)) == 0
    meets = every["first"].isin(new) | every["second"].isin(new)
    pd.testing.assert_frame_equal(some, every[meets].reset_index(drop=True))


def test_every_way_finds_candidates() -> None:
    pixels = {"a": drawn(1), "b": drawn(2), "c": drawn(3), "d": drawn(4)}
    prints, images = fingerprints(fetching(pixels)(list(pixels))), images_of(pixels)
    nothing = DuplicatePolicy(hashes=())
    assert len(all_starts(prints, images, set(pixels), nothing)) == 0
    images["phash"] = np.array([7, 2**63 + 7, 0xFFFF, 2**64 - 1], np.uint64)
    by_hash = all_starts(prints, images, set(pixels), DuplicatePolicy(hashes=("phash:1",)))
    assert by_hash[STARTS_COLUMNS].to_numpy().tolist() == [["a", "b", 0, 0, 0, 1]]
    images.loc[2:, "taken"] = "2024-05-01T12:00:00"
    images.loc[2:, "camera"] = "Canon"
    by_moment = all_starts(prints, images, set(pixels), nothing)
    assert by_moment[["first", "second"]].to_numpy().tolist() == [["c", "d"]]
    both = all_starts(prints, images, set(pixels), DuplicatePolicy(hashes=("phash:1",)))
    pd.testing.assert_frame_equal(
        nearest_starts(pd.concat([by_hash, by_moment], ignore_index=True)), both
    )


def test_a_hash_that_is_missing_is_like_none() -> None:
    pixels = {"a": drawn(1), "b": drawn(2), "c": drawn(3), "d": drawn(4)}
    prints, images = fingerprints(fetching(pixels)(list(pixels))), images_of(pixels)
    # Of 64 bits, they differ where a float has none left.
    images["phash"] = pd.Series([0, 2**63 + 1, 2**63 + 3, 0], dtype="UInt64")
    images.loc[[0, 3], "phash"] = pd.NA
    exact = DuplicatePolicy(hashes=("phash:0",))
    assert len(all_starts(prints, images, set(pixels), exact)) == 0
    near = all_starts(prints, images, set(pixels), DuplicatePolicy(hashes=("phash:1",)))
    assert near[["first", "second"]].to_numpy().tolist() == [["b", "c"]]
    assert set(HASHES) <= set(images.columns)


def test_a_burst_is_one_scene_at_a_lower_similarity() -> None:
    """The same two photos, with and without what the camera wrote."""
    rng = np.random.default_rng(5)
    one = drawn(1)
    other = clipped(one * 0.57 + drawn(2) * 0.43 + rng.normal(0, 8, one.shape))
    pixels = {"a": one, "b": other}
    _, alike = searched(pixels)
    assert len(alike) == 0
    images = images_of(pixels).assign(
        taken=["2024-05-01T12:00:00", "2024-05-01T12:00:04"], camera="Canon"
    )
    table, alike = searched(pixels, images)
    assert groups_in(table) == {frozenset("ab")}
    assert 0.7 <= alike["similarity"][0] < 0.8
    assert ", 4 s apart: similarity 0.7" in alike["reason"][0]
    far = images.assign(latitude=[50.0, 51.0], longitude=10.0)
    assert len(searched(pixels, far)[0]) == 0


def test_the_keeper_and_its_reason_are_those_of_the_policy() -> None:
    pixels = {"a": drawn(1), "b": jpeg(drawn(1)), "c": jpeg(drawn(1), 50)}
    images = images_of(pixels).assign(
        label=np.array([None, "fox", None], dtype=object), bytes=[10, 20, 30]
    )
    table, _ = searched(pixels, images)
    assert set(table["keeper"]) == {"b"}
    assert table["reason"][1] == "kept: it has a label"
    assert table["reason"][0].startswith("the same picture: similarity")
    table, _ = searched(pixels, images, keeper=("bytes",))
    assert set(table["keeper"]) == {"c"}
    assert table["reason"][2] == "kept: most bytes"


def test_a_stricter_policy_finds_no_more() -> None:
    pixels = library(2)
    images, fetch = images_of(pixels), fetching(pixels)
    measures = measured(starts_of(pixels), fetch, LEAST)
    pairs = []
    for least in (0.6, 0.8, 0.98, 1):
        policy = DuplicatePolicy(similarity=least)
        _, alike = arranged(measures, Evidence.of(images), images, fetch, policy)
        pairs.append(set(zip(alike["first"], alike["second"], strict=True)))
    assert pairs[0] >= pairs[1] > pairs[2] > pairs[3]
