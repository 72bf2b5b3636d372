"""What queues offered is kept, and answers are read as they stand after each decision."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.store import check, offered, runs
from curate.store.library import Library

from .made import decide, said


def rows(*image_ids: str, **changed: object) -> pd.DataFrame:
    values: dict[str, object] = {"topic": "kudu", "predicted": "zebra", "score": 0.4}
    values |= {"expected": 0.5, "reason": "more columns do no harm"}
    return pd.DataFrame([{"image_id": name, **values, **changed} for name in image_ids])


def offer(library: Library, table: pd.DataFrame, recipe: str = "") -> int:
    with runs.running(library, "queue", {}, alone=False) as run:
        offered.write(library, run.run_id, table, recipe=recipe)
    return run.run_id


def answered(library: Library, *image_ids: str) -> list[tuple[str, str]]:
    with library.reading() as connection:
        table = offered.answers(connection, image_ids)
    return list(table[["image_id", "answer"]].itertuples(index=False, name=None))


def test_what_was_offered_comes_back(library: Library) -> None:
    first = offer(library, rows("b", "a"), "low-count")
    second = offer(library, rows("c", calibrated=0.25, expected=None), "random")

    table = offered.read(library)

    assert list(table.columns) == offered.SCHEMA.names
    assert list(table["run_id"]) == [first, first, second]
    assert list(table["position"]) == [1, 2, 1]
    assert list(table["image_id"]) == ["b", "a", "c"]
    assert list(table["recipe"]) == ["low-count", "low-count", "random"]
    assert list(table["calibrated"]) == [0.5, 0.5, 0.25]
    assert list(table["known"].isna()) == [True, True, True]
    assert list(table["expected"].isna()) == [False, False, True]
    assert check.faults(library) == []


def test_the_rows_of_a_plan_have_recipes_of_their_own(library: Library) -> None:
    offer(library, rows("a", "b").assign(recipe=["random", "staged"]))

    assert list(offered.read(library)["recipe"]) == ["random", "staged"]


def test_an_empty_queue_offers_nothing(library: Library) -> None:
    assert offered.read(library).empty
    offer(library, rows("a").head(0), "random")

    table = offered.read(library)
    assert table.empty
    assert list(table.columns) == offered.SCHEMA.names
    assert not (library.folder / "tables/offered").exists()


def test_only_the_last_queues_are_remembered(library: Library) -> None:
    for number in range(4):
        offer(library, rows(str(number)), "random")

    assert list(offered.read(library, recent=2)["image_id"]) == ["2", "3"]


def test_a_damaged_shard_is_left_out(library: Library) -> None:
    offer(library, rows("a"), "random")
    offer(library, rows("b"), "random")
    min((library.folder / "tables/offered").iterdir()).write_bytes(b"broken")

    assert list(offered.read(library)["image_id"]) == ["b"]


def test_answers_are_what_holds_after_each_decision(library: Library) -> None:
    decide(library, said("label", "a", "cat"), said("origin", "a", "staged"))
    decide(library, said("reject", "a", "blurred"), said("reject", "b", "dark"))
    decide(library, said("reject", "a", ""))
    decide(library, said("reject", "b", ""), said("label", "b", "dog"), said("label", "c", "cow"))

    assert answered(library, "a") == [("a", "cat"), ("a", "rejected"), ("a", "cat")]
    assert answered(library, "b") == [("b", "rejected"), ("b", ""), ("b", "dog")]
    assert answered(library, "a", "c")[-1] == ("c", "cow")
    assert answered(library) == answered(library, "x") == []


def test_a_class_is_there_since_so_many_images_were_labelled_so(library: Library) -> None:
    # Two of them in one run, and one image twice.
    for images, label in (("a", "cat"), ("b", "dog"), ("a", "dog"), ("a", "cat"), ("cd", "cat")):
        decide(library, *(said("label", image_id, label) for image_id in images))

    def since(images: int) -> dict[str, int]:
        with library.reading() as connection:
            return offered.labelled_since(connection, ["cat", "dog", "cow", ""], images)

    with library.reading() as connection:
        made = [min(offered.answers(connection, [name])["run_id"]) for name in "abc"]
        third = max(offered.answers(connection, ["a"])["run_id"][:2])
    assert since(1) == {"cat": made[0], "dog": made[1]}
    assert since(2) == {"cat": made[2], "dog": third}
    assert since(3) == {"cat": made[2]}


def test_answers_name_their_runs(library: Library) -> None:
    decide(library, said("label", "a", "cat"))
    decide(library, said("label", "a", "dog"))
    with library.reading() as connection:
        table = offered.answers(connection, ["a"])

    assert list(table["answer"]) == ["cat", "dog"]
    assert table["run_id"].is_monotonic_increasing
    assert table["run_id"].is_unique


def test_many_images_are_asked_for_at_once(library: Library) -> None:
    names = [f"{number:04}" for number in range(1_200)]
    decide(library, *(said("label", name, "cat") for name in reversed(names)))

    assert [name for name, _ in answered(library, *names)] == names[::-1]


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["cat", "dog", "unknown", "reject", "take back"]), max_size=8))
def test_an_answer_is_the_label_unless_a_rejection_holds(spoken: list[str]) -> None:
    label, refused, expected, log = "", False, [], []
    for number, word in enumerate(spoken):
        if word in ("reject", "take back"):
            refused = word == "reject"
            log.append((number, "a", number, "reject", "blurred" if refused else ""))
        else:
            label = word
            log.append((number, "a", number, "label", word))
        expected.append("rejected" if refused else label)

    table = offered.standing(
        pd.DataFrame(log, columns=["seq", "image_id", "run_id", "kind", "value"])
    )

    assert list(table["answer"]) == expected
