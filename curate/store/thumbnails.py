"""Thumbnails of images: those that a scan made, and for the rest a look at the file itself."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from sqlalchemy import select

from curate import engine
from curate.core.chunks import batched
from curate.core.files import FileEntry
from curate.core.look import Look
from curate.store import schema, views
from curate.store.dialect import first_path
from curate.store.library import Library

files = schema.files


def fetch(library: Library, image_ids: Sequence[str]) -> dict[str, bytes]:
    """Give thumbnails of images.

    Parameters
    ----------
    library : Library
        Where they are, or where the files of the images are named.
    image_ids : sequence of str
        The images.

    Returns
    -------
    dict of str to bytes
        JPEG by image id. An image of which nothing can be read, or whose file holds another
        content by now, is not there.
    """
    if not image_ids:
        return {}
    query = """
        SELECT image_id, any_value(thumbnail) FROM looks SEMI JOIN wanted USING (image_id)
        GROUP BY image_id
    """
    with views.asked(library, "looks") as answering:
        answering.register("wanted", pa.table({"image_id": pa.array(image_ids, pa.string())}))
        found = dict(answering.execute(query).fetchall())
    missing = sorted(set(image_ids) - found.keys())
    return found | _looked(_places(library, missing)) if missing else found


def _places(library: Library, image_ids: Sequence[str]) -> dict[FileEntry, str]:
    """Give one file for each image that lies somewhere."""
    places: dict[FileEntry, str] = {}
    with library.reading() as connection:
        for some in batched(image_ids, 500):
            first = (
                select(first_path(files.c.path))
                .where(files.c.image_id.in_(some), files.c.status == "ok")
                .group_by(files.c.image_id)
            )
            columns = [files.c[name] for name in ("path", "bytes", "mtime_ns", "inode")]
            rows = connection.execute(
                select(files.c.image_id, *columns).where(files.c.path.in_(first))
            )
            places.update((FileEntry(*row[1:]), row.image_id) for row in rows)
    return places


def _looked(places: dict[FileEntry, str]) -> dict[str, bytes]:
    if not places:
        return {}
    work = engine.Work("curate.core.look:seen", together="curate.core.look:finished")
    workers = min(engine.available_cores(), -(-len(places) // 16))
    outcomes = engine.BACKENDS["processes"](list(places), work, workers, engine.Limits())
    looks: dict[str, Look] = {
        places[outcome.entry]: outcome.value for outcome in outcomes if outcome.value is not None
    }
    return {
        image_id: look.thumbnail
        for image_id, look in looks.items()
        if look.content.image_id == image_id
    }
