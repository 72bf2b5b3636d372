"""Features of given images, against a dictionary of what was written last."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

from curate.core.errors import InputError, LibraryError
from curate.store import embeddings, runs, shards
from curate.store.library import Library

WIDTH = 3


def keep(library: Library, rows: Mapping[str, float], model: str = "m1", **more: object) -> None:
    """Write a run of bulk identification that kept features: (value, value + 1, value + 2)."""
    with runs.running(library, "bulk-id", {"model": model, **more}, key=f"{model} {more}") as run:
        vectors = np.array([np.arange(WIDTH) + value for value in rows.values()], np.float16)
        table = pa.table(
            {
                "run_id": pa.array([run.run_id] * len(rows), pa.int64()),
                "image_id": pa.array(list(rows), pa.string()),
                "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), WIDTH),
            }
        )
        shard = shards.write(library, embeddings.TABLE, run.run_id, 0, table)
        with library.writing() as connection:
            shards.reference(connection, shard)


def asked(library: Library, *ids: str, model: str | None = None) -> dict[str, float]:
    found, features = embeddings.of_images(library, ids, model)
    assert features.shape == (len(found), WIDTH)
    assert features.dtype == np.float16
    assert found == sorted(found)
    assert (features == features[:, :1] + np.arange(WIDTH)).all()
    return dict(zip(found, features[:, 0].tolist(), strict=True))


def test_only_the_asked_images_come_in_the_order_of_ids(library: Library) -> None:
    keep(library, {"b": 1, "a": 2, "c": 3})
    assert asked(library, "c", "a", "c", "x") == {"a": 2, "c": 3}
    assert asked(library, "x", "0") == {}
    assert asked(library) == {}


def test_what_was_kept_last_counts(library: Library) -> None:
    keep(library, {"a": 1, "b": 2})
    keep(library, {"b": 3})
    assert asked(library, "a", "b") == {"a": 1, "b": 3}


def test_each_model_has_its_own(library: Library) -> None:
    keep(library, {"a": 1})
    keep(library, {"a": 2, "b": 3}, model="m2")
    assert asked(library, "a", "b", model="m1") == {"a": 1}
    assert asked(library, "a", "b", model="m2") == asked(library, "a", "b") == {"a": 2, "b": 3}


def test_runs_that_wrote_other_columns_of_the_same_features_belong_together(
    library: Library,
) -> None:
    keep(library, {"a": 1}, top=5)
    keep(library, {"b": 2}, top=10)
    keep(library, {"c": 3}, tta="flip")
    assert asked(library, "a", "b", "c", model="m1") == {"c": 3}
    keep(library, {"d": 4}, top=5)
    assert asked(library, "a", "b", "c", "d") == {"a": 1, "b": 2, "d": 4}
    assert set(embeddings.read(library)["image_id"]) == {"a", "b", "d"}


def test_all_come_in_blocks(library: Library) -> None:
    keep(library, {f"{number:02d}": number for number in range(10)})
    keep(library, {"10": 10})
    found = list(embeddings.blocks(library))
    assert [len(ids) for ids, _ in found] == [10, 1]
    assert np.concatenate([ids for ids, _ in found]).tolist() == [f"{n:02d}" for n in range(11)]
    assert np.concatenate([features for _, features in found])[:, 0].tolist() == list(range(11))


def test_a_library_without_features_names_the_command(library: Library) -> None:
    with pytest.raises(LibraryError, match="curate bulk-id --model CKPT --embeddings"):
        embeddings.of_images(library, ["a"])


def test_a_model_without_features_names_those_that_have_some(library: Library) -> None:
    keep(library, {"a": 1})
    keep(library, {"a": 1}, model="m2")
    with pytest.raises(InputError, match="m1, m2"):
        list(embeddings.blocks(library, "m3"))


def test_a_damaged_shard_is_an_error_that_names_the_command(library: Library) -> None:
    keep(library, {"a": 1})
    (path,) = (library.folder / "tables" / embeddings.TABLE).iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LibraryError, match="`curate bulk-id` again"):
        asked(library, "a")
