"""All pairs worth a comparison, against looking at every pair of rows by the definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from curate.duplicates import candidates as module
from curate.duplicates.candidates import (
    COLUMNS,
    MOST_STARTS,
    SLOPES_CHECK,
    SLOPES_RADIUS,
    WAVES_RADIUS,
    by_hash,
    candidates,
    nearest_starts,
    wholes,
)
from curate.duplicates.fingerprints import Fingerprints, fingerprints, joined
from curate.duplicates.pictures import parts
from curate.duplicates.views import VIEWS, Hashes

from .made import blank, cropped, drawn, framed

Row = tuple[int, int, str, str, int, int]


def flipped(hashes: Hashes, most: int, rng: np.random.Generator) -> Hashes:
    """Flip 0 to `most` bits of each, so that distances lie on both sides of every radius."""
    out = hashes.copy()
    for times in range(most):
        here = rng.integers(0, most + 1, hashes.shape) > times
        flip = np.uint64(1) << rng.integers(0, 64, hashes.shape).astype(np.uint64)
        out ^= np.where(here, flip, np.uint64(0))
    return out


def made(rows: int, images: int, seed: int) -> Fingerprints:
    """Parts of images whose hashes lie about two centres; rows in any order."""
    rng = np.random.default_rng(seed)
    keys = [(image, part) for image in range(images) for part in (0, 1, 2, 3, 8)]
    chosen = [keys[n] for n in rng.permutation(len(keys))[:rows]]
    centres = rng.integers(0, 2**64, (2, 2), dtype=np.uint64)
    about = centres[:, rng.integers(0, 2, len(chosen))]
    waves, slopes = (flipped(np.repeat(of[:, None], len(VIEWS), axis=1), 12, rng) for of in about)
    return Fingerprints(
        np.array([f"image-{image:02d}" for image, _ in chosen], dtype=object),
        np.array([part for _, part in chosen], dtype=np.int64),
        waves,
        slopes,
    )


def every_start(prints: Fingerprints, fresh: set[str]) -> list[tuple[str, str, int, int, int, int]]:
    """The oracle: nothing but the definition, row by row."""
    found: dict[tuple[str, str], dict[tuple[str, int, str, int, int], int]] = {}
    for one in np.flatnonzero(prints.part < 2):
        for other in range(len(prints)):
            first, second = prints.image_id[one], prints.image_id[other]
            if first == second or not {first, second} & fresh:
                continue
            first_part, second_part = int(prints.part[one]), int(prints.part[other])
            for view in range(len(VIEWS)):
                waves = int(prints.waves[one, 0] ^ prints.waves[other, view]).bit_count()
                slopes = int(prints.slopes[one, 0] ^ prints.slopes[other, view]).bit_count()
                ways = []
                if waves <= WAVES_RADIUS and slopes <= SLOPES_CHECK:
                    ways.append(waves)
                if view == 0 and slopes <= SLOPES_RADIUS:
                    ways.append(slopes + WAVES_RADIUS)
                if not ways or (view == 0 and second_part < 2 and first > second):
                    continue
                ways_of = found.setdefault((min(first, second), max(first, second)), {})
                ways_of[first, first_part, second, second_part, view] = min(ways)
    out = []
    for pair in sorted(found):
        ranked = sorted(
            (distance, view, first, first_part, second_part, second)
            for (first, first_part, second, second_part, view), distance in found[pair].items()
        )
        for distance, view, first, first_part, second_part, second in ranked[:MOST_STARTS]:
            out.append((first, second, first_part, second_part, view, distance))
    return out


def tuples(starts: pd.DataFrame) -> list[tuple[object, ...]]:
    assert list(starts.columns) == COLUMNS
    return list(starts.itertuples(index=False, name=None))


def among(prints: Fingerprints, fresh: set[str]) -> np.ndarray:
    return np.isin(prints.image_id, list(fresh))


def pairs(starts: pd.DataFrame) -> set[frozenset[str]]:
    return {frozenset(pair) for pair in zip(starts["first"], starts["second"], strict=True)}


cases = st.tuples(st.integers(2, 16), st.integers(2, 6), st.integers(0, 2**32 - 1))


@settings(max_examples=8)
@given(case=cases, new=st.integers(0, 63))
def test_all_starts_are_found_and_no_others(case: tuple[int, int, int], new: int) -> None:
    prints = made(*case)
    fresh = {f"image-{n:02d}" for n in range(6) if new >> n & 1}
    assert tuples(candidates(prints, among(prints, fresh))) == every_start(prints, fresh)


@settings(max_examples=5)
@given(case=cases, new=st.integers(0, 63), seed=st.integers(0, 99))
def test_images_that_arrive_later_meet_all_others(
    case: tuple[int, int, int], new: int, seed: int
) -> None:
    prints = made(*case)
    later = {f"image-{n:02d}" for n in range(6) if new >> n & 1}
    old = ~among(prints, later)
    at_once = candidates(prints, np.ones(len(prints), np.bool_))
    before = candidates(prints.rows(old), np.ones(int(old.sum()), np.bool_))
    order = np.random.default_rng(seed).permutation(len(prints))
    shuffled = Fingerprints(
        prints.image_id[order], prints.part[order], prints.waves[order], prints.slopes[order]
    )
    after = candidates(shuffled, among(shuffled, later))
    assert sorted(tuples(before) + tuples(after)) == sorted(tuples(at_once))


def test_pairs_of_old_images_are_not_looked_at_again() -> None:
    prints = made(16, 5, 7)
    assert len(candidates(prints, np.ones(len(prints), np.bool_)))
    assert len(candidates(prints, np.zeros(len(prints), np.bool_))) == 0
    for start in tuples(candidates(prints, among(prints, {"image-03"}))):
        assert "image-03" in start[:2]


def test_a_pair_is_near_on_either_side_of_the_radius() -> None:
    def two(waves: int, slopes: int) -> int:
        ones = np.uint64(2**64 - 1)
        rng = np.random.default_rng(0)
        hashes = rng.integers(0, 2**64, (2, 2, len(VIEWS)), dtype=np.uint64)
        for kind, bits in enumerate((waves, slopes)):
            hashes[kind, 1, 0] = hashes[kind, 0, 0] ^ (ones >> np.uint64(64 - bits))
        prints = Fingerprints(np.array(["a", "b"], object), np.array([0, 0]), *hashes)
        return len(candidates(prints, np.ones(2, np.bool_)))

    assert two(WAVES_RADIUS, SLOPES_CHECK) == 1
    assert two(WAVES_RADIUS + 1, SLOPES_CHECK) == 0
    assert two(WAVES_RADIUS, SLOPES_CHECK + 1) == 0
    assert two(60, SLOPES_RADIUS) == 1
    assert two(60, SLOPES_RADIUS + 1) == 0


def test_nothing_makes_no_pairs() -> None:
    none = fingerprints({})
    assert tuples(candidates(none, np.zeros(0, np.bool_))) == []
    one = fingerprints({"a": parts(drawn(1))})
    assert tuples(candidates(joined([none, one]), np.ones(1, np.bool_))) == []


def test_real_pictures() -> None:
    pictures = {f"other-{seed}": drawn(seed) for seed in range(2, 12)}
    pictures |= {"blank-1": blank((9, 9, 9)), "blank-2": blank((9, 9, 9))}
    pictures |= {
        "a": drawn(1),
        "cropped": cropped(drawn(1), 0.12),
        "framed": framed(drawn(1), 20, 20, 30, 30, (0, 0, 0)),
    }
    prints = fingerprints({image_id: parts(of) for image_id, of in pictures.items()})
    assert "blank-1" not in prints.image_id
    assert prints.part[prints.image_id == "framed"].tolist() == [0, 1]
    starts = candidates(prints, np.ones(len(prints), np.bool_))
    near = {frozenset(pair) for pair in (("a", "cropped"), ("a", "framed"))}
    assert near <= pairs(starts)
    assert all(pair <= {"a", "cropped", "framed"} for pair in pairs(starts))
    cut = starts[(starts["first"] == "cropped") & (starts["second"] == "a")].iloc[0]
    assert VIEWS[cut["view"]].left > 0.03


starts_table = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from("abcd"),
        st.sampled_from([0, 1]),
        st.sampled_from([0, 1, 2]),
        st.integers(0, 3),
        st.integers(0, 5),
    ),
    max_size=30,
)


@settings(max_examples=25)
@given(rows=starts_table, seed=st.integers(0, 99), most=st.integers(1, 4))
def test_the_nearest_starts_do_not_depend_on_the_order(
    rows: list[tuple[str, str, int, int, int, int]], seed: int, most: int
) -> None:
    table = pd.DataFrame(rows, columns=COLUMNS)
    kept = nearest_starts(table, most)
    shuffled = table.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(nearest_starts(shuffled, most), kept)
    pd.testing.assert_frame_equal(nearest_starts(kept, most), kept)
    ends = [frozenset(pair) for pair in zip(kept["first"], kept["second"], strict=True)]
    for pair in set(ends):
        some = kept[[one == pair for one in ends]]
        assert len(pair) == 2
        assert len(some) <= most
        assert some["distance"].is_monotonic_increasing
        nearest = [
            row[5]
            for row in rows
            if {row[0], row[1]} == pair and not (row[0] > row[1] and row[4] == 0 and row[3] < 2)
        ]
        assert some["distance"].iloc[0] == min(nearest)


@settings(max_examples=25)
@given(
    count=st.integers(1, 30),
    radius=st.integers(0, 20),
    new=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_named_hashes_against_every_pair(count: int, radius: int, new: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = flipped(np.repeat(rng.integers(0, 2**64, 3, dtype=np.uint64), 10)[:count], 12, rng)
    ids = np.array([f"i{n:02d}" for n in rng.permutation(count)], dtype=object)
    fresh = rng.random(count) < new
    wanted = {
        (min(ids[a], ids[b]), max(ids[a], ids[b])): int(hashes[a] ^ hashes[b]).bit_count()
        for a in range(count)
        for b in range(a)
        if (fresh[a] or fresh[b]) and int(hashes[a] ^ hashes[b]).bit_count() <= radius
    }
    found = by_hash(ids, hashes, radius, fresh)
    assert tuples(found) == [(*pair, 0, 0, 0, wanted[pair]) for pair in sorted(wanted)]


def test_pairs_laid_out_as_wholes() -> None:
    ids = np.array(["a", "b"], object)
    laid = wholes(ids, ids[::-1], 5)
    assert tuples(laid) == [("a", "b", 0, 0, 0, 5), ("b", "a", 0, 0, 0, 5)]


def connected(starts: pd.DataFrame, ids: list[str]) -> int:
    number = pd.Index(ids)
    ends = [number.get_indexer(pd.Index(starts[end])) for end in ("first", "second")]
    graph = coo_array((np.ones(len(starts)), tuple(ends)), shape=(len(ids), len(ids)))
    return int(connected_components(graph, directed=False)[0])


def crowd(count: int, seed: int = 0) -> tuple[Fingerprints, list[str]]:
    """Thousands of frames of one scene, ids in no order; other views show other things."""
    rng = np.random.default_rng(seed)
    ids = [f"frame-{n:05d}" for n in rng.permutation(count)]
    hashes = rng.integers(0, 2**64, (2, count, len(VIEWS)), dtype=np.uint64)
    hashes[:, :, 0] = 0x0123456789ABCDEF
    return Fingerprints(np.array(ids, object), np.zeros(count, np.int64), *hashes), ids


@pytest.mark.parametrize("share", [1.0, 0.5, 0.001])
def test_a_crowd_stays_linear_and_hangs_together(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 400
    monkeypatch.setattr(module, "CROWD", 1000)
    prints, ids = crowd(count)
    fresh = np.arange(count) % 1000 < share * 1000
    starts = candidates(prints, fresh)
    assert len(starts) <= 4 * count
    assert connected(starts, ids) == 1
    hashed = by_hash(prints.image_id, prints.waves[:, 0], 8, fresh)
    assert len(hashed) <= 4 * count
    assert connected(hashed, ids) == 1


def test_thousands_of_equal_frames() -> None:
    prints, ids = crowd(5000)
    starts = by_hash(prints.image_id, prints.waves[:, 0], 8, np.ones(5000, np.bool_))
    assert len(starts) == 4999
    assert connected(starts, ids) == 1


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), new=st.floats(0, 1), most=st.integers(1, 60))
def test_a_crowd_connects_what_every_pair_would(seed: int, new: float, most: int) -> None:
    """Whatever the number at which a crowd begins, and however many of it are new."""
    rng = np.random.default_rng(seed)
    count = 40
    hashes = rng.integers(0, 2**64, 4, dtype=np.uint64)[rng.integers(0, 4, count)]
    hashes ^= rng.integers(0, 2, count).astype(np.uint64)
    ids = np.array([f"i{n:02d}" for n in rng.permutation(count)], dtype=object)
    fresh = rng.random(count) < new
    every = by_hash(ids, hashes, 3, fresh)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CROWD", most)
        some = by_hash(ids, hashes, 3, fresh)
    assert pairs(some) <= pairs(every)
    assert connected(some, list(ids)) == connected(every, list(ids))


def test_in_a_crowd_each_image_meets_one_of_the_other_side() -> None:
    """Else a photo a thousand times in train and in test would leak in one row."""
    count = 150
    ids = np.array([f"{number:03d}" for number in range(count)], dtype=object)
    test = np.arange(count) % 2 == 0
    found = by_hash(ids, np.zeros(count, np.uint64), 8, test, ~test)
    side = dict(zip(ids, test, strict=True))
    assert all(side[row.first] != side[row.second] for row in found.itertuples())
    assert {*found["first"], *found["second"]} == set(ids)
