"""A database that lies apart from its folder: which one it is, and that the two belong together.

The folder `.curate/` then holds a note instead of `library.db`: the name of the library, made when
the folder was, and where its database was. The database holds the same name. Neither is used with
another partner: shards of one library beside the decisions of another would be worse than none.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from curate.core import config, paths
from curate.core.errors import LibraryError
from curate.core.files import describe, write_whole
from curate.store import database, migrations, postgres, schema

NOTE = "database.json"
VARIABLE = "CURATE_DATABASE"
_SETTING = "[library] database"


@dataclass(frozen=True)
class Note:
    """What the folder knows of its database."""

    library_id: str
    database: str


def asked(root: Path) -> sa.URL | None:
    """Give the URL that the environment or `curate.toml` names; None for the file in the folder.

    Raises
    ------
    ConfigError, FaultsError
        It cannot be used, or the settings cannot be read.
    """
    text = os.environ.get(VARIABLE)
    if text:
        return postgres.parsed(text, f"${VARIABLE}")
    path = root / config.FILE
    # Most folders have no settings; those need not wait for what reads them.
    text = config.load(root).library.database if path.is_file() else None
    return postgres.parsed(text, f"{path}, {_SETTING}") if text else None


def read_note(folder: Path) -> Note | None:
    """Read the note of a folder `.curate/`; None where its database is a file in it."""
    path = folder / NOTE
    try:
        return Note(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LibraryError(str(path), describe(error), "See that it can be read.") from error
    except (ValueError, TypeError) as error:
        raise LibraryError(
            str(path), "is damaged", "Restore it from a backup; its database knows its name."
        ) from error


def begin(folder: Path, url: sa.URL) -> Note:
    """Write the note of a new library; give that of another process that was faster."""
    mine = Note(str(uuid4()), postgres.shown(url))
    content = json.dumps(asdict(mine), indent=1).encode() + b"\n"
    draft = folder / f"{NOTE}-{mine.library_id}"
    write_whole(draft, lambda file: file.write(content))
    try:
        # Whole from the start, and never in the place of another.
        os.link(draft, folder / NOTE)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return read_note(folder) or mine


def owner(connection: sa.Connection, place: str) -> tuple[str, str] | None:
    """Give the name of the library that a database belongs to, and the folder it was made in.

    Returns
    -------
    (str, str) or None
        None for a database that is still free.

    Raises
    ------
    LibraryError
        The database belongs to another program, or cannot hold every text.
    """
    there = set(sa.inspect(connection).get_table_names())
    if schema.library.name in there and schema.migrations.name in there:
        row = connection.execute(sa.select(schema.library)).first()
        return (row.library_id, row.made_in) if row else None
    foreign = sorted(there & set(schema.metadata.tables))
    if foreign:
        raise LibraryError(
            place,
            f"belongs to something else: it has a table {foreign[0]!r} that no library made",
            "Give the library a database of its own: `createdb NAME`.",
        )
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise LibraryError(
            place,
            f"is kept in the encoding {encoding}, which cannot hold every name",
            "Make it with `createdb --encoding UTF8 --template template0 NAME`.",
        )
    return None


def join(engine: sa.Engine, folder: Path, note: Note) -> bool:
    """Bring a database up to date and see that it and the folder belong together.

    Returns
    -------
    bool
        Whether the database was free until now.
    """
    place = postgres.shown(engine.url)
    with database.writing(engine) as connection:
        found = owner(connection, place)
        migrations.migrate(connection)
        if found is None:
            connection.execute(
                sa.insert(schema.library).values(
                    library_id=note.library_id,
                    made_in=f"{socket.gethostname()}:{paths.to_text(os.fsencode(folder))}",
                    made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                )
            )
        else:
            refuse_others(place, found, note)
    return found is None


def refuse_others(place: str, found: tuple[str, str], note: Note | None) -> None:
    """Refuse a database that belongs to another library than the folder."""
    library_id, made_in = found
    if note is None or library_id != note.library_id:
        raise LibraryError(
            place,
            f"belongs to another library, made in {made_in}",
            "Nothing was changed. Name that folder with `--library FOLDER` (every machine must see "
            "the same storage), or give this one a database of its own.",
        )


def leave(engine: sa.Engine, note: Note) -> bool:
    """Make the database of a library free again, where nothing was written down in it.

    Returns
    -------
    bool
        Whether it is free now; not so where it holds work, or somebody works in it.
    """
    with database.writing(engine) as connection:
        found = owner(connection, postgres.shown(engine.url))
        if found is None:
            return True
        if found[0] != note.library_id or holds_work(connection):
            return False
        if connection.execute(postgres.locks_held()).first():
            return False
        connection.execute(sa.delete(schema.runs))
        connection.execute(sa.delete(schema.library))
    return True


def holds_work(connection: sa.Connection) -> bool:
    """Whether something was written down that a person could miss."""
    there = sa.inspect(connection).get_table_names()
    return any(
        connection.execute(sa.select(table).limit(1)).first()
        for table in (schema.files, schema.decisions, schema.shards)
        if table.name in there
    )
