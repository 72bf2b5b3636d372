"""What other programs are given of the library: a queue, or all with a label or a prediction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sqlalchemy import Connection, select

from curate.core.errors import FaultsError, LibraryError
from curate.formats.exchange import OUT_COLUMNS, Outgoing
from curate.queues.predicted import predicted
from curate.store import decisions, facts, schema, views
from curate.store.library import Library

_SAID = ("predicted", "score", "second", "second_score", "top_classes", "top_scores")
_TEXTS = ("label", "sub_class", "origin", "split", "bbox", "by", "predicted", "second", "reason")

_QUERY = f"""
SELECT image_id, {", ".join(_SAID)} FROM predictions
WHERE status = 'ok' AND list_contains(?::BIGINT[], run_id)
    AND image_id IN (SELECT image_id FROM asked)
QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY run_id DESC, path DESC) = 1
"""


def outgoing(
    library: Library, images: pd.DataFrame | None = None, model: str | None = None
) -> Outgoing:
    """Give the images that another program is to get, with all that is known of them.

    Parameters
    ----------
    library : Library
        Where labels and predictions are.
    images : DataFrame, optional
        A queue: image_id, and reason where it has one; its order is kept. All usable images that
        have a label or a prediction, by path, when missing.
    model : str, optional
        Digest of the checkpoint whose predictions go along; the one that predicted last when
        missing, and none where there are no predictions.

    Returns
    -------
    Outgoing
        Without the images that were rejected, or of which no file can be read any more;
        `table.attrs["left_out"]` says how many of the queue these are.

    Raises
    ------
    InputError
        There are no predictions of this model.
    FaultsError
        The queue names images that are not in the library.
    """
    with library.reading() as connection:
        table = facts.images(connection)
        found = _found(connection)
        try:
            said = predicted(library, connection, model)
        except LibraryError:
            said = None
    known = set(table["label"].dropna())
    classes = tuple(sorted(known | set(said.classes if said else ())))
    usable = table[table["usable"]].merge(found, on="image_id", how="left")
    asked = usable["image_id"] if images is None else images["image_id"]
    predictions = _predictions(library, asked, said.run_ids if said else ())
    usable = usable.merge(predictions, "left", "image_id")
    if images is None:
        usable = usable[usable["label"].notna() | usable["predicted"].notna()]
        chosen = usable.sort_values("path").assign(reason="")
        left_out = 0
    else:
        _check(images, found)
        queue = images[["image_id"]].assign(reason=images.get("reason", ""))
        chosen = queue.drop_duplicates("image_id").merge(usable, on="image_id")
        left_out = queue["image_id"].nunique() - len(chosen)
    laid = chosen.assign(**{name: chosen[name].fillna("").astype(object) for name in _TEXTS})
    for name in ("top_classes", "top_scores"):
        laid[name] = pd.Series([_list(value) for value in laid[name]], laid.index, object)
    laid = laid[list(OUT_COLUMNS)].reset_index(drop=True)
    laid.attrs = {"left_out": left_out}
    return Outgoing(laid, classes, said.model if said else "")


def _found(connection: Connection) -> pd.DataFrame:
    """Give the size of every image, its box, and who labelled it."""
    columns = schema.images.c
    rows = connection.execute(select(columns.image_id, columns.width, columns.height)).all()
    sizes = pd.DataFrame(rows, columns=["image_id", "width", "height"])
    labels = decisions.current(connection, "label")
    told = pd.DataFrame(
        {
            "image_id": labels["image_id"],
            "bbox": [str(detail.get("bbox", "")) for detail in labels["detail"]],
            "by": labels["actor"],
        }
    )
    return sizes.merge(told, on="image_id", how="left")


def _predictions(library: Library, asked: pd.Series, run_ids: tuple[int, ...]) -> pd.DataFrame:
    if not run_ids:
        return pd.DataFrame(columns=["image_id", *_SAID], dtype=object)
    with views.asked(library, "predictions") as answering:
        answering.register("asked", pd.DataFrame({"image_id": asked.astype("str")}))
        found: pd.DataFrame = answering.execute(_QUERY, [list(run_ids)]).df()
    return found


def _check(images: pd.DataFrame, found: pd.DataFrame) -> None:
    lacking = images.loc[~images["image_id"].isin(found["image_id"]), "image_id"]
    if len(lacking):
        raise FaultsError(
            "the queue",
            [f"image_id {name!r} is no image of the library" for name in lacking],
            "Give a queue of this library, or name the library with --library.",
        )


def _list(value: object) -> list[object]:
    # Missing where nothing was predicted; an array otherwise.
    return list(value) if isinstance(value, Sequence | np.ndarray) else []
