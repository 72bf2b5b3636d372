"""The counts of classes, kept beside the index: a queue needs them, and they change little.

The facts of all images that ever had a label lie in a file, and what they come to in another. A
machine can make both again. While only people decide, the facts of the images decided since are
asked for, and replace those in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from curate.core.files import write_whole
from curate.queues.index.ground import digest, ground, last_decision
from curate.store import facts, schema
from curate.store.library import Library

FOLDER = "cache/classes"

MOST = 5000
"""So many images decided since are asked for; of more, all are."""

_FORMAT = 2
_NEEDED = ["image_id", "label", "origin", "usable"]


def class_counts(library: Library, count: str, most: int = MOST) -> pd.DataFrame:
    """Count usable labelled images by class and origin.

    Parameters
    ----------
    library : Library
        The library.
    count : str
        What counts towards a min-count: groups or images.
    most : int
        So many images decided since the facts were kept are asked for; of more, all are.

    Returns
    -------
    DataFrame
        As `facts.class_counts` of `facts.images`.
    """
    folder = library.folder / FOLDER
    with library.reading() as connection:
        base, seq = digest([_FORMAT, *ground(connection)]), last_decision(connection)
        name = f"{base}-{seq:012}"
        with suppress(OSError, pa.ArrowInvalid):
            return _table(folder / f"{name}.{count}")
        kept, known = _read(folder, base, seq)
        table = kept
        if kept is not None and known < seq:
            table = _brought_on(connection, kept, known, seq, most)
        if table is None:
            table = _slim(facts.labelled(connection))
    if known < seq or kept is None:
        texts: Sequence[str] = [name for name in table.columns if name != "usable"]
        columns = pa.schema([*((name, pa.string()) for name in texts), ("usable", pa.bool_())])
        _write(
            folder, f"{name}.parquet", pa.Table.from_pandas(table, columns, preserve_index=False)
        )
    counts = facts.class_counts(table, count)
    _write(folder, f"{name}.{count}", pa.Table.from_pandas(counts, preserve_index=False))
    _forget(folder, name)
    return counts


def _brought_on(
    connection: Connection, kept: pd.DataFrame, known: int, seq: int, most: int
) -> pd.DataFrame | None:
    """Replace the facts of images decided since; None where these are many, or more hangs on them.

    An image in several groups of a kind, and one that others were made of, matter to others.
    """
    log = schema.decisions
    query = select(log.c.image_id, log.c.field).where(log.c.seq > known, log.c.seq <= seq)
    since = connection.execute(query.where(log.c.kind != "note")).all()
    touched = sorted({image_id for image_id, _ in since})
    if len(touched) > most or any(field == facts.PARENT for _, field in since):
        return None
    fresh = _slim(facts.labelled(connection, touched))
    if _tangled(kept) or _tangled(fresh):
        return None
    table = pd.concat([kept[~kept["image_id"].isin(touched)], fresh], ignore_index=True)
    return table.sort_values("image_id", ignore_index=True)


def _tangled(table: pd.DataFrame) -> bool:
    """Whether an image hangs on another, or lies in several groups of a kind."""
    kinds = {name for name in table.columns if str(name).startswith(facts.GROUP_PREFIX)}
    more = any(name.rpartition(" ")[0] in kinds for name in kinds)
    return more or f"{facts.GROUP_PREFIX}{facts.PARENT}" in kinds


def _slim(table: pd.DataFrame) -> pd.DataFrame:
    groups = [name for name in table.columns if str(name).startswith(facts.GROUP_PREFIX)]
    return table[[*_NEEDED, *groups]]


def _read(folder: Path, base: str, seq: int) -> tuple[pd.DataFrame | None, int]:
    for path in sorted(folder.glob(f"{base}-*.parquet"), reverse=True):
        known = int(path.stem.rpartition("-")[2])
        if known <= seq:
            # Another process may have just put a newer one in its place.
            with suppress(OSError, pa.ArrowInvalid):
                return _table(path), known
    return None, 0


def _table(path: Path) -> pd.DataFrame:
    rows: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
    return rows


def _write(folder: Path, name: str, table: pa.Table) -> None:
    """Keep rows for the next question; without room for them they are asked for again."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), sink)
    content = sink.getvalue()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, lambda file: file.write(content))


def _forget(folder: Path, kept: str) -> None:
    with suppress(OSError):
        for old in folder.glob("*-*"):
            if not old.name.startswith((kept, ".")):
                old.unlink(missing_ok=True)
