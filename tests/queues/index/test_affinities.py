"""The affinities of an index are those of the definition, wherever and whenever they are kept."""

from __future__ import annotations

from hashlib import md5

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pandas.testing import assert_series_equal

from curate.core.identity import Content
from curate.queues.expectations.affinity import MOST, Side, affinity
from curate.queues.filters.spread import directions
from curate.queues.index import affinities, indexed
from curate.store import decisions, duplicates, embeddings, files, runs, shards
from curate.store.decisions import Decision
from curate.store.files import FileRow
from curate.store.library import Library

from ..cases import CLASSES, LACKED, predict, said

MIDDLE = {name: np.eye(8)[at] + 0.3 for at, name in enumerate((*CLASSES, LACKED))}


def images() -> pd.DataFrame:
    """What the model is taught, what is held out, what it lacks, and a pool of all of these."""
    kinds = [
        *[(name, "kudu", "train") for name in ["kudu"] * 12],
        *[("kudu", "kudu", "val")] * 5,
        *[("zebra", "zebra", "train")] * 2,
        *[(LACKED, "kudu", "train")] * 4,
        *[("", "kudu", "")] * 8,
        *[("", "zebra", "")] * 6,
    ]
    dice = np.random.default_rng(0)
    rows = []
    for at, (label, predicted, split) in enumerate(kinds):
        shows = label or (predicted if at % 2 else LACKED)
        rows.append(
            {
                "image_id": md5(str(at).encode()).hexdigest(),
                "label": label,
                "predicted": predicted,
                "split": split,
                "vector": (MIDDLE[shows] + dice.normal(0, 0.1, 8)).astype(np.float16),
            }
        )
    return pd.DataFrame(rows)


IMAGES = images()
TWINS = sorted(IMAGES.loc[(IMAGES["label"] == "") & (IMAGES["predicted"] == "kudu"), "image_id"])[
    :2
]
"""Two images of the pool that look alike."""
FAMILY = IMAGES["image_id"].where(~IMAGES["image_id"].isin(TWINS), TWINS[0])


def featured(library: Library, rows: pd.DataFrame = IMAGES) -> None:
    with runs.running(library, "bulk-id", {"model": "m1"}, key="features") as run:
        flat = np.stack(list(rows["vector"])).ravel()
        table = pa.table(
            {
                "run_id": pa.array([run.run_id] * len(rows), pa.int64()),
                "image_id": pa.array(list(rows["image_id"]), pa.string()),
                "embedding": pa.FixedSizeListArray.from_arrays(pa.array(flat), 8),
            }
        )
        shard = shards.write(library, embeddings.TABLE, run.run_id, 0, table)
        with library.writing() as connection:
            shards.reference(connection, shard)


def decide(library: Library, made: list[Decision]) -> None:
    with runs.running(library, "label", {"n": len(made)}) as run, library.writing() as connection:
        decisions.append(connection, run.run_id, made)


@pytest.fixture
def run_id(library: Library) -> int:
    """A library with predictions, and its run; nothing has features yet."""
    return predicted(library, registered(library))


def registered(library: Library) -> list[str]:
    """Scan all images, find the twins, and label."""
    ids = list(IMAGES["image_id"])
    with runs.running(library, "scan", {}) as run, library.writing() as connection:
        rows = [FileRow(f"/p/{name}.jpg".encode(), name, 10, 1, 1, "ok") for name in ids]
        contents = [Content(name, 10, 640, 480, "JPEG", None) for name in ids]
        files.register(connection, run.run_id, rows, contents)
    alike = pd.DataFrame({"image_id": TWINS}).assign(
        group=TWINS[0], tie=TWINS[0], keeper=TWINS[0], similarity=1.0, reason=""
    )
    with runs.running(library, "duplicates", {}) as run, library.writing() as connection:
        duplicates.replace(connection, run.run_id, alike)
    labelled = IMAGES[IMAGES["label"] != ""].itertuples()
    decide(
        library,
        [
            Decision(kind, str(row.image_id), str(value), f"{kind}{row.image_id}", "anna")
            for row in labelled
            for kind, value in (("label", row.label), ("split", row.split))
        ],
    )
    return ids


def predicted(library: Library, ids: list[str]) -> int:
    told = zip(ids, IMAGES["predicted"], strict=True)
    return predict(library, [said(name, predicted, 0.9) for name, predicted in told])


def asked(library: Library, run_id: int, small: int, model: str = "m1") -> pd.Series:
    with indexed.asked(library, [run_id], small, model=model, classes=CLASSES) as answering:
        rows = answering.execute("SELECT image_id, affinity FROM everything").df()
    return rows.set_index("image_id")["affinity"].astype("float64").sort_index()


def defined() -> pd.Series:
    """By the definition: no SQL, and nothing that is kept."""
    found = pd.Series(np.nan, IMAGES["image_id"], name="affinity")
    families = pd.Series(pd.factorize(FAMILY)[0].astype(np.uint64), IMAGES.index)
    vectors = np.stack(list(IMAGES["vector"]))
    known = IMAGES["label"].isin(CLASSES)
    for name in CLASSES:
        own = IMAGES["predicted"] == name
        taught = known & (IMAGES["label"] == name) & (IMAGES["split"] != "val")
        sides = [
            Side(directions(vectors[rows])[0], families[rows].to_numpy())
            for rows in (taught, own & ~known)
        ]
        found[own.to_numpy()] = affinity(vectors[own], families[own].to_numpy(), *sides)
    return found.sort_index()


@pytest.mark.parametrize("small", [indexed.SMALL, -1])
def test_they_are_those_of_the_definition(library: Library, run_id: int, small: int) -> None:
    featured(library)
    first = asked(library, run_id, small)
    assert_series_equal(first, defined(), atol=1e-5)
    # Two zebras are labelled: too few to be at home among.
    assert first[IMAGES.loc[IMAGES["predicted"] == "zebra", "image_id"]].isna().all()
    assert first.notna().sum() == (IMAGES["predicted"] == "kudu").sum()
    assert_series_equal(first, asked(library, run_id, small))


@pytest.mark.parametrize("small", [indexed.SMALL, -1])
def test_answers_given_since_change_none(library: Library, run_id: int, small: int) -> None:
    featured(library)
    first = asked(library, run_id, small)
    answers = IMAGES[IMAGES["label"] == ""].head(6)["image_id"]
    decide(library, [Decision("label", name, "kudu", f"a{name}", "ben") for name in answers])
    assert_series_equal(first, asked(library, run_id, small))
    # Nor where nothing is kept, and all is worked out with the answers in sight.
    for path in (library.folder / indexed.FOLDER).iterdir():
        path.unlink()
    assert_series_equal(first, asked(library, run_id, small), atol=1e-5)


@pytest.mark.parametrize("small", [indexed.SMALL, -1])
def test_without_features_they_are_missing(library: Library, run_id: int, small: int) -> None:
    assert asked(library, run_id, small).isna().all()
    assert asked(library, run_id, small, model="").isna().all()


def test_many_rows_are_filled_in_some_at_a_time(
    library: Library, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    featured(library)
    monkeypatch.setattr(affinities, "AT_ONCE", 5)
    assert_series_equal(asked(library, run_id, -1), defined(), atol=1e-5)


def test_what_was_rejected_before_is_compared_with_nothing(library: Library) -> None:
    taught = IMAGES.loc[(IMAGES["label"] == "kudu") & (IMAGES["split"] == "train"), "image_id"]
    ids = registered(library)
    decide(library, [Decision("reject", name, "blurred", f"r{name}", "ben") for name in taught])
    run_id = predicted(library, ids)
    featured(library)
    # Nobody is left to be at home among.
    assert asked(library, run_id, indexed.SMALL).isna().all()


def test_features_of_length_zero_are_as_good_as_none(library: Library, run_id: int) -> None:
    zero = IMAGES["label"].eq("") & IMAGES["predicted"].eq("kudu")
    vectors = IMAGES["vector"].where(~zero, pd.Series([np.zeros(8, np.float16)] * len(IMAGES)))
    featured(library, IMAGES.assign(vector=vectors))
    found = asked(library, run_id, indexed.SMALL)
    assert found[IMAGES.loc[zero, "image_id"]].isna().all()
    # Four of a class that the model lacks are left on the side of the pool.
    assert found[IMAGES.loc[IMAGES["label"] == "kudu", "image_id"]].notna().all()


def test_damaged_features_are_as_good_as_none(library: Library, run_id: int) -> None:
    featured(library)
    (shard,) = embeddings.held(library, "m1")
    shard.write_bytes(shard.read_bytes()[:100])
    assert asked(library, run_id, indexed.SMALL).isna().all()


def test_images_without_features_have_none_and_are_on_no_side(
    library: Library, run_id: int
) -> None:
    taught = (IMAGES["label"] == "kudu") & (IMAGES["split"] == "train")
    featured(library, IMAGES[~taught])
    assert asked(library, run_id, indexed.SMALL).isna().all()


def test_what_is_kept_is_read_and_what_is_damaged_worked_out_again(
    library: Library, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    featured(library)
    first = asked(library, run_id, indexed.SMALL)
    (kept,) = (library.folder / indexed.FOLDER).glob(f"*{affinities.SUFFIX}")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    assert_series_equal(first, asked(library, run_id, indexed.SMALL))
    assert kept.read_bytes() == whole
    monkeypatch.setattr(embeddings, "blocks", None)
    assert_series_equal(first, asked(library, run_id, indexed.SMALL))


def test_other_predictions_of_the_model_have_affinities_of_their_own(
    library: Library, run_id: int
) -> None:
    featured(library)
    asked(library, run_id, indexed.SMALL)
    again = predict(library, [said(name, "zebra", 0.9) for name in IMAGES["image_id"]])
    assert asked(library, again, indexed.SMALL).isna().all()
    assert len(list((library.folder / indexed.FOLDER).glob(f"*{affinities.SUFFIX}"))) == 2


def test_of_many_images_few_are_compared(
    library: Library, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    featured(library)
    sizes = []

    def counting(features: NDArray[np.float16], families: NDArray[np.uint64]) -> Side:
        sizes.append(len(families))
        return Side(features, families)

    monkeypatch.setattr("curate.queues.index.affinities.Side", counting)
    monkeypatch.setattr(affinities, "_SIDES", affinities._SIDES.replace(f"<= {MOST}", "<= 5"))
    asked(library, run_id, indexed.SMALL)
    assert max(sizes) == 5
