"""Migrations run once, in order, and a newer library is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from curate.store import migrations, schema
from curate.store.library import Library, opened

pytestmark = pytest.mark.usefixtures("in_file")


def test_a_new_library_has_every_table_of_the_schema(library: Library) -> None:
    with library.reading() as connection:
        assert set(schema.metadata.tables) <= set(sa.inspect(connection).get_table_names())
        assert migrations.applied(connection) == list(migrations.MIGRATIONS)
        assert migrations.pending(connection) == []
        assert migrations.unknown(connection) == []


def test_migrating_twice_does_nothing(library: Library) -> None:
    before = (library.folder / "library.db").read_bytes()
    with library.writing() as connection:
        migrations.migrate(connection)
    assert (library.folder / "library.db").read_bytes() == before


def test_names_sort_in_the_order_they_are_applied() -> None:
    assert list(migrations.MIGRATIONS) == sorted(migrations.MIGRATIONS)


def test_an_older_library_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, make=True):
        pass

    def second(connection: sa.Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE extra (n INTEGER)")

    monkeypatch.setitem(migrations.MIGRATIONS, "9999-extra", second)
    with opened(tmp_path) as library, library.reading() as connection:
        assert migrations.applied(connection) == list(migrations.MIGRATIONS)
        assert sa.inspect(connection).has_table("extra")


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, make=True):
        pass
    before = (tmp_path / ".curate/library.db").read_bytes()

    def failing(connection: sa.Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE extra (n INTEGER)")
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setitem(migrations.MIGRATIONS, "9999-failing", failing)
        with pytest.raises(ZeroDivisionError), opened(tmp_path):
            pass
    with opened(tmp_path) as library, library.reading() as connection:
        assert not sa.inspect(connection).has_table("extra")
    assert (tmp_path / ".curate/library.db").read_bytes() == before
