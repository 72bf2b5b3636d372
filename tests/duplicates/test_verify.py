"""Candidates are compared from every start, and judged by what else is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.images import Pixels
from curate.duplicates.candidates import COLUMNS as STARTS_COLUMNS
from curate.duplicates.candidates import candidates
from curate.duplicates.evidence import BURST_SECONDS, FAR_KM, Evidence
from curate.duplicates.fingerprints import fingerprints
from curate.duplicates.likeness import best_likeness
from curate.duplicates.pictures import SYMMETRIES, inverted, parts
from curate.duplicates.verify import (
    COLUMNS,
    LEAST_FAR_APART,
    LEAST_IN_BURST,
    MEASURES,
    Parts,
    compared,
    judged,
)
from curate.duplicates.views import Affine

from .made import EDITS, HERE, SYMMETRIC, cropped, drawn, framed, transposed


def starts(*rows: tuple[str, str, int, int, int]) -> pd.DataFrame:
    return pd.DataFrame([(*row, 0) for row in rows], columns=STARTS_COLUMNS)


def shown(pixels: dict[str, Pixels], wanted: tuple[str, ...] = ("",)) -> Parts:
    return {image_id: parts(of, wanted) for image_id, of in pixels.items()}


def corners(matrix: Affine) -> Affine:
    return np.asarray(matrix @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]]))


def edited() -> tuple[pd.DataFrame, Parts]:
    pixels = {f"{seed}-{name}": EDITS[name](drawn(seed)) for seed in range(3) for name in EDITS}
    pictures = shown(pixels)
    prints = fingerprints(pictures)
    return candidates(prints, np.ones(len(prints), np.bool_)), pictures


def test_nothing_is_compared() -> None:
    none = compared(starts(), {})
    assert list(none.columns) == COLUMNS
    assert len(none) == 0
    assert len(judged(none, evidence(), 0.8)) == 0


def test_one_row_a_pair_the_same_on_all_threads() -> None:
    found, pictures = edited()
    told: list[int] = []
    alone = compared(found, pictures, 1, told.append)
    assert list(alone.columns) == COLUMNS
    assert sum(told) == len(alone)
    pairs = list(zip(alone["first"], alone["second"], strict=True))
    assert len(set(pairs)) == len(pairs)
    assert all(first < second for first, second in pairs)
    pd.testing.assert_frame_equal(compared(found, pictures, 2), alone)
    pd.testing.assert_frame_equal(compared(found, pictures, 4), alone)


def test_the_order_of_pairs_does_not_count() -> None:
    found, pictures = edited()
    low = found[["first", "second"]].min(axis=1)
    blocks = [some for _, some in found.groupby([low, found[["first", "second"]].max(axis=1)])]
    assert len(blocks) > 50
    backwards = compared(pd.concat(blocks[::-1], ignore_index=True), pictures)
    pd.testing.assert_frame_equal(
        backwards.sort_values(["first", "second"], ignore_index=True),
        compared(found, pictures).sort_values(["first", "second"], ignore_index=True),
    )


def test_the_best_start_counts() -> None:
    pictures = shown({"a": cropped(drawn(1), 0.2), "b": drawn(1)})
    wrong, right = ("a", "b", 0, 0, 8), ("a", "b", 0, 0, 3)
    best = compared(starts(right), pictures)
    for both in (starts(wrong, right), starts(right, wrong)):
        assert compared(both, pictures)["similarity"][0] >= best["similarity"][0] - 0.02
    assert best["similarity"][0] > 0.9


@pytest.mark.parametrize("lower", ["whole", "detail"])
def test_the_map_takes_the_lower_id_to_the_higher(lower: str) -> None:
    """Whichever of the two was seen under a view."""
    detail, whole = ("b", "a") if lower == "whole" else ("a", "b")
    pictures = shown({detail: cropped(drawn(1), 0.2), whole: drawn(1)})
    row = compared(starts((detail, whole, 0, 0, 3)), pictures).iloc[0]
    assert (row["first"], row["second"]) == ("a", "b")
    matrix = np.reshape(row["matrix"], (2, 3))
    inside = matrix if lower == "detail" else inverted(matrix)
    wanted = np.array([[0.1, 0.9, 0.1, 0.9], [0.1, 0.1, 0.9, 0.9]])
    assert np.abs(corners(inside) - wanted).max() < 0.03


def test_the_map_of_a_framed_copy_is_of_its_whole() -> None:
    framed_copy = framed(drawn(1), 12, 12, 16, 16, (0, 0, 0))
    pictures = shown({"a": framed_copy, "b": drawn(1)})
    row = compared(starts(("b", "a", 0, 1, 0)), pictures).iloc[0]
    assert row["similarity"] > 0.9
    back = inverted(np.reshape(row["matrix"], (2, 3)))
    x, y = 16 / 176, 12 / 132
    wanted = np.array([[x, 1 - x, x, 1 - x], [y, y, 1 - y, 1 - y]])
    assert np.abs(corners(back) - wanted).max() < 0.03


@pytest.mark.parametrize("symmetry", SYMMETRIC)
@pytest.mark.parametrize("first", ["upright", "copy"])
def test_a_turned_copy_and_its_map(symmetry: str, first: str) -> None:
    upright, copy = ("a", "b") if first == "upright" else ("b", "a")
    pixels = {upright: drawn(1), copy: transposed(drawn(1), SYMMETRIC[symmetry])}
    pictures = shown(pixels, ("", symmetry))
    # The copy seen as a whole is the upright one as the symmetry shows it.
    number = 2 * list(SYMMETRIES).index(symmetry)
    row = compared(starts((copy, upright, 0, number, 0)), pictures).iloc[0]
    assert row["similarity"] > 0.98
    assert row["symmetry"] == symmetry
    matrix = np.reshape(row["matrix"], (2, 3))
    assert (
        np.abs(
            corners(matrix if first == "copy" else inverted(matrix)) - corners(SYMMETRIES[symmetry])
        ).max()
        < 0.02
    )
    # With the map, the wholes lie on each other without being told of the symmetry.
    again = best_likeness(pictures["a"][0], pictures["b"][0], matrix)
    assert again.similarity > 0.9
    assert best_likeness(pictures["a"][0], pictures["b"][0], HERE).similarity < 0.5


def evidence(*rows: tuple[object, ...]) -> Evidence:
    columns = ["image_id", "taken", "camera", "latitude", "longitude"]
    return Evidence.of(pd.DataFrame(list(rows), columns=columns))


def measure(
    similarity: float, symmetry: str = "", pair: tuple[str, str] = ("a", "b")
) -> pd.DataFrame:
    row = (*pair, similarity, similarity, similarity, 1.0, 1.0, symmetry, HERE.ravel().tolist())
    return pd.DataFrame([row], columns=COLUMNS)


TIME = "2024-05-01T12:00:00"
NOTHING = evidence(("a", None, "", None, None), ("b", None, "", None, None))
BURST = evidence(
    ("a", TIME, "Canon", None, None),
    ("b", f"2024-05-01T12:00:{BURST_SECONDS}", "Canon", None, None),
)
LATER = evidence(
    ("a", TIME, "Canon", None, None),
    ("b", f"2024-05-01T12:00:{BURST_SECONDS + 1}", "Canon", None, None),
)
OTHER_CAMERA = evidence(("a", TIME, "Canon", None, None), ("b", TIME, "Nikon", None, None))
NEAR = evidence(("a", None, "", 50.0, 10.0), ("b", None, "", 50.0 + 0.99 * FAR_KM / 111.2, 10.0))
FAR = evidence(("a", None, "", 50.0, 10.0), ("b", None, "", 50.0 + 1.01 * FAR_KM / 111.2, 10.0))
BOTH = evidence(("a", TIME, "Canon", 50.0, 10.0), ("b", TIME, "Canon", 51.0, 10.0))
STRANGERS = evidence(("y", TIME, "Canon", 50.0, 10.0), ("z", TIME, "Canon", 51.0, 10.0))


@pytest.mark.parametrize(
    ("of", "least", "needed"),
    [
        (NOTHING, 0.8, 0.8),
        (STRANGERS, 0.8, 0.8),
        (BURST, 0.8, LEAST_IN_BURST),
        (BURST, 0.65, 0.65),
        (LATER, 0.8, 0.8),
        (OTHER_CAMERA, 0.8, 0.8),
        (NEAR, 0.8, 0.8),
        (FAR, 0.8, LEAST_FAR_APART),
        (FAR, 0.97, 0.97),
        (BOTH, 0.8, LEAST_FAR_APART),
    ],
    ids=["nothing", "of others", "burst", "burst, wide", "later", "other camera", "near", "far",
         "far, strict", "burst far apart"],
)  # fmt: skip
def test_how_alike_is_enough(of: Evidence, least: float, needed: float) -> None:
    assert len(judged(measure(needed), of, least)) == 1
    assert len(judged(measure(np.nextafter(needed, 0)), of, least)) == 0


@pytest.mark.parametrize(
    ("similarity", "symmetry", "of", "reason"),
    [
        (0.951, "", NOTHING, "the same picture: similarity 0.95"),
        (0.949, "", NOTHING, "nearly the same picture: similarity 0.94"),
        (0.85, "mirrored", NOTHING, "nearly the same picture, mirrored: similarity 0.85"),
        (0.72, "", BURST, "nearly the same picture, 10 s apart: similarity 0.72"),
        (0.99, "turned left", BURST, "the same picture, turned left, 10 s apart: similarity 0.99"),
        (0.85, "", LATER, "nearly the same picture: similarity 0.85"),
    ],
)
def test_reasons(similarity: float, symmetry: str, of: Evidence, reason: str) -> None:
    assert judged(measure(similarity, symmetry), of, 0.8)["reason"].tolist() == [reason]


@settings(max_examples=20)
@given(
    similarities=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    least=st.floats(0.6, 1),
    seed=st.integers(0, 99),
)
def test_judged_whatever_the_order(similarities: list[float], least: float, seed: int) -> None:
    table = pd.concat(
        [measure(of, pair=("a", f"b{n:02d}")) for n, of in enumerate(similarities)],
        ignore_index=True,
    )
    of = evidence(
        ("a", TIME, "Canon", 50.0, 10.0),
        *[(f"b{n:02d}", TIME if n % 2 else None, "Canon", 50.0 + n % 3, 10.0) for n in range(12)],
    )
    kept = judged(table, of, least)
    shuffled = judged(table.sample(frac=1, random_state=seed), of, least)
    pd.testing.assert_frame_equal(shuffled.sort_values("second", ignore_index=True), kept)
    # Stricter is fewer.
    stricter = set(judged(table, of, min(1, least + 0.1))["second"])
    assert stricter <= set(kept["second"])
    assert [*COLUMNS, "reason"] == list(kept.columns)
    assert set(MEASURES) <= set(kept.columns)


def test_a_whole_number_is_a_similarity_too() -> None:
    assert len(judged(measure(1.0), BURST, 1)) == 1
    assert len(judged(measure(0.75), BURST, 1)) == 1
    assert len(judged(measure(0.99), NOTHING, 1)) == 0


def test_what_was_asked_is_not_changed() -> None:
    table = measure(0.9)
    before = table.copy()
    judged(table, BURST, 0.8)
    pd.testing.assert_frame_equal(table, before)
