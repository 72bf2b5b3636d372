"""Which classes look alike, by labelled images; and what a class hides that the model lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from curate.core.errors import InputError
from curate.queues.recipe import Aim, compose
from curate.queues.recipes import RECIPES, between
from curate.queues.recipes.look_alike_pairs import (
    PAIR_COLUMNS,
    class_means,
    pair_of,
    pairs,
    taken_for,
)

from ..cases import CLASSES, LACKED, aim, candidates, features, said

alike = RECIPES["look-alike"]


def labelled(
    label: str, predicted: str, number: int, score: float = 0.6
) -> list[dict[str, object]]:
    return [
        said(f"{label} as {predicted} {n}", predicted, score, label=label) for n in range(number)
    ]


def evidence(
    rows: Sequence[dict[str, object]], **vectors: Sequence[float]
) -> list[tuple[object, ...]]:
    found = pairs(candidates(*rows), features(**vectors), CLASSES)
    assert tuple(found.columns) == PAIR_COLUMNS
    return [tuple(row) for row in found.round(3).itertuples(index=False)]


def test_a_pair_has_one_name_in_either_order() -> None:
    assert pair_of("kudu", "antelope") == pair_of("antelope", "kudu") == "antelope / kudu"


def test_nothing_labelled_says_nothing() -> None:
    assert evidence([]) == []


def test_confusions_count_both_ways_as_a_share_of_both_classes() -> None:
    rows = [
        *labelled("kudu", "kudu", 8),
        *labelled("kudu", "antelope", 1),
        *labelled("antelope", "kudu", 1),
        *labelled("antelope", "antelope", 10),
        *labelled("zebra", "kudu", 1),
    ]

    assert evidence(rows) == [("antelope", "kudu", "confused", 0.1)]


def test_what_the_model_learned_by_heart_is_no_evaluation() -> None:
    rows = [row | {"split": "train"} for row in labelled("kudu", "antelope", 5)]

    assert evidence(rows) == []


def test_unknown_images_are_of_no_class() -> None:
    assert evidence(labelled("unknown", "kudu", 5)) == []


def test_a_class_that_the_model_lacks_is_taken_for_others() -> None:
    rows = [
        *labelled(LACKED, "zebra", 7, 0.5),
        *labelled(LACKED, "kudu", 2, 0.3),
        *labelled(LACKED, "antelope", 1),
    ]

    assert evidence(rows) == [(LACKED, "kudu", "taken", 0.2), (LACKED, "zebra", "taken", 0.7)]
    found = taken_for(candidates(*rows), LACKED)
    assert list(found["score"]) == pytest.approx([0.3, 0.5])


def near() -> tuple[list[dict[str, object]], dict[str, list[float]]]:
    """Kudu and okapi lie beside each other; antelope and zebra far off, each alone."""
    towards = {
        "kudu": [5.0, 1, 0],
        LACKED: [5.0, 1.4, 0],
        "antelope": [0.0, 0, 1],
        "zebra": [0.0, 1, 0],
    }
    rows, vectors = [], {}
    for label, vector in towards.items():
        predicted = "kudu" if label == LACKED else label
        for row in labelled(label, predicted, 3):
            rows.append(row)
            vectors[str(row["image_id"])] = vector
    return rows, vectors


def test_mutual_neighbours_are_near_and_no_others() -> None:
    rows, vectors = near()

    first, second, kind, strength = next(
        row for row in evidence(rows, **vectors) if row[2] == "near"
    )

    assert (first, second, kind) == (LACKED, "kudu", "near")
    assert 0.9 < float(str(strength)) <= 1
    assert len([row for row in evidence(rows, **vectors) if row[2] == "near"]) == 1


def test_length_is_no_direction_and_one_image_is_no_mean() -> None:
    rows = [*labelled("kudu", "kudu", 2), *labelled("zebra", "zebra", 1)]
    vectors = {"kudu as kudu 0": [2.0, 0], "kudu as kudu 1": [0, 8.0], "zebra as zebra 0": [1.0, 1]}

    means = class_means(candidates(*rows), features(**vectors))

    assert list(means.index) == ["kudu"]
    assert np.allclose(means.loc["kudu"], [0.5, 0.5])


def test_a_confused_pair_needs_no_crowd_and_comes_first() -> None:
    rows = [*labelled("kudu", "antelope", 2), *labelled("antelope", "kudu", 2)]
    pool = candidates(
        said("one", "kudu", 0.5, "antelope", 0.4),
        *(said(f"crowd{n}", "zebra", 0.45, "gazelle", 0.44) for n in range(3)),
        said("lone", "zebra", 0.45, "kudu", 0.44),
    )

    queue = compose(alike, pool, replace(aim(), labelled=candidates(*rows)))

    assert list(queue["image_id"]) == ["one", "crowd0", "crowd1", "crowd2"]
    assert queue["reason"][0] == (
        "between kudu 0.50 and antelope 0.40 (1 such image); "
        "labelled images of the two are confused"
    )
    assert list(queue["topic"][:2]) == ["antelope / kudu", "gazelle / zebra"]
    assert queue["expected"][0] == pytest.approx(0.9)


def hiding(of: str = "") -> Aim:
    rows = candidates(*labelled(LACKED, "zebra", 7, 0.5), *labelled(LACKED, "kudu", 1, 0.9))
    return replace(aim(), of=of, labelled=rows)


POOL = candidates(
    said("sure", "zebra", 0.95, "kudu", 0.01),
    said("unsure", "zebra", 0.4, "kudu", 0.1),
    said("other", "antelope", 0.4, "kudu", 0.1),
)


def test_images_as_unsure_as_a_hidden_class_stand_between() -> None:
    queue = compose(alike, POOL, hiding())

    assert list(queue["image_id"]) == ["unsure"]
    assert list(queue["reason"]) == ["zebra 0.40; 88% of labelled okapi are taken for it"]
    assert list(queue["topic"]) == ["okapi / zebra"]
    assert queue["expected"].isna().all()


def test_of_many_in_front_of_a_hidden_class_the_least_sure_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = candidates(said("a", "zebra", 0.4), said("b", "zebra", 0.3), said("c", "zebra", 0.35))
    assert list(compose(alike, pool, hiding())["image_id"]) == ["b", "c", "a"]

    monkeypatch.setattr(between, "MOST", 2)
    assert list(compose(alike, pool, hiding())["image_id"]) == ["b", "c"]


def test_asked_for_a_class_that_the_model_lacks_it_looks_where_that_is_taken_for_others() -> None:
    queue = compose(alike, POOL, hiding(LACKED))

    assert list(queue["image_id"]) == ["unsure", "sure"]
    assert set(queue["topic"]) == {"okapi / zebra"}


@pytest.mark.parametrize("of", ["", LACKED])
def test_features_overrule_scores(of: str) -> None:
    rows, vectors = near()
    pool = candidates(said("a", "kudu", 0.3), said("b", "kudu", 0.5), said("c", "kudu", 0.5))
    vectors |= {"a": [5.0, 1, 0], "b": [5.0, 1.5, 0]}
    asked = replace(aim(), of=of, labelled=candidates(*rows), features=features(**vectors))

    queue = compose(alike, pool, asked)

    # c has no features: only its score speaks.
    assert list(queue["image_id"]) == (["b", "a", "c"] if of else ["b", "c"])
    if of:
        assert queue["reason"][0].endswith("; nearer to okapi than to any other class")
        assert queue["reason"][1].endswith("; not nearer to okapi than to any other class")


def test_a_class_of_which_nothing_is_known_is_refused() -> None:
    with pytest.raises(InputError, match="neither the model nor a labelled image knows it"):
        alike.narrow(replace(aim(), of="quagga"))
    with pytest.raises(InputError, match=r"Run `curate bulk-id --model CHECKPOINT FOLDER` over"):
        compose(alike, POOL, replace(aim(okapi=5), of=LACKED))


def test_the_order_of_rows_changes_no_strength() -> None:
    rows, vectors = near()
    table, vector = candidates(*rows), features(**vectors)
    found = pairs(table, vector, CLASSES)

    shuffled = pairs(
        table.sample(frac=1, random_state=1), vector.sample(frac=1, random_state=2), CLASSES
    )

    pd.testing.assert_frame_equal(found, shuffled, check_exact=True)
