"""Several machines write to one library on a server: no row is lost, and no stage runs twice."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
import sqlalchemy as sa

from curate.core.errors import LibraryError, LockedError
from curate.labels import import_answers
from curate.scan import scan
from curate.splits import SplitPolicy, split
from curate.store import (
    check,
    database,
    decisions,
    elsewhere,
    facts,
    files,
    protection,
    runs,
    schema,
)
from curate.store.library import Library, opened

from ..conftest import MakePhoto
from ..postgres import Server
from .made import content, decide, file_row, put_files, put_shard, said

pytestmark = pytest.mark.usefixtures("in_file")


@pytest.fixture
def shared_library(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Library]:
    """A new library on the server; programs that the test starts find it too."""
    monkeypatch.setenv(elsewhere.VARIABLE, server.made())
    with opened(tmp_path / "lib", make=True) as library:
        yield library


def name_of(library: Library) -> str:
    return str(library.engine.url.database)


def started(library: Library, code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start another process that has the library open as `library`."""
    head = (
        "import os, signal, sys, time; from pathlib import Path\n"
        "from curate.store import decisions, files, runs, shards\n"
        "from curate.store.library import opened\n"
        "from tests.store.made import content, file_row, said\n"
        "with opened(Path(sys.argv[1])) as library:\n"
    )
    body = "".join(f"    {line}\n" for line in code.splitlines())
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", head + body, str(library.root), *arguments],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )


def test_bytes_texts_and_numbers_come_back_as_they_were(shared_library: Library) -> None:
    rows = [
        file_row(bytes([byte]) * 3 + b"/\n\\'%s", f"i{byte:03}", inode=2**63 - 1, mtime_ns=-1)
        for byte in range(1, 256)
    ]
    put_files(shared_library, *rows)
    odd = "Ä 'q' \\ %s {} \u2028 🦘"
    decide(shared_library, said("label", "i001", odd, detail={"sub_class": odd}))
    with shared_library.reading() as connection:
        known = files.known(connection, [row.path for row in rows])
        assert known == {row.path: row for row in rows}
        placed = files.one_path_each(connection)
        assert list(placed["image_id"]) == sorted(placed["image_id"])
        labels = decisions.current(connection, "label")
        assert list(labels["value"]) == [odd]
        assert list(labels["detail"]) == [{"sub_class": odd}]
    assert check.faults(shared_library) == []


def test_the_first_path_is_the_lowest_by_its_bytes(shared_library: Library) -> None:
    places = [b"/\xff", b"/a", b"/a\x01", b"/B", b"/\xc3\xa4"]
    put_files(shared_library, *(file_row(path, "same") for path in places))
    with shared_library.reading() as connection:
        (row,) = files.one_path_each(connection).itertuples()
    assert (row.path, row.files) == ("/B", 5)


def test_texts_are_ordered_by_their_bytes_whatever_the_language(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = server.made("LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' TEMPLATE template0")
    monkeypatch.setenv(elsewhere.VARIABLE, made)
    names = ["b", "B", "a", "A", "ä", "_", "-"]
    with opened(tmp_path / "lib", make=True) as library:
        put_files(library, *(file_row(f"/{name}".encode(), name) for name in names))
        with library.reading() as connection:
            assert list(files.one_path_each(connection)["image_id"]) == sorted(names)


@pytest.mark.parametrize(
    "statement", ["UPDATE decisions SET value = 'x'", "DELETE FROM decisions", "TRUNCATE decisions"]
)
def test_decisions_are_append_only(shared_library: Library, statement: str) -> None:
    decide(shared_library, said("label", "a", "cat"))
    refused = pytest.raises(sa.exc.IntegrityError, match="append-only")
    with refused, shared_library.writing() as connection:
        connection.exec_driver_sql(statement)
    with shared_library.reading() as connection:
        assert list(decisions.current(connection, "label")["value"]) == ["cat"]


def test_the_same_decision_again_is_counted_as_none(shared_library: Library) -> None:
    made = [said("label", f"i{n}", "cat", key=f"k{n}") for n in range(10)]
    assert decide(shared_library, *made[:6]) == 6
    assert decide(shared_library, *made) == 4
    assert decide(shared_library, *made) == 0


def test_a_view_stays_the_same_while_others_write(shared_library: Library) -> None:
    put_files(shared_library, file_row(b"/a", "a"))
    with shared_library.reading() as connection:
        assert len(files.table(connection)) == 1
        put_files(shared_library, file_row(b"/b", "b"))
        assert len(files.table(connection)) == 1
    with shared_library.reading() as connection:
        assert len(files.table(connection)) == 2


def test_a_view_cannot_write(shared_library: Library) -> None:
    refused = pytest.raises(LibraryError, match="read-only")
    with refused, shared_library.reading() as connection:
        connection.execute(sa.delete(schema.roots))


WRITER = """
mine, other = sys.argv[2], sys.argv[3]
for turn in range(15):
    both = list(range(turn * 20, turn * 20 + 20))
    # The other writer has the same rows, in the opposite order.
    both = both if mine == "a" else both[::-1]
    with runs.running(library, "scan", {}, alone=False) as run, library.writing() as connection:
        rows = [file_row(b"/both/%d" % n, f"i{n}") for n in both]
        files.register(connection, run.run_id, rows, [content(r.image_id) for r in rows])
        own = [file_row(f"/{mine}/{n}".encode(), f"i{n}") for n in both]
        files.register(connection, run.run_id, own, [])
        made = [said("label", f"i{n}", mine, key=f"{mine}{n}") for n in both]
        assert decisions.append(connection, run.run_id, made) == 20
"""


def test_two_writers_at_once_lose_no_row_and_do_not_wait_for_each_other_for_ever(
    shared_library: Library,
) -> None:
    both = [started(shared_library, WRITER, *names) for names in ("ab", "ba")]
    assert [one.communicate() and one.returncode for one in both] == [0, 0]
    with shared_library.reading() as connection:
        assert len(files.table(connection)) == 900
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.images)) == 300
        log = connection.execute(sa.select(schema.decisions).order_by("seq")).all()
        assert {row.key for row in log} == {f"{who}{n}" for who in "ab" for n in range(300)}
        ended = connection.execute(sa.select(schema.runs.c.status).distinct()).scalars()
        assert list(ended) == ["done"]
        # Numbers are given in the order of the commits: no transaction is among another's.
        turns = [row.run_id for row in log]
        assert len(set(turns)) == 1 + sum(a != b for a, b in pairwise(turns))
    assert check.faults(shared_library) == []


def test_what_was_read_is_still_so_when_it_is_written(shared_library: Library) -> None:
    """The same as in SQLite: whoever writes sees every earlier writer, and no later one."""

    def count_up() -> None:
        for _ in range(20):
            with shared_library.writing() as connection:
                last = connection.scalar(sa.select(sa.func.max(schema.roots.c.labels)))
                values = {"path": f"{int(last or 0)}".encode(), "origin": "", "run_id": run.run_id}
                connection.execute(
                    sa.insert(schema.roots).values(labels=f"{int(last or 0) + 1:03}", **values)
                )

    with runs.running(shared_library, "scan", {}) as run:
        threads = [Thread(target=count_up) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with shared_library.reading() as connection:
        assert connection.scalar(sa.select(sa.func.max(schema.roots.c.labels))) == "060"


def test_a_writer_is_waited_for_and_not_for_ever(
    shared_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with opened(shared_library.root) as other, other.writing():
        held = pytest.raises(LibraryError, match="another process has held the database")
        with held, shared_library.writing():
            pass
    decide(shared_library, said("label", "a", "cat"))


def test_a_killed_writer_loses_its_transaction_and_frees_its_locks(shared_library: Library) -> None:
    code = (
        "with library.locked('scan'), library.writing() as connection:\n"
        "    connection.exec_driver_sql(\"INSERT INTO migrations VALUES ('half', 'now')\")\n"
        "    print('in it', flush=True); time.sleep(600)"
    )
    with started(shared_library, code) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in it\n"
        host = socket.gethostname()[:20]
        told = rf"`curate scan` .*process {other.pid} since .* on {host}"
        with pytest.raises(LockedError, match=told), shared_library.locked("scan"):
            raise AssertionError("two at once")
        with shared_library.locked("split"):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
    # The server needs a moment to hear of it; whoever writes waits for that.
    with shared_library.writing() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM migrations WHERE name='half'")) == 0
    with shared_library.locked("scan"):
        pass


def test_a_lock_is_given_back_after_an_error_and_is_no_ones_twice(shared_library: Library) -> None:
    with pytest.raises(ZeroDivisionError), shared_library.locked("scan"):
        raise ZeroDivisionError
    again = pytest.raises(LockedError, match=f"process {os.getpid()} since")
    with shared_library.locked("scan"), again, shared_library.locked("scan"):
        raise AssertionError("two at once")


def test_who_lost_the_lock_may_not_write_any_more(shared_library: Library, server: Server) -> None:
    """A broken connection gives the lock away; what its holder still commits could be doubled."""
    holder = (
        "FROM pg_stat_activity WHERE starts_with(application_name, 'curate process') "
        f"AND datname = '{name_of(shared_library)}'"
    )
    lost = pytest.raises(LockedError, match=r"`curate scan`: lost its lock")
    with lost, runs.running(shared_library, "scan", {}) as run:
        assert server.run(f"SELECT pg_terminate_backend(pid) {holder}") == [(True,)]
        # The server answers before the session has ended, and given its lock away.
        while server.run(f"SELECT pid {holder}"):
            time.sleep(0.01)
        with shared_library.writing() as connection:
            files.register(connection, run.run_id, [file_row(b"/a", "a")], [content("a")])
    with shared_library.reading() as connection:
        assert len(files.table(connection)) == 0
    put_files(shared_library, file_row(b"/a", "a"))


def test_a_server_that_was_restarted_is_found_again(
    shared_library: Library, server: Server
) -> None:
    put_files(shared_library, file_row(b"/a", "a"))
    server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{name_of(shared_library)}'"
    )
    put_files(shared_library, file_row(b"/b", "b"))
    with shared_library.reading() as connection:
        assert len(files.table(connection)) == 2


def test_a_server_that_goes_away_in_the_middle_is_one_clear_error(
    shared_library: Library, server: Server
) -> None:
    gone = pytest.raises(LibraryError, match=r"PostgreSQL .*(reached|stopped).*goes on")
    with gone, shared_library.writing() as connection:
        server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name_of(shared_library)}'"
        )
        connection.execute(sa.select(schema.files))


def test_a_user_who_may_not_write_is_told(shared_library: Library, server: Server) -> None:
    server.run("CREATE ROLE guest LOGIN")
    name = name_of(shared_library)
    server.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest", name)
    url = sa.make_url(server.url(name, "guest")).set(drivername="postgresql+psycopg")
    engine = database.connect(url)
    try:
        with (
            pytest.raises(LibraryError, match="may not do that"),
            database.writing(engine) as guest,
        ):
            guest.execute(sa.delete(schema.roots))
    finally:
        engine.dispose()


def test_errors_that_are_bugs_are_not_dressed_up(shared_library: Library) -> None:
    with pytest.raises(sa.exc.ProgrammingError), shared_library.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")


def test_a_shard_that_is_gone_and_a_file_without_its_image_are_found(
    shared_library: Library,
) -> None:
    shard = put_shard(shared_library, "a")
    (shared_library.folder / shard.path).unlink()
    with runs.running(shared_library, "scan", {}) as run, shared_library.writing() as connection:
        files.register(connection, run.run_id, [file_row(b"/a", "a")], [])
    homeless, lost = check.faults(shared_library)
    assert homeless.endswith("its image is not in the library")
    assert lost == f"shard {shard.path}: no such file or directory"


def loop(root: Path, photos: Path) -> dict[str, pd.DataFrame]:
    """Scan, label, scan again, split; give every table that comes of it."""
    with opened(root, make=True) as library:
        scan(library, photos, labels="folder", backend="serial")
        with library.reading() as connection:
            pool = files.one_path_each(connection)
        queue = pool[pool["path"].str.contains("/later/")].assign(label="dog")
        queue.to_csv(root / "queue.csv", index=False)
        import_answers(library, root / "queue.csv", actor="ann", new_classes=["dog"])
        (photos / "cat/0.jpg").unlink()
        scan(library, photos, labels="folder", backend="serial")
        split(library, SplitPolicy(min_count=2, val=1, test=1))
        assert check.faults(library) == []
        with library.reading() as connection:
            log = pd.DataFrame(
                connection.execute(sa.select(schema.decisions).order_by("seq")).all()
            )
            columns = [schema.runs.c[name] for name in ("stage", "key", "status")]
            made = sa.select(*columns).order_by(schema.runs.c.run_id)
            return {
                "images": facts.images(connection),
                "files": files.table(connection),
                "known": pd.DataFrame(
                    [vars(row) for row in files.known(connection, [b"/"]).values()]
                ),
                "decisions": log[["kind", "image_id", "field", "value", "detail", "actor"]],
                "runs": pd.DataFrame(connection.execute(made).all()).iloc[[0, 2, 3]],
            }


def test_the_loop_gives_the_same_tables_as_in_sqlite(
    tmp_path: Path, photo: MakePhoto, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for place in ("file", "server"):
        for number in range(12):
            name = "later" if number % 3 == 0 else "cat"
            photo(f"photos/{name}/{number // 2 if name == 'cat' else number}.jpg", number)
        photo("photos/cat/0.jpg", 99)
        (tmp_path / "photos/cat/broken.jpg").write_bytes(b"no picture")
        (tmp_path / place).mkdir()
        if place == "server":
            monkeypatch.setenv(elsewhere.VARIABLE, server.made())
        found.append(loop(tmp_path / place, tmp_path / "photos"))
    for name in found[0]:
        here, there = (
            one[name].drop(columns=["mtime_ns", "inode"], errors="ignore") for one in found
        )
        assert len(here)
        pd.testing.assert_frame_equal(here, there)


def test_files_of_some_images_and_what_protects_them(shared_library: Library) -> None:
    put_files(shared_library, file_row(b"/a.jpg", "a"), file_row(b"/b.jpg", "b"))
    decide(shared_library, said("label", "b", "kudu"))
    found = protection.of_files(shared_library, ["a", "b", "nobody's"])
    why = found.set_index("image_id")["protected"]
    assert sorted(why.index) == ["a", "b"]
    assert "label" in why["b"]
