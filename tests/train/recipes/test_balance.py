from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.core.errors import PolicyError
from curate.train.recipes.balance import BETA, balanced, effective_weights, log_priors

counts = st.lists(st.integers(1, 5000), min_size=1, max_size=20).map(
    lambda numbers: np.array(numbers, dtype=np.int64)
)
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(counts)
def test_thin_classes_weigh_more_and_images_one_on_average(numbers: NDArray[np.int64]) -> None:
    weights = effective_weights(numbers)
    assert weights.dtype == np.float32
    assert (weights * numbers).sum() / numbers.sum() == pytest.approx(1, rel=1e-5)
    order = np.argsort(numbers, kind="stable")
    assert (np.diff(weights[order]) <= 0).all()
    assert (np.diff((weights * numbers)[order]) >= -1e-3 * numbers.max()).all()
    effective = np.array([sum(BETA**at for at in range(n)) for n in numbers.tolist()])
    assert weights / weights[0] == pytest.approx(effective[0] / effective, rel=1e-4)


@given(counts)
def test_the_priors_are_the_shares(numbers: NDArray[np.int64]) -> None:
    priors = log_priors(numbers)
    assert priors.dtype == np.float32
    assert np.exp(priors.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
    assert np.exp(priors) * numbers.sum() == pytest.approx(numbers, rel=1e-5)


def test_logits_that_say_only_the_prior_learn_nothing_from_it() -> None:
    """With the priors added, equal logits are the best answer to images that tell nothing."""
    numbers = np.array([90, 9, 1])
    targets = torch.tensor([0] * 90 + [1] * 9 + [2])
    logits = torch.zeros(3, requires_grad=True)
    shown = (logits + torch.from_numpy(log_priors(numbers))).expand(100, 3)
    torch.nn.functional.cross_entropy(shown, targets).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


@pytest.mark.parametrize("make", [effective_weights, log_priors])
@pytest.mark.parametrize("numbers", [[3, 0, 2], []])
def test_a_class_without_images_is_refused(make: object, numbers: list[int]) -> None:
    assert callable(make)
    with pytest.raises(PolicyError, match="without an image"):
        make(np.array(numbers, dtype=np.int64))


def of_sizes(sizes: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Give positions, targets and ids; every third example is not to be trained on."""
    targets = np.repeat(np.arange(len(sizes)), [3 * size for size in sizes])
    positions = np.flatnonzero(np.arange(len(targets)) % 3 != 2)
    return positions, targets, [f"image {at}" for at in range(len(targets))]


@given(sizes, st.integers(0, 99), st.integers(0, 50))
def test_an_epoch_is_as_long_as_ever_and_classes_are_seen_alike(
    sizes: list[int], seed: int, epoch: int
) -> None:
    positions, targets, ids = of_sizes(sizes)
    drawn = balanced(positions, targets, ids, seed, epoch)
    assert drawn.dtype == np.int64
    assert len(drawn) == len(positions)
    assert set(drawn) <= set(positions)
    seen = np.bincount(targets[drawn], minlength=len(sizes))
    assert seen.max() - seen.min() <= 1


@given(sizes, st.integers(0, 99), st.integers(1, 12))
def test_no_image_is_used_again_before_all_of_its_class_are(
    sizes: list[int], seed: int, epochs: int
) -> None:
    positions, targets, ids = of_sizes(sizes)
    used: Counter[int] = Counter({int(at): 0 for at in positions})
    for epoch in range(epochs):
        used.update(balanced(positions, targets, ids, seed, epoch).tolist())
        for number in range(len(sizes)):
            times = [used[at] for at in used if targets[at] == number]
            assert max(times) - min(times) <= 1


@given(sizes, st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_says_nothing(sizes: list[int], seed: int, random: object) -> None:
    positions, targets, ids = of_sizes(sizes)
    mixed = np.random.default_rng(seed).permutation(len(ids))
    # The same examples in another order: position `at` of before is now `where[at]`.
    where = np.argsort(mixed)
    other = balanced(
        where[positions][::-1], targets[mixed], [ids[at] for at in mixed], seed, epoch=3
    )
    mine = balanced(positions, targets, ids, seed, epoch=3)
    assert [ids[at] for at in mine] == [ids[mixed[at]] for at in other]


def test_epochs_and_seeds_differ() -> None:
    positions, targets, ids = of_sizes([8, 2])
    first = balanced(positions, targets, ids, 1, 0)
    assert not np.array_equal(first, balanced(positions, targets, ids, 1, 1))
    assert not np.array_equal(first, balanced(positions, targets, ids, 2, 0))
    assert np.array_equal(first, balanced(positions, targets, ids, 1, 0))


def test_the_copies_of_an_image_lie_apart() -> None:
    """With an order by image they would all fall into one batch."""
    positions, targets, ids = of_sizes([100, 1])
    drawn = balanced(positions, targets, ids, 0, 0)
    rare = np.flatnonzero(targets[drawn] == 1)
    assert len(rare) == len(drawn) / 2
    assert np.diff(rare).max() < 20


def test_nothing_to_draw_from() -> None:
    none = np.array([], dtype=np.int64)
    assert not len(balanced(none, np.array([0, 1]), ["a", "b"], 0, 0))
