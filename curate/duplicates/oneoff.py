"""Questions about any folders or split files, answered without a library."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd

from curate.core import paths
from curate.core.errors import InputError
from curate.core.files import FileEntry, Walked
from curate.core.listing import listed
from curate.duplicates.crossing import crossings, ordered
from curate.duplicates.evidence import Evidence
from curate.duplicates.fingerprints import joined
from curate.duplicates.layout import Duplicates, laid_out
from curate.duplicates.looked import Looked, look_at
from curate.duplicates.pictures import shown
from curate.duplicates.policy import LEAST, DuplicatePolicy
from curate.duplicates.remembered import STAGE, Remembered, key_of
from curate.duplicates.search import all_starts, arranged, measured
from curate.duplicates.verb import known_images
from curate.duplicates.verify import Parts
from curate.formats.split_files import read_split
from curate.store import duplicates as groups_table
from curate.store import files, runs
from curate.store.library import Library


@dataclass(frozen=True)
class Crossed:
    """Duplicates on different sides.

    Attributes
    ----------
    pairs : DataFrame
        As `crossing.across` gives it.
    files : DataFrame
        One row a file that could be read and its side: image_id, path, side.
    failures : DataFrame
        Files and folders that could not: path, reason.
    thumbnails : dict of str to bytes
        JPEG by image id, of all that was looked at.
    """

    pairs: pd.DataFrame
    files: pd.DataFrame
    failures: pd.DataFrame
    thumbnails: dict[str, bytes]

    @property
    def sizes(self) -> dict[str, int]:
        """Files on each side, by its name; in the order of `crossing.ordered`."""
        sizes = self.files["side"].value_counts()
        return {side: int(sizes[side]) for side in ordered(self.files["side"])}

    def known(self, side: str) -> int:
        """Count the files of a side that are on another side too, or nearly so."""
        ends = [
            self.pairs.loc[self.pairs[f"{end}_side"] == side, end] for end in ("first", "second")
        ]
        here = self.files[self.files["side"] == side]
        return int(here["image_id"].isin(pd.concat(ends)).sum())

    def pictures(self, image_ids: Sequence[str]) -> dict[str, bytes]:
        """Give thumbnails of what was looked at."""
        return {name: self.thumbnails[name] for name in image_ids if name in self.thumbnails}


LIBRARY = "library"
"""The side on which the images of a library lie."""


def side_of(folder: Path) -> str:
    """Name the side of a folder."""
    name = paths.to_text(os.fsencode(folder))
    return f"./{name}" if name == LIBRARY else name


def in_folder(folder: Path, policy: DuplicatePolicy) -> tuple[Duplicates, Looked]:
    """Find the duplicates in a folder; nothing is written down."""
    passed = Walked()
    _, found = listed(folder, passed)
    looked = look_at(found, policy.symmetries, passed=passed)
    fresh = set(looked.images["image_id"])
    starts = all_starts(looked.prints, looked.images, fresh, policy)
    measures = measured(starts, looked.fetch, LEAST)
    evidence = Evidence.of(looked.images)
    table, _ = arranged(measures, evidence, looked.images, looked.fetch, policy)
    return laid_out(table, looked.images, looked.files, len(fresh)), looked


def across_sources(sources: Sequence[Path], policy: DuplicatePolicy) -> Crossed:
    """Find what leaks between the splits of anybody's data set.

    Parameters
    ----------
    sources : sequence of Path
        One table of splits (CSV or Parquet), or one folder that holds a folder for each split; or
        two and more folders, each of them a side.
    policy : DuplicatePolicy
        What is asked.

    Raises
    ------
    InputError, FaultsError
        A source cannot be read, or there are not two sides.
    """
    passed = Walked()
    sides, entries = _sides(sources, passed)
    _require_two(sources, sides, "has")
    looked = look_at(entries, policy.symmetries, passed=passed)
    placed = sides.merge(looked.files, on="path")
    # Who looks at the wrong place must not hear that nothing leaks.
    _require_two(sources, placed, "has, of what can be read,")
    pairs = crossings(placed, looked.images, looked.prints, looked.fetch, policy)
    return Crossed(pairs, placed, looked.failures, looked.thumbnails)


def against_library(folder: Path, library: Library, policy: DuplicatePolicy) -> Crossed:
    """Find which images of a folder are in a library already, or nearly so.

    The fingerprints of the library's images are remembered; nothing else is written down. A file of
    the folder that the library holds is on the side of the folder only.
    """
    passed = Walked()
    _, found = listed(folder, passed)
    asked = {"against": str(folder)}
    with runs.running(library, STAGE, asked, key_of(policy)) as run:
        remembered = Remembered(library, policy, run.run_id)
        remembered.tidy()
        remembered.hash_new()
    looked = look_at(found, policy.symmetries, passed=passed)
    images = known_images(library)
    with library.reading() as connection:
        places = files.table(connection)
        apart = groups_table.apart(connection)
    own = set(looked.files["path"])
    places = places[(places["status"] == "ok") & ~places["path"].isin(own)]
    new = looked.images[~looked.images["image_id"].isin(images["image_id"])]

    def fetch(image_ids: Sequence[str]) -> Parts:
        here = {name: looked.thumbnails[name] for name in image_ids if name in looked.thumbnails}
        there = [name for name in image_ids if name not in here]
        return {**remembered.fetch(there), **shown(here, policy.symmetries)}

    placed = pd.concat(
        [
            looked.files.assign(side=side_of(folder)),
            places[["image_id", "path"]].assign(side=LIBRARY),
        ],
        ignore_index=True,
    )
    known = remembered.prints()
    prints = joined([known, looked.prints.rows(~np.isin(looked.prints.image_id, known.image_id))])
    pairs = crossings(
        placed, pd.concat([images, new], ignore_index=True), prints, fetch, policy, apart
    )
    return Crossed(pairs, placed, looked.failures, looked.thumbnails)


def _sides(sources: Sequence[Path], passed: Walked) -> tuple[pd.DataFrame, list[FileEntry]]:
    """Give path (text) and side of every file, and each file once.

    One file may lie on several sides: nothing leaks more than that.
    """
    if len(sources) > 1:
        rows, entries = [], list[FileEntry]()
        for source in _apart(sources):
            _, found = listed(source, passed)
            entries += found
            rows += [(paths.to_text(entry.path), side_of(source)) for entry in found]
        return pd.DataFrame(rows, columns=["path", "side"]), entries
    table = read_split(sources[0]).table
    placed = table.loc[(table["split"] != "") & (table["path"] != ""), ["path", "split"]]
    sides = placed.rename(columns={"split": "side"}).drop_duplicates(ignore_index=True)
    # A file that is not there becomes a failure like any other that cannot be read.
    entries = [FileEntry(paths.from_text(path), 0, 0, 0) for path in sides["path"].unique()]
    return sides, entries


def _apart(sources: Sequence[Path]) -> Sequence[Path]:
    """Refuse tables, which would be looked at as images, and folders that lie in each other."""
    for source in sources:
        if source.suffix in (".csv", ".parquet"):
            raise InputError(
                str(source),
                "is a table, and where there are several sources each is a folder",
                "Give two folders, or one table of splits alone.",
            )
    for inner, outer in permutations(sources, 2):
        if inner.resolve().is_relative_to(outer.resolve()):
            raise InputError(
                str(inner),
                f"lies in {outer}, so that its files would be on both sides",
                "Give folders of which none lies in another.",
            )
    return sources


def _require_two(sources: Sequence[Path], files: pd.DataFrame, has: str) -> None:
    sides = sorted(files["side"].unique())
    if len(sides) < 2:
        raise InputError(
            " and ".join(str(source) for source in sources),
            f"{has} one side only ({sides[0]})" if sides else f"{has} no image on any side",
            "Give a table of splits, a folder with a folder for each split, or two folders.",
        )
