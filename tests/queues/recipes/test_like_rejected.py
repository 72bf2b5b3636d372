"""Like-rejected: looks at the border first, as many as the rule of cleanup lacks; then the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.models.like_rejected import LOOKS, Learnt, learn, reached
from curate.queues.recipe import Aim, compose
from curate.queues.recipes import RECIPES
from curate.queues.recipes.like_rejected import BELOW, turns

from ...models.test_like_rejected import CLASSES, decided, pool
from ..cases import aim, candidates, said

RECIPE = RECIPES["like-rejected"]
FRESH, JUNK = pool(0)
IDS = [f"p{number:03}" for number in range(len(FRESH))]
POOL = candidates(*(said(name, "kudu", 0.5) for name in IDS))


def asked(looks: int) -> Aim:
    """A library of which so many rejected images were looked at after the model saw them."""
    table, features = decided(0)
    late = np.cumsum(table["rejected"]) <= looks
    rows = [
        said(
            row["image_id"],
            "kudu",
            0.5,
            label=row["label"],
            rejected=row["rejected"],
            run_id=2,
            label_run=3 if row["rejected"] and seen else 1,
        )
        for row, seen in zip(table.to_dict("records"), late, strict=True)
    ]
    vectors = [*features, *FRESH]
    both = pd.DataFrame({"image_id": [*table["image_id"], *IDS]})
    both = both.assign(embedding=pd.Series(vectors, dtype=object))
    question = replace(aim(), labelled=candidates(*rows), features=both)
    return replace(question, filters=replace(question.filters, limit=500))


def beyond() -> pd.Series:
    """How far beyond the border the images of the pool lie."""
    learnt = learn(*decided(0))
    assert isinstance(learnt, Learnt)
    return pd.Series(learnt.scores(FRESH) - learnt.border, pd.Index(IDS)).sort_values()


def test_the_looks_that_the_rule_lacks_come_first_the_least_sure_at_the_head() -> None:
    queue = compose(RECIPE, POOL, asked(0))
    above = beyond()[beyond() > 0]
    assert 15 <= len(above) <= LOOKS
    assert list(queue["image_id"][: len(above)]) == list(above.index)
    assert queue["reason"][0] == (
        f"like rejected images: {above.iloc[0]:.2f} above the border of what goes"
    )
    # What is near to no rejected image is not asked about.
    assert set(queue["image_id"]) == set(beyond()[np.isfinite(beyond())].index)


def test_with_looks_enough_most_come_from_below_the_border_the_nearest_first() -> None:
    far = np.linspace(-1, 1, 100)
    order = far[np.argsort(turns(far, 0), kind="stable")]
    head = order[: 10 * (BELOW + 1)]
    assert (head <= 0).sum() == pytest.approx(10 * BELOW, abs=1)
    assert np.abs(head).max() < 0.7


def test_an_image_says_on_which_side_of_the_border_it_lies() -> None:
    # What is half like rubbish and half like a class.
    mixed = FRESH[JUNK][:10] + FRESH[:10] * 0.6
    question = asked(60)
    assert question.features is not None
    rows = pd.DataFrame({"image_id": [f"m{at}" for at in range(10)]})
    rows = rows.assign(embedding=pd.Series(list(mixed), dtype=object))
    both = pd.concat([question.features, rows], ignore_index=True)
    more = candidates(*(said(name, "kudu", 0.5) for name in rows["image_id"]))
    queue = compose(RECIPE, pd.concat([POOL, more]), replace(question, features=both))
    sides = queue.set_index("image_id")["reason"].str.contains("below the border of what goes")
    assert set(sides.index[sides]) <= set(rows["image_id"])
    assert sides.any()
    assert not sides.all()


def test_looks_in_its_order_let_the_rule_move() -> None:
    scores = beyond()[beyond() > 0].to_numpy()
    wide = np.concatenate([scores + step for step in range(10)])
    first = wide[np.argsort(turns(wide, LOOKS))][:LOOKS]
    rest = np.setdiff1d(wide, first)
    assert reached(rest, first)[1] == 0


@given(beyond=st.lists(st.floats(-1, 1), unique=True, max_size=40), lacking=st.integers(0, 40))
def test_every_image_has_its_turn_and_each_side_goes_away_from_the_border(
    beyond: list[float], lacking: int
) -> None:
    far = np.array(beyond)
    order = far[np.argsort(turns(far, lacking), kind="stable")]
    assert sorted(order) == sorted(beyond)
    above, below = order[order > 0], order[order <= 0]
    assert list(above) == sorted(above)
    assert list(below) == sorted(below, reverse=True)
    head = min(lacking, len(above))
    assert (order[:head] > 0).all()


def test_where_too_little_was_rejected_it_says_where_to_begin() -> None:
    question = asked(0)
    assert question.labelled is not None
    few = replace(question, labelled=question.labelled.head(CLASSES * 40))
    with pytest.raises(InputError, match="0 rejected images") as found:
        compose(RECIPE, POOL, few)
    assert "curate queue low-score" in found.value.remedy
