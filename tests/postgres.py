"""A PostgreSQL server of the tests' own: in a temporary folder, without a port, gone at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from .access import NOBODY

_FAST = {
    # Nothing of it outlives the tests, so nothing has to reach the disk.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "listen_addresses": "''",
}


@dataclass
class Server:
    """A running server.

    Attributes
    ----------
    folder : Path
        Its socket, its data and its log.
    """

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)
    _there: list[str] = field(default_factory=list)

    def url(self, name: str, user: str = "owner", password: str | None = None) -> str:
        """Give the URL of a database."""
        url = sa.URL.create(
            "postgresql", user, password, database=name, query={"host": str(self.folder)}
        )
        return url.render_as_string(hide_password=False)

    def made(self, *options: str) -> str:
        """Make a database, with options of CREATE DATABASE; give its URL."""
        name = f"library{next(self._numbers)}"
        self._there.append(name)
        self.run(f"CREATE DATABASE {name} {' '.join(options)}")
        return self.url(name)

    def drop(self) -> None:
        """Take all databases away again: each has 7 MB."""
        while self._there:
            self.run(f"DROP DATABASE IF EXISTS {self._there.pop()} WITH (FORCE)")

    def run(self, statement: str, name: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as somebody else than curate would."""
        url = sa.make_url(self.url(name)).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            found = connection.exec_driver_sql(statement)
            return [tuple(row) for row in found] if found.returns_rows else []


def binaries() -> Path | None:
    """Find the programs of the server; distributions keep them off the PATH."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def running() -> Iterator[Server]:
    """Start a server and stop it; skip the test where there is none."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    # It refuses to run as root.
    user = NOBODY if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="curate-postgres-") as name:
        folder = Path(name)
        if user is not None:
            os.chown(folder, user, user)
        with (folder / "log").open("wb") as log:

            def call(*command: str | Path) -> None:
                subprocess.run(
                    command, check=True, stdout=log, stderr=log, user=user, group=user, cwd=folder
                )

            encoding = ("--encoding=UTF8", "--no-locale", "--no-sync")
            call(
                programs / "initdb", "-U", "owner", "-A", "trust", *encoding, "-D", folder / "data"
            )
            with (folder / "data/pg_hba.conf").open("r+") as rules:
                others = rules.read()
                rules.seek(0)
                rules.write(f"local all guarded scram-sha-256\n{others}")
            settings = " ".join(
                f"-c {name}={value or chr(39) * 2}" for name, value in _FAST.items()
            )
            control = (programs / "pg_ctl", "-D", folder / "data", "-w", "-s")
            call(*control, "-o", f"-k {folder} {settings}", "start")
            try:
                yield Server(folder)
            finally:
                call(*control, "-m", "immediate", "stop")
