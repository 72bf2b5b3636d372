"""The library of a plan: what a head says of photos, and what somebody answered, as a user has it.

A head on frozen features is a checkpoint like any other: its predictions and its features lie in
one run of bulk identification, under its own digest, and it knows how unlike its training images a
photo is. So recipes find here what `curate bulk-id --embeddings` would have left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.labelling_study import Head, Study, trained
from benchmarks.throw_away import curate
from curate.bulk_id.columns import EMBEDDINGS, PREDICTIONS, PREDICTIONS_SCHEMA, embeddings_schema
from curate.models.novelty import fit
from curate.models.scores import score_table
from curate.store import facts, runs, shards
from curate.store.library import Library
from curate.train.calibrate import fit_temperature

THROW_AWAY = 2
"""The cutoff of what predicts the pool: a throw-away model, which learns all classes."""


def answered(study: Study, places: NDArray[np.int64]) -> None:
    """Import what photos show, and split what has a label."""
    file = study.place / "answers.csv"
    answers = study.photos.iloc[places][["image_id", "truth"]].rename(columns={"truth": "label"})
    answers.to_csv(file, index=False)
    named = [word for name in sorted(set(answers["label"])) for word in ("--new-class", name)]
    at = ["--library", str(study.place)]
    curate("label", "import", str(file), *named, *at)
    least = str(THROW_AWAY)
    curate("split", "--min-count", least, "--count", "images", "--val", "0.2", "--test", "0", *at)


def identified(library: Library, study: Study, head: Head) -> None:
    """Write what a head says of all photos but those of the test, as a bulk identification."""
    with library.reading() as connection:
        table = facts.images(connection)
    val = study.photos["image_id"].isin(table["image_id"][table["split"] == "val"]).to_numpy()
    columns = said(study, head, val)
    model = f"head-{study.round}"
    parameters = {"model": model, "path": f"{model}.safetensors", "classes": head.classes}
    with runs.running(library, "bulk-id", parameters, key=model) as run:
        columns["run_id"] = np.full(len(columns["image_id"]), run.run_id)
        width = study.features.shape[1]
        schemas = {PREDICTIONS: PREDICTIONS_SCHEMA, EMBEDDINGS: embeddings_schema(width)}
        for name, schema in schemas.items():
            arrays = [pa.array(columns[field.name], field.type) for field in schema]
            rows = pa.Table.from_arrays(arrays, schema=schema)
            shard = shards.write(library, name, run.run_id, 0, rows)
            with library.writing() as connection:
                shards.reference(connection, shard)


def said(study: Study, head: Head, val: NDArray[np.bool_]) -> dict[str, Any]:
    """Make the columns of a bulk identification with a head that was trained as a model is.

    A head learns here from all labels. So what is said of the photos of val, and what follows from
    them (how sure the head may be, and how unlike its images a photo is), is the word of a second
    head, which learns from the others alone.
    """
    numbers = pd.Categorical(study.photos["truth"], head.classes).codes.astype(np.int64)
    taught = study.labelled & ~val
    less = trained(study, taught).logits
    novelty = fit(study.features[taught], numbers[taught], study.features[val])
    temperature = fit_temperature(less[val].astype(np.float32), numbers[val])
    logits = np.where(val[:, np.newaxis], less, head.logits)
    asked = ~study.test
    features = study.features[asked]
    return {
        **score_table(logits[asked], head.classes, temperature=temperature),
        "image_id": study.photos["image_id"][asked],
        "path": study.photos["path"][asked],
        "novelty": novelty.distance(features),
        "embedding": pa.FixedSizeListArray.from_arrays(
            pa.array(features.ravel()), features.shape[1]
        ),
    }
