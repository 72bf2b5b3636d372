"""What may be asked of the search, and what is refused before it begins."""

from __future__ import annotations

import dataclasses

import pytest

from curate.core.errors import PolicyError
from curate.core.hashes import HASHES
from curate.duplicates import keeper
from curate.duplicates.policy import LEAST, DuplicatePolicy
from curate.duplicates.verify import LEAST_IN_BURST


def test_defaults() -> None:
    policy = DuplicatePolicy()
    assert policy.symmetries == ("",)
    assert policy.radii == {"phash": 8}
    assert policy.keeper == keeper.ORDER
    assert LEAST < policy.similarity < 1
    # What a burst needs is remembered too.
    assert LEAST <= LEAST_IN_BURST


@pytest.mark.parametrize("similarity", [LEAST, 0.8, 1, 1.0])
def test_similarities(similarity: float) -> None:
    assert DuplicatePolicy(similarity=similarity).similarity == similarity


@pytest.mark.parametrize("similarity", [0, 0.59, 1.01, -1, 80, float("nan"), float("inf")])
def test_similarities_out_of_bounds(similarity: float) -> None:
    with pytest.raises(PolicyError) as caught:
        DuplicatePolicy(similarity=similarity)
    assert caught.value.value == f"similarity {similarity:g}"
    assert caught.value.rule == "near-duplicates are alike by 0.6 to 1"
    assert "0.8" in caught.value.remedy


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("bits", [0, 8, 20])
def test_hashes_with_a_radius(name: str, bits: int) -> None:
    assert DuplicatePolicy(hashes=(f"{name}:{bits}",)).radii == {name: bits}


def test_several_hashes_or_none() -> None:
    asked = tuple(f"{name}:{bits}" for bits, name in enumerate(HASHES))
    assert DuplicatePolicy(hashes=asked).radii == {name: bits for bits, name in enumerate(HASHES)}
    assert DuplicatePolicy(hashes=()).radii == {}


@pytest.mark.parametrize(
    "text", ["phash", "phash:", "phash:21", "phash:-1", "phash:8.0", "phash:x"]
)
def test_a_radius_that_is_none(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        DuplicatePolicy(hashes=("dhash:8", text))
    assert caught.value.value == f"hash {text!r}"
    assert caught.value.rule == "its radius is a number of bits from 0 to 20"
    assert caught.value.remedy == "Give phash:8, say."


@pytest.mark.parametrize("text", ["", ":8", "md5:8", "PHASH:8", " phash:8"])
def test_a_hash_that_is_not_known(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        DuplicatePolicy(hashes=(text,))
    assert caught.value.rule == "is of no known name"
    assert all(name in caught.value.remedy for name in HASHES)


def test_one_hash_has_one_radius() -> None:
    with pytest.raises(PolicyError) as caught:
        DuplicatePolicy(hashes=("phash:8", "dhash:4", "phash:4"))
    assert str(caught.value) == (
        "hashes phash:8, dhash:4, phash:4: one is named twice. Name each once."
    )


def test_the_keepers_order_is_checked() -> None:
    assert DuplicatePolicy(keeper=("newest",)).keeper == ("newest",)
    for order in (("prettiest",), ("bytes", "bytes")):
        with pytest.raises(PolicyError, match="keeper criteri"):
            DuplicatePolicy(keeper=order)


def test_symmetries_are_those_that_are_asked_for() -> None:
    assert DuplicatePolicy(flips=True).symmetries == ("", "mirrored", "upside down")
    assert len(DuplicatePolicy(turns=True).symmetries) == 4
    assert len(DuplicatePolicy(flips=True, turns=True).symmetries) == 8


def test_a_policy_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DuplicatePolicy().similarity = 0.9  # type: ignore[misc]  # that is the test
