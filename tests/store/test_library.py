"""A library is found, made and opened; what is damaged is refused and left as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from curate.core.errors import LibraryError
from curate.store import database, decisions, facts, migrations, runs, shards
from curate.store.library import DATABASE, Library, find, opened

from ..access import without_privileges
from .made import decide, file_row, looks_rows, put_files, put_shard, said

pytestmark = pytest.mark.usefixtures("in_file")


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes; empty ones (an idle journal) do not count."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size
    }


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder with a library that has some labels; closed."""
    root = tmp_path / "filled"
    root.mkdir()
    with opened(root, make=True) as library:
        put_files(library, *(file_row(f"/p/{n:04}.jpg".encode(), f"{n:032x}") for n in range(100)))
        decide(library, *(said("label", f"{n:032x}", "cat") for n in range(100)))
    return root


def test_a_library_is_made_on_demand_only(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no library here"), opened(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    with opened(tmp_path, make=True) as made:
        assert made.made
        assert made.folder == tmp_path / ".curate"
    with opened(tmp_path) as again:
        assert not again.made


def test_it_is_found_by_walking_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, make=True):
        pass
    deep = tmp_path / "photos/cats"
    deep.mkdir(parents=True)
    assert find(deep) == tmp_path
    monkeypatch.chdir(deep)
    with opened() as library:
        assert library.root == tmp_path
    with opened(make=True) as library:
        assert library.root == tmp_path


def test_without_one_it_is_made_in_the_working_directory(tmp_path: Path) -> None:
    assert find(tmp_path) is None
    with opened(make=True) as library:
        assert library.root == tmp_path


def test_where_it_was_looked_for_is_said(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"\(a folder \.curate\)"), opened(tmp_path / "typo"):
        pass
    with pytest.raises(LibraryError, match="also looked for in the folders above"), opened():
        pass


@pytest.mark.parametrize("make", [False, True])
def test_its_own_folder_may_be_named(filled: Path, make: bool) -> None:
    with opened(filled / ".curate", make=make) as library:
        assert library.root == filled
        assert not library.made
    assert not (filled / ".curate/.curate").exists()


def fail_after(
    work: Callable[[Library], object], root: Path, error: type[BaseException] = ZeroDivisionError
) -> None:
    """Make a library, work in it, and fail with the error."""
    with opened(root, make=True) as library:
        work(library)
        assert find(library.root)
        raise error


def nothing(library: Library) -> None:
    """Fail before anything is done."""


def failed_run(library: Library) -> None:
    """Fail in a stage that has written no row."""
    with suppress(ZeroDivisionError), runs.running(library, "scan", {}):
        (library.folder / "tables/looks").mkdir(parents=True)
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("work", [nothing, failed_run])
@pytest.mark.parametrize("place", [".", "a/b/c"])
def test_one_that_was_made_for_work_that_failed_is_taken_away(
    tmp_path: Path, place: str, work: Callable[[Library], None], error: type[BaseException]
) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(error):
        fail_after(work, tmp_path / place, error)
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


def orphan(library: Library) -> None:
    with runs.running(library, "scan", {}) as run:
        shards.write(library, "looks", run.run_id, 0, looks_rows("a"))


def someones_file(library: Library) -> None:
    (library.folder / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    "work",
    [
        lambda library: put_files(library, file_row(b"/p/a.jpg")),
        lambda library: decide(library, said("label", "a", "cat")),
        lambda library: put_shard(library, "a"),
        orphan,
        someones_file,
    ],
    ids=["file", "decision", "shard", "orphan", "other"],
)
def test_what_was_written_before_the_failure_is_kept(
    tmp_path: Path, work: Callable[[Library], object]
) -> None:
    before: dict[str, bytes] = {}

    def remembered(library: Library) -> None:
        work(library)
        before.update(files_in(tmp_path))

    with pytest.raises(KeyboardInterrupt):
        fail_after(remembered, tmp_path / "a/b", KeyboardInterrupt)
    assert files_in(tmp_path) == before
    with opened(tmp_path / "a/b") as library:
        assert not library.made


def test_folders_that_somebody_else_uses_by_now_are_kept(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_after(lambda library: (tmp_path / "a/other").mkdir(), tmp_path / "a/b")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["other"]


def test_a_library_that_was_there_stays_however_empty(tmp_path: Path) -> None:
    with opened(tmp_path, make=True):
        pass
    with pytest.raises(ZeroDivisionError), opened(tmp_path, make=True):
        raise ZeroDivisionError
    assert find(tmp_path) == tmp_path


def test_a_folder_that_was_there_keeps_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / ".curate").mkdir()
    (tmp_path / ".curate/settings").write_text("another tool's")
    with pytest.raises(ZeroDivisionError), opened(tmp_path, make=True):
        raise ZeroDivisionError
    assert (tmp_path / ".curate/settings").read_text() == "another tool's"


def test_one_in_which_another_process_works_by_now_is_kept(tmp_path: Path) -> None:
    with ExitStack() as other:
        with pytest.raises(ZeroDivisionError):
            fail_after(lambda library: other.enter_context(library.locked("scan")), tmp_path)
        assert find(tmp_path) == tmp_path
        assert [path.name for path in tmp_path.iterdir()] == [".curate"]


def test_one_that_cannot_be_made_leaves_no_folders(tmp_path: Path) -> None:
    refused = pytest.raises(LibraryError, match="cannot be kept here")
    with refused, opened(tmp_path / "a/b" / ("x" * 300), make=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_letting_go_of_an_opening_is_no_failure(tmp_path: Path) -> None:
    opening = opened(tmp_path, make=True)
    opening.__enter__()
    del opening
    assert find(tmp_path) == tmp_path


def test_another_tools_folder_of_the_same_name_is_no_library(tmp_path: Path) -> None:
    (tmp_path / ".curate").mkdir()
    assert find(tmp_path) is None
    with pytest.raises(LibraryError, match="no library here"), opened(tmp_path):
        pass


def test_it_keeps_itself_out_of_version_control(library: Library) -> None:
    assert (library.folder / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("name", ["what?now", "100%41", "a#b", "star*[1]", "é 'q'", "bad\udcff"])
def test_the_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    root.mkdir()
    with opened(root, make=True) as library:
        put_files(library, file_row(b"/a.jpg", "a"))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (root / ".curate/library.db").stat().st_size
    with opened(root) as library, library.reading() as connection:
        assert len(facts.images(connection)) == 1


def test_it_can_be_moved(tmp_path: Path, filled: Path) -> None:
    with opened(filled) as library:
        put_shard(library, "a")
    filled.rename(tmp_path / "moved")
    with opened(tmp_path / "moved") as library, library.reading() as connection:
        assert len(facts.images(connection)) == 100


@pytest.mark.parametrize("start", [b"text, not a database", b"SQLite format 2\x00" + bytes(5000)])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, start: bytes) -> None:
    (tmp_path / ".curate").mkdir()
    (tmp_path / ".curate/library.db").write_bytes(start)
    with pytest.raises(LibraryError, match="is not the database of a library"), opened(tmp_path):
        pass
    assert (tmp_path / ".curate/library.db").read_bytes() == start


@pytest.mark.parametrize("how", ["emptied", "deleted"])
@pytest.mark.parametrize("make", [False, True])
def test_a_database_that_is_gone_is_not_begun_anew(filled: Path, how: str, make: bool) -> None:
    path = filled / ".curate/library.db"
    path.write_bytes(b"")
    if how == "deleted":
        path.unlink()
    before = files_in(filled)
    gone = pytest.raises(LibraryError, match=r"the database of this library is gone.*backup")
    with gone, opened(filled, make=make):
        pass
    assert files_in(filled) == before


def test_a_birth_that_was_cut_off_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / ".curate").mkdir()
    (tmp_path / ".curate/library.db").write_bytes(b"")
    with opened(tmp_path, make=True) as library:
        assert library.made


def test_a_failure_while_it_is_made_leaves_nothing_that_looks_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(connection: sa.Connection) -> None:
        migrations.first_tables(connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(migrations.MIGRATIONS, "0001-first-tables", failing)
        with pytest.raises(KeyboardInterrupt), opened(tmp_path, make=True):
            pass
    with opened(tmp_path, make=True) as library:
        assert library.made


def read_everything(root: Path) -> None:
    with opened(root) as library, library.reading() as connection:
        facts.images(connection)
        decisions.current(connection, "label")
        if connection.exec_driver_sql("PRAGMA integrity_check").scalar() != "ok":
            raise LibraryError("database", "damaged", "")


@pytest.mark.parametrize("percent", [1, 10, 25, 50, 75, 90])
def test_a_truncated_database_is_refused_and_left_alone(filled: Path, percent: int) -> None:
    path = filled / ".curate/library.db"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * percent // 100])
    before = path.read_bytes()
    with pytest.raises(LibraryError, match="backup"):
        read_everything(filled)
    assert path.read_bytes() == before


def test_flipped_bytes_are_refused_or_harmless_and_nothing_is_changed(filled: Path) -> None:
    path = filled / ".curate/library.db"
    whole = path.read_bytes()
    refused = 0
    for page in range(len(whole) // 4096):
        damaged = bytearray(whole)
        # The head of a page says how it is to be read; a flip in a text would be no damage.
        for at in range(page * 4096, page * 4096 + 8):
            damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_everything(filled)
        except LibraryError:
            refused += 1
        assert path.read_bytes() == damaged
    assert refused >= 0.9 * (len(whole) // 4096)


def test_a_newer_library_is_refused_and_byte_identical(filled: Path) -> None:
    path = filled / ".curate/library.db"
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO migrations VALUES ('0099-from-the-future', 'then')")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LibraryError, match=r"newer version.*0099-from-the-future"), opened(filled):
        pass
    assert path.read_bytes() == before


def test_a_library_that_another_process_writes_to_is_waited_for_and_not_for_ever(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    other = sqlite3.connect(filled / ".curate/library.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    held = pytest.raises(LibraryError, match="another process has held the database")
    with held, opened(filled) as library, library.writing():
        pass
    other.execute("ROLLBACK")
    other.close()
    read_everything(filled)


def test_a_full_disk_is_one_clear_error_and_works_again_with_room(filled: Path) -> None:
    with opened(filled) as library:

        @sa.event.listens_for(library.engine, "begin")
        def _no_room(connection: sa.Connection) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        many = [said("label", f"{n:032x}", "dog" * 60) for n in range(2000)]
        with pytest.raises(LibraryError, match=r"the disk is full .*Free some space"):
            decide(library, *many)
    with opened(filled) as library:
        with library.reading() as connection:
            assert set(decisions.current(connection, "label")["value"]) == {"cat"}
        assert decide(library, *many) == 2000


@pytest.fixture
def read_only(filled: Path) -> Iterator[Path]:
    # pytest's own folders are closed to everybody but the user who runs it.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "photos"
        filled.rename(root)
        everything = [Path(name), root, *root.rglob("*")]
        for path in everything:
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield root
        for path in everything:
            path.chmod(0o755)


def test_a_read_only_library_can_be_read_and_not_written(read_only: Path) -> None:
    before = files_in(read_only)
    with without_privileges():
        read_everything(read_only)
        with opened(read_only) as library:
            with pytest.raises(LibraryError, match="read-only"), library.writing() as connection:
                connection.exec_driver_sql("DELETE FROM roots")
            refused = pytest.raises(LibraryError, match="cannot be written: permission denied")
            with refused, runs.running(library, "scan", {}):
                raise AssertionError("work began")
    assert files_in(read_only) == before


def test_a_read_only_folder_holds_no_new_library(read_only: Path) -> None:
    (read_only / "new").parent.chmod(0o755)
    (read_only / "new").mkdir(mode=0o555)
    refused = pytest.raises(LibraryError, match=r"cannot be kept here.*--library")
    with without_privileges(), refused, opened(read_only / "new", make=True):
        pass


def test_a_closed_library_above_is_not_ours(read_only: Path) -> None:
    (read_only / "deep").parent.chmod(0o755)
    (read_only / "deep").mkdir()
    (read_only / ".curate").chmod(0)
    with without_privileges():
        assert find(read_only / "deep") is None
    (read_only / ".curate").chmod(0o755)


def test_two_processes_can_make_one_library_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from curate.store.library import opened\n"
        "with opened(Path(sys.argv[1]), make=True) as library:\n"
        "    with library.reading() as c: c.exec_driver_sql('SELECT count(*) FROM decisions')"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]


def test_a_killed_writer_loses_only_its_own_transaction(filled: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from curate.store.library import opened\n"
        "with opened(Path(sys.argv[1])) as library, library.writing() as c:\n"
        "    c.exec_driver_sql(\"INSERT INTO migrations VALUES ('half', 'now')\")\n"
        "    c.exec_driver_sql('PRAGMA cache_spill=1')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(filled)], check=False)
    assert told.returncode < 0
    with opened(filled) as library, library.reading() as connection:
        assert migrations.applied(connection) == list(migrations.MIGRATIONS)
        assert len(decisions.current(connection, "label")) == 100


def test_no_wal_and_full_syncs(library: Library) -> None:
    # Not by `reading()`: the connections of tests are told not to sync.
    connection = database.connect(library.folder / DATABASE).raw_connection()
    with closing(connection):
        for pragma, value in (
            ("journal_mode", "truncate"),
            ("synchronous", 2),
            ("foreign_keys", 1),
        ):
            assert connection.cursor().execute(f"PRAGMA {pragma}").fetchone() == (value,)


def test_a_transaction_is_whole_or_not_there(library: Library) -> None:
    with suppress(ZeroDivisionError), library.writing() as connection:
        connection.exec_driver_sql("INSERT INTO migrations VALUES ('half', 'now')")
        raise ZeroDivisionError
    with library.reading() as connection:
        assert migrations.unknown(connection) == []


def test_errors_that_are_bugs_are_not_dressed_up(library: Library) -> None:
    with pytest.raises(sa.exc.OperationalError), library.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")


def test_the_working_directory_is_no_part_of_an_open_library(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with opened(Path("filled")) as library:
        os.chdir("/")
        put_shard(library, "a")
        assert library.folder == filled / ".curate"
