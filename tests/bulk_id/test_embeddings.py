"""Embeddings: the features of the same pass, of the same images as the predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from curate.bulk_id import Ask, Selection
from curate.core import paths
from curate.core.errors import LibraryError
from curate.duplicates import DuplicatePolicy, find
from curate.models.checkpoint import load
from curate.models.reading import read_prepared
from curate.models.runner import Plan, Runner
from curate.scan import scan
from curate.store import embeddings, files, shards
from curate.store.check import faults
from curate.store.library import Library

from .made import checkpoint, identified, photos, saved

KEEP = Ask(embeddings=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(checkpoint(), tmp_path_factory.mktemp("model") / "ckpt.pt")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    photos(tmp_path / "pool", 12)
    (tmp_path / "pool" / "empty.jpg").write_bytes(b"")
    return tmp_path / "pool"


def rows(library: Library, table: str) -> pd.DataFrame:
    with library.reading() as connection:
        parts = shards.paths(library, shards.referenced(connection, table))
    tables = [pq.read_table(part).to_pandas() for part in parts]
    found: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return found


def test_they_are_the_features_of_the_images_that_have_predictions(
    library: Library, model: Path, pool: Path
) -> None:
    identified(library, model, [pool], ask=KEEP)
    kept = rows(library, "embeddings")
    assert list(kept["image_id"]) == list(rows(library, "predictions")["image_id"])
    one = load(model)
    runner = Runner(one, Plan(batch_size=1), features=True)
    with library.reading() as connection:
        places = files.one_path_each(connection).set_index("image_id")["path"]
    assert set(kept["image_id"]) == set(places.index)
    for image, found in zip(kept["image_id"], kept["embedding"], strict=True):
        _, pixels = read_prepared(paths.from_text(places[image]), one.preprocessing)
        features = runner.run(pixels[None]).features
        assert features is not None
        assert found.dtype == np.float16
        assert np.allclose(found, features[0].astype(np.float16), rtol=2e-3, atol=2e-3)


def test_they_change_no_prediction(library: Library, model: Path, pool: Path) -> None:
    plain = identified(library, model, [pool]).table
    with_them = identified(library, model, [pool], ask=KEEP).table
    pd.testing.assert_frame_equal(plain, with_them, atol=1e-6)


def test_asked_for_later_only_those_that_lack_are_computed(
    library: Library, model: Path, pool: Path
) -> None:
    identified(library, model, [pool], ask=KEEP, selection=Selection(limit=5))
    assert identified(library, model, [pool]).counts["computed"] == 13 - 5
    later = identified(library, model, [pool], ask=KEEP)
    assert later.counts["computed"] == 12 - 5
    assert identified(library, model, [pool], ask=KEEP).counts["computed"] == 0
    assert identified(library, model, [pool]).counts["computed"] == 0
    assert rows(library, "embeddings")["image_id"].value_counts().to_dict() == dict.fromkeys(
        rows(library, "predictions")["image_id"], 1
    )
    assert len(later.table) == 13
    assert faults(library) == []


@pytest.mark.parametrize("table", ["embeddings", "predictions"])
def test_a_lost_shard_of_either_is_made_again(
    library: Library, model: Path, pool: Path, table: str
) -> None:
    before = identified(library, model, [pool], ask=KEEP).table
    (shard,) = (library.folder / "tables" / table).glob("*.parquet")
    shard.unlink()
    again = identified(library, model, [pool], ask=KEEP)
    assert again.counts["computed"] == again.counts["dropped"] == 12
    pd.testing.assert_frame_equal(before, again.table, atol=1e-6)
    assert set(rows(library, table)["image_id"]) == set(before["image_id"].dropna())


def test_duplicates_may_ask_for_them(library: Library, model: Path, pool: Path) -> None:
    with pytest.raises(LibraryError, match="no embeddings"):
        embeddings.read(library)
    identified(library, model, [pool], ask=KEEP, selection=Selection(limit=5))
    identified(library, model, [pool], ask=KEEP)
    kept = embeddings.read(library)
    assert sorted(kept["image_id"]) == sorted(rows(library, "predictions")["image_id"])
    scan(library, pool, backend="serial")
    assert find(library, DuplicatePolicy(), kept).compared == 12
    # Another model's are another space: the last run's count, with what it resumed.
    other = saved(checkpoint(seed=8), model.with_name("other.pt"))
    identified(library, other, [pool], ask=KEEP, selection=Selection(limit=3))
    assert len(embeddings.read(library)) == 3
