"""What every test can ask for. None of them sees a library outside its own temporary folder."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import settings

from curate.core.files import LIBRARY_FOLDER
from curate.store import elsewhere as databases
from curate.store import postgres
from curate.store.library import Library, opened

from .pictures import encoded, picture
from .postgres import Server, running

# How long an example takes says more of the machine than of the code.
settings.register_profile("curate", deadline=None)
# The gate must say the same of the same commit: it walks one path, and other runs look further.
settings.register_profile("gate", deadline=None, derandomize=True)

LONG = (
    "journeys/test_zoo.py",
    "journeys/test_real_photos.py",
    "sweeps/test_crew.py",
    "sweeps/test_real.py",
    "train/test_ranks.py",
    "journeys/test_no_misalignment.py",
    "faults/test_kill.py",
)
"""The files of tests that take longest."""

SHARED = Path(os.environ.get("CURATE_SHARED", Path(__file__).parents[2] / "shared")).resolve()


class MakePhoto(Protocol):
    """Makes an image file; see `photo`."""

    def __call__(
        self,
        path: str | Path,
        seed: int = 0,
        size: tuple[int, int] = (96, 64),
        colour: tuple[int, int, int] | None = None,
        **options: Any,
    ) -> Path: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that is skipped fails")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("gate" if config.getoption("--no-skips") else "curate")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips forbids: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first: what begins last should end soon, or a core waits for it."""
    place = {name: at for at, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get("/".join(item.path.parts[-2:]), len(LONG)))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test in an empty folder: the library found from there can only be its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def unsynced() -> Iterator[None]:
    """Wait for no disk: no test cuts the power. Programs that tests start do wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@sa.event.listens_for(sa.Engine, "engine_connect")
def _unsynced(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.connection.cursor().execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session")
def running_server() -> Iterator[Server]:
    """A PostgreSQL server; the tests are skipped where none is installed."""
    with running() as started:
        yield started


@pytest.fixture
def server(running_server: Server) -> Iterator[Server]:
    """A PostgreSQL server; the databases that the test makes go when it ends."""
    yield running_server
    running_server.drop()


@pytest.fixture(autouse=True)
def on_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every library in PostgreSQL where CURATE_TEST_POSTGRESQL is set: the same laws hold."""
    if not os.environ.get("CURATE_TEST_POSTGRESQL"):
        return
    started: Server = request.getfixturevalue("server")
    free = [started.made()]
    # Programs that the test starts can use the first library; of others they do not know.
    monkeypatch.setenv(databases.VARIABLE, free[0])

    def asked(root: Path) -> sa.URL:
        note = databases.read_note(root / os.fsdecode(LIBRARY_FOLDER))
        if note is not None:
            url = started.url(note.database.rpartition("/")[2])
        else:
            url = free.pop() if free else started.made()
        return postgres.parsed(url, "the test")

    monkeypatch.setattr(databases, "asked", asked)


_asked = databases.asked


@pytest.fixture
def in_file(monkeypatch: pytest.MonkeyPatch, on_server: None) -> None:
    """Keep the libraries of a test in their folders, or where the test itself says."""
    monkeypatch.setattr(databases, "asked", _asked)
    monkeypatch.delenv(databases.VARIABLE, raising=False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real photos and hostile files that lie beside the checkout."""
    if not SHARED.is_dir():
        said = f"no shared data at {SHARED} ($CURATE_SHARED names another place)"
        if os.environ.get("CURATE_REQUIRE_SHARED"):
            pytest.fail(said)
        pytest.skip(said)
    return SHARED


@pytest.fixture
def photo(tmp_path: Path) -> MakePhoto:
    """Make image files: smooth noise of a seed, or one colour; the suffix gives the format.

    A relative path starts from the test's folder; folders are made; options go to the encoder.
    """

    def make(
        path: str | Path,
        seed: int = 0,
        size: tuple[int, int] = (96, 64),
        colour: tuple[int, int, int] | None = None,
        **options: Any,
    ) -> Path:
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if colour is None:
            pixels = picture(seed, size)
        else:
            pixels = np.full((size[1], size[0], 3), colour, np.uint8)
        kind = {".png": "PNG", ".webp": "WEBP", ".gif": "GIF"}.get(place.suffix, "JPEG")
        place.write_bytes(encoded(pixels, kind, **options))
        return place

    return make


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Open a new library in the test's folder."""
    with opened(tmp_path, make=True) as made:
        yield made


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Serve S3 on this machine; one for all, as clients are kept for as long as the process."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Give an empty bucket of this test's own; settings come from the environment."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"b{abs(hash(str(tmp_path)))}"
    made = boto3.resource("s3", endpoint_url=endpoint).Bucket(name)
    made.create()
    return made
