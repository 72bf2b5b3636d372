"""Finding, making and opening a library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from curate.core.errors import LibraryError, LockedError
from curate.core.files import LIBRARY_FOLDER
from curate.store import database, locks, migrations, schema

FOLDER = LIBRARY_FOLDER.decode()
DATABASE = "library.db"
LOCKS = "locks"

_NEW = {DATABASE, f"{DATABASE}-journal", ".gitignore"}
"""Files of a library that nothing was written to yet, beside its locks."""


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
        return locks.hold(self.folder / LOCKS, stage)


def find(start: Path) -> Path | None:
    """Walk up from a folder to the one that holds a library."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if _is_library(folder):
            return folder
    return None


def _is_library(place: Path) -> bool:
    # A library without its database is one all the same: it is refused, not begun anew.
    # `os.path`, because a folder above may be closed to us, which is no error.
    return os.path.exists(place / FOLDER / DATABASE) or _was_used(place)


def _was_used(place: Path) -> bool:
    # The first stage that ran left its lock file.
    return os.path.isdir(place / FOLDER / LOCKS)


@contextmanager
def opened(root: Path | None = None, *, make: bool = False) -> Iterator[Library]:
    """Open the library in `root`, or the one found by walking up from the working directory.

    Parameters
    ----------
    root : Path, optional
        The folder that holds `.curate/` (or shall hold it); `.curate/` itself means its folder.
    make : bool
        Make a library where there is none. It is taken away again, with the folders that were made
        for it, where the work in it fails before it wrote anything down.

    Raises
    ------
    LibraryError
        There is none, or it is damaged, or a newer version made it.
    """
    place = _named(root) if root is not None else find(Path.cwd())
    if place is None or not _is_library(place):
        if not make:
            searched = "" if place else ", also looked for in the folders above"
            raise LibraryError(
                str(place or Path.cwd()),
                f"no library here (a folder {FOLDER}{searched})",
                "`curate scan FOLDER` makes one; `--library FOLDER` names one elsewhere.",
            )
        place = place or Path.cwd()
    folder = place / FOLDER
    new = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    try:
        library = _open(place)
        try:
            yield library
        finally:
            library.engine.dispose()
    except GeneratorExit:
        # Nothing failed: whoever opened it without `with` has let go of the opening.
        raise
    except BaseException:
        # The failure is what the user has to hear of, not what stood in the way of tidying up.
        with suppress(OSError, LibraryError):
            _unmake(new)
        raise


def _named(root: Path) -> Path:
    place = root.resolve()
    return place.parent if place.name == FOLDER else place


def _open(place: Path) -> Library:
    folder = place / FOLDER
    path = folder / DATABASE
    used = _was_used(place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Its first transaction makes a database whole: before that there is no byte in it.
        made = not path.exists() or path.stat().st_size == 0
        if made and used:
            raise LibraryError(str(path), "the database of this library is gone", database.RESTORE)
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


def _unmake(new: Sequence[Path]) -> None:
    """Remove the folders that this opening made, from `.curate` upwards, unless they hold work."""
    # `os.path`, because a name that no file system takes is no error here.
    if new and os.path.isdir(new[0]):
        _remove_new(new[0])
    for folder in new[1:]:
        if os.path.isdir(folder):
            folder.rmdir()


def _remove_new(folder: Path) -> None:
    if not _is_unused(folder):
        return
    # Aside in one step: nobody can find half of a library, or begin a stage in it.
    aside = folder.with_name(f"{FOLDER}-{os.getpid()}")
    folder.rename(aside)
    with suppress(LockedError), ExitStack() as held:
        # Another process may have opened it meanwhile: what it does there, or has done, is kept.
        for file in (aside / LOCKS).glob("*.lock"):
            held.enter_context(locks.hold(aside / LOCKS, file.stem))
        if _is_unused(aside):
            shutil.rmtree(aside)
            return
    aside.rename(folder)


def _is_unused(folder: Path) -> bool:
    """Whether a library's folder holds nothing but an empty database and locks."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]
    if any(path.parts[0] != LOCKS and str(path) not in _NEW for path in found):
        return False
    if Path(DATABASE) not in found:
        return True
    engine = database.connect(folder / DATABASE)
    try:
        with database.reading(engine) as connection:
            there = sa.inspect(connection).get_table_names()
            return not any(
                connection.execute(sa.select(table).limit(1)).first()
                for table in (schema.files, schema.decisions, schema.shards)
                if table.name in there
            )
    finally:
        engine.dispose()
