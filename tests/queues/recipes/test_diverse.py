"""Diverse: a cold start shows what the pool is made of, and what is labelled is not shown again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from curate.core.errors import InputError
from curate.queues.filters.filters import Filters
from curate.queues.recipe import Aim, Recipe, compose, highest
from curate.queues.recipes import diverse

from ..cases import candidates, counts, said
from ..filters.test_spread import heaps

DIVERSE = Recipe("diverse", diverse.narrow, diverse.score, highest, diverse.reason)


def question(sizes: tuple[int, ...], labelled: tuple[str, ...] = ()) -> tuple[pd.DataFrame, Aim]:
    rows, of = heaps(sizes)
    # Ids in hexadecimal, as real ones are; the second part tells the heap.
    ids = [f"{(at * 37) % 256:02x}{heap:02x}" for at, heap in enumerate(of)]
    features = pd.DataFrame({"image_id": ids, "embedding": list(rows.astype(np.float16))})
    images = candidates(*(said(image_id, "kudu", 0.5) for image_id in ids))
    known = images["image_id"].str[2:].isin(labelled)
    aim = Aim(
        counts(),
        40,
        Filters(),
        features=features,
        labelled=images[known].assign(label="kudu"),
    )
    return images[~known], aim


def heap_of(queue: pd.DataFrame) -> list[int]:
    return [int(text[2:], 16) for text in queue["image_id"]]


def test_each_heap_once_the_largest_first() -> None:
    queue = compose(DIVERSE, *question((40, 30, 20, 10)))

    assert heap_of(queue)[:4] == [0, 1, 2, 3]
    assert len(queue) == 100
    assert queue["image_id"].is_unique
    assert queue["reason"].iloc[0] == "stands for images that none before it is like; kudu 0.50"


def test_labelled_images_cover_their_heap() -> None:
    pool, aim = question((40, 30, 20))
    first = pool[pool["image_id"].str.endswith("00")].head(3)
    aim = replace(aim, labelled=first.assign(label="kudu"))
    queue = compose(DIVERSE, pool[~pool["image_id"].isin(first["image_id"])], aim)
    assert set(heap_of(queue)[:2]) == {1, 2}


def test_labelled_images_without_features_cover_nothing() -> None:
    pool, aim = question((30, 20))
    stranger = candidates(said("ffff", "kudu", 0.5, label="kudu"))
    queue = compose(DIVERSE, pool, replace(aim, labelled=stranger))
    assert heap_of(queue)[:2] == [0, 1]


def test_the_order_of_rows_does_not_matter() -> None:
    pool, aim = question((20, 15, 10))
    assert aim.features is not None
    shuffled = replace(aim, features=aim.features.sample(frac=1, random_state=1))
    first = compose(DIVERSE, pool, aim)
    assert compose(DIVERSE, pool.sample(frac=1, random_state=2), shuffled).equals(first)


def test_of_a_large_pool_the_sample_of_the_seed_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, aim = question((40, 30, 20))
    monkeypatch.setattr(diverse, "MOST", 12)
    drawn = [set(compose(DIVERSE, pool, replace(aim, seed=seed))["image_id"]) for seed in range(8)]
    assert {len(one) for one in drawn} == {12}
    assert len(set(map(frozenset, drawn))) > 1
    text, values = diverse.narrow(aim)
    assert text.endswith("LIMIT ?")
    assert values == [12]


def test_an_image_without_features_is_not_chosen_and_none_at_all_is_an_error() -> None:
    pool, aim = question((10, 5))
    assert aim.features is not None
    some = replace(aim, features=aim.features.iloc[3:])
    assert set(compose(DIVERSE, pool, some)["image_id"]) == set(aim.features["image_id"].iloc[3:])
    for features in (None, aim.features.head(0)):
        with pytest.raises(InputError, match="curate bulk-id --model CKPT --embeddings"):
            compose(DIVERSE, pool, replace(aim, features=features))


def test_no_candidates_make_an_empty_queue() -> None:
    pool, aim = question((5,))
    assert compose(DIVERSE, pool.head(0), aim).empty
