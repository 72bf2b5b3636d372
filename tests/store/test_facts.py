"""The facts of an image are what the decisions say now."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.store import facts
from curate.store.decisions import Decision
from curate.store.library import Library

from .made import decide, file_row, put_files, said


def images(library: Library) -> pd.DataFrame:
    with library.reading() as connection:
        return facts.images(connection).set_index("image_id")


def some(library: Library, image_id: str, columns: list[str]) -> list[object]:
    row = images(library).loc[image_id].to_dict()
    return [row[name] for name in columns]


def test_an_empty_library_has_the_columns_and_no_rows(library: Library) -> None:
    with library.reading() as connection:
        table = facts.images(connection)
        counts = facts.class_counts(table)
    assert list(table.columns) == [
        "image_id", "path", "label", "sub_class", "origin", "split", "taken", "unusable_reason",
        "usable", "group_duplicates",
    ]  # fmt: skip
    assert len(table) == 0
    assert list(counts.columns) == [
        "label", "real", "staged", "synthetic", "usable",
        "groups", "countable_real", "countable_staged",
    ]  # fmt: skip
    assert len(counts) == 0


def test_an_image_without_decisions_is_real_and_unlabelled(library: Library) -> None:
    put_files(library, file_row(b"/p/b.jpg", "i1"), file_row(b"/p/a\n.jpg", "i1"))
    row = images(library).loc["i1"]
    assert row["path"] == r"/p/a\x0a.jpg"
    assert pd.isna(row["label"])
    assert pd.isna(row["sub_class"])
    assert (row["origin"], row["split"], row["usable"]) == ("real", "", True)


def test_decisions_are_laid_beside_each_other(library: Library) -> None:
    put_files(library, *(file_row(f"/p/{n}.jpg".encode(), n) for n in ("i1", "i2", "i3")))
    decide(
        library,
        said("label", "i1", "kangaroo", detail={"sub_class": "joey"}),
        said("label", "i2", "unknown"),
        said("origin", "i2", "staged"),
        said("split", "i1", "benchmark"),
        said("group", "i1", "b7", field="burst"),
        said("group", "i2", "b8", field="burst"),
        said("group", "i2", "", field="burst"),
    )
    table = images(library)
    assert some(library, "i1", ["label", "sub_class", "split", "group_burst"]) == [
        "kangaroo", "joey", "benchmark", "b7",
    ]  # fmt: skip
    assert table.loc["i2", "origin"] == "staged"
    assert table["group_burst"].isna().tolist() == [False, True, True]
    assert table["sub_class"].isna().tolist() == [False, True, True]


def test_a_rejected_image_is_not_usable_until_it_is_taken_back(library: Library) -> None:
    put_files(library, file_row(b"/p/a.jpg", "i1"))
    decide(library, said("reject", "i1", "blurred"))
    assert some(library, "i1", ["usable", "unusable_reason"]) == [
        False, "rejected: blurred",
    ]  # fmt: skip
    decide(library, said("reject", "i1", ""))
    assert images(library).loc["i1", "usable"]


def test_a_labelled_image_whose_files_are_gone_stays_and_is_not_usable(library: Library) -> None:
    put_files(library, file_row(b"/p/a.jpg", "i1", status="gone"))
    decide(library, said("label", "i1", "cat"))
    assert some(library, "i1", ["path", "usable", "unusable_reason"]) == [
        "", False, "no file of it can be read any more",
    ]  # fmt: skip


def test_a_file_that_failed_is_no_image(library: Library) -> None:
    put_files(library, file_row(b"/p/a.jpg"))
    assert len(images(library)) == 0


def test_rows_are_sorted_and_one_an_image(library: Library) -> None:
    names = ["c", "a", "b"]
    put_files(library, *(file_row(f"/p/{n}{k}.jpg".encode(), n) for n in names for k in "12"))
    decide(library, said("label", "z", "cat"), said("label", "b", "cat"))
    assert images(library).index.tolist() == ["a", "b", "c", "z"]


def test_classes_are_counted_by_origin_without_what_cannot_be_used(library: Library) -> None:
    put_files(library, *(file_row(f"/p/{n}.jpg".encode(), f"i{n}") for n in range(6)))
    decide(
        library,
        *(said("label", f"i{n}", "cat" if n < 3 else "ant") for n in range(4)),
        said("label", "i4", "unknown"),
        said("origin", "i1", "staged"),
        said("origin", "i2", "synthetic"),
        said("label", "gone", "cat"),
        said("reject", "i3", "blank"),
    )
    with library.reading() as connection:
        counts = facts.class_counts(facts.images(connection))
    assert counts.to_dict("records") == [
        {
            "label": "cat", "real": 1, "staged": 1, "synthetic": 1, "usable": 3,
            "groups": 1, "countable_real": 1, "countable_staged": 2,
        }
    ]  # fmt: skip


def test_classes_are_counted_in_groups_or_in_images() -> None:
    table = pd.DataFrame(
        {
            "label": ["cat"] * 6 + ["ant"] * 2,
            "origin": ["real"] * 3 + ["staged"] * 3 + ["real"] * 2,
            "usable": [True] * 7 + [False],
            "group_burst": ["1", "1", None, "1", "2", "2", "1", None],
            "group_animal": ["x", None, "x", None, None, None, None, None],
        }
    )
    groups = facts.class_counts(table).set_index("label")
    columns = ["usable", "groups", "countable_real", "countable_staged"]
    assert list(groups.loc["cat", columns]) == [6, 1, 1, 1]
    assert list(groups.loc["ant", columns]) == [1, 1, 1, 0]
    singly = facts.class_counts(table, "images").set_index("label")
    assert list(singly.loc["cat", columns]) == [6, 1, 3, 3]


def burst(image_id: str, *groups: str) -> Decision:
    detail = {"values": list(groups)} if len(groups) > 1 else {}
    return said("group", image_id, "\n".join(groups), field="burst", detail=detail)


def shared(table: pd.DataFrame, one: str, other: str) -> bool:
    """Whether two images have a value in common in a group column."""
    columns = [name for name in table.columns if name.startswith(facts.GROUP_PREFIX)]
    rows = zip(table.loc[one, columns], table.loc[other, columns], strict=True)
    return any(pd.notna(mine) and mine == yours for mine, yours in rows)


def test_a_column_that_another_kind_of_group_has_is_left_to_it(library: Library) -> None:
    put_files(library, file_row(b"/p/1.jpg", "i1"), file_row(b"/p/2.jpg", "i2"))
    decide(library, burst("i1", "A", "B"), said("group", "i2", "x", field="burst 2"))
    table = images(library).astype(object)
    assert table["group_burst 2"].fillna("").tolist() == ["", "x"]
    assert table["group_burst"].fillna("").tolist() == ["A", ""]
    assert table["group_burst 3"].fillna("").tolist() == ["B", ""]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(st.sets(st.sampled_from("ABCDE"), max_size=3), min_size=6, max_size=6))
def test_images_share_a_column_and_a_value_exactly_where_they_share_a_group(
    library: Library, drawn: list[set[str]]
) -> None:
    groups = {f"i{number}": sorted(some) for number, some in enumerate(drawn)}
    put_files(library, *(file_row(f"/p/{name}.jpg".encode(), name) for name in groups))
    decide(library, *(burst(name, *some) for name, some in groups.items()))
    table = images(library)
    for one, other in combinations(groups, 2):
        assert shared(table, one, other) == bool(set(groups[one]) & set(groups[other]))


MADE = {"recipe": "flip(p=1)", "seed": 0, "variant": 0}


def family(library: Library, *more: Decision, detail: dict[str, object]) -> pd.DataFrame:
    """A parent, what was made of it, and what was made of that."""
    put_files(library, *(file_row(f"/p/{n}.jpg".encode(), n) for n in ("p", "c", "g", "other")))
    decide(
        library,
        *(said("label", name, "cat") for name in ("p", "c", "g", "other")),
        *(said("origin", name, "synthetic") for name in ("c", "g")),
        said("group", "c", "p", field=facts.PARENT, detail=detail),
        said("group", "g", "c", field=facts.PARENT, detail=detail),
        *more,
    )
    return images(library)


def test_what_was_made_of_an_image_is_usable_while_it_is(library: Library) -> None:
    assert list(family(library, detail=MADE)["usable"]) == [True] * 4
    decide(library, said("reject", "p", "blurred"))
    table = images(library)
    assert list(table.index[table["usable"]]) == ["other"]
    assert table.at["c", "unusable_reason"] == "its parent p cannot be used: rejected: blurred"
    assert str(table.at["g", "unusable_reason"]).startswith("its parent c cannot be used: its par")
    decide(library, said("reject", "p", ""))
    assert images(library)["usable"].all()


def test_an_image_made_here_goes_when_its_parent_gets_another_label(library: Library) -> None:
    table = family(library, said("label", "p", "dog"), detail=MADE)
    assert table.at["c", "unusable_reason"] == "its parent p is labelled dog"
    # Whoever corrects all of them has them back.
    decide(library, said("label", "c", "dog"), said("label", "g", "dog"))
    assert images(library)["usable"].all()


def test_an_image_made_elsewhere_may_show_another_class_than_its_parent(library: Library) -> None:
    assert family(library, said("label", "p", "dog"), detail={})["usable"].all()
    decide(library, said("label", "p", "unknown"))
    assert images(library).at["c", "unusable_reason"] == "its parent p has no label"


def test_a_real_image_and_one_whose_parent_nobody_knows_stand_for_themselves(
    library: Library,
) -> None:
    put_files(library, *(file_row(f"/p/{n}.jpg".encode(), n) for n in ("a", "b", "p")))
    decide(
        library,
        *(said("label", name, "cat") for name in ("a", "b", "p")),
        said("reject", "p", "blurred"),
        said("group", "a", "p", field=facts.PARENT),
        said("origin", "b", "synthetic"),
        said("group", "b", "elsewhere", field=facts.PARENT),
    )
    assert list(images(library)["usable"]) == [True, True, False]
