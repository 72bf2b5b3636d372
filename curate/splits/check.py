"""Any split that is written down, held against the rules and against what the library knows."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sqlalchemy import select

from curate.core import files as disk
from curate.core import paths
from curate.core.identity import image_id as id_of
from curate.engine import progress
from curate.formats.split_files import SplitFile
from curate.splits.lock import Lock, table_faults
from curate.splits.policy import SplitPolicy
from curate.splits.tables import GROUP_PREFIX, UNKNOWN, group_columns, text
from curate.splits.verify import (
    Fault,
    crossings,
    cutoffs,
    fault_table,
    grouping,
    misnamed,
    silent,
    staged,
    unlabelled,
)
from curate.store import facts, files, schema
from curate.store.library import Library

_NO_SUCH_ID = "no image of the library has this id, and no path is given"
_COMPARED = select(schema.runs.c.run_id).where(
    schema.runs.c.stage == "duplicates", schema.runs.c.status == "done"
)


@dataclass(frozen=True)
class Known:
    """What a library knows that a split can be held against; nothing where there is none.

    Attributes
    ----------
    images : DataFrame
        As `facts.images` gives it, by image_id.
    at : mapping of str to str
        The image at each path (text).
    sizes : frozenset of int
        The lengths in bytes that its images have.
    compared : bool
        Whether its near-duplicates were ever looked for.
    """

    images: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(index=pd.Index([], dtype=object))
    )
    at: Mapping[str, str] = field(default_factory=dict)
    sizes: frozenset[int] = frozenset()
    compared: bool = True

    @classmethod
    def read(cls, library: Library) -> Known:
        """Read it from a library."""
        with library.reading() as connection:
            placed = files.table(connection).dropna(subset=["image_id"])
            return cls(
                facts.images(connection).set_index("image_id"),
                dict(zip(placed["path"], placed["image_id"], strict=True)),
                frozenset(connection.scalars(select(schema.images.c.bytes).distinct())),
                connection.scalar(_COMPARED) is not None,
            )

    @property
    def frozen(self) -> list[str]:
        """The images of the frozen benchmark."""
        if self.images.empty:
            return []
        return list(self.images.index[self.images["split"] == "benchmark"])


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes
    ----------
    faults : DataFrame
        check, subject, reason; empty when all is well.
    notes : list of str
        What was understood, and what could not be checked.
    counts : dict of str to int
        rows, images (distinct), known (of them in the library), and images in each split.
    """

    faults: pd.DataFrame
    notes: list[str]
    counts: dict[str, int]


def check(
    source: SplitFile, policy: SplitPolicy, library: Library | None = None, lock: Lock | None = None
) -> Checked:
    """Hold a split that is written down against the rules. Nothing is written to the library.

    Parameters
    ----------
    source : SplitFile
        As `read_split` gives it.
    policy : SplitPolicy
        The cutoffs that it should keep.
    library : Library, optional
        What is known of the images: groups, origins, labels, rejections, the frozen benchmark.
    lock : Lock, optional
        The lock whose assignment it should be.
    """
    known = Known.read(library) if library else Known()
    return compare(identified(source.table, known), source, known, policy, lock)


def identified(table: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Find which image each row means.

    A file that the library does not know is read only where its length is that of another one: all
    others are copies of nothing.

    Returns
    -------
    DataFrame
        `table` with the columns key (the image id, or the path where nothing is known), at (the row
        of the library's images, -1 for others), known (bool), trouble (why the image cannot be
        found, '' where it can) and clash (the image that the path leads to, where the row's
        image_id is another of the library).
    """
    trouble, sizes = _on_disk(table["path"])
    by_path = [known.at.get(path, "") for path in table["path"]]
    ids = set(known.images.index)
    by_id = [image_id if image_id in ids else "" for image_id in table["image_id"]]
    unknown = {
        path
        for path, one, other in zip(table["path"], by_path, by_id, strict=True)
        if not (one or other)
    }
    read = _contents(unknown, sizes, known.sizes)
    keys, troubles, clashes = [], [], []
    for path, image_id, there, named in zip(
        table["path"], table["image_id"], by_path, by_id, strict=True
    ):
        key = there or named or read.get(path, "") or path or f"id {image_id}"
        nowhere = not path and key not in ids
        keys.append(key)
        troubles.append(_NO_SUCH_ID if nowhere else trouble.get(path, ""))
        clashes.append(there if there and named and there != named else "")
    at = known.images.index.get_indexer(pd.Index(keys, dtype=object))
    return table.assign(key=keys, at=at, known=at >= 0, trouble=troubles, clash=clashes)


def compare(
    rows: pd.DataFrame,
    source: SplitFile,
    known: Known,
    policy: SplitPolicy,
    lock: Lock | None = None,
) -> Checked:
    """Find every fault of a split whose images are identified; as `check`, without reading."""
    rows = _with_facts(rows, known, source.given)
    same = rows["shown"] == rows["place"]
    rows["named"] = rows["shown"].where(same, rows["place"] + ": " + rows["shown"])
    one = rows.sort_values("split", key=lambda s: s == "", kind="stable").drop_duplicates("key")
    one = one.assign(image_id=one["named"]).sort_index()
    if "group" not in one:
        one["group"] = ""
    frozen = set(known.frozen)
    kept = one["key"].isin(frozen) & (one["split"] == "benchmark")
    expected = source.ours or bool((one["split"] == "benchmark").any())
    found = [
        *_not_there(rows),
        *misnamed(one),
        *_copies(rows),
        *crossings(_with_frozen(one, known, source.given)),
        *staged(one[~kept]),
        *_unusable(one[~kept], known),
        *unlabelled(one[~kept & (one["known"] | ("label" in source.given))]),
        *_benchmark(one, frozen, expected),
        *cutoffs(one, policy),
        *(silent(one) if source.ours else ()),
        *(table_faults(lock, one.assign(image_id=one["key"])) if lock else ()),
    ]
    names = dict(zip(one["key"], one["image_id"], strict=True))
    sizes = one.loc[one["split"] != "", "split"].value_counts().sort_index()
    counts = {
        "rows": len(rows),
        "images": len(one),
        "known": int(one["known"].sum()),
        **{str(name): int(size) for name, size in sizes.items()},
    }
    return Checked(
        _named(found, names), [*source.notes, *_notes(one, known, frozen, expected)], counts
    )


def _on_disk(places: pd.Series) -> tuple[dict[str, str], dict[str, int]]:
    """What stands in the way of each file that cannot be had, and the lengths of the others."""
    trouble, sizes = {}, {}
    for place in places[places != ""].unique():
        try:
            status = os.stat(paths.from_text(place))
            if stat.S_ISREG(status.st_mode):
                sizes[place] = status.st_size
            else:
                trouble[place] = "not a regular file"
        except (OSError, ValueError) as error:
            trouble[place] = disk.describe(error) if isinstance(error, OSError) else str(error)
    return trouble, sizes


def _contents(
    unknown: set[str], sizes: Mapping[str, int], known_sizes: frozenset[int]
) -> dict[str, str]:
    """Read the unknown files that may be copies; give their image ids."""
    there = [place for place in sorted(unknown) if place in sizes]
    times = Counter(sizes[place] for place in there)
    to_read = [p for p in there if times[sizes[p]] > 1 or sizes[p] in known_sizes]
    found = {}
    with progress("Reading", len(to_read)) as advance:
        for place in to_read:
            # What cannot be read is nobody's copy as far as can be known.
            with suppress(disk.NotReadable):
                found[place] = id_of(disk.read(paths.from_text(place)))
            advance(1)
    return found


def _with_facts(rows: pd.DataFrame, known: Known, given: frozenset[str]) -> pd.DataFrame:
    """Lay what the library knows beside what the file says; the file's own words come first."""
    rows = rows.copy()
    for name, default in (("label", ""), ("sub_class", ""), ("origin", "real")):
        told = _of(known, rows, name)
        rows[name] = rows[name].where(rows[name] != "", told.where(told != "", default))
    # An image that the library holds for staged is staged, whatever a file calls it.
    told = _of(known, rows, "origin")
    rows["origin"] = told.where(told.isin(["staged", "synthetic"]), rows["origin"])
    for name in group_columns(known.images):
        rows[_beside(name, given)] = _of(known, rows, name)
    return rows


def _beside(column: str, given: frozenset[str]) -> str:
    """Name a group column of the library: one of a file with that name may mean other groups."""
    if column not in given:
        return column
    return f"{GROUP_PREFIX}library's {column.removeprefix(GROUP_PREFIX)}"


def _of(known: Known, rows: pd.DataFrame, column: str) -> pd.Series:
    """What the library says in a column of its images, '' for others; `at` says which is which."""
    if column not in known.images:
        return pd.Series("", index=rows.index, dtype=object)
    told = np.append(text(known.images[column]), "")
    return pd.Series(told[rows["at"].to_numpy()], index=rows.index, dtype=object)


def _with_frozen(one: pd.DataFrame, known: Known, given: frozenset[str]) -> pd.DataFrame:
    """Add the frozen images that the file does not place: nothing near to them may be used."""
    rows = one[["image_id", "split", *grouping(one)]]
    absent = sorted(set(known.frozen) - set(one.loc[one["split"] != "", "key"]))
    if not absent:
        return rows
    names = {name: _beside(name, given) for name in group_columns(known.images)}
    extra = known.images.loc[absent, list(names)].rename(columns=names)
    extra = extra.assign(split="benchmark", image_id="the library's " + extra.index)
    return pd.concat([rows, extra.astype(object)], ignore_index=True).fillna("")


def _not_there(rows: pd.DataFrame) -> Iterator[Fault]:
    for row in rows[(rows["split"] != "") & (rows["trouble"] != "")].itertuples():
        yield "missing", str(row.key), str(row.trouble)
    for row in rows[rows["clash"] != ""].itertuples():
        yield (
            "identity",
            str(row.key),
            f"its image_id is {row.image_id}, its path leads to {row.clash}",
        )


def _copies(rows: pd.DataFrame) -> Iterator[Fault]:
    """One image in several splits: named twice, or as copies in several files."""
    one_each = rows[rows["split"] != ""].drop_duplicates(["key", "split"])
    for key, several in one_each[one_each.duplicated("key", keep=False)].groupby("key"):
        where = " and ".join(f"in {row.split} ({row.named})" for row in several.itertuples())
        if several["path"].nunique() > 1:
            yield "copy", str(key), f"the same content lies {where}"
        else:
            yield "twice", str(key), f"the same image lies {where}"


def _unusable(one: pd.DataFrame, known: Known) -> Iterator[Fault]:
    placed = one[(one["split"] != "") & one["known"]]
    why = _of(known, placed, "unusable_reason")
    for key, split, reason in zip(placed["key"], placed["split"], why, strict=True):
        if reason:
            yield "unusable", str(key), f"it lies in {split}, and the library says: {reason}"
    # A file that has a label of its own for it does not make it known.
    own = placed["label"].ne(UNKNOWN) & _of(known, placed, "label").eq(UNKNOWN)
    for row in placed[own].itertuples():
        yield "unknown", str(row.key), f"it lies in {row.split}, and the library says: unknown"


def _benchmark(one: pd.DataFrame, frozen: set[str], expected: bool) -> Iterator[Fault]:
    placed = one[one["key"].isin(frozen) & ~one["split"].isin(["", "benchmark"])]
    for row in placed.itertuples():
        yield "benchmark", str(row.key), f"is of the frozen benchmark and lies in {row.split}"
    if expected:
        for key in sorted(frozen - set(one.loc[one["split"] != "", "key"])):
            yield "benchmark", key, "is of the frozen benchmark and has no place here"


def _named(found: Iterable[Fault], names: Mapping[str, str]) -> pd.DataFrame:
    """Name images as the file does, with the place where they stand in it."""
    table = fault_table(found)
    table["subject"] = [names.get(subject, subject) for subject in table["subject"]]
    return table


def _notes(one: pd.DataFrame, known: Known, frozen: set[str], expected: bool) -> list[str]:
    notes = []
    strangers = int((~one["known"] & (one["trouble"] == "")).sum())
    if strangers:
        notes.append(
            f"{strangers:,} of {len(one):,} images are not in the library, so only exact copies of "
            "them were looked for: `curate scan` them, or `curate duplicates --across FILE` finds "
            "leaks by what they show"
        )
    if one["known"].any() and not known.compared:
        notes.append("near-duplicates were not looked for in this library: `curate duplicates`")
    absent = frozen - set(one.loc[one["split"] != "", "key"])
    if absent and not expected:
        notes.append(
            f"the library's frozen benchmark ({len(frozen):,} images) has no place in this file"
        )
    return notes
