"""Groups: laws that hold of any pictures, here of numbers that stand for them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.duplicates.groups import CROWD, UNLIKE, beside, grouped, ties
from curate.duplicates.pictures import chained, inverted
from curate.duplicates.views import Affine

from .made import HERE

ALIKE = 0.8
Pair = tuple[str, str]


class World:
    """Images by number: how alike any two of them are, and where each shows the one scene.

    Which alike pairs the search met is chosen as well, as it may miss some.
    """

    def __init__(self, count: int, seed: int, names: Callable[[int], str] = "i{:02d}".format):
        rng = np.random.default_rng(seed)
        self.ids = [names(number) for number in range(count)]
        self.scene = {image_id: pose(rng) for image_id in self.ids}
        levels = rng.choice([0.0, 0.3, 0.499, 0.5, 0.7, 0.8, 0.9, 1.0], (count, count))
        self.similar = {
            (self.ids[a], self.ids[b]): float(levels[a, b])
            for a, b in combinations(range(count), 2)
        }
        near = [pair for pair, value in self.similar.items() if value >= ALIKE]
        met = [pair for pair in near if rng.random() < 0.8]
        self.alike = pd.DataFrame(
            [(*pair, self.similar[pair], self.between(*pair).ravel().tolist()) for pair in met],
            columns=["first", "second", "similarity", "matrix"],
        ).astype({"similarity": float})
        chosen = [pair for pair in self.similar if rng.random() < 0.08]
        self.apart = [(b, a) if rng.random() < 0.5 else (a, b) for a, b in chosen]

    def between(self, first: str, second: str) -> Affine:
        """The whole of the first mapped to that of the second, through the scene."""
        return chained(self.scene[second], inverted(self.scene[first]))

    def similarity(self, first: str, second: str, matrix: Affine) -> float:
        assert first < second
        np.testing.assert_allclose(matrix, self.between(first, second), atol=1e-6)
        return self.similar[first, second]

    def grouped(self) -> pd.DataFrame:
        return grouped(self.alike, self.similarity, self.apart)

    def are_apart(self, one: str, other: str) -> bool:
        return (one, other) in self.apart or (other, one) in self.apart

    def between_groups(self, ours: list[str], theirs: list[str]) -> list[Pair]:
        return [(min(a, b), max(a, b)) for a in ours for b in theirs]


def pose(rng: np.random.Generator) -> Affine:
    return np.asarray(HERE + rng.uniform(-0.3, 0.3, (2, 3)))


def members(table: pd.DataFrame) -> dict[str, list[str]]:
    return {str(of): list(some["image_id"]) for of, some in table.groupby("group")}


worlds = st.builds(World, st.integers(0, 9), st.integers(0, 2**32 - 1))


@settings(max_examples=40)
@given(world=worlds)
def test_no_group_holds_an_unlike_pair_or_a_parted_one(world: World) -> None:
    for some in members(world.grouped()).values():
        for pair in combinations(some, 2):
            assert world.similar[pair] >= UNLIKE
            assert not world.are_apart(*pair)


@settings(max_examples=40)
@given(world=worlds)
def test_every_alike_image_is_in_one_group_that_bears_its_lowest_id(world: World) -> None:
    table = world.grouped()
    joined = [
        pair
        for pair in zip(world.alike["first"], world.alike["second"], strict=True)
        if not world.are_apart(*pair)
    ]
    assert table["image_id"].tolist() == sorted({image_id for pair in joined for image_id in pair})
    for group, some in members(table).items():
        assert group == min(some)


@settings(max_examples=40)
@given(world=worlds)
def test_a_group_hangs_together_by_alike_pairs(world: World) -> None:
    for some in members(world.grouped()).values():
        reached, met = {some[0]}, world.alike
        for _ in some:
            for first, second in zip(met["first"], met["second"], strict=True):
                inside = first in some and second in some and not world.are_apart(first, second)
                if inside and reached & {first, second}:
                    reached |= {first, second}
        assert reached == set(some)


@settings(max_examples=40)
@given(world=worlds)
def test_alike_images_are_parted_only_for_a_pair_that_is_unlike(world: World) -> None:
    table = world.grouped()
    of = table.set_index("image_id")["group"]
    groups = members(table)
    for first, second in zip(world.alike["first"], world.alike["second"], strict=True):
        if world.are_apart(first, second) or of[first] == of[second]:
            continue
        between = world.between_groups(groups[of[first]], groups[of[second]])
        assert any(world.similar[pair] < UNLIKE or world.are_apart(*pair) for pair in between)


@settings(max_examples=30)
@given(world=worlds, seed=st.integers(0, 99))
def test_the_same_whatever_the_order_of_the_rows(world: World, seed: int) -> None:
    table = world.grouped()
    shuffled = grouped(
        world.alike.sample(frac=1, random_state=seed), world.similarity, world.apart[::-1]
    )
    pd.testing.assert_frame_equal(shuffled.drop(columns="matrix"), table.drop(columns="matrix"))
    for one, other in zip(shuffled["matrix"], table["matrix"], strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=30)
@given(count=st.integers(0, 9), seed=st.integers(0, 2**32 - 1))
def test_other_names_make_the_same_groups(count: int, seed: int) -> None:
    """As long as they sort alike: names break the ties of equal similarities."""
    one, other = World(count, seed), World(count, seed, "another {:05d}".format)
    names = dict(zip(one.ids, other.ids, strict=True))
    table, renamed = one.grouped(), other.grouped()
    for column in ("image_id", "group", "tie"):
        assert table[column].map(names).tolist() == renamed[column].tolist()


@settings(max_examples=30)
@given(world=worlds)
def test_ties_are_what_hangs_together(world: World) -> None:
    table = world.grouped()
    tie = {image_id: {image_id} for image_id in table["image_id"]}
    for first, second in zip(world.alike["first"], world.alike["second"], strict=True):
        if not world.are_apart(first, second) and tie[first] is not tie[second]:
            tie[first] |= tie[second]
            tie.update(dict.fromkeys(tie[second], tie[first]))
    assert table["tie"].tolist() == [min(tie[image_id]) for image_id in table["image_id"]]
    # A group lies in one tie.
    assert (table.groupby("group")["tie"].nunique() == 1).all()


@settings(max_examples=30)
@given(world=worlds)
def test_frames_agree_with_the_maps_of_the_pairs(world: World) -> None:
    table = world.grouped()
    frame = dict(zip(table["image_id"], table["matrix"], strict=True))
    for some in members(table).values():
        for first, second in combinations(some, 2):
            np.testing.assert_allclose(
                chained(frame[second], inverted(frame[first])),
                world.between(first, second),
                atol=1e-6,
            )


@settings(max_examples=30)
@given(world=worlds)
def test_similarity_to_the_keeper(world: World) -> None:
    table = world.grouped()
    keeper = table.groupby("group")["image_id"].transform("max")
    found = beside(table, keeper, world.alike, world.similarity)
    for image_id, kept, similarity in zip(table["image_id"], keeper, found, strict=True):
        pair = min(image_id, kept), max(image_id, kept)
        assert similarity == (1 if image_id == kept else world.similar[pair])
        assert similarity >= UNLIKE


def alike(*pairs: tuple[str, str, float]) -> pd.DataFrame:
    table = pd.DataFrame(list(pairs), columns=["first", "second", "similarity"])
    table["matrix"] = [HERE.ravel().tolist() for _ in pairs]
    return table


def test_a_chain_is_no_group() -> None:
    chain = alike(("a", "b", 0.9), ("b", "c", 0.85))
    table = grouped(chain, lambda *_: UNLIKE - 0.001)
    assert table["image_id"].tolist() == ["a", "b", "c"]
    assert table["group"].tolist() == ["a", "a", "c"]
    assert table["tie"].tolist() == ["a", "a", "a"]
    assert grouped(chain, lambda *_: UNLIKE)["group"].tolist() == ["a", "a", "a"]


@pytest.mark.parametrize("apart", [("a", "c"), ("c", "a")])
def test_a_parted_pair_shares_no_group(apart: Pair) -> None:
    everything = alike(("a", "b", 0.95), ("b", "c", 0.9), ("a", "c", 0.99))
    table = grouped(everything, lambda *_: 1.0, [apart])
    assert table["group"].tolist() == ["a", "a", "c"]
    assert table["tie"].tolist() == ["a", "a", "a"]
    # With nothing between, they do not hang together either.
    alone = grouped(alike(("a", "c", 0.99)), lambda *_: 1.0, [apart])
    assert len(alone) == 0


def test_the_most_alike_come_together_first() -> None:
    """A frame between two scenes goes with the one that it is more like."""
    between = alike(("a", "m", 0.81), ("m", "z", 0.82))
    assert grouped(between, lambda *_: 0.1)["group"].tolist() == ["a", "m", "m"]


def test_every_pair_is_asked_about_once_and_none_that_is_known() -> None:
    asked: list[Pair] = []

    def similarity(first: str, second: str, matrix: Affine) -> float:
        asked.append((first, second))
        return 0.9

    pairs = list(combinations("abcdef", 2))
    known = [pair for pair in pairs if pair[1] == chr(ord(pair[0]) + 1)]
    told: list[int] = []
    table = grouped(alike(*[(*pair, 0.9) for pair in known]), similarity, (), told.append)
    assert set(table["group"]) == {"a"}
    assert sorted(asked) == sorted(set(pairs) - set(known))
    assert sum(told) == len(known)


def test_nothing_is_alike() -> None:
    table = grouped(alike(), lambda *_: 1.0)
    assert list(table.columns) == ["image_id", "tie", "group", "matrix"]
    assert len(table) == 0
    assert len(ties(alike())) == 0
    assert beside(table, table["group"], alike(), lambda *_: 1.0) == []


def _star(count: int, similarity: float) -> pd.DataFrame:
    """Pairs of one image with all others, as a crowd of equal hashes gives them."""
    return pd.DataFrame(
        {
            "first": "000",
            "second": [f"{number:03d}" for number in range(1, count)],
            "similarity": similarity,
            "matrix": [np.eye(2, 3).ravel().tolist()] * (count - 1),
        }
    )


def test_a_crowd_grows_without_asking_about_every_pair() -> None:
    asked = []

    def similarity(first: str, second: str, _: Affine) -> float:
        asked.append((first, second))
        return 0.97

    table = grouped(_star(400, 0.99), similarity)
    assert table["group"].nunique() == 1
    assert len(asked) < CROWD**2


@pytest.mark.parametrize("similarity", [0.9, 0.8])
def test_a_crowd_that_nothing_vouches_for_stops_growing(similarity: float) -> None:
    """Two steps of 26 or 37 degrees may end anywhere, and too many would have to be asked."""
    table = grouped(_star(300, similarity), lambda *_: 0.9)
    assert table["group"].value_counts().iloc[0] == CROWD
    assert table["tie"].nunique() == 1


def test_a_crowd_leaves_out_whom_a_person_parted() -> None:
    table = grouped(_star(300, 0.99), lambda *_: 0.97, [("007", "200"), ("000", "100")])
    of = table.set_index("image_id")["group"]
    assert of["007"] != of["200"]
    assert "100" not in of.index
    assert of.value_counts().iloc[0] >= 298
