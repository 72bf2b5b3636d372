"""Mass removal of a library's images: what is known of losses, sheets to look at, the plan file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from curate.core.errors import InputError
from curate.core.losses import THRESHOLDS
from curate.formats.tables import write_csv, write_parquet
from curate.queues import page, removal
from curate.store import protection
from curate.store.library import Library

WRITERS = {".csv": write_csv, ".parquet": write_parquet}
"""How a cleanup plan is written, by suffix."""


def write_cleanup(library: Library, table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Write the cleanup plan of a queue; nothing is removed.

    Parameters
    ----------
    library : Library
        Knows the files of the images.
    table : DataFrame
        A queue: image_id, score, predicted, reason.
    path : Path
        ``.csv`` or ``.parquet``.

    Returns
    -------
    DataFrame
        The plan, `removal.CLEANUP_COLUMNS`, which `curate cleanup apply` takes: a row for each file
        of each image, without what is protected (see `store.protection`).

    Raises
    ------
    InputError
        Another suffix, or the file cannot be written.
    """
    if path.suffix not in WRITERS:
        raise InputError(str(path), "a cleanup plan is a table", f"Name it {' or '.join(WRITERS)}.")
    there = protection.of_files(library, list(table["image_id"]))
    plan = removal.cleanup_plan(table, there[there["protected"] == ""])
    WRITERS[path.suffix](plan, path)
    return plan


def sheets(
    library: Library, table: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS
) -> Iterator[tuple[str, bytes]]:
    """Draw a contact sheet of each bucket of scores.

    Parameters
    ----------
    library : Library
        Where the thumbnails are.
    table : DataFrame
        A queue.
    thresholds : sequence of float
        Rising.

    Yields
    ------
    (str, bytes)
        A name for the bucket, such as ``0.1-0.2``, and a JPEG; the lowest scores first.
    """
    for (above, up_to), rows in removal.buckets(table, thresholds).items():
        title = f"scores from {above:g} to {up_to:g}"
        yield f"{above:g}-{up_to:g}", page.sheet(library, rows, title)
