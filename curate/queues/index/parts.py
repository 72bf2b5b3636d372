"""In parts: what was said of very many images, joined and put in order so many at a time.

What must be joined is laid down split by image ids, each part is joined alone, and what comes of it
is laid down split by the order of the index, so that each part is put in order alone. A part is
taken away as soon as it was read. So memory holds one part, the disk holds each row about once, and
in which order rows came does not matter.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import duckdb
import pyarrow as pa

from curate.queues.index import staged
from curate.queues.index.gathered import (
    LOOKED,
    NUMBER,
    ORDER,
    SPOT,
    Told,
    find_strays,
    gather,
    heard,
    kinship,
    relate,
    settle,
)
from curate.queues.index.making import quoted
from curate.store.library import Library

AT_ONCE = 4_000_000
"""So many images are joined at once: that takes less time, and more of the disk an image."""

ROWS = 2_000_000
"""Of more, so many images are joined at a time, and about so many rows put in order."""

_BATCH = 500_000
"""Rows of the database that are laid down at a time."""


class Split:
    """A table that lies in Parquet files, those of each part in a folder of its own.

    Parameters
    ----------
    answering : DuckDBPyConnection
        Asks for it.
    folder : Path
        Where it lies.
    columns : str
        A question in SQL whose answer has its columns.
    part : str
        The number of the part of a row, in SQL.
    """

    def __init__(
        self, answering: duckdb.DuckDBPyConnection, folder: Path, columns: str, part: str
    ) -> None:
        folder.mkdir()
        self.answering, self.folder, self.part = answering, folder, part
        answering.execute(f"CREATE TABLE no_{folder.name} AS FROM ({columns}) LIMIT 0")

    def add(self, rows: str) -> int:
        """Add the answer to a question in SQL; give how many rows it has."""
        query = (
            f"COPY (SELECT *, {self.part} AS part FROM ({rows})) TO '{quoted(self.folder)}' "
            "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (part), APPEND)"
        )
        return _number(self.answering, query)

    def parts(self) -> list[int]:
        """Give the numbers of the parts that have rows, in order."""
        return sorted(int(place.name.partition("=")[2]) for place in self.folder.iterdir())

    def rows(self, part: int | None = None) -> str:
        """Ask in SQL for the rows of a part; of all when none is given."""
        found = self.folder.glob("part=*/*" if part is None else f"part={part}/*")
        # The folder of the library may have characters that DuckDB would take for a pattern.
        exact = [re.sub(r"[*?[]", r"[\g<0>]", quoted(path)) for path in sorted(found)]
        query = f"FROM no_{self.folder.name}"
        if exact:
            listed = ", ".join(f"'{path}'" for path in exact)
            query += f" UNION ALL BY NAME FROM read_parquet([{listed}], hive_partitioning = false)"
        return query

    def show(self, part: int | None = None, tail: str = "") -> None:
        """Make a view of the rows of a part, with the name of the folder."""
        view = f"CREATE OR REPLACE VIEW {self.folder.name} AS FROM ({self.rows(part)}) {tail}"
        self.answering.execute(view)

    def drop(self, part: int) -> None:
        """Take a part away from the disk."""
        shutil.rmtree(self.folder / f"part={part}", ignore_errors=True)


def gather_in_parts(
    library: Library,
    answering: duckdb.DuckDBPyConnection,
    folder: Path,
    target: str,
    run_ids: Sequence[int],
    until: int,
    told: Told,
) -> None:
    """Make the table of all that one model said, with what the library knows, however much it is.

    Parameters
    ----------
    library, answering, target, run_ids, until
        As for `gathered.gather`, which makes the same at once.
    folder : Path
        Where parts may lie meanwhile.
    told : callable
        Is told how many rows were read or written.
    """
    count = (
        f"SELECT greatest((SELECT count(*) FROM looks), (SELECT count(*) FROM ({heard(run_ids)})))"
    )
    images = _number(answering, count)
    folder.mkdir()
    if images <= AT_ONCE:
        answering.execute(f"ATTACH '{quoted(folder / 'staged')}' AS staged")
        answering.execute("SET search_path = 'staged.main,memory.main'")
        gather(library, answering, target, run_ids, until, told)
        return
    parts = 1 + images // ROWS
    sources = _laid_down(library, answering, folder, parts, run_ids, until, told)
    _relate(answering, sources)
    answering.execute(f"CREATE TABLE {target} AS SELECT * EXCLUDE (spot) FROM joined LIMIT 0")
    joined = Split(answering, folder / "ordered", "FROM joined", _share(answering, parts))
    for at in sources["heard"].parts():
        for source in sources.values():
            source.show(at)
        told(joined.add("FROM joined"))
        for source in sources.values():
            source.drop(at)
    for at in joined.parts():
        rows = f"SELECT * EXCLUDE (spot) FROM ({joined.rows(at)}) ORDER BY {ORDER}"
        told(_number(answering, f"INSERT INTO {target} {rows}"))
        joined.drop(at)


def _laid_down(
    library: Library,
    answering: duckdb.DuckDBPyConnection,
    folder: Path,
    parts: int,
    run_ids: Sequence[int],
    until: int,
    told: Told,
) -> dict[str, Split]:
    """Lay down all that is known and said, split by image ids."""
    queries = staged.columns() | {"looked": LOOKED, "heard": heard(run_ids)}
    part = _PART.format(number=NUMBER.format("image_id"), parts=parts)
    sources = {
        name: Split(answering, folder / name, query, part) for name, query in queries.items()
    }
    for name, batch in _in_batches(staged.everything(library, until)):
        answering.register("batch", batch)
        told(sources[name].add("FROM batch"))
        answering.unregister("batch")
    for name in ("looked", "heard"):
        told(sources[name].add(queries[name]))
    return sources


_PART = "(({number} >> 48)::BIGINT * {parts} >> 16)"
"""The part of an image by its number, in SQL: parts follow each other as numbers do."""


def _relate(answering: duckdb.DuckDBPyConnection, sources: dict[str, Split]) -> None:
    """Make the view `joined` of whatever part of the sources is shown.

    Images that were made of others and these need not lie in the same part, so what hangs on that
    is found before, and so are the classes.
    """
    sources.pop("parents").show()
    kin = kinship(answering)
    for name, source in sources.items():
        source.show(tail="SEMI JOIN named USING (image_id)" * (name in ("places", "words")))
    settle(answering)
    find_strays(answering, kin)
    relate(answering)


def _in_batches(pages: Iterable[tuple[str, pa.Table]]) -> Iterator[tuple[str, pa.Table]]:
    """Put pages of the same table together."""
    for name, few in groupby(pages, key=itemgetter(0)):
        held: list[pa.Table] = []
        for _, page in few:
            held.append(page)
            if sum(map(len, held)) >= _BATCH:
                yield name, pa.concat_tables(held)
                held = []
        if held:
            yield name, pa.concat_tables(held)


def _share(answering: duckdb.DuckDBPyConnection, parts: int) -> str:
    """Split the order of the index in SQL, so that about as many rows fall into each part.

    Where exactly it is split changes nothing but how many rows are put in order at a time.
    """
    lot = f"(spot * {parts} + {_PART.format(number='number', parts=parts)})"
    shares = [at / parts for at in range(1, parts)]
    query = (
        f"SELECT unnest(approx_quantile({lot}, {shares})) FROM ("
        f"SELECT {SPOT.format(class_number='class_number')} AS spot, "
        f"{NUMBER.format('image_id')} AS number "
        "FROM heard LEFT JOIN class ON class.name = heard.predicted)"
    )
    bounds = sorted({bound for (bound,) in answering.execute(query).fetchall()} - {None})
    below = "".join(f"WHEN {lot} < {bound} THEN {at} " for at, bound in enumerate(bounds))
    among = f"CASE {below} ELSE {len(bounds)} END" if bounds else "0"
    return f"((label_run IS NULL)::INT * 2 + alone::INT) * {len(bounds) + 1} + {among}"


def _number(answering: duckdb.DuckDBPyConnection, query: str) -> int:
    (found,) = answering.execute(query).fetchone() or (0,)
    return int(found)
