"""Finding, making and opening a library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from curate.core.errors import LibraryError
from curate.core.files import LIBRARY_FOLDER
from curate.store import database, locks, migrations

FOLDER = LIBRARY_FOLDER.decode()


@dataclass(frozen=True)
class Library:
    """An open library.

    Attributes
    ----------
    root : Path
        The folder that holds `.curate/`; `curate.toml` lies here.
    engine : sqlalchemy.Engine
        The database.
    made : bool
        Whether this opening made it.
    """

    root: Path
    engine: sa.Engine
    made: bool = False

    @property
    def folder(self) -> Path:
        """The folder `.curate/` itself."""
        return self.root / FOLDER

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """One consistent view of the database."""
        return database.reading(self.engine)

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """One transaction: all of it or nothing."""
        return database.writing(self.engine)

    def locked(self, stage: str) -> AbstractContextManager[None]:
        """Hold the lock of a stage; LockedError says who has it."""
        return locks.hold(self.folder / "locks", stage)


def find(start: Path) -> Path | None:
    """Walk up from a folder to the one that holds a library."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FOLDER).is_dir():
            return folder
    return None


@contextmanager
def opened(root: Path | None = None, *, make: bool = False) -> Iterator[Library]:
    """Open the library in `root`, or the one found by walking up from the working directory.

    Parameters
    ----------
    root : Path, optional
        The folder that holds `.curate/` (or shall hold it).
    make : bool
        Make a library where there is none.

    Raises
    ------
    LibraryError
        There is none, or it is damaged, or a newer version made it.
    """
    place = root.resolve() if root is not None else find(Path.cwd())
    if place is None or not (place / FOLDER).is_dir():
        if not make:
            raise LibraryError(
                str(place or Path.cwd()),
                "no library here (a folder .curate, also looked for in the folders above)",
                "`curate scan FOLDER` makes one; `--library FOLDER` names one elsewhere.",
            )
        place = place or Path.cwd()
    library = _open(place)
    try:
        yield library
    finally:
        library.engine.dispose()


def _open(place: Path) -> Library:
    folder = place / FOLDER
    path = folder / "library.db"
    made = not path.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if made:
            # The folder keeps itself out of version control without touching the user's files.
            (folder / ".gitignore").write_text("*\n")
        else:
            database.refuse_foreign(path)
    except OSError as error:
        raise LibraryError(
            str(folder),
            f"the library cannot be kept here: {error.strerror}",
            "Give a folder that can be written with `--library FOLDER`.",
        ) from error
    engine = database.connect(path)
    try:
        _bring_up_to_date(engine, path)
    except BaseException:
        engine.dispose()
        if made:
            # A library that could not be born leaves nothing that looks like one.
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    return Library(place, engine, made)


def _bring_up_to_date(engine: sa.Engine, path: Path) -> None:
    with database.reading(engine) as connection:
        newer = migrations.unknown(connection)
        if newer:
            raise LibraryError(
                str(path),
                f"was made by a newer version of curate (it has {', '.join(newer)})",
                "Nothing was changed. Install that version or a later one.",
            )
        pending = migrations.pending(connection)
    if pending:
        with database.writing(engine) as connection:
            migrations.migrate(connection)
