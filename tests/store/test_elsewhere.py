"""A database on a server and the folder that belongs to it are never mixed with others."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from curate.core.errors import ConfigError, CurateError, FaultsError, LibraryError
from curate.store import elsewhere, facts, postgres
from curate.store.library import find, opened

from ..postgres import Server
from .made import decide, file_row, put_files, said

pytestmark = pytest.mark.usefixtures("in_file")


@pytest.fixture
def url(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new database, named by the environment."""
    made = server.made()
    monkeypatch.setenv(elsewhere.VARIABLE, made)
    return made


@pytest.fixture
def used(tmp_path: Path, url: str) -> Path:
    """A folder whose library has a file and a label in that database; closed."""
    with opened(tmp_path / "used", make=True) as library:
        assert library.made
        put_files(library, file_row(b"/p/a\xff\n.jpg", "a"))
        decide(library, said("label", "a", "cat"))
    return tmp_path / "used"


def labels(root: Path) -> list[str]:
    with opened(root) as library, library.reading() as connection:
        assert not library.made
        return list(facts.images(connection)["label"])


def test_the_folder_holds_a_note_and_the_database_the_rows(used: Path) -> None:
    assert labels(used) == ["cat"]
    assert {path.name for path in (used / ".curate").iterdir()} == {
        ".gitignore",
        elsewhere.NOTE,
        "locks",
    }
    assert find(used / ".curate") == used


def test_the_settings_name_a_database_and_the_environment_goes_before(
    tmp_path: Path, url: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = server.made()
    for root in ("a", "b"):
        (tmp_path / root).mkdir()
        (tmp_path / root / "curate.toml").write_text(f'[library]\ndatabase = "{other}"\n')
    with opened(tmp_path / "a", make=True) as library:
        assert library.engine.url.database == url.partition("?")[0].rpartition("/")[2]
    monkeypatch.delenv(elsewhere.VARIABLE)
    with opened(tmp_path / "b", make=True) as library:
        assert library.engine.url.database == other.partition("?")[0].rpartition("/")[2]


def test_faulty_settings_choose_no_database(tmp_path: Path) -> None:
    (tmp_path / "curate.toml").write_text("[libary]\n")
    with pytest.raises(FaultsError, match="did you mean 'library'"), opened(tmp_path, make=True):
        pass
    assert not (tmp_path / ".curate").exists()


def test_a_folder_whose_database_is_elsewhere_is_not_begun_anew(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(elsewhere.VARIABLE)
    told = r"its database is PostgreSQL .*library\d+, and no setting says.*CURATE_DATABASE"
    with pytest.raises(LibraryError, match=told), opened(used, make=True):
        pass
    assert not (used / ".curate/library.db").exists()


def test_a_folder_with_a_file_takes_no_server(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, make=True) as library:
        decide(library, said("label", "a", "cat"))
    monkeypatch.setenv(elsewhere.VARIABLE, server.made())
    with pytest.raises(LibraryError, match=r"is the file library\.db in it"), opened(tmp_path):
        pass
    monkeypatch.delenv(elsewhere.VARIABLE)
    assert labels(tmp_path) == ["cat"]


def test_an_empty_database_is_refused_for_a_used_folder(
    used: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(elsewhere.VARIABLE, server.made())
    told = r"is empty, and the library in .*used/\.curate is not.*backup"
    with pytest.raises(LibraryError, match=told), opened(used, make=True):
        pass


@pytest.mark.parametrize("prior", ["nothing", "another library"])
def test_the_database_of_another_library_is_refused(
    tmp_path: Path, used: Path, prior: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "other"
    if prior != "nothing":
        with monkeypatch.context() as patch:
            patch.setenv(elsewhere.VARIABLE, server.made())
            with opened(root, make=True):
                pass
    told = r"belongs to another library, made in .*used/\.curate"
    with pytest.raises(LibraryError, match=told), opened(root, make=True):
        pass
    assert root.exists() == (prior != "nothing")
    assert labels(used) == ["cat"]


def test_a_database_of_another_program_is_left_alone(
    tmp_path: Path, url: str, server: Server
) -> None:
    name = url.partition("?")[0].rpartition("/")[2]
    server.run("CREATE TABLE images (mine integer)", name)
    with pytest.raises(LibraryError, match="has a table 'images'"), opened(tmp_path, make=True):
        pass
    assert not (tmp_path / ".curate").exists()
    assert server.run("SELECT count(*) FROM images", name) == [(0,)]


def test_a_database_that_cannot_hold_every_name_is_refused(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = server.made("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    monkeypatch.setenv(elsewhere.VARIABLE, poor)
    with pytest.raises(LibraryError, match="encoding LATIN1"), opened(tmp_path, make=True):
        pass


def test_a_birth_that_was_cut_off_is_repeated(used: Path, tmp_path: Path, url: str) -> None:
    """The note is written first: until the database has its name, the same folder goes on."""
    root = tmp_path / "used"
    note = elsewhere.read_note(root / ".curate")
    assert note is not None
    with opened(root) as library, library.writing() as connection:
        connection.exec_driver_sql("DELETE FROM library")
    shutil.rmtree(root / ".curate/locks")
    with opened(root, make=True) as library:
        assert library.made
    assert elsewhere.read_note(root / ".curate") == note


def test_what_failed_at_once_leaves_the_database_free(tmp_path: Path, url: str) -> None:
    with pytest.raises(ZeroDivisionError), opened(tmp_path / "a", make=True):
        raise ZeroDivisionError
    assert not (tmp_path / "a").exists()
    with opened(tmp_path / "b", make=True) as library:
        assert library.made


def test_what_was_written_before_the_failure_is_kept(tmp_path: Path, url: str) -> None:
    def fail() -> None:
        with opened(tmp_path, make=True) as library:
            put_files(library, file_row(b"/a.jpg", "a"))
            decide(library, said("label", "a", "cat"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert labels(tmp_path) == ["cat"]


def test_two_machines_can_make_one_library_at_once(tmp_path: Path, url: str) -> None:
    code = (
        "import sys; from pathlib import Path; from curate.store.library import opened\n"
        "with opened(Path(sys.argv[1]), make=True) as library: print(library.made)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert sorted(one.communicate()[0] for one in both) == [b"False\n", b"True\n"]


def test_a_library_that_is_made_while_we_open_it_is_ours_too(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = elsewhere.owner

    def slow(*arguments: Any) -> Any:
        # Between our look at the folder and our look at the database, another machine makes it.
        monkeypatch.setattr(elsewhere, "owner", owner)
        with opened(tmp_path, make=True) as first:
            assert first.made
        return owner(*arguments)

    monkeypatch.setattr(elsewhere, "owner", slow)
    with opened(tmp_path, make=True) as second:
        assert not second.made


def test_a_damaged_note_is_not_guessed_at(used: Path) -> None:
    (used / ".curate" / elsewhere.NOTE).write_text(json.dumps({"library_id": "x"}))
    with pytest.raises(LibraryError, match=r"database\.json: is damaged"), opened(used):
        pass


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hunter2", "holds no URL"),
        ("postgresql://ann:hunter2@host:port/name", "holds no URL"),
        ("mysql://ann:hunter2@host/name", "of the kind 'mysql'"),
        ("sqlite:///hunter2.db", "of the kind 'sqlite'"),
        ("postgresql://ann:hunter2@host", "no database on it"),
        ("postgresql://ann:hun@ter2@host/name", "more than one @"),
        ("postgresql://ann:hunter2@127.0.0.1:1/name", "cannot be reached"),
        ("postgresql://ann@127.0.0.1:1/name?password=hunter2", "cannot be reached"),
        ("postgresql://ann:hunter2@127.0.0.1:1/name?nonsense=1", "option"),
    ],
)
def test_no_error_repeats_a_password(
    tmp_path: Path, text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv(elsewhere.VARIABLE, text)
    with pytest.raises(CurateError, match=told) as caught, opened(tmp_path, make=True):
        pass
    assert "ter2" not in str(caught.value)
    assert not (tmp_path / ".curate").exists()


def test_a_wrong_password_is_said_and_a_right_one_is_kept_to_itself(
    tmp_path: Path, url: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = url.partition("?")[0].rpartition("/")[2]
    server.run("CREATE ROLE guarded LOGIN PASSWORD 'hunter2'")
    server.run(f"ALTER DATABASE {name} OWNER TO guarded")
    monkeypatch.setenv(elsewhere.VARIABLE, server.url(name, "guarded", "hunter3"))
    refused = pytest.raises(LibraryError, match="refuses this user or password")
    with refused as caught, opened(tmp_path, make=True):
        pass
    assert "hunter" not in str(caught.value)
    monkeypatch.setenv(elsewhere.VARIABLE, server.url(name, "guarded", "hunter2"))
    with opened(tmp_path, make=True) as library:
        put_files(library, file_row(b"/a.jpg", "a"))
        with library.reading() as connection:
            told = connection.exec_driver_sql("SELECT parameters, versions, summary FROM runs")
            assert "hunter2" not in str(told.all())
        assert "hunter2" not in repr(library)
    for path in (tmp_path / ".curate").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()


def test_a_database_that_is_not_there_is_said(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(elsewhere.VARIABLE, server.url("nowhere"))
    with (
        pytest.raises(LibraryError, match=r"no such database.*createdb"),
        opened(tmp_path, make=True),
    ):
        pass


def test_the_driver_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = postgres.parsed("postgresql://host/name", "the test")
    with pytest.raises(
        LibraryError, match=r"without the Python package psycopg.*curate\[postgres\]"
    ):
        postgres.connect(url)


def test_a_url_of_another_kind_names_its_source() -> None:
    with pytest.raises(ConfigError, match=r"^the test: names a database of the kind 'oracle'"):
        postgres.parsed("oracle://host/name", "the test")
