"""All pairs within a Hamming radius, against looking at every pair."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.duplicates import hamming
from curate.duplicates.hamming import Chunk, HashPairs, Plan, pairs_between, pairs_within

Hashes = NDArray[np.uint64]
RADII = [0, 1, 2, 3, 5, 8, 11, 16, 24, 32, 63, 64]


def every_pair(left: Hashes, right: Hashes | None, radius: int) -> HashPairs:
    """The oracle: nothing but the definition."""
    other = left if right is None else right
    distance = np.bitwise_count(left[:, None] ^ other[None, :])
    near = distance <= radius
    if right is None:
        near &= np.arange(len(left))[:, None] < np.arange(len(left))
    first, second = np.nonzero(near)
    return HashPairs(first, second, distance[first, second])


def assert_same(pairs: HashPairs, expected: HashPairs) -> None:
    assert pairs.first.dtype == pairs.second.dtype == np.int64
    assert pairs.distance.dtype == np.uint8
    for name in ("first", "second", "distance"):
        np.testing.assert_array_equal(getattr(pairs, name), getattr(expected, name))


def random(count: int, seed: int = 0) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def clustered(count: int, seed: int = 0) -> Hashes:
    """Some centres, and around each of them hashes with up to nine flipped bits."""
    rng = np.random.default_rng(seed)
    hashes = random(max(1, count // 8), seed)[rng.integers(0, max(1, count // 8), count)]
    for _ in range(9):
        flip = np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
        hashes ^= np.where(rng.random(count) < 0.4, flip, np.uint64(0))
    return hashes


def skewed(count: int, seed: int = 0) -> Hashes:
    """Long runs of equal bits, and a third of all hashes in one chunk value."""
    rng = np.random.default_rng(seed)
    hashes = (np.uint64(2**64 - 1)) << rng.integers(0, 64, count).astype(np.uint64)
    hashes ^= np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
    hashes[: count // 3] &= np.uint64(0xFFFF)
    return hashes


def equal(count: int, seed: int = 0) -> Hashes:
    return np.full(count, 0x0123456789ABCDEF, np.uint64)


KINDS = {"random": random, "clustered": clustered, "skewed": skewed, "equal": equal}


def chunks(*shape: tuple[int, int]) -> Plan:
    """Chunks of that width and threshold, one after another from the lowest bit."""
    made, low = [], 0
    for width, threshold in shape:
        made.append(Chunk(tuple(range(low, low + width)), threshold))
        low += width
    return Plan(tuple(made))


# Each with the largest radius at which it misses nothing: the sum of (threshold + 1), less one.
PLANS = [
    (chunks((0, 0)), 64),
    (chunks((6, 6)), 64),
    (chunks((12, 1)), 1),
    (chunks((8, 2), (7, 2)), 5),
    (chunks((16, 2), (16, 1), (16, 1), (16, 1)), 8),
    (chunks((11, 1), (10, 1), (10, 1), (10, 1), (9, 0)), 8),
    (chunks(*[(7, 0)] * 9), 8),
    (chunks((9, 4), (9, 3), (8, 3)), 12),
    (Plan((Chunk((63, 1, 30), 1), Chunk((2, 62, 0, 31, 5), 0))), 2),
]


@pytest.fixture
def always_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks even for a handful of hashes, where comparing everything is the quickest."""
    monkeypatch.setattr(hamming, "_SMALL", 0)
    monkeypatch.setattr(hamming, "_PER_COMPARISON", 1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 65, 400])
def test_pairs_are_those_of_the_definition(kind: str, count: int) -> None:
    hashes, others = KINDS[kind](count), KINDS[kind](count // 2, 1)
    for radius in RADII:
        assert_same(pairs_within(hashes, radius), every_pair(hashes, None, radius))
        assert_same(pairs_between(others, hashes, radius), every_pair(others, hashes, radius))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("always_planned")
def test_chosen_chunks_miss_nothing(kind: str) -> None:
    hashes, others = KINDS[kind](500), KINDS[kind](90, 0)
    for radius in (0, 3, 8):
        if kind == "random":
            assert hamming.choose_plan(hashes, None, radius).chunks[0].bits
        assert_same(pairs_within(hashes, radius), every_pair(hashes, None, radius))
        assert_same(pairs_between(hashes, others, radius), every_pair(hashes, others, radius))


@pytest.mark.parametrize(("plan", "reach"), PLANS)
@pytest.mark.parametrize("kind", KINDS)
def test_any_chunks_find_the_same(kind: str, plan: Plan, reach: int) -> None:
    hashes, others = KINDS[kind](300), KINDS[kind](300, 0)[::-3].copy()
    for radius in {0, 1, min(5, reach), reach}:
        found = hamming.search(hashes, None, radius, plan)
        assert_same(found, every_pair(hashes, None, radius))
        found = hamming.search(others, hashes, radius, plan)
        assert_same(found, every_pair(others, hashes, radius))


@pytest.mark.parametrize("block", [3, 64])
@pytest.mark.parametrize(("plan", "reach"), PLANS)
def test_the_size_of_blocks_and_parts_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, reach: int, block: int
) -> None:
    monkeypatch.setattr(hamming, "_BLOCK", block)
    monkeypatch.setattr(hamming, "_RIGHT", max(1, block // 4))
    monkeypatch.setattr(hamming, "_GATHER", block)
    monkeypatch.setattr(hamming, "_PART", 5)
    radius = min(4, reach)
    for kind in KINDS.values():
        hashes = kind(60)
        found = hamming.search(hashes, None, radius, plan)
        assert_same(found, every_pair(hashes, None, radius))
        found = hamming.search(hashes[:20], hashes, radius, plan)
        assert_same(found, every_pair(hashes[:20], hashes, radius))


@pytest.mark.parametrize("radius", range(65))
def test_every_plan_on_the_list_is_complete(radius: int) -> None:
    order = np.random.default_rng(radius).permutation(64)
    for shape in hamming._shapes(radius, 1_000_000):
        assert sum(threshold + 1 for _, threshold in shape) == radius + 1
        dealt = hamming._deal(order, shape)
        assert [(len(chunk.bits), chunk.threshold) for chunk in dealt] == list(shape)
        bits = [bit for chunk in dealt for bit in chunk.bits]
        assert len(set(bits)) == len(bits)


def test_chunks_are_chosen_where_they_pay() -> None:
    assert len(hamming.choose_plan(random(1000), None, 8).chunks) == 1
    assert len(hamming.choose_plan(random(200_000), None, 8).chunks) > 2
    assert hamming.choose_plan(random(200_000), None, 60).chunks == (Chunk((), 0),)


def test_bits_that_tell_nothing_are_left_out() -> None:
    # Sixteen bits are the same for all: a chunk of them would be one bucket with everything.
    hashes = random(200_000) | np.uint64(0xFFFF << 20)
    plan = hamming.choose_plan(hashes, None, 3)
    assert plan.seconds < 0.2 * 0.6e-9 * len(hashes) ** 2 / 2
    assert not {bit for chunk in plan.chunks for bit in chunk.bits} & set(range(20, 36))


def test_hashes_that_are_nearly_all_alike_are_simply_compared() -> None:
    hashes = np.arange(200_000, dtype=np.uint64) % np.uint64(2**6)
    assert hamming.choose_plan(hashes, None, 8).chunks == (Chunk((), 0),)


def test_one_heavy_bucket_stays_within_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # A third of the hashes agree in the chunk, yet no block holds more than it may.
    largest = 0
    count = np.bitwise_count

    def watched(bits: Hashes, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        nonlocal largest
        largest = max(largest, bits.size)
        counted: NDArray[np.uint8] = count(bits, out=out)
        return counted

    hashes = random(6000)
    hashes[:2000] &= np.uint64(0xFFFFFFFFFFFF0000)
    expected = every_pair(hashes, None, 3)
    monkeypatch.setattr(np, "bitwise_count", watched)
    found = hamming.search(hashes, None, 3, chunks((16, 1), (16, 1)))
    assert_same(found, expected)
    assert 0 < largest <= hamming._BLOCK


def test_several_processes_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "_PART", 50)
    hashes, others = clustered(2000), clustered(300)
    plan = Plan(chunks((16, 2), (16, 1), (16, 1), (16, 1)).chunks, seconds=2.0)
    assert_same(hamming.search(hashes, None, 8, plan, 2), every_pair(hashes, None, 8))
    assert_same(hamming.search(others, hashes, 8, plan, 2), every_pair(others, hashes, 8))


def test_a_script_without_a_main_guard_may_use_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from curate.duplicates.hamming import Chunk, Plan, search\n"
        "plan = Plan((Chunk((), 0),), seconds=9.0)\n"
        "print(len(search(np.zeros(2000, np.uint64), None, 0, plan, 2)))\n"
    )
    root = Path(hamming.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, script],
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1999000\n"


def test_a_process_that_dies_is_an_error_not_a_short_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hamming, "help_with", None)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    plan = Plan((Chunk((), 0),), seconds=9.0)
    with pytest.raises(RuntimeError, match="search process"):
        hamming.search(random(50), None, 8, plan, 2)


def test_numpys_buffer_is_left_as_it_was() -> None:
    before = np.getbufsize()
    pairs_within(random(100), 20)
    assert np.getbufsize() == before


ROWS = st.lists(st.integers(0, 2**64 - 1), max_size=30)
FEW_BITS = st.lists(st.integers(0, 2**7 - 1), max_size=30)
SETS = st.one_of(ROWS, FEW_BITS).map(lambda rows: np.array(rows, np.uint64))
SHAPES = st.sampled_from(PLANS)


@settings(max_examples=60, deadline=None)
@given(SETS, st.integers(0, 64))
def test_law_equal_to_the_definition(hashes: Hashes, radius: int) -> None:
    assert_same(pairs_within(hashes, radius), every_pair(hashes, None, radius))


@settings(max_examples=60, deadline=None)
@given(SETS, SHAPES, st.randoms(use_true_random=False))
def test_law_a_permutation_of_the_rows_permutes_the_pairs(
    hashes: Hashes, shape: tuple[Plan, int], rng: Random
) -> None:
    plan, radius = shape
    order = np.array(rng.sample(range(len(hashes)), len(hashes)), np.int64)
    pairs = hamming.search(hashes, None, radius, plan)
    moved = hamming.search(hashes[order], None, radius, plan)
    as_sets = {frozenset(p) for p in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}
    back = zip(order[moved.first].tolist(), order[moved.second].tolist(), strict=True)
    assert {frozenset(pair) for pair in back} == as_sets
    assert len(moved) == len(pairs) == len(as_sets)


@settings(max_examples=60, deadline=None)
@given(SETS, SHAPES, st.integers(0, 2**64 - 1))
def test_law_flipping_the_same_bits_of_all_changes_nothing(
    hashes: Hashes, shape: tuple[Plan, int], bits: int
) -> None:
    plan, radius = shape
    flipped = hamming.search(hashes ^ np.uint64(bits), None, radius, plan)
    assert_same(flipped, hamming.search(hashes, None, radius, plan))


@settings(max_examples=60, deadline=None)
@given(SETS, SETS, SHAPES)
def test_law_between_is_the_cross_part_of_within(
    left: Hashes, right: Hashes, shape: tuple[Plan, int]
) -> None:
    plan, radius = shape
    whole = hamming.search(np.concatenate([left, right]), None, radius, plan)
    cross = (whole.first < len(left)) & (whole.second >= len(left))
    expected = HashPairs(whole.first[cross], whole.second[cross] - len(left), whole.distance[cross])
    assert_same(hamming.search(left, right, radius, plan), expected)


@settings(max_examples=60, deadline=None)
@given(SETS, st.integers(0, 63), st.integers(0, 64))
def test_law_a_smaller_radius_keeps_the_nearer_pairs(
    hashes: Hashes, radius: int, more: int
) -> None:
    wide = pairs_within(hashes, min(64, radius + more))
    near = wide.distance <= radius
    kept = HashPairs(wide.first[near], wide.second[near], wide.distance[near])
    assert_same(pairs_within(hashes, radius), kept)


@settings(max_examples=40, deadline=None)
@given(FEW_BITS.map(lambda rows: np.array(rows, np.uint64)), st.integers(0, 6))
def test_law_distinct_values_spread_to_all_pairs(hashes: Hashes, radius: int) -> None:
    # What the docstring tells callers with many equal hashes to do.
    values, value_of = np.unique(hashes, return_inverse=True)
    pairs = pairs_within(values, radius)
    assert (pairs.distance > 0).all()
    near = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    everything = every_pair(hashes, None, radius)
    for one, two in zip(value_of[everything.first], value_of[everything.second], strict=True):
        assert one == two or (min(one, two), max(one, two)) in near
    sizes = np.bincount(value_of, minlength=len(values))
    spread = (sizes[pairs.first] * sizes[pairs.second]).sum() + (sizes * (sizes - 1) // 2).sum()
    assert spread == len(everything)


def ask(left: Hashes, right: Hashes | None, radius: int) -> HashPairs:
    if right is None:
        return pairs_within(left, radius)
    return pairs_between(left, right, radius)


@pytest.mark.parametrize("radius", [-1, 65, 8.0, "8", None])
def test_a_radius_outside_is_refused(radius: int) -> None:
    for right in (None, equal(2)):
        with pytest.raises(InputError) as error:
            ask(equal(2), right, radius)
        assert repr(radius) in error.value.value
        assert "0 to 64" in error.value.rule
        assert error.value.remedy


@pytest.mark.parametrize(
    ("hashes", "met"),
    [
        (np.zeros(3, np.int64), "int64"),
        (np.zeros((3, 2), np.uint64), "(3, 2)"),
        (np.zeros((), np.uint64), "()"),
        ([1, 2, 3], "list"),
    ],
)
def test_hashes_of_another_type_or_shape_are_refused(hashes: Hashes, met: str) -> None:
    for left, right in ((hashes, None), (hashes, equal(2)), (equal(2), hashes)):
        with pytest.raises(InputError) as error:
            ask(left, right, 3)
        assert met in error.value.value
        assert "uint64" in error.value.rule
        assert error.value.remedy
