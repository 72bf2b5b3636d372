"""What recipes expect of images, by what the pool is made of and without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from curate.queues.expectations.homes import Homes
from curate.queues.expectations.makeup import Makeup
from curate.queues.expectations.normal import Normal
from curate.queues.recipe import Aim
from curate.queues.recipes import RECIPES, chances
from tests.queues.cases import aim, candidates, said


def made() -> Makeup:
    """A pool of which half is known and a quarter strange, whatever images look like."""
    same = Normal(np.zeros(1), np.eye(1))
    shares = np.array([0.5, 0.25, 0.25])
    look = (np.zeros(1), np.ones(1))
    return Makeup((0,), *look, same, same, same, same, Homes(), (0.9, 0.0, 1.0), 1.0, {}, shares)


def rows() -> pd.DataFrame:
    first = said("first", "kudu", 0.6, "zebra", 0.3)
    table = candidates(first, said("second", "zebra", 0.5, "kudu", 0.4))
    return table.assign(topic="kudu")


def test_without_a_makeup_scores_are_taken_as_they_are() -> None:
    assert list(chances.right(rows(), aim())) == pytest.approx([0.6, 0.5])
    assert list(chances.second(rows(), aim())) == pytest.approx([0.3, 0.4])
    assert list(chances.of_topic(rows(), aim())) == pytest.approx([0.6, 0.4])


def test_what_is_known_half_of_the_time_is_right_half_as_often() -> None:
    asked = replace(aim(), makeup=made())
    assert list(chances.right(rows(), asked)) == pytest.approx([0.3, 0.25])
    # What is not right and not strange may be the second class, by what the score leaves to it.
    seconds = [(0.75 - 0.3) * 0.75, (0.75 - 0.25) * 0.8]
    assert list(chances.second(rows(), asked)) == pytest.approx(seconds)
    assert list(chances.of_topic(rows(), asked)) == pytest.approx([0.3, seconds[1]])


def expected(recipe: str, table: pd.DataFrame, asked: Aim) -> list[float]:
    return list(RECIPES[recipe].expect(table, asked))


def test_recipes_expect_what_they_promise() -> None:
    asked = replace(aim(), makeup=made())
    pair = rows().assign(topic="kudu / zebra")

    assert expected("low-count", rows(), asked) == list(chances.of_topic(rows(), asked))
    assert expected("uncertain", rows(), asked) == pytest.approx([0.7, 0.75])
    both = chances.right(pair, asked) + chances.second(pair, asked)
    assert expected("look-alike", pair, asked) == pytest.approx(list(both))
    unsaid = expected("look-alike", pair.assign(topic="kudu / okapi"), asked)
    assert np.isnan(unsaid).all()


def test_in_front_of_a_class_that_the_model_lacks_what_is_no_rubbish_is_of_the_two() -> None:
    asked = replace(aim(), makeup=made())
    hidden = rows().assign(topic="kudu / okapi", nearer=[0.2, -0.1])
    # Only the first is nearer to okapi than to any other class.
    near, far = expected("look-alike", hidden, asked)
    assert near == pytest.approx(0.75)
    assert np.isnan(far)
    assert np.isnan(expected("look-alike", hidden.assign(nearer=np.nan), asked)).all()
    # Where nobody can say what the pool is made of, nobody can say this.
    assert np.isnan(expected("look-alike", hidden, aim())).all()
    assert list(chances.of_some_class(rows(), asked)) == pytest.approx([0.75, 0.75])


def test_who_is_denied_by_another_model_is_as_often_right_as_held_out_images_were() -> None:
    held = candidates(
        *(
            said(f"h{n}", "kudu", 0.6, "zebra", 0.3, label="zebra", label_run=0.0, split="val")
            for n in range(40)
        )
    )
    table = rows()
    other = candidates(
        *(said(name, "gazelle", 0.6) for name in (*held["image_id"], *table["image_id"]))
    )
    asked = replace(aim(), makeup=made(), other=other, labelled=held)
    never = expected("disagree", table, asked)
    always = expected("disagree", table, replace(asked, labelled=held.assign(label="kudu")))
    nobody = expected("disagree", table, replace(asked, labelled=held.head(0)))

    assert nobody == pytest.approx([0.7, 0.75])
    for less, usual, more in zip(always, nobody, never, strict=True):
        assert 0 < less < usual < more < 1
