"""What nobody may take away: images that somebody wants, and files that are not ours to move.

Whoever plans that files go, or moves them, asks here; nothing else decides it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, exists, func, select, true

from curate.core import paths
from curate.core.files import LIBRARY_FOLDER
from curate.store import dialect, facts, files, pages, schema
from curate.store.library import Library

MANY = 20_000
"""So many images are asked for one by one; of more, everything is read once."""

_DECIDED = {
    "label": "labelled {}",
    "split": "in the split: {}",
    "apart": "{} said that it is no duplicate",
    "group": "{} gave it a group",
    "origin": "{} said where it comes from",
}
"""Kinds of decision that protect, the first that there is is told. Of the last three only what a
person said: a scan passes on what a manifest says of a whole pool."""

_MACHINES = ("scan", "augment")


def images(connection: Connection, image_ids: Sequence[str]) -> pd.Series:
    """Say which images are protected, and why.

    An image is, whatever else is said of it (also that it was rejected), when it has a label
    (*unknown* is one), a place in the split or the benchmark, a place in a saved queue, is the
    keeper of near-duplicates or their keeper is there no more, when others were made of it, or when
    a person decided anything of it beside a rejection.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    image_ids : sequence of str
        The images.

    Returns
    -------
    Series
        The reason by image_id, in the order given; '' where an image may go.
    """
    reasons = dict.fromkeys(image_ids, "")
    # The first reason stands, so that what people wrote is told before what a machine found.
    for find in (_decided, _queued, _keepers, _left_alone, _parents):
        for image_id, reason in find(connection, reasons):
            if reasons.get(image_id) == "":
                reasons[image_id] = reason
    found = pd.Series(reasons, dtype=object, name="protected")
    return found.rename_axis("image_id").reindex(pd.Index(image_ids, name="image_id"))


def roots(connection: Connection) -> list[bytes]:
    """Give the places that were scanned: only what lies below them may be moved."""
    return list(connection.scalars(select(schema.roots.c.path).order_by(schema.roots.c.path)))


def places(found: Sequence[bytes], declared: Sequence[bytes]) -> list[str]:
    """Say which files are not ours to move, and why.

    Parameters
    ----------
    found : sequence of bytes
        Paths, as the library has them.
    declared : sequence of bytes
        What `roots` gives.

    Returns
    -------
    list of str
        A reason for each; '' where the file may be moved.
    """
    exact = frozenset(declared)
    below = tuple(root.rstrip(b"/") + b"/" for root in declared)
    return [_place(path, exact, below) for path in found]


def _place(path: bytes, exact: Collection[bytes], below: tuple[bytes, ...]) -> str:
    if paths.parted(path)[1]:
        return "it is a member of an archive"
    if not (path in exact or path.startswith(below)):
        return "it lies outside the folders that were scanned"
    if b"/" + LIBRARY_FOLDER + b"/" in path:
        return "it lies in a library's own folder"
    return ""


def of_files(library: Library, image_ids: Sequence[str]) -> pd.DataFrame:
    """Give all files of images, each with the reason why it may not be moved.

    Parameters
    ----------
    library : Library
        Knows them.
    image_ids : sequence of str
        The images.

    Returns
    -------
    DataFrame
        One row a file that can be read: image_id, path (text), bytes and protected (the reason of
        the image, or of the file alone; '' where it may go); sorted by path.
    """
    with library.reading() as connection:
        reasons = images(connection, image_ids)
        # Who plans must know: else the same file goes every night, and comes back every day.
        back = reasons.index.isin(_restored(connection)) & (reasons == "")
        reasons = reasons.mask(back, "somebody put it back from quarantine")
        declared = roots(connection)
    rows = sorted(_files_of(library, image_ids))
    found = pd.DataFrame(rows, columns=["path", "image_id", "bytes"])
    of_place = pd.Series(places(list(found["path"]), declared), index=found.index, dtype=object)
    of_image = found["image_id"].map(reasons[~reasons.index.duplicated()]).astype(object)
    found["path"] = pd.Series([paths.to_text(path) for path in found["path"]], dtype="str")
    found["protected"] = of_image.where(of_image != "", of_place)
    return found[["image_id", "path", "bytes", "protected"]].astype({"bytes": "int64"})


def _restored(connection: Connection) -> list[str]:
    """Name the images that were put back from quarantine, and not rejected since."""
    last, first, log = schema.journal.alias(), schema.journal.alias(), schema.decisions
    rejected = exists().where(
        log.c.kind == "reject",
        log.c.image_id == first.c.image_id,
        log.c.run_id > last.c.run_id,
        log.c.value != "",
    )
    query = (
        select(first.c.image_id)
        .join(last, last.c.item == first.c.seq)
        .where(last.c.event == "restored", ~rejected)
    )
    return list(connection.scalars(query))


def _files_of(library: Library, image_ids: Sequence[str]) -> Iterator[tuple[bytes, str, int]]:
    names, there = ("path", "image_id", "bytes"), schema.files.c.status == "ok"
    if len(image_ids) > MANY:
        wanted = set(image_ids)
        for page in pages.pages(library, schema.files, names, there):
            yield from (tuple(row) for row in page if row.image_id in wanted)
        return
    query = select(*[schema.files.c[name] for name in names]).where(there)
    with library.reading() as connection:
        some = dialect.among(connection, dict.fromkeys(image_ids))
        yield from map(tuple, connection.execute(query.where(schema.files.c.image_id.in_(some))))


def absent(connection: Connection) -> dict[str, str]:
    """Name the scanned places that are not there now, though the library knows files in them.

    Returns
    -------
    dict of str to str
        What is wrong by place (text): a disk that is not mounted leaves no folder, or an empty one.
    """
    wrongs = {}
    for root in roots(connection):
        wrong = "" if paths.scheme_of(root) else _absent(root)
        if wrong and connection.execute(_known_below(root)).first():
            wrongs[paths.to_text(root)] = wrong
    return wrongs


def _absent(root: bytes) -> str:
    try:
        if os.path.isdir(root):
            with os.scandir(root) as entries:
                return "" if any(entries) else "is empty"
        # The roots of manifests and patterns need not be folders.
        return "" if os.path.lexists(root) else "is not there"
    except OSError as error:
        return f"cannot be listed ({error.strerror})"


def _known_below(root: bytes) -> Any:
    return select(schema.files.c.path).where(schema.files.c.status == "ok", files.under([root]))


_Found = Iterator[tuple[str, str]]
_Asked = Collection[str]


def _decided(connection: Connection, asked: _Asked) -> _Found:
    log = schema.decisions
    some = _among(connection, asked, log.c.image_id)
    for kind, told in _DECIDED.items():
        of_person = kind not in ("label", "split")
        newest = (
            select(func.max(log.c.seq).label("seq"))
            .where(log.c.kind == kind, some)
            .group_by(log.c.image_id, log.c.field)
            .subquery()
        )
        query = select(log.c.image_id, log.c.value, log.c.actor)
        query = query.join(newest, log.c.seq == newest.c.seq).where(log.c.value != "")
        if of_person:
            query = query.where(log.c.actor.not_in(_MACHINES))
        for image_id, value, actor in _rows(connection, query):
            words = told.format(actor if of_person else value)
            benchmark = kind == "split" and value == "benchmark"
            yield image_id, "in the benchmark" if benchmark else words


def _queued(connection: Connection, asked: _Asked) -> _Found:
    queued = schema.queued
    some = _among(connection, asked, queued.c.image_id)
    query = select(queued.c.image_id, queued.c.name).where(some)
    for image_id, name in _rows(connection, query):
        yield image_id, f"in the saved queue {name}"


def _keepers(connection: Connection, asked: _Asked) -> _Found:
    groups = schema.duplicates
    some = _among(connection, asked, groups.c.image_id)
    query = select(groups.c.image_id).where(groups.c.keeper == groups.c.image_id, some)
    for (image_id,) in _rows(connection, query):
        yield image_id, "the keeper of its near-duplicates"


def _left_alone(connection: Connection, asked: _Asked) -> _Found:
    groups, there = schema.duplicates, schema.files.alias()
    kept = exists().where(there.c.image_id == groups.c.keeper, there.c.status == "ok")
    some = _among(connection, asked, groups.c.image_id)
    query = select(groups.c.image_id).where(groups.c.keeper != groups.c.image_id, ~kept, some)
    for (image_id,) in _rows(connection, query):
        yield image_id, "the keeper of its near-duplicates is there no more"


def _parents(connection: Connection, asked: _Asked) -> _Found:
    log = schema.decisions
    said = (log.c.kind == "group") & (log.c.field == facts.PARENT)
    # An image may have been made of several, which stand in the detail.
    named = _among(connection, asked, log.c.value) | log.c.detail.contains('"values"')
    query = select(log.c.image_id, log.c.value, log.c.detail).where(said, named)
    for image_id, value, detail in _rows(connection, query):
        for parent in json.loads(detail).get("values") or [value]:
            if parent in asked and parent != image_id:
                yield parent, "images were made of it"


def _among(connection: Connection, asked: _Asked, column: Any) -> ColumnElement[bool]:
    """Ask for the images; for many of them, for all that there are."""
    if len(asked) > MANY:
        return true()
    condition: ColumnElement[bool] = column.in_(dialect.among(connection, asked))
    return condition


def _rows(connection: Connection, query: Any) -> Iterator[Any]:
    """Give rows a piece at a time: a library knows more images than are asked for."""
    for some in connection.execute(query.execution_options(yield_per=10_000)).partitions():
        yield from some
