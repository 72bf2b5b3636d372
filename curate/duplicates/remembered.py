"""What runs computed is remembered: fingerprints, compared images and the pairs that are alike.

All of it lies in Parquet shards of runs with the same key; a run goes on where those before it
stopped, so that nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import select

from curate import engine
from curate.core.chunks import batched
from curate.duplicates.fingerprints import Fingerprints, fingerprints
from curate.duplicates.pictures import shown
from curate.duplicates.policy import LEAST, DuplicatePolicy
from curate.duplicates.search import all_starts, measured
from curate.duplicates.verify import Parts
from curate.duplicates.views import VIEWS
from curate.store import files, runs, schema, shards, thumbnails
from curate.store.library import Library

STAGE = "duplicates"
FINGERPRINTS, ALIKE, COMPARED = "fingerprints", "alike", "compared"

_METHOD = 1
"""Raised when fingerprints or measures change: then everything is compared again."""

_HASHED = 5_000
_COMPARED = 100_000
"""Images after which what was computed is written down."""

_HASHES = pa.list_(pa.uint64(), len(VIEWS))
_PRINTS = pa.schema(
    [
        ("image_id", pa.string()),
        # -1 for an image of which no part shows anything.
        ("part", pa.int64()),
        ("waves", _HASHES),
        ("slopes", _HASHES),
    ]
)
_IDS = pa.schema([("image_id", pa.string())])
_MEASURES = pa.schema(
    [
        ("first", pa.string()),
        ("second", pa.string()),
        ("similarity", pa.float64()),
        ("structure", pa.float64()),
        ("correlation", pa.float64()),
        ("colour", pa.float64()),
        ("overlap", pa.float64()),
        ("symmetry", pa.string()),
        ("matrix", pa.list_(pa.float64(), 6)),
    ]
)


def key_of(policy: DuplicatePolicy) -> str:
    """The key of runs whose results may be mixed."""
    hashes = sorted(policy.hashes)
    return runs.key_of({"method": _METHOD, "symmetries": policy.symmetries, "hashes": hashes})


class Remembered:
    """What a library remembers, and the part of a run that adds to it."""

    def __init__(self, library: Library, policy: DuplicatePolicy, run_id: int) -> None:
        self.library, self.policy, self.run_id = library, policy, run_id
        self._key = key_of(policy)
        self._written = 0

    def tidy(self) -> None:
        """Forget what is damaged; it is computed again. Needs the lock of the stage."""
        # First of all, so that no kill leaves images compared whose pairs are gone.
        with self.library.writing() as connection:
            lost = {
                _name(shard)
                for shard in shards.referenced(connection, ALIKE)
                if shards.fault(self.library, shard)
            }
            compared = shards.referenced(connection, COMPARED)
            shards.forget(connection, [shard for shard in compared if _name(shard) in lost])
        for table in (FINGERPRINTS, ALIKE, COMPARED):
            shards.tidy(self.library, table)

    def prints(self) -> Fingerprints:
        """The fingerprints of all images that have any."""
        return _prints(self._rows(FINGERPRINTS, _PRINTS))

    def measures(self) -> pd.DataFrame:
        """All pairs of images that were ever found alike, as `verify.compared` gives them."""
        found: pd.DataFrame = self._rows(ALIKE, _MEASURES).to_pandas()
        found = found.sort_values("similarity", ascending=False, kind="stable")
        return found.drop_duplicates(["first", "second"], ignore_index=True)

    def fetch(self, image_ids: Sequence[str]) -> Parts:
        """Give the parts of images from their thumbnails."""
        return shown(thumbnails.fetch(self.library, image_ids), self.policy.symmetries)

    def hash_new(self) -> None:
        """Take the fingerprints of images that have none."""
        with self.library.reading() as connection:
            there = files.one_path_each(connection)["image_id"]
        done = self._rows(FINGERPRINTS, _PRINTS)["image_id"].to_pylist()
        todo = sorted(set(there) - set(done))
        with engine.progress("Fingerprints", len(todo)) as advance:
            for some in batched(todo, _HASHED):
                pictures = self.fetch(some)
                self._keep({FINGERPRINTS: _print_rows(fingerprints(pictures), sorted(pictures))})
                advance(len(some))

    def compare_new(self, images: pd.DataFrame) -> int:
        """Compare the images that were not compared yet with all others.

        Parameters
        ----------
        images : DataFrame
            All images that are there, with what `Evidence.of` wants to know and their hashes.

        Returns
        -------
        int
            How many were not compared yet.
        """
        table = self._rows(FINGERPRINTS, _PRINTS)
        prints = _prints(table)
        there = set(table["image_id"].to_pylist()) & set(images["image_id"])
        done = set(self._rows(COMPARED, _IDS)["image_id"].to_pylist()) & there
        todo = sorted(there - done)
        for some in batched(todo, _COMPARED):
            done |= set(some)
            starts = all_starts(
                prints.rows(np.isin(prints.image_id, list(done))),
                images[images["image_id"].isin(done)],
                set(some),
                self.policy,
            )
            measures = measured(starts, self.fetch, LEAST)
            compared = pa.table({"image_id": pa.array(some, pa.string())}, schema=_IDS)
            self._keep({ALIKE: _measure_rows(measures), COMPARED: compared})
        return len(todo)

    def compare_neighbours(self, starts: pd.DataFrame) -> None:
        """Compare pairs that something else than hashes says are near."""
        self._keep({ALIKE: _measure_rows(measured(starts, self.fetch, LEAST))})

    def _keep(self, tables: Mapping[str, pa.Table]) -> None:
        """Write rows down, all or none of them."""
        made = [
            shards.write(self.library, name, self.run_id, self._written, rows)
            for name, rows in tables.items()
        ]
        self._written += 1
        with self.library.writing() as connection:
            for shard in made:
                shards.reference(connection, shard)

    def _rows(self, table: str, columns: pa.Schema) -> pa.Table:
        """All rows of a table that runs with the same key wrote."""
        same = select(schema.runs.c.run_id).where(
            schema.runs.c.stage == STAGE, schema.runs.c.key == self._key
        )
        with self.library.reading() as connection:
            ids = list(connection.scalars(same))
            found = shards.paths(self.library, shards.referenced(connection, table, ids))
        return pa.concat_tables([columns.empty_table(), *(pq.read_table(path) for path in found)])


def _name(shard: shards.Shard) -> str:
    """What shards that were written together have in common."""
    return shard.path.rpartition("/")[2]


def _measure_rows(measures: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(measures, _MEASURES, preserve_index=False)


def _print_rows(prints: Fingerprints, image_ids: Sequence[str]) -> pa.Table:
    blank = sorted(set(image_ids) - set(prints.image_id))
    nothing = np.zeros((len(blank), len(VIEWS)), np.uint64)
    columns = {
        "image_id": pa.array([*prints.image_id, *blank], pa.string()),
        "part": pa.array([*prints.part, *[-1] * len(blank)], pa.int64()),
        "waves": _listed(np.concatenate([prints.waves, nothing])),
        "slopes": _listed(np.concatenate([prints.slopes, nothing])),
    }
    return pa.table(columns, schema=_PRINTS)


def _listed(hashes: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(hashes.ravel()), len(VIEWS))


def _prints(table: pa.Table) -> Fingerprints:
    table = table.filter(pc.greater_equal(table["part"], 0)).combine_chunks()
    waves, slopes = (
        table[name].combine_chunks().flatten().to_numpy().reshape(-1, len(VIEWS))
        for name in ("waves", "slopes")
    )
    image_id = table["image_id"].to_numpy(zero_copy_only=False).astype(object)
    return Fingerprints(image_id, table["part"].to_numpy(), waves, slopes)
