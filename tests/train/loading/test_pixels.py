from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core import paths
from curate.core.files import read
from curate.core.images import Pixels, open_picture
from curate.models.preprocess import Preprocessing, decode_side, prepare
from curate.train.examples import Examples, examples_of
from curate.train.loading.changes import Change
from curate.train.loading.pixels import PixelStore, in_batches, shuffled
from tests.train.conftest import Make

HALF = (0.5, 0.5, 0.5)
SMALL = Preprocessing(24, 24, "bilinear", 1.0, "center", HALF, HALF)


@contextmanager
def opened(examples: Examples, workers: int = 2, cache_bytes: int = 10**9) -> Iterator[PixelStore]:
    with closing(PixelStore(examples, SMALL, workers, cache_bytes)) as store:
        yield store


def every(store: PixelStore, examples: Examples) -> list[Pixels]:
    groups = in_batches(np.arange(len(examples.ids)), 5)
    return [pixels for batch in store.batches(groups) for pixels in batch.pixels]


def opened_picture(path: bytes) -> Pixels:
    return open_picture(read(path), decode_side(SMALL)).pixels


def prepared(path: bytes) -> Pixels:
    return prepare(opened_picture(path), SMALL)


@pytest.mark.parametrize("cache_bytes", [10**9, 0])
@pytest.mark.parametrize("workers", [1, 3])
def test_pixels_are_those_of_their_own_file(
    make_table: Make, cache_bytes: int, workers: int
) -> None:
    examples = examples_of(make_table(train=4, val=2, test=1))
    with opened(examples, workers, cache_bytes) as store:
        assert store.cached == (cache_bytes > 0)
        for _ in range(2):
            for pixels, path in zip(every(store, examples), examples.paths, strict=True):
                assert np.array_equal(pixels, prepared(path))


def test_what_fits_is_decoded_once(make_table: Make) -> None:
    examples = examples_of(make_table())
    with opened(examples) as store:
        first = every(store, examples)
        for path in examples.paths:
            Path(path.decode()).unlink()
        assert np.array_equal(first, every(store, examples))
        assert store.failures().empty


def spoil(table: pd.DataFrame) -> dict[str, str]:
    """Break four files, each in its way; give what must be said of each image."""
    for at, change in enumerate((b"", b"some text", b"P5 1 1 255\n.")):
        Path(table["path"][at]).write_bytes(change)
    Path(table["path"][3]).unlink()
    reasons = (
        "decode: empty file",
        "decode: not an image",
        "read: changed since it was scanned",
        "read: no such file",
    )
    return dict(zip(table["image_id"][:4], reasons, strict=True))


@pytest.mark.parametrize(("kind", "cache_bytes"), [("threads", 10**9), ("processes", 0)])
def test_what_does_not_open_is_a_row_and_no_neighbours_pixels(
    make_table: Make, kind: str, cache_bytes: int
) -> None:
    table = make_table()
    reasons = spoil(table)
    examples = examples_of(table)
    everything = np.arange(len(examples.ids))
    with closing(PixelStore(examples, SMALL, 2, cache_bytes, kind=kind)) as store:
        for batch in store.batches(in_batches(everything, 4)):
            for pixels, at in zip(batch.pixels, batch.positions, strict=True):
                assert np.array_equal(pixels, prepared(examples.paths[at]))
                assert examples.ids[at] not in reasons
        failures = store.failures()
        assert list(failures.columns) == ["image_id", "path", "stage", "reason"]
        assert len(failures) == len(reasons)
        for row in failures.itertuples():
            assert str(row.reason).startswith(reasons[str(row.image_id)])
            assert paths.from_text(str(row.path)) in examples.paths
        assert len(store.usable(everything)) == len(everything) - len(reasons)


def test_a_batch_of_which_nothing_opens_is_empty(make_table: Make) -> None:
    table = make_table()
    spoil(table)
    examples = examples_of(table)
    at = [examples.ids.index(name) for name in table["image_id"][:4]]
    with opened(examples) as store:
        (batch,) = store.batches([np.array(at)])
    assert batch.pixels.shape == (0, 24, 24, 3)
    assert len(batch.positions) == 0


def test_augmented_pixels_do_not_touch_the_cache(make_table: Make) -> None:
    examples = examples_of(make_table())
    groups = in_batches(np.arange(len(examples.ids)), 8)
    with opened(examples) as store:
        before = every(store, examples)
        change = Change("flip(p=1)", 0, 1)
        turned = [p for batch in store.batches(groups, change) for p in batch.pixels]
        assert all(np.array_equal(a, b[:, ::-1]) for a, b in zip(turned, before, strict=True))
        assert np.array_equal(every(store, examples), before)


def test_an_image_that_is_shown_again_is_another_variant_each_time(make_table: Make) -> None:
    examples = examples_of(make_table())
    groups = [np.array([3, 3, 5]), np.array([5, 3])]
    recipe = "rotate(limit=40)"
    with opened(examples) as store:
        one, two = store.batches(groups, Change(recipe, 0, 1))
        (alone,) = store.batches([np.array([3])], Change(recipe, 0, 1))
    shown = [*one.pixels[:2], two.pixels[1]]
    assert np.array_equal(shown[0], alone.pixels[0])
    assert len({pixels.tobytes() for pixels in shown}) == 3


def test_a_batch_is_its_callers_for_good(make_table: Make) -> None:
    examples = examples_of(make_table())
    groups = in_batches(np.arange(len(examples.ids)), 4)
    with opened(examples) as store:
        for batch in store.batches(groups):
            batch.pixels[...] = 0
        assert np.array_equal(every(store, examples), [prepared(path) for path in examples.paths])


def test_the_store_says_how_long_its_caller_waited(make_table: Make) -> None:
    examples = examples_of(make_table())
    groups = in_batches(np.arange(len(examples.ids)), 4)
    with opened(examples) as store:
        began = time.perf_counter()
        for _ in store.batches(groups):
            pass
        assert 0 < store.waited < time.perf_counter() - began
        store.waited = 0.0
        for _ in store.batches(groups):
            time.sleep(0.01)
        # All is there long before it is asked for, but for the first batch.
        assert store.waited < 0.01 * len(groups) / 2


@given(st.integers(0, 200), st.integers(2, 40), st.integers(0, 5))
def test_an_epoch_holds_every_image_once_in_even_batches(
    number: int, batch_size: int, seed: int
) -> None:
    examples = Examples(
        [f"i{at}" for at in range(number)], [], np.empty(0, np.int64), {}, (), "", ""
    )
    groups = shuffled(examples, np.arange(number), batch_size, seed, 1)
    sizes = [len(group) for group in groups]
    assert sorted(at for group in groups for at in group) == list(range(number))
    assert max(sizes, default=0) <= batch_size
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    if number > 20:
        again = shuffled(examples, np.arange(number), batch_size, seed, 2)
        assert [list(group) for group in groups] != [list(group) for group in again]
