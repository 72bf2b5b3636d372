"""What a pool is made of, on pools that are drawn, so that the truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.names import UNKNOWN
from curate.queues.expectations.makeup import FEW, Makeup, held_out, makeup

laws = settings(max_examples=15, deadline=None)
CLASSES = frozenset({"kudu", "zebra"})


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def images(
    name: str, number: int, odds: float, novelty: float, energy: float, **said: Any
) -> pd.DataFrame:
    """Draw images whose looks lie around a point."""
    dice = np.random.default_rng([*name.encode()])
    score = sigmoid(dice.normal(odds, 1.0, number))
    table = pd.DataFrame(
        {
            "image_id": [f"{name}{at:04}" for at in range(number)],
            "predicted": "kudu",
            "score": score,
            "second": "zebra",
            "second_score": (1 - score) * dice.uniform(0.3, 0.95, number),
            "novelty": dice.normal(novelty, 0.15, number),
            "energy": dice.normal(energy, 0.5, number),
            "affinity": np.nan,
            "arrived": 1,
            "label": None,
            "label_run": np.nan,
            "run_id": 5,
            "split": "",
            "origin": "real",
        }
    )
    full: pd.DataFrame = table.assign(**said)
    return full


def known(name: str, number: int, **said: Any) -> pd.DataFrame:
    """Of a class of the model, right as often as its score; `truth` says what it is."""
    table = images(name, number, 2.0, 0.5, -4.0)
    right = np.random.default_rng(number).uniform(size=number) < table["score"]
    full: pd.DataFrame = table.assign(truth=np.where(right, "kudu", "zebra"), **said)
    return full


def labelled(name: str, number: int) -> pd.DataFrame:
    table = known(name, number, split="val", label_run=1.0)
    return table.assign(label=table["truth"])


def lacking(name: str, number: int, **said: Any) -> pd.DataFrame:
    return images(name, number, 0.3, 0.9, -2.5, **{"truth": "okapi", **said})


def strange(name: str, number: int, **said: Any) -> pd.DataFrame:
    return images(name, number, -1.0, 1.2, -1.0, **{"truth": "rejected", **said})


def drawn(of_known: int, of_lacking: int, of_strange: int) -> pd.DataFrame:
    """A pool of three kinds, and what is labelled beside it."""
    taught = lacking("l", 60, label="okapi", label_run=1.0)
    pool = [known("p", of_known), lacking("q", of_lacking), strange("s", of_strange)]
    return pd.concat([labelled("h", 400), taught, *pool], ignore_index=True)


def found(table: pd.DataFrame) -> tuple[Makeup, pd.DataFrame]:
    """What is found of it, beside the rows of the pool."""
    made = makeup(table.drop(columns="truth"), CLASSES)
    assert made is not None
    pool = table[table["label"].isna()]
    return made, pool.drop(columns="second").join(made.of(pool))


@pytest.mark.parametrize("numbers", [(600, 0, 0), (400, 200, 200), (500, 100, 200), (200, 0, 600)])
def test_it_finds_how_many_images_are_of_each_kind(numbers: tuple[int, int, int]) -> None:
    pool = found(drawn(*numbers))[1]
    total = sum(numbers)
    right = (pool["truth"] == "kudu").mean()

    assert pool["known"].mean() == pytest.approx(numbers[0] / total, abs=0.08)
    assert pool["strange"].mean() == pytest.approx(numbers[2] / total, abs=0.08)
    assert pool["right"].mean() == pytest.approx(right, abs=0.08)


def broad(number: int) -> pd.DataFrame:
    """A pool in which `number` images are strange, and what is labelled of classes far apart.

    What lies between these classes might be one of them.
    """
    near = images("near", 45, 1.5, 0.7, -3.5, label="okapi", label_run=1.0, truth="okapi")
    far = images("far", 15, -2.0, 1.6, 0.5, label="okapi", label_run=1.0, truth="okapi")
    others = lacking("q", 650 if number > 500 else 250)
    table = [labelled("h", 300), near, far, known("p", 900), others]
    return pd.concat([*table, strange("s", number, arrived=2)], ignore_index=True)


@pytest.mark.parametrize("number", [400, 800])
def test_a_broad_lacking_kind_does_not_take_the_strange_images(number: int) -> None:
    pool = found(broad(number))[1]

    assert pool.loc[pool["truth"] == "rejected", "strange"].mean() > 0.8
    assert pool.loc[pool["truth"] != "rejected", "strange"].mean() < 0.2


def test_nor_do_strange_images_take_those_of_classes_that_a_broad_kind_stands_for() -> None:
    """They do where the search begins with what looks least like the known and the lacking."""
    pool = found(broad(800))[1]

    assert pool.loc[pool["truth"] == "okapi", "strange"].mean() < 0.1


@pytest.mark.parametrize("far", [1.0, 2.0, 3.0])
def test_a_small_kind_far_off_is_not_taken_for_strange(far: float) -> None:
    """A few dozen labelled images tell where lacking classes lie, however far from the known."""
    there = {"odds": -far, "novelty": 0.8 + 0.8 * far, "energy": -2.5 + far}
    okapi = images("far", 100, **there, truth="okapi")
    taught = images("t", 32, **there, label="okapi", label_run=1.0, truth="okapi")
    junk = images("s", 60, -3 - far, 2 + 0.5 * far, 1 + far, truth="rejected")
    table = [labelled("h", 100), taught, known("p", 280), okapi, junk]
    made, pool = found(pd.concat(table, ignore_index=True))

    assert pool.loc[pool["truth"] == "okapi", "strange"].mean() < 0.1
    assert pool.loc[pool["truth"] == "rejected", "strange"].mean() > 0.9
    assert made.usual == pytest.approx([280 / 440, 100 / 440, 60 / 440], abs=0.05)


@pytest.mark.parametrize("harder", [0.0, 0.3])
def test_a_pool_of_known_images_is_known_though_they_are_somewhat_harder(harder: float) -> None:
    pool = images("p", 800, 2.0 - harder, 0.5, -4.0, truth="kudu")
    pool = found(pd.concat([drawn(0, 0, 0), pool], ignore_index=True))[1]

    assert pool["strange"].mean() < 0.1
    assert pool["known"].mean() > 0.85


def test_a_look_that_most_images_lack_is_not_looked_at() -> None:
    table = drawn(400, 100, 200)
    there = table["label"].isna() & (np.arange(len(table)) % 10 == 0)
    blind = table.assign(novelty=table["novelty"].where(there))
    pool = found(blind)[1]

    assert pool["right"].notna().all()
    assert pool["known"].mean() == pytest.approx(4 / 7, abs=0.15)


def test_what_is_likely_is_as_often_so() -> None:
    pool = found(drawn(1500, 400, 400))[1]
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        part = pool[pool["right"].between(low, high)]
        assert part["right"].mean() == pytest.approx((part["truth"] == "kudu").mean(), abs=0.1)


def test_without_images_of_lacking_classes_there_are_none() -> None:
    table = pd.concat([labelled("h", 300), known("p", 300), strange("s", 100)], ignore_index=True)
    made, pool = found(table)

    assert made.usual[1] == 0
    np.testing.assert_allclose(pool["known"] + pool["strange"], 1)


def test_images_that_arrived_together_share_what_is_likely() -> None:
    one, other = strange("s", 100, arrived=2), lacking("q", 4, arrived=2)
    table = pd.concat([drawn(400, 0, 0), one, other], ignore_index=True)
    made = found(table)[0]
    alone = found(table.assign(arrived=1))[0]
    doubtful = images("d", 1, -0.2, 1.0, -2.0)

    assert made.of(doubtful.assign(arrived=2))["known"][0] < made.of(doubtful)["known"][0]
    assert alone.of(doubtful.assign(arrived=1))["known"][0] > 0
    # Of an arrival that was not in the sample, what is usual holds.
    assert 0 < made.of(doubtful.assign(arrived=9))["known"][0] < 1


def test_what_was_labelled_unknown_has_shares_of_its_own() -> None:
    aside = lacking("u", 60, label=UNKNOWN, label_run=1.0)
    made = found(pd.concat([drawn(400, 20, 100), aside], ignore_index=True))[0]

    assert made.shares[UNKNOWN][0] < 0.3 < made.shares["1"][0]


def test_no_answer_to_the_pool_is_looked_at() -> None:
    """Labels that came after the prediction neither are held out, nor teach what is lacking."""
    table = drawn(300, 100, 100)
    later: dict[str, Any] = {"label_run": 9.0, "split": "val"}
    answered = [
        strange("z", 80).assign(label="kudu", **later),
        known("y", 80).assign(label="okapi", **later),
    ]
    one, other = found(table)[0], makeup(pd.concat([table, *answered]), CLASSES)
    assert other is not None
    assert other.of(table)["right"].to_list() == one.of(table)["right"].to_list()
    assert len(held_out(pd.concat(answered), CLASSES)) == 0


def test_it_is_blind_to_what_the_images_really_show_and_to_their_order() -> None:
    table = drawn(200, 60, 60)
    shuffled = table.sample(frac=1, random_state=3)
    one, other = (found(some)[0].of(table) for some in (table, shuffled))
    pd.testing.assert_frame_equal(one, other)


def at_home(table: pd.DataFrame) -> pd.DataFrame:
    """Say how much images are at home: those of other classes are less so."""
    apart = table["truth"].isin(["okapi", "rejected"]).to_numpy() * 0.4
    dice = np.random.default_rng(7)
    full: pd.DataFrame = table.assign(affinity=dice.normal(0, 0.1, len(table)) - apart)
    return full


def test_images_of_lacking_classes_that_look_known_are_told_by_their_affinity() -> None:
    # The model is as sure of them as of what it knows.
    hidden = known("y", 150).assign(truth="okapi")
    table = pd.concat([drawn(300, 50, 50), hidden], ignore_index=True)
    sure, told = found(table)[1], found(at_home(table))[1]
    of_hidden = sure["image_id"].str.startswith("y")
    assert sure.loc[of_hidden, "right"].mean() > 0.7
    assert told.loc[of_hidden, "right"].mean() < 0.5
    of_known = told[told["image_id"].str.startswith("p")]
    right = (of_known["truth"] == of_known["predicted"]).mean()
    assert of_known["right"].mean() == pytest.approx(right, abs=0.08)


def test_an_affinity_says_nothing_of_what_else_an_image_is() -> None:
    table = at_home(drawn(300, 100, 100))
    made = found(table)[0]
    row = lacking("m", 1)
    near, far = (made.of(row.assign(affinity=value)).iloc[0] for value in (0.0, -0.5))
    assert near["known"] > far["known"]
    parts = [said["strange"] / (1 - said["known"]) for said in (near, far)]
    assert parts[0] == pytest.approx(parts[1])


def test_held_out_images_count_as_often_as_the_pool_has_what_they_are_taken_for() -> None:
    # The model is right about kudus, wrong about half of the zebras, and the pool has no zebras.
    kudus = labelled("h", 300).assign(label="kudu", truth="kudu")
    zebras = labelled("g", 300).assign(predicted="zebra", second="kudu")
    table = pd.concat([kudus, zebras, known("p", 200)], ignore_index=True)
    assert found(table)[0].right[0] > 0.95
    mixed = pd.concat([table, known("q", 200).assign(predicted="zebra")], ignore_index=True)
    assert found(mixed)[0].right[0] < 0.9


def test_with_few_held_out_images_nothing_is_said() -> None:
    pool = known("p", 200)
    assert makeup(pd.concat([labelled("h", FEW - 1), pool]), CLASSES) is None
    assert makeup(pd.concat([labelled("h", FEW), pool]), CLASSES) is not None
    assert makeup(labelled("h", 100), CLASSES) is None


@laws
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.05, 0.4, 0.999, 1.0]),
            st.sampled_from([0.0, 0.5, 1.0, float("nan")]),
            st.sampled_from([-9.0, 0.0, 1e6, float("nan")]),
            st.sampled_from([0.0, 0.7, 3.0, float("nan")]),
            st.sampled_from([-1.0, 0.0, 0.3, float("nan")]),
        ),
        max_size=8,
    )
)
def test_all_that_it_says_are_chances(rows: list[tuple[float, ...]]) -> None:
    names = ["score", "second", "energy", "novelty", "affinity"]
    table = pd.DataFrame(rows, columns=names, dtype="float64")
    table = table.assign(second_score=table["second"] * (1 - table["score"]), arrived=1, label=None)
    said = MADE.of(table)

    assert said.ge(-1e-9).all(axis=None)
    assert (said["right"] <= said["known"] + 1e-9).all()
    assert (said["known"] + said["strange"] <= 1 + 1e-9).all()
    assert (said["right"] + said["second"] + said["strange"] <= 1 + 1e-9).all()


MADE = found(drawn(200, 60, 60))[0]


def test_where_a_look_is_missing_shares_alone_speak() -> None:
    row = images("m", 1, 1.0, 0.5, -3.0).assign(novelty=np.nan)
    assert MADE.of(row)["known"][0] == pytest.approx(MADE.shares["1"][0])
    # A model that never measures novelty is compared by the rest.
    plain = found(drawn(300, 100, 100).assign(novelty=None))[0]
    assert plain.looks == (0, 1, 3)


def test_the_second_class_is_right_as_often_as_labels_say() -> None:
    held = labelled("h", 400)
    always = held.assign(label=held["truth"].where(held["truth"] == "kudu", held["second"]))
    never = held.assign(second="gnu")
    pool = known("p", 200)
    most, least = (makeup(pd.concat([some, pool]), CLASSES | {"gnu"}) for some in (always, never))
    assert most is not None
    assert least is not None
    assert least.second < 0.5 < 1 < most.second
