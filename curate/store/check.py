"""Is the library whole?"""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, select

from curate.store import held, schema, shards
from curate.store.library import Library


def faults(library: Library) -> list[str]:
    """Look at everything that the library holds; give a line for each fault, [] when it is whole.

    Returns
    -------
    list of str
        What the database's own check says, references that lead nowhere, shards whose bytes
        are not those that were written, files that are not in quarantine as the journal
        says, and the other way round.
    """
    found: list[str] = []
    with library.reading() as connection:
        if connection.dialect.name == "sqlite":
            said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            found += [f"database: {line}" for line in said if line != "ok"]
        for table in schema.metadata.sorted_tables:
            found += [
                f"database: a row of {table.name} refers to a missing one"
                for _ in range(_strays(connection, table))
            ]
        homeless = connection.scalars(
            select(schema.files.c.path)
            .outerjoin(schema.images, schema.files.c.image_id == schema.images.c.image_id)
            .where(schema.files.c.status == "ok", schema.images.c.image_id.is_(None))
        ).all()
        found += [f"file {path!r}: its image is not in the library" for path in homeless]
        tables = select(schema.shards.c.table).distinct().order_by(schema.shards.c.table)
        for name in connection.scalars(tables).all():
            for shard in shards.referenced(connection, name):
                wrong = shards.fault(library, shard, deep=True)
                if wrong:
                    found.append(f"shard {shard.path}: {wrong}")
    return [*found, *held.faults(library)]


def _strays(connection: Connection, table: Table) -> int:
    """Count the rows of a table that refer to a row that is not there."""
    return sum(
        connection.execute(
            select(func.count())
            .select_from(table.outerjoin(key.column.table, key.parent == key.column))
            .where(key.parent.is_not(None), key.column.is_(None))
        ).scalar_one()
        for key in table.foreign_keys
    )
