"""`curate bulk-id` with what cannot be asked, and on a disk that is full: what the user is told."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
import timm
import torch

from curate.bulk_id import listed, verb
from curate.cli.main import answer
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, save
from curate.store import files, shards
from curate.store.check import faults
from curate.store.library import opened
from tests.bulk_id.made import checkpoint, photos, saved

pytestmark = pytest.mark.usefixtures("in_file")

FILES = 12


@pytest.fixture(autouse=True)
def work(tmp_path: Path) -> None:
    """Photos, a model that is one, and the names of two classes."""
    photos(tmp_path / "photos", FILES)
    saved(checkpoint(), tmp_path / "ckpt.pt")
    (tmp_path / "two.txt").write_text("ant\nbee\n")


def weights(recipe: str, classes: int) -> None:
    with torch.random.fork_rng():
        torch.save(build(recipe, classes).state_dict(), "x.pth")


def encoder() -> None:
    """Write what timm saves of a network that was made without a head."""
    with torch.random.fork_rng():
        torch.save(timm.create_model("test_resnet", num_classes=0).state_dict(), "x.pth")


def refused(capsys: pytest.CaptureFixture[str], command: str) -> str:
    """Give what a command that ends with an error says; it has three parts and is one of ours."""
    assert answer(["bulk-id", *command.split()]) == 1
    said = capsys.readouterr().err
    assert said.startswith("curate: ")
    assert "Traceback" not in said
    return said


FOREIGN = "photos --model x.pth --classes two.txt --device cpu"


@pytest.mark.parametrize(
    ("make", "arch", "said"),
    [
        (
            encoder,
            "test_resnet",
            ["x.pth: it is an encoder without a head", "names no class", "with the head of"],
        ),
        (
            lambda: weights("test_resnet", 3),
            "test_resnet",
            ["x.pth: a head for 3 classes", "2 class names were given", "it was trained with"],
        ),
        (
            lambda: weights("test_resnet", 2),
            "test_vit",
            ["x.pth: its weights do not fit test_vit", "Name the architecture"],
        ),
        # One row of numbers for each place in the image; the first was taken for the image's.
        (
            lambda: weights("test_vit(global_pool='')", 2),
            "test_vit(global_pool='')",
            ["no image classifier", "answers an image with 101 × 2 numbers", "its pooling"],
        ),
        (
            lambda: weights("test_convnext(global_pool='')", 2),
            "test_convnext(global_pool='')",
            ["no image classifier", "answers an image with 2 × 5 × 5 numbers", "Take a class"],
        ),
        (
            lambda: weights("test_resnet(global_pool='')", 2),
            "test_resnet(global_pool='')",
            ["it cannot take an image of 160 × 160 pixels", "its pooling or its size"],
        ),
    ],
)
def test_a_model_that_names_no_class_of_an_image(
    capsys: pytest.CaptureFixture[str], make: Callable[[], None], arch: str, said: list[str]
) -> None:
    make()
    shown = refused(capsys, f"{FOREIGN} --arch {arch}")
    for part in said:
        assert part in shown
    assert not Path(".curate").exists()


@pytest.mark.parametrize(
    ("given", "kind"),
    [(lambda logits: {"logits": logits}, "dict"), (lambda logits: (logits, logits), "tuple")],
)
def test_a_network_that_answers_with_something_else(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: Callable[[torch.Tensor], Any],
    kind: str,
) -> None:
    network = type(build("test_resnet", 2))
    usual = network.forward
    monkeypatch.setattr(network, "forward", lambda self, x: given(usual(self, x)))
    said = refused(capsys, "photos --model ckpt.pt --device cpu")
    assert f"no image classifier: it answers an image with a {kind}, not with one" in said
    assert not Path(".curate").exists()


def test_a_network_of_another_size(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = "test_vit(dynamic_img_size=False)"
    used = preprocessing(recipe).at_size(95)
    with torch.random.fork_rng():
        body = build(recipe, 2).state_dict()
    save(Checkpoint(recipe, ("ant", "bee"), used, body), Path("x.pt"))
    said = refused(capsys, "photos --model x.pt --device cpu")
    assert "cannot take an image of 95 × 95 pixels" in said


def test_a_folder_without_an_image_is_an_error_and_its_rows_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "papers").mkdir()
    for name in ("a.pdf", "b.txt"):
        (tmp_path / "papers" / name).write_text("nothing to see")
    said = refused(capsys, "papers --model ckpt.pt --device cpu --csv said.csv")
    assert "papers: none of 2 files could be identified" in said
    assert "does it hold photos?" in said
    assert list(pd.read_csv("said.csv")["status"]) == ["failed", "failed"]
    # One photo among them, and it is a folder as any other.
    photos(tmp_path / "papers", 1)
    assert answer(["bulk-id", "papers", "--model", "ckpt.pt", "--device", "cpu"]) == 0


# A full disk ------------------------------------------------------------------------------------

RUN = "photos --model ckpt.pt --device cpu --batch-size 2 --workers 1"


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "ROWS", 3)


def rows() -> int:
    """How many rows of predictions count."""
    with opened(Path.cwd()) as library, library.reading() as connection:
        return sum(shard.rows for shard in shards.referenced(connection, "predictions"))


def goes_on(capsys: pytest.CaptureFixture[str], before: int) -> None:
    """Give the same command again: it does the rest, and everything is whole."""
    assert 0 < before < FILES
    assert answer(["bulk-id", *RUN.split(), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["identified"], said["computed"]) == (FILES, FILES - before)
    assert rows() == FILES
    with opened(Path.cwd()) as library:
        assert faults(library) == []
        left = {path.suffix for path in (library.folder / "tables/predictions").iterdir()}
    assert left == {".parquet"}


def test_no_room_for_a_shard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_shards: None
) -> None:
    usual, synced = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal synced
        if "/tables/predictions/." in os.readlink(f"/proc/self/fd/{handle}"):
            synced += 1
            if synced == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        usual(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        said = refused(capsys, RUN)
    assert ".parquet: cannot be written: no space left on device. What was done before" in said
    assert "Make room, and give the same command again" in said
    goes_on(capsys, rows())


@contextmanager
def no_page_more() -> Iterator[list[bool]]:
    """Let no database grow any further while the list is not empty."""
    full: list[bool] = []

    def limit(connection: Any, _record: object, _proxy: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else 1 << 30
        connection.execute(f"PRAGMA max_page_count={pages}")

    sa.event.listen(sa.pool.Pool, "checkout", limit)
    try:
        yield full
    finally:
        sa.event.remove(sa.pool.Pool, "checkout", limit)


def test_no_room_in_the_database(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_shards: None
) -> None:
    register, written = files.register, 0

    with no_page_more() as full, monkeypatch.context() as patch:

        def third(connection: sa.Connection, *rows: Any) -> None:
            nonlocal written
            written += 1
            register(connection, *rows)
            if written == 3:
                # The pages that are there may have room for so little: more of it is needed.
                connection.exec_driver_sql("CREATE TABLE wide AS SELECT randomblob(100000)")

        def begins(*arguments: Any) -> shards.Shard:
            if written == 2:
                full.append(True)
            return usual(*arguments)

        usual = shards.write
        patch.setattr(shards, "write", begins)
        patch.setattr(files, "register", third)
        said = refused(capsys, RUN)
    assert "library.db: the disk is full" in said
    assert "Free some space and give the same command again" in said
    goes_on(capsys, rows())


def test_no_room_for_the_list_of_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Tiny(listed.Listed):
        def __init__(self, limit: int | None = None) -> None:
            super().__init__(limit)
            self._rows.execute("PRAGMA max_page_count=1")

    with monkeypatch.context() as patch:
        patch.setattr(verb, "Listed", Tiny)
        for number in range(60):
            Path("photos", f"{'long name ' * 15}{number}.jpg").write_bytes(b"")
        said = refused(capsys, RUN)
    assert "cannot hold the list of the files" in said
    assert "TMPDIR" in said
    assert not Path(".curate").exists()


def test_no_room_for_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = os.fsync

    def full(handle: int) -> None:
        if "said." in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        usual(handle)

    for name in ("said.csv", "said.parquet"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            option = name.removeprefix("said.")
            said = refused(capsys, f"{RUN} --{option} {name}")
        assert f"{name}: cannot be written: no space left on device" in said
        assert not Path(name).exists()
    # What was computed is kept.
    assert rows() == FILES
