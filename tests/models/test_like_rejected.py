"""Like rejected: no wanted image goes, whatever its class; and looks say how deep the rule goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.models import novelty
from curate.models.like_rejected import (
    LEAST_REJECTED,
    LEAST_WANTED,
    LOOKS,
    SHARP,
    Learnt,
    _border,
    learn,
    reached,
)

laws = settings(max_examples=10, deadline=None)

WIDTH, CLASSES, EACH, REJECTED = 12, 10, 40, 60

Features = NDArray[np.float64]


def heap(dice: np.random.Generator, middle: Features, count: int, spread: float = 0.12) -> Features:
    """Images of one kind: features about a middle."""
    return middle + dice.normal(0, spread, (count, WIDTH))


def middles(dice: np.random.Generator, count: int) -> Features:
    """Directions that are unlike each other."""
    return np.linalg.qr(dice.normal(size=(WIDTH, WIDTH)))[0][:count]


def decided(seed: int, rejected: int = REJECTED, each: int = EACH) -> tuple[pd.DataFrame, Features]:
    """Labelled images of `CLASSES` classes, and rejected ones of a kind of their own."""
    dice = np.random.default_rng(seed)
    at = middles(dice, CLASSES + 1)
    parts = [heap(dice, middle, each) for middle in at[:-1]]
    features = np.concatenate([*parts, heap(dice, at[-1], rejected)])
    labels: list[Any] = [f"c{number}" for number in range(CLASSES) for _ in range(each)]
    ids = [f"i{number:04}" for number in range(len(features))]
    table = pd.DataFrame({"image_id": ids, "label": labels + [None] * rejected})
    table = table.assign(rejected=table["label"].isna(), group=table["image_id"], run_id=2)
    # Labels were there before the model; rejections are looks at what it says.
    return table.assign(label_run=np.where(table["rejected"], 3, 1)), features


def learnt(seed: int = 0, **asked: int) -> Learnt:
    found = learn(*decided(seed, **asked))
    assert isinstance(found, Learnt)
    return found


def goes(found: Learnt, features: Features) -> set[int]:
    return set(np.flatnonzero(found.scores(features) > found.border).tolist())


def pool(seed: int) -> tuple[Features, NDArray[np.bool_]]:
    """Images like the decided ones of a seed, and of a kind that nobody met; and which are junk."""
    at = middles(np.random.default_rng(seed), CLASSES + 2)
    dice = np.random.default_rng(seed + 1000)
    parts = [heap(dice, middle, 30) for middle in at]
    junk = np.repeat(np.arange(CLASSES + 2) == CLASSES, 30)
    return np.concatenate(parts), junk


@laws
@given(seed=st.integers(0, 1000))
def test_junk_goes_and_nothing_wanted_also_of_a_class_that_is_new(seed: int) -> None:
    features, junk = pool(seed)
    gone = goes(learnt(seed), features)
    assert not gone & set(np.flatnonzero(~junk))
    assert len(gone) >= junk.sum() / 4


@laws
@given(seed=st.integers(0, 1000), at=st.integers(0, 199))
def test_a_picture_that_somebody_wants_stays_also_among_rejected_ones(seed: int, at: int) -> None:
    features = decided(seed)[1]
    found = learnt(seed)
    # The picture of a rejected image, of a wanted one, or of something between.
    picture = features[[at]] * (at % 3) + features[[-1 - at % REJECTED]]
    whitened = found.described.whitened(picture)
    both = replace(found, wanted=np.concatenate([found.wanted, whitened]).astype(np.float32))
    assert goes(both, picture) == set()


@laws
@given(seed=st.integers(0, 1000))
def test_two_rejected_images_by_a_slip_take_nothing_along(seed: int) -> None:
    table, features = decided(seed)
    # Two that are all alike to the third image of a class; a third witness is missing.
    features[-2:] = features[2]
    found = learn(table, features)
    assert isinstance(found, Learnt)
    assert goes(found, features[:3] + 1e-3) == set()


@laws
@given(seed=st.integers(0, 1000), more=st.integers(1, 50))
def test_a_further_wanted_image_adds_nothing(seed: int, more: int) -> None:
    found, (features, _) = learnt(seed), pool(seed)
    dice = np.random.default_rng(seed)
    fresh = found.described.whitened(dice.normal(size=(more, WIDTH)) + features.mean(axis=0))
    wider = replace(found, wanted=np.concatenate([found.wanted, fresh]))
    assert goes(wider, features) <= goes(found, features)


@laws
@given(seed=st.integers(0, 1000))
def test_no_wanted_image_that_was_tried_would_go(seed: int) -> None:
    table, features = decided(seed)
    # Some rejected images lie right among a class, as if somebody had slipped.
    features[-3:] = features[:3] + 0.01
    found = learn(table, features)
    assert isinstance(found, Learnt)
    assert found.tested == CLASSES * EACH
    for at in range(0, CLASSES * EACH, 40):
        others = np.arange(CLASSES * EACH) != at
        rest = found.described.whitened(features[: CLASSES * EACH][others])
        alone = replace(found, wanted=rest)
        assert goes(alone, features[[at]]) == set()


def test_the_share_of_others_that_may_go_keeps_its_bound() -> None:
    # Twenty libraries, each with a pool of wanted images like those that were tried.
    lost = tried = 0
    for seed in range(20):
        features, junk = pool(seed)
        known = ~junk & (np.arange(len(junk)) < CLASSES * 30)
        lost += len(goes(learnt(seed), features[known]))
        tried += int(known.sum())
    assert tried == 6000
    assert lost / tried <= 3.7 / (CLASSES * EACH)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rejected": LEAST_REJECTED - 1}, "29 rejected images"),
        ({"each": LEAST_WANTED // CLASSES - 1}, "290 labelled images"),
    ],
)
def test_with_too_few_answers_it_says_nothing(asked: dict[str, int], said: str) -> None:
    found = learn(*decided(0, **asked))
    assert isinstance(found, str)
    assert found.startswith(said)


def test_near_duplicates_are_one_witness_and_nobody_s_like() -> None:
    table, features = decided(0)
    table.loc[table["rejected"], "group"] = "burst"
    assert str(learn(table, features)).startswith("1 rejected images, near-duplicates counted once")


def test_what_is_labelled_and_rejected_and_what_has_no_features_says_nothing() -> None:
    table, features = decided(0, rejected=LEAST_REJECTED + 2)
    table.loc[table.index[-1], "label"] = "c0"
    features[-2] = np.nan
    features[-3] = 0
    assert str(learn(table, features)).startswith("29 rejected images")


def test_a_picture_far_from_all_stays_and_so_does_one_without_features() -> None:
    found = learnt()
    far = -decided(0)[1][-1:]
    assert goes(found, np.concatenate([far, far * 0, far * np.nan])) == set()
    assert goes(found, np.zeros((0, WIDTH))) == set()


def test_own_rejected_images_would_go_and_the_words_give_the_bound() -> None:
    found = learnt()
    assert set(found.own["image_id"]) <= {f"i{n:04}" for n in range(400, 460)}
    assert len(found.own) >= REJECTED / 2
    assert (found.own["score"] > found.border).all()
    assert found.own["looked"].all()
    assert found.told == (
        "tried on 400 wanted images beside 60 rejected ones: none would go, were its class new, "
        "so of others like them at most 0.92%"
    )


def test_what_was_rejected_before_the_model_saw_it_is_no_look_at_what_it_says() -> None:
    table, features = decided(0)
    found = learn(table.assign(run_id=3), features)
    assert isinstance(found, Learnt)
    assert len(found.own)
    assert not found.own["looked"].any()


def test_a_score_is_a_difference_of_log_sums_of_cosines() -> None:
    found = learnt(2)
    picture = decided(2)[1][-5:] + 0.05
    rows = found.described.whitened(picture).astype(np.float64)
    near = np.sort(rows @ found.rejected.T, axis=1)
    near[:, -2:] = near[:, [-3]]
    kept = np.exp(SHARP * rows @ found.wanted.T).mean(axis=1)
    expected = np.log(np.exp(SHARP * near).mean(axis=1) / kept) / SHARP
    np.testing.assert_allclose(found.scores(picture), expected, atol=1e-4)


def test_the_border_lies_beyond_what_was_tried_as_far_as_its_tail_is_long() -> None:
    dice = np.random.default_rng(0)
    tail = dice.exponential(0.01, 3000).astype(np.float32)
    # Of exponential numbers one of n lies beyond mean * log(n).
    assert _border(tail) == pytest.approx(0.01 * np.log(20_000), rel=0.25)
    assert _border(tail) >= tail.max()
    assert _border(np.append(tail, np.float32(np.inf))) == np.inf


scores = st.lists(st.floats(0, 1), max_size=200)


@laws
@given(pool=scores, looked=scores)
def test_it_goes_as_deep_as_people_looked_and_no_deeper(
    pool: list[float], looked: list[float]
) -> None:
    lowest, lacking = reached(np.array(pool), np.array(looked))
    above = np.sort([*pool, *looked])
    if np.isfinite(lowest):
        # Nothing goes that is less sure than every look of a place where there are many.
        assert lowest in looked
        begin = int((above < lowest).sum())
        window = above[begin : begin + 4 * LOOKS]
        assert sum(lowest <= score <= window[-1] for score in looked) >= LOOKS
    elif pool:
        assert lacking
    assert bool(lacking) == any(score < lowest for score in pool)
    assert 0 <= lacking <= LOOKS
    # Further looks right above the border let all go.
    after = reached(np.array(pool), np.array([*looked, *[0.0] * lacking]))
    assert not lacking or after == (0.0, 0)


def test_looks_far_above_the_border_are_none_at_it() -> None:
    pool = np.linspace(0, 1, 1000)
    assert reached(pool, np.zeros(0)) == (np.inf, LOOKS)
    lowest, lacking = reached(pool, np.full(LOOKS, 0.9))
    assert (lowest, lacking) == (0.9, LOOKS)
    # A hundred images lie below these, and twenty looks among the lowest 120.
    assert reached(pool, np.full(LOOKS, 0.1)) == (0.1, LOOKS - 20)
    assert reached(pool, np.full(LOOKS, 0.0)) == (0.0, 0)
    # Looks that lie far apart say nothing of what lies between.
    assert reached(pool, np.linspace(0, 1, LOOKS)) == (np.inf, LOOKS - 4)
    assert reached(np.zeros(0), np.zeros(0)) == (np.inf, 0)


def test_where_every_image_is_of_one_class_nobody_knows_what_another_looks_like() -> None:
    table, features = decided(0)
    table["label"] = table["label"].where(table["label"].isna(), "c0")
    found = learn(table, features)
    assert isinstance(found, Learnt)
    assert goes(found, pool(0)[0]) == set()


def test_the_order_of_rows_does_not_matter() -> None:
    table, features = decided(3)
    order = np.random.default_rng(0).permutation(len(table))
    turned = learn(table.iloc[order].reset_index(drop=True), features[order])
    assert isinstance(turned, Learnt)
    assert goes(turned, pool(3)[0]) == goes(learnt(3), pool(3)[0])


def test_whitened_rows_have_length_one_and_cosines_as_novelty_takes_them() -> None:
    table, features = decided(1)
    labels = pd.factorize(table["label"].dropna())[0].astype(np.int64)
    known = features[: len(labels)]
    said = novelty.fit(known, labels, known)
    rows = said.whitened(features)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    nearest = (rows @ said.classes.astype(np.float32).T).max(axis=1)
    np.testing.assert_allclose((1 - nearest) / said.scale, said.distance(features), atol=1e-4)
    assert (said.whitened(np.full((1, WIDTH), np.nan)) == 0).all()


def test_what_people_saw_and_kept_is_always_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many labelled images only some are tried; three that lie among the rubbish are enough."""
    monkeypatch.setattr("curate.models.like_rejected.MOST_TESTED", 100)
    table, features = decided(0, each=100)
    dice = np.random.default_rng(1)
    rubbish = features[table["rejected"].to_numpy()].mean(axis=0)
    more = heap(dice, rubbish, 3)
    ids = [f"kept{number}" for number in range(3)]
    new = pd.DataFrame({"image_id": ids, "label": "new", "rejected": False, "group": ids})
    seen = new.assign(run_id=2, label_run=3)
    pool = heap(dice, rubbish, 100)
    before = learn(table, features)
    after = learn(pd.concat([table, seen], ignore_index=True), np.concatenate([features, more]))
    assert isinstance(before, Learnt)
    assert isinstance(after, Learnt)
    assert (before.scores(pool) > before.border).mean() > 0.5
    assert not (after.scores(pool) > after.border).any()
