"""The index of candidates: what a queue asks, kept in one file so that it answers at once.

What one model said of every image, joined with what the library knows, lies sorted in a DuckDB file
under `.curate/cache`. A machine can make it again. Its name says what it was made of: while only
people decide, the images decided since are laid over it; when files, predictions or look-alikes
change, it is made anew. Files of that folder come whole or not at all, and are never changed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
from sqlalchemy import Connection, func, select

from curate.core.errors import LibraryError
from curate.queues.index import overlaid
from curate.queues.index.affinities import SUFFIX, keep_affinities
from curate.queues.index.close import keep_close
from curate.queues.index.foremost import keep_foremost
from curate.queues.index.gathered import gather, parents_of
from curate.queues.index.ground import digest, ground, last_decision
from curate.queues.index.making import NEW, making, quoted
from curate.queues.index.parts import gather_in_parts
from curate.queues.index.sampled import keep_sample
from curate.queues.index.totals import keep_totals
from curate.store import schema, views
from curate.store.library import Library

FOLDER = "cache/candidates"

SMALL = 20_000
"""So few predictions are joined anew each time, in memory."""

BUILDING = "2GB"
ASKING = "1GB"
"""What DuckDB keeps in memory; the rest lies on the disk."""

BLOCK = 1 << 16
"""Bytes that are read at once. A queue shows few images, which may lie anywhere: with the 256 KiB
that is usual it would read all of the file for them."""

MODELS = 3
"""Of so many models the index is kept."""

_FORMAT = 6
_STALE_SECONDS = 3600.0
"""What a process was making and has not touched for so long is garbage."""


@dataclass(frozen=True)
class _State:
    """What an index stands on.

    Attributes
    ----------
    model : str
        Names the first run whose predictions count: others have resumed it.
    base : str
        Names all but decisions.
    seq : int
        The last decision.
    rows : int
        Predictions.
    """

    model: str
    base: str
    seq: int
    rows: int


@contextmanager
def asked(
    library: Library,
    run_ids: Sequence[int],
    small: int = SMALL,
    *,
    model: str = "",
    classes: Sequence[str] = (),
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB connection that knows the candidates of one model.

    Parameters
    ----------
    library : Library
        The library.
    run_ids : sequence of int
        The runs of bulk identification that count.
    small : int
        So few predictions need no file.
    model : str, optional
        Digest of the checkpoint, whose features tell affinities; these are missing without.
    classes : sequence of str, optional
        What it knows.

    Yields
    ------
    DuckDBPyConnection
        With a view `everything`: `CANDIDATE_COLUMNS` of all images that can be read, decided ones
        too; `place`, a number for the row; `alone`, whether the image is alike to no other; `pair`,
        a number for the two best classes in either order; `number`, in the order of ids.

    Raises
    ------
    LibraryError
        A shard is damaged, or the index cannot be written.
    """
    with library.reading() as connection:
        state = _state(connection, run_ids)
    if state.rows <= small:
        with views.asked(library, "predictions", "looks") as answering:
            answering.execute("ATTACH ':memory:' AS kept")
            gather(library, answering, "kept.rows", run_ids, state.seq)
            beside = library.folder / FOLDER / f"{state.model}-{state.base}{SUFFIX}"
            keep_affinities(library, answering, model, classes, beside)
            keep_totals(answering)
            keep_sample(answering)
            keep_foremost(answering, 0)
            keep_close(answering, copied=False)
            overlaid.lay_nothing(answering)
            overlaid.show(answering)
            yield answering
        return
    folder = library.folder / FOLDER
    with tempfile.TemporaryDirectory(prefix="curate-", ignore_cleanup_errors=True) as spilled:
        answering = duckdb.connect(config={"autoinstall_known_extensions": "false"})
        try:
            answering.execute(f"SET memory_limit = '{ASKING}'")
            answering.execute("SET temp_directory = ?", [spilled])
            index = _opened(answering, folder, state)
            if index is None or not overlaid.lay(library, answering, index, state.seq):
                if index is not None:
                    answering.execute("DETACH kept")
                _build(library, run_ids, state, model, classes)
                index = _opened(answering, folder, state)
                if index is None:
                    raise LibraryError(
                        str(folder),
                        "the index of the predictions was made and is gone",
                        "Give the same command again.",
                    )
                overlaid.lay(library, answering, index, state.seq)
            overlaid.show(answering)
            yield answering
        finally:
            answering.close()


def _state(connection: Connection, run_ids: Sequence[int]) -> _State:
    shards = schema.shards
    counted = select(func.count(), func.max(shards.c.shard_id), func.sum(shards.c.rows))
    mine = (shards.c.table == "predictions") & shards.c.run_id.in_(run_ids)
    count, last, rows = connection.execute(counted.where(mine)).one()
    base = [_FORMAT, duckdb.__version__, list(run_ids), count, last, *ground(connection)]
    seq = last_decision(connection)
    return _State(digest(min(run_ids)), digest(base), seq, int(rows or 0))


def _opened(
    answering: duckdb.DuckDBPyConnection, folder: Path, state: _State
) -> overlaid.Index | None:
    """Attach the newest index of this state, where there is one that can be read."""
    for path in sorted(folder.glob(f"{state.model}-{state.base}-*.duckdb"), reverse=True):
        seq = int(path.stem.rpartition("-")[2])
        if seq > state.seq:
            continue
        try:
            answering.execute(f"ATTACH '{quoted(path)}' AS kept (READ_ONLY)")
        except duckdb.Error as error:
            # Another process has just taken it away, or the disk has lost some of it.
            if path.exists() and not _is_damage(error):
                raise LibraryError(
                    str(path),
                    f"the index of the predictions cannot be opened: {_first_line(error)}",
                    "Nothing is lost. Give the same command again in a while.",
                ) from error
            with suppress(OSError):
                path.unlink()
            continue
        return overlaid.Index(path, seq)
    return None


def _is_damage(error: duckdb.Error) -> bool:
    """Whether a file is not what it was; another process, or too little memory, damages nothing."""
    kinds = (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException)
    return isinstance(error, kinds) and not re.search("lock|permission", str(error), re.IGNORECASE)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _build(
    library: Library, run_ids: Sequence[int], state: _State, model: str, classes: Sequence[str]
) -> None:
    """Make the index of a state, and take those away that it replaces."""
    folder = library.folder / FOLDER
    final = folder / f"{state.model}-{state.base}-{state.seq:012}.duckdb"
    with making(final) as made:
        _tidy(folder)
        _fill(library, made, run_ids, state, model, classes)
    _forget(folder, state.model, final.stem)


def _fill(
    library: Library,
    made: Path,
    run_ids: Sequence[int],
    state: _State,
    model: str,
    classes: Sequence[str],
) -> None:
    from curate import engine  # most questions find an index, and it takes long to import

    with (
        views.asked(library, "predictions", "looks") as answering,
        engine.progress("Indexing what the model said", None, "rows") as advance,
    ):
        answering.execute(f"SET memory_limit = '{BUILDING}'")
        answering.execute("SET temp_directory = ?", [str(made.parent / "spilled")])
        answering.execute("SET preserve_insertion_order = false")
        answering.execute(f"ATTACH '{quoted(made)}' AS kept (BLOCK_SIZE {BLOCK})")
        parted = made.parent / "parts"
        gather_in_parts(library, answering, parted, "kept.rows", run_ids, state.seq, advance)
        keep_affinities(library, answering, model, classes)
        keep_totals(answering)
        keep_sample(answering)
        keep_foremost(answering)
        keep_close(answering)
        kin = [
            (child, parent)
            for child, value, detail in answering.execute(
                "SELECT image_id, value, detail FROM parents"
            ).fetchall()
            for parent in parents_of(value, detail)
        ]
        answering.execute("CREATE TABLE kept.kin (child VARCHAR, parent VARCHAR)")
        overlaid.keep_kin(answering, "kept.kin", kin)
        answering.execute("CHECKPOINT kept")
        answering.execute("DETACH kept")


def _forget(folder: Path, model: str, kept: str) -> None:
    """Take away what the index of a model replaces, and those of models indexed long ago."""
    ages = {}
    for path in folder.glob("*.duckdb"):
        with suppress(OSError):  # another process takes away as well
            ages[path] = path.stat().st_mtime
    others = sorted(
        (path for path in ages if not path.name.startswith(model)), key=ages.__getitem__
    )
    old = [path.stem for path in others[: max(len(others) - MODELS + 1, 0)]]
    for path in folder.glob("*-*"):
        replaced = path.name.startswith(model) and not path.name.startswith(kept)
        if replaced or path.name.startswith(tuple(old)):
            path.unlink(missing_ok=True)


def _tidy(folder: Path) -> None:
    """Take away what processes that were killed have left."""
    for place in folder.glob(f"{NEW}*"):
        with suppress(OSError):
            newest = max(path.stat().st_mtime for path in (place, *place.rglob("*")))
            if time.time() - newest > _STALE_SECONDS:
                shutil.rmtree(place)
