"""Sheets show a fair sample, and of every rule what would be missed the most."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.cleanup.sheets import draw, riskiest, sample
from curate.store.library import Library


def plan(*rows: tuple[str, str, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["image_id", "rule", "risk"])
    return table.assign(reason="because", score=0.25, predicted="kudu")


PLAN = plan(*((f"i{number}", "one", 0.1) for number in range(30)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(1, 30))
def test_a_sample_is_drawn_by_the_seed_and_the_image_alone(seed: int, most: int) -> None:
    mixed = PLAN.sample(frac=1, random_state=seed)
    chosen = sample(PLAN, seed, most)
    assert list(chosen["image_id"]) == list(sample(mixed, seed, most)["image_id"])
    assert chosen["image_id"].is_unique
    assert len(chosen) == most
    # A file more of an image makes it no likelier.
    doubled = pd.concat([PLAN, PLAN.head(9)], ignore_index=True)
    assert list(sample(doubled, seed, most)["image_id"]) == list(chosen["image_id"])


def test_another_seed_draws_others() -> None:
    assert {*sample(PLAN, 1, 5)["image_id"]} != {*sample(PLAN, 2, 5)["image_id"]}


def test_the_riskiest_of_each_rule_come_in_turn() -> None:
    table = plan(
        ("a", "blank", 1.0),
        ("b", "blank", 3.0),
        ("c", "low", 0.01),
        ("d", "low", 0.02),
        ("b", "blank", 3.0),
    )
    assert list(riskiest(table)["image_id"]) == ["b", "d", "a", "c"]
    assert list(riskiest(table, 2)["image_id"]) == ["b", "d"]


def test_a_sheet_is_drawn_where_pictures_and_predictions_are_missing(library: Library) -> None:
    table = plan(("a", "blank", 1.0), ("b", "low", 1.0))
    table.loc[0, "predicted"] = None
    assert draw(library, table, "would go", 2).startswith(b"\xff\xd8")
