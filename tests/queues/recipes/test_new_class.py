"""New classes: planted groups are found, known classes make none, and no order counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from curate.core.errors import InputError
from curate.queues.filters.filters import Filters
from curate.queues.recipe import Aim, Recipe, compose
from curate.queues.recipes import groups, new_class
from curate.queues.recipes.featured import FEWEST
from curate.queues.recipes.groups import COLUMNS, LEAST, LEAST_GAIN, clusters
from curate.queues.recipes.new_class import PORTION

from ..cases import candidates, counts, said

laws = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 399)

WIDTH = 48
NEW_CLASS = Recipe(
    "new classes",
    new_class.narrow,
    new_class.score,
    new_class.select,
    new_class.reason,
    new_class.expect,
)


class Planted:
    """Images of known classes, some labelled, and of new ones, drawn around middles."""

    def __init__(self, seed: int, known: int = 16, new: tuple[int, ...] = (12, 8)) -> None:
        random = np.random.default_rng(seed)
        middles = random.normal(size=(known + len(new), WIDTH))
        # Each new class is something like a known one, as animals are.
        middles[known:] += middles[: len(new)]
        labelled = np.repeat(np.arange(known), 8)
        sizes = np.array([4] * known + list(new))
        pool = np.repeat(np.arange(len(sizes)), sizes)
        self.known = middles[labelled] + random.normal(0, 0.5, (len(labelled), WIDTH))
        self.labels = np.array([f"class {number}" for number in labelled], object)
        self.pool = middles[pool] + random.normal(0, 0.5, (len(pool), WIDTH))
        self.truth = pool
        self.ids = np.array([f"p{at:03d}" for at in random.permutation(len(pool))], object)

    def found(self) -> pd.DataFrame:
        return clusters(self.ids, self.pool, self.labels, self.known)

    def of(self, image_ids: pd.Series) -> list[int]:
        truth = dict(zip(self.ids, self.truth, strict=True))
        return [int(truth[image_id]) for image_id in image_ids]


@laws
@given(seed=seeds)
def test_planted_groups_are_found_and_nothing_else(seed: int) -> None:
    planted = Planted(seed)
    found = planted.found()

    assert [len(set(planted.of(ids))) for _, ids in found.groupby("cluster")["image_id"]] == [1, 1]
    assert sorted(planted.of(found["image_id"])) == [16] * 12 + [17] * 8


@laws
@given(seed=seeds)
def test_known_classes_alone_make_no_group(seed: int) -> None:
    assert Planted(seed, new=()).found().empty


@laws
@given(seed=seeds, count=st.integers(0, 40), spread=st.sampled_from([0.0, 0.1, 1.0, 5.0]))
def test_groups_are_whole_apart_and_in_order(seed: int, count: int, spread: float) -> None:
    random = np.random.default_rng(seed)
    pool = random.normal(size=(5, 8))[random.integers(0, 5, count)]
    pool = pool + random.normal(0, spread, pool.shape)
    ids = np.array([f"{at:02d}" for at in range(count)], object)
    known = random.normal(size=(6, 8))
    found = clusters(ids, pool, np.array(list("aabbcc"), object), known)

    assert tuple(found.columns) == COLUMNS
    assert found["image_id"].is_unique
    assert set(found["image_id"]) <= set(ids)
    assert found["cluster"].is_monotonic_increasing
    sizes = found["cluster"].value_counts()
    assert sizes.empty or (
        sizes.min() >= LEAST and set(sizes.index) == set(range(1, len(sizes) + 1))
    )
    likely = found.groupby("cluster")["likely"].first()
    assert likely.is_monotonic_decreasing
    assert likely.between(0, 1).all()
    assert (found["gain"] >= LEAST_GAIN).all()
    assert (found["beyond"] > 0).all()
    assert (found.groupby("cluster")["similarity"].diff().dropna() <= 0).all()


@laws
@given(seed=seeds)
def test_neither_the_order_of_rows_nor_their_length_nor_their_names_count(seed: int) -> None:
    planted = Planted(seed)
    found = planted.found()
    random = np.random.default_rng(seed + 1)
    here, there = random.permutation(len(planted.ids)), random.permutation(len(planted.labels))
    renamed = np.array([f"z{image_id[::-1]}" for image_id in planted.ids], object)
    other = clusters(
        renamed[here],
        planted.pool[here] * random.uniform(0.1, 9, (len(here), 1)),
        planted.labels[there],
        planted.known[there],
    )

    def said_of(table: pd.DataFrame) -> list[tuple[str, set[str]]]:
        return [(str(at), set(ids)) for at, ids in table.groupby("cluster")["image_id"]]

    names = dict(zip(renamed, planted.ids, strict=True))
    other["image_id"] = other["image_id"].map(names)
    assert said_of(other) == said_of(found)


def test_images_without_a_direction_are_in_no_group() -> None:
    planted = Planted(1)
    planted.pool[[0, 64, 65]] = np.array([[np.nan], [0], [np.inf]])
    found = planted.found()

    assert not set(found["image_id"]) & set(planted.ids[[0, 64, 65]])
    assert sorted(planted.of(found["image_id"])) == [16] * 10 + [17] * 8


def test_no_images_and_no_features_of_what_is_labelled() -> None:
    planted = Planted(2)
    none = clusters(planted.ids[:0], planted.pool[:0], planted.labels, planted.known)
    assert none.empty
    assert tuple(none.columns) == COLUMNS
    with pytest.raises(InputError):
        clusters(planted.ids, planted.pool, planted.labels, np.full_like(planted.known, np.nan))


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(3)
    whole = planted.found()
    monkeypatch.setattr(groups, "_BLOCK", 7)
    assert_frame_equal(planted.found(), whole, rtol=1e-4)


def test_no_more_groups_than_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "OFFERED", 1)
    assert set(Planted(4).found()["cluster"]) == {1}


def test_weights_order_groups_and_choose_none() -> None:
    planted = Planted(5)
    worse = np.where(planted.truth == 16, 0.4, 1.0)
    found = clusters(planted.ids, planted.pool, planted.labels, planted.known, worse)

    assert len(found) == 20
    assert planted.of(found["image_id"])[0] == 17
    assert found["gain"].nunique() == 2


def question(planted: Planted) -> tuple[pd.DataFrame, Aim]:
    """The candidates and the aim that the planted images make."""
    pool = candidates(*(said(image_id, "class 0", 0.5) for image_id in planted.ids))
    ids = [f"l{at:02d}" for at in range(len(planted.labels))]
    labelled = candidates(
        *(
            said(i, "class 0", 0.9, label=label)
            for i, label in zip(ids, planted.labels, strict=True)
        )
    )
    features = pd.DataFrame(
        {
            "image_id": [*planted.ids, *ids],
            "embedding": list(np.concatenate([planted.pool, planted.known]).astype(np.float16)),
        }
    )
    aim = Aim(counts(), 40, Filters(), features=features, labelled=labelled)
    return pool, aim


def test_a_queue_offers_groups_in_turn_and_says_why() -> None:
    planted = Planted(6)
    queue = compose(NEW_CLASS, *question(planted))

    assert sorted(planted.of(queue["image_id"])) == [16] * 12 + [17] * 8
    assert queue["topic"].tolist()[:10] == ["new 1"] * PORTION + ["new 2"] * PORTION
    assert set(queue["topic"][10:]) == {"new 1", "new 2"}
    assert (
        queue["reason"]
        .str.fullmatch(
            r"new [12]: (12|8) images alike \(0\.\d\d\), nearest class class \d+ \(-?0\.\d\d\)"
        )
        .all()
    )
    expected = queue.groupby("topic")["expected"]
    assert expected.nunique().tolist() == [1, 1]
    assert expected.first().is_monotonic_decreasing
    assert expected.first().between(0.1, 1).all()


@laws
@given(sizes=st.lists(st.integers(3, 30), min_size=1, max_size=8), seed=seeds)
def test_groups_take_turns_by_what_they_promise(sizes: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    likely = np.sort(random.uniform(0, 1, len(sizes)))[::-1]
    scored = pd.DataFrame(
        {
            "image_id": [f"{at:03d}" for at in range(len(cluster))],
            "cluster": cluster,
            "worth": random.uniform(0, 1, len(cluster)),
            "likely": likely[cluster - 1],
        }
    ).sample(frac=1, random_state=seed)
    queue = new_class.select(scored, Aim(counts(), 40, Filters()))

    assert sorted(queue["image_id"]) == sorted(scored["image_id"])
    assert (queue.groupby("cluster")["worth"].diff().dropna() <= 0).all()
    # A group is seen before a further portion of one that promises no more.
    place = pd.Series(range(len(queue)), queue.index)
    begins = place.groupby(queue["cluster"]).min()
    assert begins.is_monotonic_increasing
    at = queue.groupby("cluster").cumcount()
    assert (
        (at // PORTION).groupby([place - at.mod(PORTION), queue["cluster"]]).nunique() == 1
    ).all()
    turn = queue["likely"] * new_class.AGAIN ** (at // PORTION)
    assert (turn.diff().dropna() <= 1e-12).all()


def test_ten_groups_come_in_the_order_of_numbers() -> None:
    queue = compose(NEW_CLASS, *question(Planted(7, known=20, new=(12,) * 11)))
    assert queue["topic"].unique().tolist() == [f"new {number}" for number in range(1, 12)]


def test_only_candidates_are_offered_whatever_has_features() -> None:
    planted = Planted(8)
    pool, aim = question(planted)
    some = pool[np.array(planted.truth) != 16]
    queue = compose(NEW_CLASS, some, aim)
    assert set(planted.of(queue["image_id"])) == {17}


def test_the_most_novel_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(9)
    pool, aim = question(planted)
    pool["novelty"] = np.where(np.array(planted.truth) == 17, 2.0, np.nan)
    monkeypatch.setattr(new_class, "MOST", 8)
    assert set(planted.of(compose(NEW_CLASS, pool, aim)["image_id"])) == {17}


def test_junk_counts_less_than_good_photos() -> None:
    planted = Planted(10)
    pool, aim = question(planted)
    assert aim.labelled is not None
    aim.labelled["quality"] = 0.8
    pool["quality"] = np.where(np.array(planted.truth) == 16, 0.1, 0.8)
    queue = compose(NEW_CLASS, pool, aim)
    assert planted.of(queue["image_id"])[0] == 17


@pytest.mark.parametrize(
    ("pool", "labelled", "expected"),
    [
        ([0.8, 0.4, 0.0], [0.8, 0.8], [1, 0.125, 0]),
        ([None, 0.2], [None, None], [1, 1]),
        ([0.9], [0.0, 0.0], [1]),
        ([], [], []),
    ],
)
def test_how_good(pool: list[float], labelled: list[float], expected: list[float]) -> None:
    found = new_class.good(pd.Series(pool, dtype=object), pd.Series(labelled, dtype=object))
    assert found == pytest.approx(expected)


def rejected(planted: Planted, number: int, first: int) -> tuple[pd.DataFrame, Aim]:
    """The question, after so many images of a new class were rejected."""
    pool, aim = question(planted)
    away = pool[np.array(planted.truth) == first].head(number).assign(rejected=True)
    left = pool[~pool["image_id"].isin(away["image_id"])]
    return left, replace(aim, labelled=pd.concat([aim.labelled, away]))


def test_what_is_near_to_rejected_images_comes_last_and_says_so() -> None:
    planted = Planted(15, new=(14, 8))
    before = compose(NEW_CLASS, *question(planted))
    after = compose(NEW_CLASS, *rejected(planted, 3, first=16))

    assert planted.of(before["image_id"])[0] == 16
    assert planted.of(after["image_id"]) == [17] * 8 + [16] * 11
    last = after.tail(11)
    assert last["reason"].str.contains(r"; \d+% nearer to rejected images$").all()
    assert not after.head(8)["reason"].str.contains("rejected").any()
    assert (last["expected"] < 0.2).all()
    assert before["expected"].min() > 0.2


def test_a_rejected_image_is_of_no_class_whatever_its_label() -> None:
    planted = Planted(16)
    pool, aim = rejected(planted, 3, first=16)
    assert aim.labelled is not None
    labels = aim.labelled["label"].where(~aim.labelled["rejected"].astype(bool), "class 0")
    again = replace(aim, labelled=aim.labelled.assign(label=labels))
    assert_frame_equal(compose(NEW_CLASS, pool, again), compose(NEW_CLASS, pool, aim))


def test_rejected_images_without_features_say_nothing() -> None:
    planted = Planted(17)
    pool, aim = rejected(planted, 3, first=16)
    assert aim.features is not None
    assert aim.labelled is not None
    gone = aim.labelled.loc[aim.labelled["rejected"].astype(bool), "image_id"]
    without = replace(aim, features=aim.features[~aim.features["image_id"].isin(gone)])
    none = replace(without, labelled=aim.labelled[~aim.labelled["image_id"].isin(gone)])
    assert_frame_equal(compose(NEW_CLASS, pool, without), compose(NEW_CLASS, pool, none))


def test_a_heap_from_elsewhere_comes_behind_new_classes() -> None:
    planted = Planted(18, known=30)
    random = np.random.default_rng(18)
    # Many images that share one direction, which no class has, and little else.
    elsewhere = 5 * np.eye(WIDTH)[0] + random.normal(0, 1, (60, WIDTH))
    planted.pool[:, 0], planted.known[:, 0] = 0, 0
    planted.pool = np.concatenate([planted.pool, elsewhere])
    planted.ids = np.concatenate([planted.ids, [f"q{at:03d}" for at in range(60)]])
    found = planted.found()
    group = found.assign(heap=found["image_id"].str.startswith("q")).groupby("cluster")
    heap = group["heap"].mean() > 0.5

    assert heap.any()
    assert group["gain"].first()[heap].max() > group["gain"].first()[~heap].max()
    assert group["likely"].first()[heap].max() < group["likely"].first()[~heap].min()
    assert group["classlike"].first()[heap].max() < 0.5


def test_strange_images_are_less_like_a_class_and_such_as_are_not_more() -> None:
    planted = Planted(7)

    def with_strange(much: float) -> pd.DataFrame:
        odd = np.where(planted.truth == 16, much, 0.5)
        return clusters(planted.ids, planted.pool, planted.labels, planted.known, strange=odd)

    def likely(found: pd.DataFrame, of: int) -> float:
        return float(found["likely"][[at == of for at in planted.of(found["image_id"])]].iloc[0])

    at_half, plain = with_strange(0.5), planted.found()
    assert_frame_equal(at_half, plain)
    assert likely(with_strange(0.99), 16) < 0.8 * likely(plain, 16)
    assert likely(with_strange(0.01), 16) > likely(plain, 16)
    assert likely(with_strange(0.99), 17) == likely(plain, 17)


def test_a_new_class_is_as_loose_as_images_that_the_model_was_not_taught() -> None:
    planted = Planted(8, known=30)
    # What was taught lies nearer together than images of these classes ever do.
    taught = np.arange(len(planted.labels)) % 2 == 0
    middles = {
        name: planted.known[planted.labels == name].mean(axis=0) for name in set(planted.labels)
    }
    near = np.stack([middles[name] for name in planted.labels])
    planted.known[taught] += 0.9 * (near - planted.known)[taught]
    every, fair = (
        clusters(planted.ids, planted.pool, planted.labels, planted.known, untaught=mask)
        for mask in (None, ~taught)
    )
    assert fair["classlike"].min() > every["classlike"].min()
    # Of too few classes nothing is learnt, so all count.
    few = np.isin(planted.labels, ["class 0", "class 1"])
    alone = clusters(planted.ids, planted.pool, planted.labels, planted.known, untaught=few)
    assert_frame_equal(alone, every)


def test_unknown_is_not_a_class_and_hides_nothing() -> None:
    planted = Planted(11)
    pool, aim = question(planted)
    strangers = np.array(planted.truth) == 16
    unknown = pool[strangers].head(2).assign(label="unknown")
    aim = replace(aim, labelled=pd.concat([aim.labelled, unknown]))
    queue = compose(NEW_CLASS, pool[~pool["image_id"].isin(unknown["image_id"])], aim)
    assert planted.of(queue["image_id"]).count(16) == 10


@pytest.mark.parametrize("missing", ["all", "of the pool", "of the labelled"])
def test_without_features_it_says_how_to_get_them(missing: str) -> None:
    planted = Planted(12)
    pool, aim = question(planted)
    assert aim.features is not None
    ours = aim.features["image_id"].str.startswith("p")
    left = {"all": None, "of the pool": aim.features[~ours], "of the labelled": aim.features[ours]}
    with pytest.raises(InputError, match="curate bulk-id --model CKPT --embeddings"):
        compose(NEW_CLASS, pool, replace(aim, features=left[missing]))


def test_without_a_label_nothing_is_new() -> None:
    pool, aim = question(Planted(13))
    with pytest.raises(InputError, match="no image has a label"):
        compose(NEW_CLASS, pool, replace(aim, labelled=aim.labelled.head(0)))  # type: ignore[union-attr]


def test_no_candidates_make_an_empty_queue() -> None:
    pool, aim = question(Planted(14))
    assert compose(NEW_CLASS, pool.head(0), aim).empty


def somebody_named(
    planted: Planted, number: int, of: int, label: str = "okapi"
) -> tuple[pd.DataFrame, Aim]:
    """The question, after so many images of a new class got a label, which the model lacks."""
    pool, aim = question(planted)
    shown = pool[np.array(planted.truth) == of].head(number).assign(label=label)
    left = pool[~pool["image_id"].isin(shown["image_id"])]
    known = [f"class {at}" for at in range(16)]
    there = {"class 0": 60, label: number}
    return left, replace(
        aim,
        classes=counts(**there),
        known=tuple(known),
        labelled=pd.concat([aim.labelled, shown], ignore_index=True),
    )


@laws
@given(seed=seeds, number=st.integers(FEWEST, 8))
def test_more_of_what_somebody_named_is_offered_by_this_name(seed: int, number: int) -> None:
    planted = Planted(seed)
    queue = compose(NEW_CLASS, *somebody_named(planted, number, of=16))

    shows = pd.Series(planted.of(queue["image_id"]))
    assert sorted(shows) == [16] * (12 - number) + [17] * 8
    assert set(queue["topic"][shows == 16]) == {"okapi"}
    assert set(queue["topic"][shows == 17]) == {"new 1"}
    said = queue["reason"][shows == 16]
    assert said.str.startswith(f"okapi: {12 - number} images alike (").all()
    assert said.str.contains(rf"\), and {number} labelled so, nearest class class \d+ \(").all()
    assert not queue["reason"][shows == 17].str.contains("labelled").any()
    # It is a class more surely than before, and the other as surely.
    before = compose(NEW_CLASS, *question(planted)).set_index("image_id")["expected"]
    more = queue["expected"].to_numpy() - before[queue["image_id"]].to_numpy()
    assert (more[shows == 16] > -0.1).all()
    assert more[shows == 17] == pytest.approx(np.zeros((shows == 17).sum()), abs=0.1)


def test_too_few_labels_give_no_name() -> None:
    queue = compose(NEW_CLASS, *somebody_named(Planted(20), FEWEST - 1, of=16))
    assert set(queue["topic"]) == {"new 1", "new 2"}


@pytest.mark.parametrize("why", ["the model knows it", "it has enough", "all are so"])
def test_a_class_that_wants_no_more_or_that_others_bring_is_known(why: str) -> None:
    planted = Planted(21)
    pool, aim = somebody_named(planted, 8, of=16)
    if why == "the model knows it":
        aim = replace(aim, known=(*aim.known, "okapi"))
    elif why == "it has enough":
        aim = replace(aim, min_count=8)
    else:
        short = {str(name): 8 for name in set(planted.labels)}
        aim = replace(aim, known=(), classes=counts(**short, okapi=8))
    queue = compose(NEW_CLASS, pool, aim)
    assert set(queue["topic"]) == {"new 1"}
    assert set(planted.of(queue["image_id"])) == {17}


def test_a_rejected_image_names_no_group() -> None:
    pool, aim = somebody_named(Planted(22), 4, of=16)
    assert aim.labelled is not None
    away = aim.labelled["rejected"].astype(bool) | (aim.labelled["label"] == "okapi")
    queue = compose(NEW_CLASS, pool, replace(aim, labelled=aim.labelled.assign(rejected=away)))
    assert "okapi" not in set(queue["topic"])


def test_of_very_many_labelled_images_some_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_class, "JOINING", 3)
    planted = Planted(23)
    queue = compose(NEW_CLASS, *somebody_named(planted, 6, of=16))
    named = queue[queue["topic"] == "okapi"]
    assert planted.of(named["image_id"]) == [16] * 6
    assert named["reason"].str.contains("and 3 labelled so").all()


@laws
@given(seed=seeds, named=st.tuples(st.integers(0, 4), st.integers(0, 4)))
def test_a_group_is_named_after_the_class_of_most_labelled_images_in_it(
    seed: int, named: tuple[int, int]
) -> None:
    """Two classes share one middle, so that nothing but their labels tells them apart."""
    planted = Planted(seed)
    twelve = np.flatnonzero(planted.truth == 16)
    labels = np.repeat(["okapi", "zebu"], named)
    shown, left = (
        twelve[: len(labels)],
        np.delete(np.arange(len(planted.ids)), twelve[: sum(named)]),
    )
    given_labels = np.concatenate([planted.labels, labels])
    found = clusters(
        planted.ids[left],
        planted.pool[left],
        given_labels,
        np.concatenate([planted.known, planted.pool[shown]]),
        wanted=np.isin(given_labels, ["okapi", "zebu"]),
    )
    group = found[[at == 16 for at in planted.of(found["image_id"])]]
    most = max(named)
    expected = "okapi" if named[0] == most else "zebu"

    assert len(group) == 12 - sum(named)
    assert set(group["named"]) == ({expected} if most else {""})
    assert set(group["labelled"]) == {most}
    alone = clusters(planted.ids, planted.pool, planted.labels, planted.known)
    same = alone[[at == 16 for at in planted.of(alone["image_id"])]]["likely"].iloc[0]
    share = most / sum(named) if most else 1
    # What people gave to one class speaks for it.
    assert same * share - 0.1 <= group["likely"].iloc[0] <= share
    assert not set(found["image_id"]) & set(planted.ids[shown])


def test_groups_that_have_a_name_take_no_place_of_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "OFFERED", 1)
    queue = compose(NEW_CLASS, *somebody_named(Planted(24, new=(14, 8)), 4, of=16))
    assert set(queue["topic"]) == {"okapi", "new 1"}
