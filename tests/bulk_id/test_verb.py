"""Bulk identification: a row for every file, each with its own file's prediction."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from curate.bulk_id import COLUMNS, Ask, Identified, Means, bulk_id, thinking
from curate.core import paths
from curate.core.errors import CheckpointError, InputError
from curate.core.identity import image_id
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, load, save
from curate.models.plan import plan_of
from curate.models.reading import read_prepared
from curate.models.runner import Output, Runner
from curate.models.scores import score_table
from curate.scan import scan
from curate.store import files
from curate.store.check import faults
from curate.store.library import Library, opened

CLASSES = ("ant", "bee", "cat", "dog")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network whose answers differ from image to image."""
    path = tmp_path_factory.mktemp("model") / "ckpt.pt"
    with torch.random.fork_rng():
        torch.manual_seed(3)
        weights = build("test_resnet", len(CLASSES)).state_dict()
    prepared = preprocessing("test_resnet").at_size(32)
    save(Checkpoint("test_resnet", CLASSES, prepared, weights, temperature=0.05), path)
    return path


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path / "work", make=True) as place:
        yield place


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty different pictures, one of them twice, and three files that are none."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    generator = np.random.default_rng(8)
    for number in range(40):
        pixels = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC)
        picture.save(folder / ("deeper" if number % 3 else ".") / f"{number:02}.jpg", quality=90)
    (folder / "copy.jpg").write_bytes((folder / "00.jpg").read_bytes())
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "page.jpg").write_text("<html></html>")
    (folder / "half.jpg").write_bytes((folder / "03.jpg").read_bytes()[:600])
    return folder


def run(library: Library, model: Path, folder: Path, **options: Any) -> Identified:
    means = Means(device="cpu", backend="torch", precision="fp32", batch_size=7, workers=2)
    return bulk_id(library, model, [folder], **{"engine_name": "serial", "means": means, **options})


def by_name(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(table["path"].map(lambda path: Path(path).name)).drop(columns="path")


def test_every_file_has_the_row_of_its_own_content(
    library: Library, model: Path, photos: Path
) -> None:
    table = run(library, model, photos).table
    assert sorted(table["path"]) == sorted(str(p) for p in photos.rglob("*") if p.is_file())
    assert list(table.columns) == list(COLUMNS)
    checkpoint = load(model)
    runner = Runner(checkpoint, plan_of(checkpoint, images=1, cores=1)[0])
    for row in table[table["status"] == "ok"].to_dict("records"):
        content, pixels = read_prepared(paths.from_text(row["path"]), checkpoint.preprocessing)
        alone = score_table(runner.run(pixels[None]).logits, CLASSES, 5, checkpoint.temperature)
        assert row["image_id"] == content.image_id == image_id(Path(row["path"]).read_bytes())
        assert row["predicted"] == alone["predicted"][0]
        assert row["score"] == pytest.approx(alone["score"][0], abs=1e-4)
        assert row["energy"] == pytest.approx(alone["energy"][0], abs=1e-4)
        assert list(row["top_classes"]) == alone["top_classes"][0]
    # Forty pictures, forty different answers: a neighbour's row would be noticed.
    assert table["energy"].round(6).nunique() == 40


def test_a_failure_is_a_row_with_its_reason(library: Library, model: Path, photos: Path) -> None:
    table = by_name(run(library, model, photos).table)
    failed = table[table["status"] == "failed"]
    assert sorted(failed.index) == ["empty.jpg", "half.jpg", "page.jpg"]
    assert failed["reason"].str.startswith("decode: ").all()
    assert failed[["predicted", "score", "image_id"]].isna().all(axis=None)
    assert (table.loc[table["status"] == "ok", "reason"] == "").all()


def test_copies_are_one_image(library: Library, model: Path, photos: Path) -> None:
    table = by_name(run(library, model, photos).table)
    assert len(table) == 44
    alike = table.loc[["copy.jpg", "00.jpg"]].drop(columns=["novelty", "top_classes", "top_scores"])
    assert (alike.iloc[0] == alike.iloc[1]).all()


def test_processes_give_the_rows_of_serial(
    tmp_path: Path, library: Library, model: Path, photos: Path
) -> None:
    serial = run(library, model, photos).table
    with opened(tmp_path / "other", make=True) as other:
        parallel = run(other, model, photos, engine_name="processes").table
    pd.testing.assert_frame_equal(serial, parallel, atol=1e-6)


def test_the_same_command_reads_nothing_again(library: Library, model: Path, photos: Path) -> None:
    first = run(library, model, photos)
    again = run(library, model, photos)
    assert (first.counts["computed"], again.counts["computed"]) == (44, 0)
    pd.testing.assert_frame_equal(first.table, again.table)


def test_only_what_changed_is_read(library: Library, model: Path, photos: Path) -> None:
    before = by_name(run(library, model, photos).table)
    Image.new("RGB", (50, 50), "red").save(photos / "00.jpg")
    Image.new("RGB", (50, 50), "blue").save(photos / "new.jpg")
    (photos / "empty.jpg").unlink()
    after = run(library, model, photos)
    assert after.counts["computed"] == 2
    table = by_name(after.table)
    was, now = before["image_id"].to_dict(), table["image_id"].to_dict()
    assert now["00.jpg"] != was["00.jpg"]
    assert now["copy.jpg"] == was["copy.jpg"]
    assert "empty.jpg" not in table.index


def test_another_checkpoint_is_another_run(
    tmp_path: Path, library: Library, model: Path, photos: Path
) -> None:
    first = run(library, model, photos)
    careful = tmp_path / "careful.pt"
    save(replace(load(model), temperature=50.0), careful)
    other = run(library, careful, photos)
    assert other.counts["computed"] == 41 + 3 - 3  # failures lie with the files, not with the model
    assert (other.table["score"].dropna() < first.table["score"].dropna().max()).all()
    assert run(library, model, photos).counts["computed"] == 0


def test_ctrl_c_keeps_what_was_done(
    monkeypatch: pytest.MonkeyPatch, library: Library, model: Path, photos: Path
) -> None:
    batches = 0

    class Stops(Runner):
        """Ends the run at the third batch, as Ctrl-C would."""

        def run(self, batch: NDArray[np.uint8]) -> Output:
            nonlocal batches
            batches += 1
            if batches == 3:
                raise KeyboardInterrupt
            return super().run(batch)

    with monkeypatch.context() as patch:
        patch.setattr(thinking, "Runner", Stops)
        with pytest.raises(KeyboardInterrupt):
            run(library, model, photos)
    resumed = run(library, model, photos)
    assert 0 < resumed.counts["computed"] <= 44 - 14
    assert len(resumed.table) == 44
    assert faults(library) == []


def test_numbers_that_are_none_are_failures(
    monkeypatch: pytest.MonkeyPatch, library: Library, model: Path, photos: Path
) -> None:
    class Broken(Runner):
        def run(self, batch: NDArray[np.uint8]) -> Output:
            return Output(np.full((len(batch), len(CLASSES)), np.nan, np.float32), None)

    monkeypatch.setattr(thinking, "Runner", Broken)
    table = run(library, model, photos).table
    assert (table["status"] == "failed").all()
    assert table["reason"].str.startswith("score: ").sum() == 41


def test_a_folder_that_cannot_be_listed_is_said_and_its_files_fail(
    monkeypatch: pytest.MonkeyPatch, library: Library, model: Path, photos: Path
) -> None:
    scan(library, photos, backend="serial")
    shut = os.fsencode(photos / "deeper")
    listing = os.scandir

    def refusing(folder: bytes) -> Any:
        if folder == shut:
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    with monkeypatch.context() as patch:
        patch.setattr("os.scandir", refusing)
        found = run(library, model, photos)
    assert found.unlisted == [f"{photos / 'deeper'}: permission denied"]
    inside = found.table["path"].str.contains("/deeper/")
    assert (found.table.loc[inside, "status"] == "failed").all()
    assert found.table.loc[inside, "reason"].str.startswith("read: ").all()
    assert (run(library, model, photos).table["status"] == "ok").sum() == 41


def test_trouble_of_the_system_is_forgotten_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch, library: Library, model: Path, photos: Path
) -> None:
    """Short of memory for one run: labelled images must not become unreadable."""
    scan(library, photos, backend="serial")

    def short(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("curate.models.reading.read_into", short)
        table = run(library, model, photos).table
    assert (table["status"] == "failed").all()
    assert table["reason"].str.startswith("memory: ").sum() == 41
    with library.reading() as connection:
        assert (files.table(connection)["status"] == "ok").sum() == 41
    assert (run(library, model, photos).table["status"] == "ok").sum() == 41


def test_a_lost_shard_is_made_again(library: Library, model: Path, photos: Path) -> None:
    before = run(library, model, photos).table
    (shard,) = (library.folder / "tables" / "predictions").glob("*.parquet")
    for cut in (0, 100, shard.stat().st_size - 1):
        with shard.open("r+b") as file:
            file.truncate(cut)
        after = run(library, model, photos)
        assert after.counts["computed"] == 41
        pd.testing.assert_frame_equal(before, after.table)
        (shard,) = (library.folder / "tables" / "predictions").glob("*.parquet")


def test_pieces_spread_the_top_classes(library: Library, model: Path, photos: Path) -> None:
    (spread,) = run(library, model, photos, ask=Ask(top=2)).results.pieces(2)
    assert list(spread.columns[-4:]) == ["class_1", "score_1", "class_2", "score_2"]
    fine = spread[spread["status"] == "ok"]
    assert (fine["class_1"] == fine["predicted"]).all()
    assert (fine["score_2"] == fine["second_score"]).all()
    assert spread.loc[spread["status"] == "failed", "class_1"].isna().all()


def test_odd_names_come_back(library: Library, model: Path, photos: Path) -> None:
    names = [b"-rf.jpg", b"new\nline.jpg", b"bad\xff.jpg", "grüße 🦒.jpg".encode(), b"b\\n.jpg"]
    for number, name in enumerate(random.Random(1).sample(names, len(names))):
        Image.new("RGB", (40, 40), (number * 40, 9, 9)).save(
            os.fsdecode(os.fsencode(photos) + b"/" + name)
        )
    table = run(library, model, photos).table
    assert len(table) == 44 + len(names)
    found = {os.path.basename(paths.from_text(path)) for path in table["path"]}
    assert found.issuperset(names)
    assert run(library, model, photos).counts["computed"] == 0


def test_bad_input_changes_nothing(
    tmp_path: Path, library: Library, model: Path, photos: Path
) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "notes.pt").write_text("not a checkpoint")
    with pytest.raises(InputError, match="no such file"):
        run(library, model, tmp_path / "missing")
    with pytest.raises(InputError, match="no file in it"):
        run(library, model, tmp_path / "nothing")
    with pytest.raises(CheckpointError):
        run(library, tmp_path / "notes.pt", photos)
    with library.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM files").scalar() == 0
        assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == 0
