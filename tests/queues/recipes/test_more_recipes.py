"""The recipes beyond the first three, on predictions written by hand."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from curate.queues.filters.filters import Filters
from curate.queues.recipe import DIGITS, Aim, compose
from curate.queues.recipes import RECIPES, random, staged, wrong_label

from ..cases import LACKED, aim, candidates, counts, said


def brought(name: str, rows: pd.DataFrame, asked: Aim | None = None) -> pd.DataFrame:
    return compose(RECIPES[name], rows, asked or aim())


def on_stage(real: int, staged: int, synthetic: int = 0) -> Aim:
    classes = counts(gazelle=real).assign(
        staged=staged, synthetic=synthetic, countable_staged=staged + synthetic
    )
    return replace(aim(), classes=classes)


def test_staged_says_on_what_a_class_lives() -> None:
    queue = brought("staged", candidates(said("a", "gazelle", 0.83)), on_stage(12, 30, 4))

    assert list(queue["reason"]) == [
        "gazelle: 12 of 40 real images, 28 short, beside 30 staged and 4 synthetic; "
        "score 0.83 (1 candidate, about 1 expected right)"
    ]
    assert list(queue["expected"]) == [0.83]


@pytest.mark.parametrize(("real", "others"), [(12, 0), (40, 30)])
def test_a_class_with_real_images_alone_or_enough_is_not_on_stage(real: int, others: int) -> None:
    assert staged.on_stage(on_stage(real, others).classes, 40).empty


def laid_aside(image_id: str, predicted: str, score: float, *more: object) -> dict[str, object]:
    second, second_score = more or (None, 0.0)
    row = said(image_id, predicted, score, label="unknown", label_run=3)
    return row | {"second": second, "second_score": second_score}


ASIDE = candidates(
    laid_aside("a", "kudu", 0.9),
    laid_aside("b", "zebra", 0.4, "kudu", 0.3),
    laid_aside("c", "zebra", 0.7, "antelope", 0.1),
    said("named", "kudu", 0.9, label="kudu"),
    said("pool", "kudu", 0.9),
)


def test_unknown_shows_what_the_model_can_name_by_now() -> None:
    queue = brought("unknown", ASIDE)

    assert list(queue["image_id"]) == ["a", "c"]
    assert queue["reason"][0] == "now kudu 0.90; labelled unknown"
    assert list(queue["expected"]) == [0.9, 0.7]


def test_unknown_of_a_class_shows_where_it_comes_first_or_second() -> None:
    queue = brought("unknown", ASIDE, replace(aim(), of="kudu"))

    assert list(queue["image_id"]) == ["a", "b"]
    assert queue["reason"][1] == "kudu 0.30, second to zebra 0.40; labelled unknown"
    assert list(queue["expected"]) == [0.9, 0.3]
    assert set(queue["topic"]) == {"kudu"}


def test_a_class_that_joined_after_an_image_was_laid_aside_comes_first() -> None:
    known = candidates(
        said("z", "zebra", 0.9, label="zebra", label_run=7),
        *(said(f"k{run}", "kudu", 0.9, label="kudu", label_run=run) for run in (2, 7)),
    )

    queue = brought("unknown", ASIDE, replace(aim(), labelled=known))

    assert list(queue["image_id"]) == ["c", "b", "a"]
    assert queue["reason"][1] == "now zebra 0.40, a class that joined since; labelled unknown"


def test_unknown_of_a_class_that_the_model_lacks_asks_its_labelled_images() -> None:
    okapi = [said(f"o{n}", "zebra", 0.5, label=LACKED, label_run=5) for n in range(3)]
    asked = replace(aim(), of=LACKED, labelled=candidates(*okapi))

    queue = brought("unknown", ASIDE, asked)

    assert list(queue["image_id"]) == ["b", "c"]
    assert queue["reason"][0].startswith("zebra 0.40; 100% of labelled okapi are taken for it")
    assert set(queue["topic"]) == {LACKED}
    assert queue["expected"].isna().all()


UNSURE = candidates(
    said("close", "kudu", 0.45, "zebra", 0.44, entropy=0.9),
    said("spread", "kudu", 0.40, "zebra", 0.20, entropy=2.1),
    said("low", "kudu", 0.35, "zebra", 0.05, entropy=0.2),
    said("alone", "kudu", 1.0, entropy=0.0),
)


@pytest.mark.parametrize(
    ("name", "order", "reason"),
    [
        (
            "uncertain",
            ["close", "spread", "low", "alone"],
            "kudu 0.45 and zebra 0.44 are 0.01 apart",
        ),
        (
            "uncertain-entropy",
            ["spread", "close", "low", "alone"],
            "scores spread over many classes: entropy 2.10; the best is kudu 0.40",
        ),
        (
            "uncertain-confidence",
            ["low", "spread", "close", "alone"],
            "no more sure than 0.35 (kudu)",
        ),
    ],
)
def test_each_measure_has_its_own_order(name: str, order: list[str], reason: str) -> None:
    queue = brought(name, UNSURE)

    assert list(queue["image_id"]) == order
    assert queue["reason"][0] == reason
    assert queue["expected"].to_numpy() == pytest.approx(1 - queue["score"].to_numpy())


def test_a_model_of_one_class_is_never_torn() -> None:
    queue = brought("uncertain", UNSURE)

    assert queue["reason"][3] == "kudu 1.00, and the model knows no other class"


def test_disagreement_of_the_surest_comes_first() -> None:
    rows = candidates(
        *(said(name, "kudu", score) for name, score in [("a", 0.9), ("b", 0.6), ("c", 0.9)]),
        said("nobody asked", "kudu", 0.9),
    )
    other = candidates(said("a", "zebra", 0.3), said("b", "zebra", 0.6), said("c", "kudu", 0.4))

    queue = brought("disagree", rows, replace(aim(), other=other))

    assert list(queue["image_id"]) == ["b", "a"]
    assert queue["reason"][1] == "kudu 0.90, but the other checkpoint says zebra 0.30"
    assert list(queue["topic"]) == ["kudu / zebra"] * 2
    assert list(queue["expected"]) == pytest.approx([0.5, 0.25])


def self_confident(**labels: float) -> list[dict[str, object]]:
    """For each class two images of which the model is so sure."""
    return [
        said(f"{label}{n}", label, score, label=label)
        for label, score in labels.items()
        for n in range(2)
    ]


def denied(**facts: object) -> dict[str, object]:
    return said("denied", "zebra", 0.8, "kudu", 0.1, label="kudu") | facts


def doubted(*rows: dict[str, object], **labels: float) -> pd.DataFrame:
    table = candidates(*rows, *self_confident(**labels))
    return brought("wrong-label", table, replace(aim(), labelled=table))


def test_a_label_is_doubted_where_another_class_scores_as_its_own_images_do() -> None:
    queue = doubted(denied(), zebra=0.8, kudu=0.9)

    assert list(queue["image_id"]) == ["denied"]
    assert queue["reason"][0] == ("looks like zebra 0.80, and its label has 0.10; labelled kudu")
    # Nobody else mixes up the two, so that it may well be the label.
    assert 0.3 < queue["expected"][0] < 1
    assert list(queue["topic"]) == ["kudu"]
    assert doubted(denied(), zebra=0.81, kudu=0.9).empty


def test_no_class_without_examples_denies_and_no_class_that_the_model_lacks_is_denied() -> None:
    assert doubted(denied(), kudu=0.9).empty
    assert doubted(denied() | {"label": LACKED}, zebra=0.8).empty
    assert doubted(denied() | {"label": "unknown"}, zebra=0.8).empty


def test_what_the_model_saw_has_its_own_threshold_and_comes_later() -> None:
    seen = denied(split="train", image_id="seen")
    assert list(doubted(seen, denied(), zebra=0.8)["image_id"]) == ["denied"]

    fitted = said("fitted", "zebra", 0.7, label="zebra", split="train")
    queue = doubted(seen, denied(), fitted, zebra=0.8)

    assert list(queue["image_id"]) == ["denied", "seen"]
    assert queue["reason"][1].endswith("; the model was trained on it; labelled kudu")


def test_a_label_that_is_neither_first_nor_second_has_at_most_what_is_left() -> None:
    rows = candidates(
        said("second", "zebra", 0.6, "kudu", 0.3, label="kudu"),
        said("rest", "zebra", 0.6, "gazelle", 0.3, label="kudu"),
        said("less than second", "zebra", 0.4, "gazelle", 0.2, label="kudu"),
        said("alone", "zebra", 1.0, label="kudu"),
    )

    assert list(wrong_label.of_label(rows)) == pytest.approx([0.3, 0.1, 0.2, 0.0])


def test_random_follows_a_point_around_the_circle_of_ids() -> None:
    ids = [f"{digit}{'0' * 31}" for digit in "0123456789abcdef"]
    rows = candidates(*(said(image_id, "kudu", 0.5) for image_id in ids))
    orders = {
        seed: list(brought("random", rows, replace(aim(), seed=seed))["image_id"])
        for seed in range(6)
    }

    for seed, order in orders.items():
        at = ids.index(order[0])
        assert order == ids[at:] + ids[:at]
        assert at == 0 or ids[at - 1] < random.start(seed) <= ids[at]
    assert len({order[0] for order in orders.values()}) > 3


def test_every_image_is_as_likely_to_be_drawn() -> None:
    starts = [int(random.start(seed)[:2], 16) / 256 for seed in range(400)]

    assert 0.45 < sum(starts) / 400 < 0.55
    assert all(len(random.start(seed)) == DIGITS for seed in range(5))


def test_the_last_arrivals_come_first() -> None:
    rows = candidates(
        *(said(f"i{run}", "kudu", 0.5, arrived=run) for run in (3, 12, 7)),
    )

    queue = brought("recent", rows)

    assert list(queue["image_id"]) == ["i12", "i7", "i3"]
    assert queue["reason"][0] == "arrived in run 12; kudu 0.50"


def tied(tie: str, number: int) -> list[dict[str, object]]:
    return [said(f"{tie}{n}", "kudu", 0.5, group=tie, width=n + 1) for n in range(number)]


def test_the_largest_group_comes_first_with_its_largest_picture() -> None:
    rows = candidates(*tied("few", 2), *tied("many", 3), said("alone", "kudu", 0.9))

    queue = brought("duplicates", rows)

    assert list(queue["image_id"]) == ["many2", "few1"]
    assert queue["reason"][0] == "one of 3 that look alike, none decided; kudu 0.50"
    every = brought("duplicates", rows, aim(Filters(one_per_group=False)))
    assert list(every["image_id"]) == ["many2", "many1", "many0", "few1", "few0"]


def test_a_group_of_which_one_is_decided_needs_no_look() -> None:
    decided = candidates(said("else", "kudu", 0.5, group="many", label="kudu"))
    rows = candidates(*tied("few", 2), *tied("many", 3))

    queue = brought("duplicates", rows, replace(aim(), labelled=decided))

    assert list(queue["image_id"]) == ["few1"]
