"""Predictions that another program made, as a bulk identification of ours: queues work on them.

What the other program says of an image is kept as it stands. Measures are made of what is there,
and are missing where nothing is: a tool that names its best class alone has no margin.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import select

from curate.bulk_id import columns
from curate.bulk_id.done import STAGE, ids_in, runs_of
from curate.core.errors import FaultsError, InputError
from curate.core.identity import file_id
from curate.core.names import fault_of
from curate.store import files, runs, schema, shards
from curate.store.finding import SHOWN, find
from curate.store.library import Library

ROWS = 50_000
"""Rows in a shard, at most."""

_SUM = 1.001
"""Scores that add up to more are no distribution, and have no entropy."""


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes
    ----------
    counts : dict of str to int
        imported (images, the failed ones among them), failed (the other program could not do
        them), known (imported before), doubled (further rows of an image), unfound (rows of files
        that the library does not have).
    model : str
        By which name queues ask for them: the digest of the file.
    unfound : list of str
        Why the rows of `unfound` have no image, with their places.
    """

    counts: dict[str, int]
    model: str
    unfound: list[str]


def import_predictions(
    library: Library,
    predictions: pd.DataFrame,
    model_name: str,
    classes: Sequence[str],
    source: Path,
    *,
    source_name: str = "",
    roots: Sequence[bytes] = (),
) -> Imported:
    """Keep what another program predicted as a run of bulk identification.

    The same file again adds nothing; a file that has grown is another model.

    Parameters
    ----------
    library : Library
        Where the predictions are written down.
    predictions : DataFrame
        `formats.exchange.PREDICTION_COLUMNS`: place, file, image_id, status, reason, classes,
        scores (lists, the best first).
    model_name : str
        What the file calls the model; '' where it does not.
    classes : sequence of str
        All classes that the model may name; those of the predictions are added.
    source : Path
        The file; its digest stands for the model.
    source_name : str
        What the user calls it, where that is another place.
    roots : sequence of bytes
        Folders that relative files start from (see `store.finding.find`).

    Raises
    ------
    InputError
        None of the files is in the library, or there is no prediction.
    FaultsError
        A class has a name that none can have, or scores that are no numbers or not in order.
    """
    name = source_name or str(source)
    check_predictions(predictions, name)
    model = _digest(predictions, source)
    known = sorted({*classes, *(one for listed in predictions["classes"] for one in listed)})
    computing = {"model": model, "arch": model_name or "unknown", "classes": known}
    path = f"{model_name} ({name})" if model_name else name
    parameters = {**computing, "path": path, "roots": [name], "throw_away": False}
    key = runs.key_of(computing)
    rows = predictions[["image_id", "file"]].astype(object).fillna("").astype(str)
    with library.reading() as connection:
        found = find(connection, list(rows.itertuples(index=False, name=None)), roots)
        places = files.one_path_each(connection).set_index("image_id")["path"]
    unfound = [f"{predictions['place'].iloc[n]}: {said}" for n, said in found.faults.items()]
    if not found.images:
        shown = "".join(f"\n  {said}" for said in unfound[:SHOWN])
        raise InputError(
            name,
            f"none of its {len(predictions):,} images is in the library:{shown}\n",
            "`curate scan` the folder of the images first, or name it with --root.",
        )
    with runs.running(library, STAGE, parameters, key) as run:
        with library.reading() as connection:
            done = ids_in(library, connection, columns.PREDICTIONS, runs_of(connection, key))
        seen = set[str]()
        kept, already = list[dict[str, Any]](), 0
        for number, row in enumerate(predictions.to_dict("records")):
            image_id = found.images.get(number)
            if image_id is None or image_id in seen:
                continue
            seen.add(image_id)
            if image_id in done:
                already += 1
                continue
            kept.append(_row(row, run.run_id, image_id, str(places.get(image_id, row["file"]))))
        for number, start in enumerate(range(0, len(kept), ROWS)):
            table = pa.Table.from_pylist(
                kept[start : start + ROWS], schema=columns.PREDICTIONS_SCHEMA
            )
            shard = shards.write(library, columns.PREDICTIONS, run.run_id, number, table)
            with library.writing() as connection:
                shards.reference(connection, shard)
        counts = {
            "imported": len(kept),
            "failed": sum(row["status"] == "failed" for row in kept),
            "known": already,
            "doubled": len(found.images) - len(seen),
            "unfound": len(unfound),
        }
        run.summary.update(counts)
    return Imported(counts, model, unfound)


def is_known(library: Library, model: str) -> bool:
    """Whether a bulk identification of this library asked the checkpoint with this digest."""
    query = select(schema.runs.c.parameters).where(schema.runs.c.stage == STAGE)
    with library.reading() as connection:
        return model in {json.loads(text)["model"] for text in connection.scalars(query)}


def check_predictions(predictions: pd.DataFrame, name: str) -> None:
    if predictions.empty:
        raise InputError(name, "there is no prediction in it", "Give a file that has some.")
    faults: dict[str, str] = {}
    for place, listed, scores in zip(
        predictions["place"], predictions["classes"], predictions["scores"], strict=True
    ):
        for one in listed:
            fault = fault_of(one)
            if fault:
                faults.setdefault(repr(one), f"{place}: {one!r} cannot name a class: it {fault}")
        said = ", ".join(map(str, scores))
        if len(scores) != len(listed):
            faults[place] = f"{place}: {len(listed)} classes and {len(scores)} scores"
        elif not all(math.isfinite(score) and 0 <= score <= 1 for score in scores):
            faults[place] = f"{place}: scores lie between 0 and 1: {said}"
        elif any(a < b for a, b in pairwise(scores)):
            faults[place] = f"{place}: the best score comes first: {said}"
    if faults:
        raise FaultsError(name, list(faults.values()), "Mend these and give the command again.")


def _digest(predictions: pd.DataFrame, source: Path) -> str:
    if source.is_file():
        return file_id(source)
    # Not where it lies: a folder that was moved or fetched says the same.
    root = f"{source.absolute()}/"
    said = [
        {**row, "file": row["file"].removeprefix(root)}
        for row in predictions[["file", "image_id", "classes", "scores"]].to_dict("records")
    ]
    return sha256(json.dumps(said, default=list).encode()).hexdigest()[:32]


def _row(said: dict[Any, Any], run_id: int, image_id: str, path: str) -> dict[str, Any]:
    names, scores = list(said["classes"]), [float(score) for score in said["scores"]]
    fine = said["status"] == "ok" and bool(names)
    blank = dict.fromkeys(columns.PREDICTIONS_SCHEMA.names)
    row = {**blank, "run_id": run_id, "image_id": image_id, "path": path}
    if not fine:
        return {**row, "status": "failed", "reason": said["reason"] or "no class is named"}
    several = len(names) > 1
    return {
        **row,
        "status": "ok",
        "predicted": names[0],
        "score": scores[0],
        "second": names[1] if several else None,
        "second_score": scores[1] if several else None,
        "margin": scores[0] - scores[1] if several else None,
        "entropy": _entropy(scores) if several else None,
        "top_classes": names,
        "top_scores": scores,
    }


def _entropy(scores: Sequence[float]) -> float | None:
    """Give the entropy (nats) of scores, what is missing to 1 being one class more.

    That is no more than the entropy of all classes would be.
    """
    total = sum(scores)
    if total > _SUM:
        return None
    shares = [*scores, max(0.0, 1.0 - total)]
    return max(0.0, -sum(share * math.log(share) for share in shares if share > 0))
