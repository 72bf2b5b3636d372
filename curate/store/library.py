"""Finding, making and opening a library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from curate.core.errors import LibraryError, LockedError
from curate.core.files import LIBRARY_FOLDER
from curate.store import database, elsewhere, locks, migrations, postgres
from curate.store.elsewhere import NOTE

FOLDER = LIBRARY_FOLDER.decode()
DATABASE = "library.db"
LOCKS = "locks"

_NEW = {DATABASE, f"{DATABASE}-journal", NOTE, ".gitignore"}
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
    _held: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def folder(self) -> Path:
        """The folder `.curate/` itself."""
        return self.root / FOLDER

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """One consistent view of the database."""
        return database.reading(self.engine)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction: all of it or nothing. LockedError where a lock was lost meanwhile."""
        with database.writing(self.engine) as connection:
            for stage, session in self._held.items():
                locks.still_held(connection, stage, session)
            yield connection

    @contextmanager
    def locked(self, stage: str) -> Iterator[None]:
        """Hold the lock of a stage; LockedError says who has it."""
        if self.engine.dialect.name == "sqlite":
            with locks.hold(self.folder / LOCKS, stage):
                yield
            return
        locks.make_folder(self.folder / LOCKS)
        with locks.hold_on_server(self.engine, stage) as session:
            self._held[stage] = session
            try:
                yield
            finally:
                del self._held[stage]


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
    return _was_used(place) or any(
        os.path.exists(place / FOLDER / name) for name in (DATABASE, NOTE)
    )


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
    try:
        url = elsewhere.asked(place)
        note = elsewhere.read_note(folder)
        if note is None and url is None:
            return _open_file(place)
        return _open_elsewhere(place, url, note)
    except OSError as error:
        raise LibraryError(
            str(folder),
            f"the library cannot be kept here: {error.strerror}",
            "Give a folder that can be written with `--library FOLDER`.",
        ) from error


def _open_file(place: Path) -> Library:
    folder = place / FOLDER
    path = folder / DATABASE
    used = _was_used(place)
    folder.mkdir(parents=True, exist_ok=True)
    # Its first transaction makes a database whole: before that there is no byte in it.
    made = not path.exists() or path.stat().st_size == 0
    if made and used:
        raise LibraryError(str(path), "the database of this library is gone", database.RESTORE)
    if made:
        _ignore(folder)
    else:
        database.refuse_foreign(path)
    engine = database.connect(path)
    try:
        if _pending(engine, str(path)):
            with database.writing(engine) as connection:
                migrations.migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    return Library(place, engine, made)


def _open_elsewhere(place: Path, url: sa.URL | None, note: elsewhere.Note | None) -> Library:
    folder = place / FOLDER
    if url is None:
        raise LibraryError(
            str(folder),
            f"its database is {note.database if note else ''}, and no setting says how to reach it",
            f"Set ${elsewhere.VARIABLE}, or `database` under [library] in curate.toml, to its URL.",
        )
    shown = postgres.shown(url)
    path = folder / DATABASE
    if path.exists() and path.stat().st_size:
        raise LibraryError(
            str(folder),
            f"its database is the file {DATABASE} in it, and the settings name {shown}",
            f"Take that setting away (${elsewhere.VARIABLE}, or curate.toml), or name another "
            "folder with `--library FOLDER`.",
        )
    used = _was_used(place)
    engine = database.connect(url)
    try:
        with database.reading(engine) as connection:
            found = elsewhere.owner(connection, shown)
        # Another process may have made the library since the note was looked for.
        note = note or elsewhere.read_note(folder)
        if found is not None:
            elsewhere.refuse_others(shown, found, note)
        elif used:
            raise LibraryError(
                shown, f"is empty, and the library in {folder} is not", database.RESTORE
            )
        if note is None:
            folder.mkdir(parents=True, exist_ok=True)
            _ignore(folder)
            note = elsewhere.begin(folder, url)
        made = (_pending(engine, shown) or found is None) and elsewhere.join(engine, folder, note)
    except BaseException:
        engine.dispose()
        raise
    return Library(place, engine, made)


def _ignore(folder: Path) -> None:
    # The folder keeps itself out of version control without touching the user's files.
    (folder / ".gitignore").write_text("*\n")


def _pending(engine: sa.Engine, place: str) -> bool:
    """Whether a database is of an earlier version; one of a later version is refused."""
    with database.reading(engine) as connection:
        newer = migrations.unknown(connection)
        if newer:
            raise LibraryError(
                place,
                f"was made by a newer version of curate (it has {', '.join(newer)})",
                "Nothing was changed. Install that version or a later one.",
            )
        return bool(migrations.pending(connection))


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
    gone = False
    try:
        with suppress(LockedError), ExitStack() as held:
            # Another process may have opened it meanwhile: what it does there, or did, is kept.
            for file in (aside / LOCKS).glob("*.lock"):
                held.enter_context(locks.hold(aside / LOCKS, file.stem))
            if _is_unused(aside) and _has_left(aside):
                shutil.rmtree(aside)
                gone = True
    finally:
        if not gone:
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
            return not elsewhere.holds_work(connection)
    finally:
        engine.dispose()


def _has_left(folder: Path) -> bool:
    """Whether the database that lies elsewhere, where there is one, is free for others again."""
    note = elsewhere.read_note(folder)
    url = elsewhere.asked(folder.parent)
    if note is None or url is None:
        return note is None
    engine = database.connect(url)
    try:
        return elsewhere.leave(engine, note)
    finally:
        engine.dispose()
