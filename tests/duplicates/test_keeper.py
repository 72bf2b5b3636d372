"""The keeper of a group: one, the same whatever the order, and for the reason that is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import PolicyError
from curate.duplicates.keeper import CRITERIA, ORDER, check, keepers

COLUMNS = [
    "image_id", "group", "usable", "label", "origin", "split", "width", "height",
    "bytes", "quality", "taken",
]  # fmt: skip

PLAIN: dict[str, object] = {
    "group": "g", "usable": False, "label": None, "origin": "synthetic", "split": "",
    "width": 100, "height": 100, "bytes": 1000, "quality": 0.5, "taken": "2024-05-01T12:00:00",
}  # fmt: skip

BETTER: dict[str, dict[str, object]] = {
    "labelled": {"label": "fox"},
    "usable": {"usable": True},
    "real": {"origin": "real"},
    "benchmark": {"split": "benchmark"},
    "placed": {"split": "train"},
    "resolution": {"width": 101},
    "quality": {"quality": 0.51},
    "bytes": {"bytes": 1001},
    "oldest": {"taken": "2024-05-01T11:59:59"},
    "newest": {"taken": "2024-05-01T12:00:01"},
}
"""What is better by each criterion, and by none that stands before it in the default order."""


def images(*rows: dict[str, object]) -> pd.DataFrame:
    named = [{"image_id": "abcdefgh"[n], **PLAIN, **row} for n, row in enumerate(rows)]
    return pd.DataFrame(named, columns=COLUMNS)


def only(table: pd.DataFrame, order: Sequence[str] = ORDER) -> tuple[str, str]:
    kept = keepers(table, order)
    assert list(kept.columns) == ["group", "keeper", "reason"]
    assert len(kept) == 1
    return kept["keeper"][0], kept["reason"][0]


def test_every_criterion_is_tried() -> None:
    assert set(BETTER) == set(CRITERIA)
    assert set(ORDER) < set(CRITERIA)


def test_what_nobody_knows_is_no_label() -> None:
    named: dict[str, object] = {"label": "fox"}
    unknown: dict[str, object] = {"label": "unknown", "width": 900}
    assert only(images(unknown, named)) == ("b", "kept: it has a label")
    assert only(images({}, unknown)) == ("b", "kept: most pixels")


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_decides_and_is_the_reason(name: str) -> None:
    table = images({}, BETTER[name])
    assert only(table, [name]) == ("b", f"kept: {CRITERIA[name].reason}")
    if name in ORDER:
        assert only(table) == ("b", f"kept: {CRITERIA[name].reason}")


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_that_is_not_named_does_not_count(name: str) -> None:
    others = [other for other in CRITERIA if not set(BETTER[other]) & set(BETTER[name])]
    assert only(images({}, BETTER[name]), others) == (
        "a",
        "kept: all is equal, and its id is the lowest",
    )


@pytest.mark.parametrize("first", range(len(ORDER) - 1))
def test_the_first_that_tells_them_apart_decides(first: int) -> None:
    stronger, weaker = ORDER[first : first + 2]
    table = images(BETTER[weaker], BETTER[stronger])
    assert only(table) == ("b", f"kept: {CRITERIA[stronger].reason}")
    if not set(BETTER[weaker]) & set(BETTER[stronger]):
        swapped = [*ORDER[:first], weaker, stronger, *ORDER[first + 2 :]]
        assert only(table, swapped) == ("a", f"kept: {CRITERIA[weaker].reason}")


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("labelled", {"label": np.nan}),
        ("real", {"origin": None}),
        ("benchmark", {"split": None}),
        ("placed", {"split": None}),
        ("resolution", {"width": np.nan}),
        ("resolution", {"height": np.nan}),
        ("quality", {"quality": np.nan}),
        ("bytes", {"bytes": np.nan}),
        ("oldest", {"taken": None}),
        ("oldest", {"taken": "0000-00-00"}),
        ("newest", {"taken": None}),
        ("newest", {"taken": "never"}),
    ],
)
def test_what_is_not_known_loses(name: str, missing: dict[str, object]) -> None:
    assert only(images(missing, BETTER[name]), [name])[0] == "b"
    # Two that are missing tell nothing apart: the next criterion does.
    order = [name, "bytes" if name != "bytes" else "quality"]
    kept, reason = only(images(missing, {**missing, "bytes": np.nan, **BETTER[order[1]]}), order)
    if name != "bytes":
        assert (kept, reason) == ("b", f"kept: {CRITERIA[order[1]].reason}")


def test_an_image_alone() -> None:
    assert only(images({})) == ("a", "kept: it is alone in its group")


def test_no_criteria_keep_the_lowest_id() -> None:
    assert only(images({}, BETTER["labelled"]), []) == (
        "a",
        "kept: all is equal, and its id is the lowest",
    )


def test_no_images_have_no_keepers() -> None:
    assert keepers(images()).to_dict("list") == {"group": [], "keeper": [], "reason": []}


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (
            ["prettiest"],
            "keeper criterion 'prettiest': is of no known name. Known: usable,",
        ),
        (
            ["bytes", "real", "bytes"],
            "keeper criteria bytes, real, bytes: one is named twice. ",
        ),
    ],
)
def test_an_order_that_means_nothing(order: list[str], message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        check(order)
    assert str(caught.value).startswith(message)
    with pytest.raises(PolicyError):
        keepers(images({}), order)


rows = st.lists(
    st.fixed_dictionaries(
        {
            "group": st.sampled_from(["g", "h", "i"]),
            "label": st.sampled_from([None, "fox", "owl"]),
            "origin": st.sampled_from(["real", "staged", "synthetic"]),
            "usable": st.booleans(),
            "split": st.sampled_from(["", "train", "benchmark"]),
            "width": st.sampled_from([10, 20]),
            "height": st.sampled_from([10, 20]),
            "bytes": st.sampled_from([1, 2]),
            "quality": st.sampled_from([None, 0.1, 0.9]),
            "taken": st.sampled_from([None, "2024-05-01T12:00:00", "2023-05-01T12:00:00"]),
        }
    ),
    min_size=1,
    max_size=8,
)
orders = st.permutations(list(CRITERIA)).flatmap(
    lambda names: st.integers(0, len(names)).map(lambda count: names[:count])
)


def rank(image: dict[str, object], order: Sequence[str]) -> tuple[object, ...]:
    """The oracle: what a person would compare, the best the highest."""
    year = {None: None, "2024-05-01T12:00:00": 2024, "2023-05-01T12:00:00": 2023}[image["taken"]]  # type: ignore[index]  # one of the three
    width, height = image["width"], image["height"]
    assert isinstance(width, int)
    assert isinstance(height, int)
    quality = image["quality"]
    worth: dict[str, object] = {
        "labelled": image["label"] is not None,
        "real": image["origin"] == "real",
        "usable": image["usable"],
        "benchmark": image["split"] == "benchmark",
        "placed": image["split"] != "",
        "resolution": width * height,
        "quality": -1 if quality is None else quality,
        "bytes": image["bytes"],
        "oldest": -9999 if year is None else -year,
        "newest": -9999 if year is None else year,
    }
    return tuple(worth[name] for name in order)


@settings(max_examples=30)
@given(rows=rows, order=orders, seed=st.integers(0, 99))
def test_the_keeper_is_the_best(rows: list[dict[str, object]], order: list[str], seed: int) -> None:
    table = images(*rows)
    kept = keepers(table, order)
    assert kept["group"].tolist() == sorted({str(row["group"]) for row in rows})
    for group, keeper, reason in kept.itertuples(index=False):
        some = [(n, row) for n, row in enumerate(rows) if row["group"] == group]
        best = max(some, key=lambda one: (rank(one[1], order), -one[0]))
        assert keeper == "abcdefgh"[best[0]]
        others = [rank(row, order) for n, row in some if n != best[0]]
        if not others:
            assert reason == "kept: it is alone in its group"
            continue
        told = [a != b for a, b in zip(rank(best[1], order), max(others), strict=True)]
        why = CRITERIA[order[told.index(True)]].reason if any(told) else None
        assert reason == f"kept: {why or 'all is equal, and its id is the lowest'}"
    shuffled = table.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(keepers(shuffled, order), kept)


@settings(max_examples=40)
@given(rows=rows, seed=st.integers(0, 99))
def test_a_worse_image_changes_no_keeper(rows: list[dict[str, object]], seed: int) -> None:
    table = images(*rows)
    worse = {
        "image_id": "z", "usable": False, "label": None, "origin": "synthetic", "split": "",
        "width": 1, "height": 1, "bytes": 0, "quality": None, "taken": None,
        "group": rows[0]["group"],
    }  # fmt: skip
    more = pd.concat([table, images(worse).assign(image_id="z")], ignore_index=True)
    before, after = keepers(table), keepers(more.sample(frac=1, random_state=seed))
    assert after["keeper"].tolist() == before["keeper"].tolist()
    # And a better one becomes it.
    best = images(
        {
            "usable": True, "label": "fox", "origin": "real", "split": "benchmark",
            "width": 99, "height": 99, "bytes": 9, "quality": 1.0, "taken": "1999-01-01T00:00:00",
            "group": rows[0]["group"],
        }
    ).assign(image_id="z")  # fmt: skip
    kept = keepers(pd.concat([table, best], ignore_index=True)).set_index("group")["keeper"]
    assert kept[str(rows[0]["group"])] == "z"
