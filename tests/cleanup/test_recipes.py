"""Recipes of cleanup decide every image alone, and a missing value names nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.cleanup.images import COLUMNS
from curate.cleanup.recipes import FLAT, RECIPES, SOFT

laws = settings(max_examples=20, deadline=None)

_NOTHING: dict[str, Any] = {
    **{"refused": None, "keeper": None, "keeper_path": None, "similarity": np.nan},
    **{"contrast": np.nan, "sharpness": np.nan, "score": np.nan, "queued": True},
    **{"like_rejected": np.nan, "like_border": np.nan},
}


def images(**rows: dict[str, Any]) -> pd.DataFrame:
    """Images of which nothing is known but what is said."""
    return pd.DataFrame([{"image_id": name, **_NOTHING, **said} for name, said in rows.items()])


def found(recipe: str, table: pd.DataFrame) -> dict[str, str]:
    rows = RECIPES[recipe].find(table)
    return dict(zip(table.loc[rows.index, "image_id"], rows["reason"], strict=True))


_ROW = st.fixed_dictionaries(
    {
        "refused": st.sampled_from([None, "", "by ann"]),
        "keeper": st.sampled_from([None, "i0", "i3"]),
        "keeper_path": st.sampled_from([None, "/pool/keeper.jpg"]),
        "similarity": st.sampled_from([0.8, 1.0]),
        "contrast": st.sampled_from([np.nan, 0.0, FLAT, FLAT + 1]),
        "sharpness": st.sampled_from([np.nan, 0.0, SOFT, SOFT + 1]),
        "score": st.sampled_from([np.nan, 0.2]),
        "queued": st.booleans(),
        "like_rejected": st.sampled_from([np.nan, 0.7]),
        "like_border": st.just(0.2),
    }
)


@pytest.mark.parametrize("recipe", RECIPES)
@laws
@given(rows=st.lists(_ROW, min_size=1, max_size=8), keep=st.lists(st.booleans(), min_size=8))
def test_each_image_is_decided_alone(
    recipe: str, rows: list[dict[str, Any]], keep: list[bool]
) -> None:
    table = images(**{f"i{number}": row for number, row in enumerate(rows)})
    some = table[np.array(keep[: len(table)])].iloc[::-1]
    whole = RECIPES[recipe].find(table)

    assert list(whole.columns) == ["reason", "risk"]
    assert whole["risk"].notna().all()
    assert whole["reason"].str.len().gt(0).all()
    of_some = RECIPES[recipe].find(some)
    pd.testing.assert_frame_equal(of_some.sort_index(), whole.loc[whole.index.isin(some.index)])


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_not_known_names_nothing_and_reads_are_columns(recipe: str) -> None:
    assert found(recipe, images(a={}, b={})) == {}
    assert set(RECIPES[recipe].reads) <= set(COLUMNS)
    assert RECIPES[recipe].find(images(a={}).head(0)).empty


def test_rejected_names_what_a_person_said_no_to() -> None:
    table = images(a={"refused": "by ann"}, b={"refused": ""})
    assert found("rejected", table) == {"a": "rejected by ann"}


def test_copies_go_only_where_their_keeper_stays() -> None:
    copy = {"keeper": "k", "keeper_path": "/pool/k.jpg", "similarity": 0.97}
    table = images(
        a=copy,
        k={**copy, "similarity": 1.0},
        lost={**copy, "keeper_path": None},
    )
    assert found("copies", table) == {"a": "near-duplicate of /pool/k.jpg (0.97), which stays"}


def test_flat_pictures_are_blank_and_edgeless_ones_blurred() -> None:
    table = images(
        flat={"contrast": FLAT, "sharpness": 9.0},
        fine={"contrast": FLAT + 0.1, "sharpness": SOFT + 0.1},
        soft={"contrast": 30.0, "sharpness": SOFT},
    )
    assert list(found("blank", table)) == ["flat"]
    assert list(found("blurred", table)) == ["soft"]
    assert found("blank", table)["flat"] == f"blank: contrast {FLAT:.1f}"


def test_the_lowest_scores_of_what_nobody_saw_go_first() -> None:
    table = images(seen={}, new={"queued": False}, low={"queued": False, "score": 0.1})
    rows = RECIPES["never-queued"].find(table).sort_values("risk")
    assert list(table.loc[rows.index, "image_id"]) == ["low", "new"]


def test_what_is_like_rejected_images_goes_the_farthest_beyond_the_border_first() -> None:
    far = {"like_rejected": 0.41, "like_border": 0.12}
    table = images(a=far, b={}, c={**far, "like_rejected": 0.2})
    assert found("like-rejected", table)["a"] == (
        "nearer to rejected images than to wanted ones by 0.41; 0.12 would do"
    )
    assert RECIPES["like-rejected"].find(table)["risk"].round(2).to_list() == [-0.29, -0.08]
