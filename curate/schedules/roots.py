"""The folders that a library was told of: what a scan of everything scans."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqlalchemy import Connection, select

from curate.core import paths
from curate.store import schema


@dataclass(frozen=True)
class Root:
    """A folder, archive or URL that was scanned.

    Attributes
    ----------
    path : str
        As `os.fsdecode` gives it.
    labels : str
        '' for a pool; ``folder`` or the path of a manifest, as the scan was given it.
    origin : str
        Of its images; '' where none was said.
    """

    path: str
    labels: str
    origin: str


def declared(connection: Connection) -> list[Root]:
    """Give all roots, in the order in which they were scanned last."""
    table = schema.roots
    query = select(table.c.path, table.c.labels, table.c.origin)
    return [
        Root(os.fsdecode(path), os.fsdecode(paths.from_text(labels)), origin)
        for path, labels, origin in connection.execute(query.order_by(table.c.run_id))
    ]
