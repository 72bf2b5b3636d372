from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from curate.core.errors import InputError, PolicyError
from curate.train.recipes.mixing import mixing_of, soft_targets

RECIPES = ["mixup", "cutmix", "mixup(alpha=1.0)", "cutmix(alpha=0.3)"]
CLASSES = 7


def plain(number: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Images of one value each, their number, and as many classes."""
    values = torch.arange(number, dtype=torch.float32)
    return values[:, None, None, None].expand(number, 3, height, width), torch.arange(number)


def mixed(
    recipe: str, inputs: Tensor, targets: Tensor, seed: int, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    mix = mixing_of(recipe)
    assert mix is not None
    return mix(inputs, targets, np.random.default_rng(seed), CLASSES, smoothing)


@given(
    st.sampled_from(RECIPES),
    st.integers(2, CLASSES),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 9999),
    st.floats(0, 0.9),
)
def test_the_targets_say_what_is_in_the_image(
    recipe: str, number: int, height: int, width: int, seed: int, smoothing: float
) -> None:
    inputs, targets = plain(number, height, width)
    images, soft = mixed(recipe, inputs, targets, seed, smoothing)
    assert images.shape == inputs.shape
    assert images.dtype == soft.dtype == torch.float32
    assert soft.shape == (number, CLASSES)
    assert soft.sum(dim=1).numpy() == pytest.approx(np.ones(number), abs=1e-5)
    assert (soft >= smoothing / CLASSES - 1e-6).all()
    # The value of an image is its class: the mean of what is seen is the mean of what is said.
    said = (soft - smoothing / CLASSES) / (1 - smoothing) @ torch.arange(CLASSES).float()
    assert images.mean(dim=(1, 2, 3)).numpy() == pytest.approx(said.numpy(), abs=1e-3)
    assert torch.equal(inputs, plain(number, height, width)[0])


@given(st.integers(0, 9999))
def test_cutmix_puts_one_rectangle_on_an_image(seed: int) -> None:
    inputs, targets = plain(2, 12, 9)
    images, soft = mixed("cutmix", inputs, targets, seed)
    foreign = images[0, 0] != 0
    assert torch.equal(foreign.expand(3, 12, 9), images[0] != 0)
    rows, columns = foreign.any(dim=1), foreign.any(dim=0)
    assert torch.equal(foreign, rows[:, None] & columns[None])
    for line in (rows, columns):
        assert (line.int().diff() != 0).sum() <= 2
    assert float(soft[0, 1]) == pytest.approx(float(foreign.float().mean()), abs=1e-6)


def test_mixup_blends_all_in_one_proportion() -> None:
    inputs, targets = plain(6, 4, 4)
    images, soft = mixed("mixup(alpha=1.0)", inputs, targets, 3)
    shares = {round(float(row.max()), 4) for row in soft}
    assert len(shares - {1.0}) == 1
    assert float(images.std(dim=(1, 2, 3)).max()) < 1e-6


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_generator_is_all_the_chance_there_is(recipe: str) -> None:
    inputs, targets = plain(6, 8, 8)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, other, third = (mixed(recipe, inputs, targets, seed) for seed in (4, 4, 5))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    assert not torch.equal(one[1], third[1])
    assert torch.equal(torch.get_rng_state(), before)


def test_the_shares_are_those_of_the_source() -> None:
    """Beta(1, 1) is uniform; the border takes some of cutmix's rectangles away.

    A rectangle whose side is a share s of the image's shows s - s² / 4 of it on average, and the
    mean of that squared, with s² uniform, is 0.321.
    """
    inputs, targets = plain(2, 64, 64)
    for recipe, mean in (("mixup(alpha=1.0)", 0.5), ("cutmix(alpha=1.0)", 0.679)):
        found = [mixed(recipe, inputs, targets, seed)[1][0, 0].item() for seed in range(1500)]
        # Half of the time there is nothing to mix an image with but itself.
        assert 2 * np.mean(found) - 1 == pytest.approx(mean, abs=0.05)


def test_smoothing_is_that_of_torch() -> None:
    logits, targets = torch.randn(5, CLASSES), torch.tensor([0, 3, 3, 6, 1])
    loss = torch.nn.functional.cross_entropy
    ours = loss(logits, soft_targets(targets, CLASSES, 0.1))
    assert float(ours) == pytest.approx(float(loss(logits, targets, label_smoothing=0.1)))


def test_nothing_is_mixed_without_a_recipe() -> None:
    assert mixing_of("") is None
    assert mixing_of("  ") is None


@pytest.mark.parametrize("recipe", ["mixup", "cutmix"])
def test_a_single_image_is_not_mixed(recipe: str) -> None:
    with pytest.raises(PolicyError, match="a batch of 1"):
        mixed(recipe, *plain(1, 4, 4), seed=0)


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("mixop", "Did you mean mixup"),
        ("mixup cutmix", "one name"),
        ("mixup(alpha=0)", "from 0.01 to 100"),
        ("cutmix(beta=1)", "does not take 'beta'"),
    ],
)
def test_what_cannot_be_is_refused(recipe: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        mixing_of(recipe)
