"""Identification from Python: the rows of `curate bulk-id`, without a library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import curate
from curate.bulk_id import COLUMNS, Ask, Identifier, identify, identify_batches
from curate.bulk_id.pipeline import thinker_of
from curate.core.errors import InputError
from curate.core.identity import image_id
from curate.models.checkpoint import load
from curate.store.library import Library

from .made import MEANS, checkpoint, identified, photos, saved


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(checkpoint(), tmp_path_factory.mktemp("model") / "ckpt.pt")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    made = photos(tmp_path / "pool", 20)
    (tmp_path / "pool" / "deep").mkdir()
    made[3].rename(tmp_path / "pool" / "deep" / "again.jpg")
    (tmp_path / "pool" / "empty.jpg").write_bytes(b"")
    (tmp_path / "pool" / "page.jpg").write_text("<html></html>")
    return tmp_path / "pool"


def test_a_folder_has_the_rows_of_bulk_id(library: Library, model: Path, pool: Path) -> None:
    table = identify(model, pool, means=MEANS, ask=Ask(top=3))
    assert list(table.columns) == list(COLUMNS)
    told = identified(library, model, [pool], ask=Ask(top=3)).table
    own = list(COLUMNS[:-2])
    pd.testing.assert_frame_equal(table[own], told[own], atol=1e-6)
    fine = table["status"] == "ok"
    assert table["top_classes"][fine].map(list).equals(told["top_classes"][fine].map(list))
    assert (table["top_classes"][fine].str.len() == 3).all()
    assert not (pool / ".curate").exists()


def test_batches_hold_every_file_once(model: Path, pool: Path) -> None:
    batches = list(identify_batches(load(model), [pool / "deep", pool], means=MEANS))
    assert len(batches) > 2
    assert all(len(batch) <= MEANS.batch_size for batch in batches)
    paths = sorted(path for batch in batches for path in batch["path"])
    assert paths == sorted(str(path) for path in pool.rglob("*.jpg"))


def test_failures_are_rows(model: Path, pool: Path) -> None:
    table = identify(model, [pool / "page.jpg", pool / "empty.jpg", pool / "000.jpg"], means=MEANS)
    assert list(table["status"]) == ["ok", "failed", "failed"]
    assert table["reason"].str.startswith("decode: ")[1:].all()
    assert table["score"].isna().tolist() == [False, True, True]


def test_a_folder_that_cannot_be_listed_is_a_row(
    monkeypatch: pytest.MonkeyPatch, model: Path, pool: Path
) -> None:
    shut = os.fsencode(pool / "deep")
    listing = os.scandir

    def refusing(folder: bytes) -> Any:
        if folder == shut:
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr("os.scandir", refusing)
    table = identify(model, pool, means=MEANS).set_index("path")
    assert len(table) == 22
    assert table.loc[str(pool / "deep"), "status"] == "failed"
    assert "permission denied" in str(table.loc[str(pool / "deep"), "reason"])


@pytest.mark.parametrize("nothing", [[], "empty"])
def test_nothing_gives_a_table_without_a_row(model: Path, tmp_path: Path, nothing: Any) -> None:
    (tmp_path / "empty").mkdir()
    table = identify(model, nothing, means=MEANS)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 0


def test_what_is_not_there_is_an_error(model: Path, pool: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        identify(model, pool / "missing", means=MEANS)


def test_few_files_are_not_worth_measuring(
    monkeypatch: pytest.MonkeyPatch, model: Path, pool: Path
) -> None:
    told: list[int | None] = []

    def noting(models: Any, ask: Any, means: Any, images: int | None) -> Any:
        told.append(images)
        return thinker_of(models, ask, means, 0)

    monkeypatch.setattr("curate.bulk_id.api.thinker_of", noting)
    identify(model, pool, means=MEANS)
    monkeypatch.setattr("curate.bulk_id.api.FEW", 22)
    assert len(identify(model, pool, means=MEANS)) == 22
    # Of a listing that has not come to its end it is not known how long it is.
    assert told == [22, None]


def test_bytes_and_pixels_have_the_rows_of_their_files(model: Path, pool: Path) -> None:
    paths = sorted(pool.glob("0*.jpg"))
    expected = identify(model, paths, means=MEANS)
    identifier = Identifier(model, means=MEANS)
    contents = identifier.ask([path.read_bytes() for path in paths])
    assert list(contents["path"]) == [""] * len(paths)
    assert list(contents["image_id"]) == [image_id(path.read_bytes()) for path in paths]
    said = [name for name in COLUMNS if name not in ("path", "image_id")]
    pd.testing.assert_frame_equal(contents[said], expected[said], check_dtype=False, atol=1e-5)
    pixels = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    decoded = identifier.ask(pixels)
    assert list(decoded["image_id"]) == [""] * len(paths)
    pd.testing.assert_frame_equal(decoded[said], expected[said], check_dtype=False, atol=1e-2)
    assert decoded["predicted"].equals(expected["predicted"])


def test_order_and_failures_in_memory(model: Path, pool: Path) -> None:
    identifier = Identifier(load(model), means=MEANS)
    good = (pool / "000.jpg").read_bytes()
    table = identifier.ask([b"", good, b"<html>", good])
    assert list(table["status"]) == ["failed", "ok", "failed", "ok"]
    assert table["energy"][1] == pytest.approx(table["energy"][3], abs=1e-5)
    assert len(identifier.ask([])) == 0
    assert list(identifier.ask([b"x"])["status"]) == ["failed"]


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_pixels_are_refused(model: Path, wrong: Any) -> None:
    with pytest.raises(InputError, match="uint8"):
        Identifier(model, means=MEANS).ask([wrong])


def test_it_is_a_public_verb(model: Path, pool: Path) -> None:
    assert curate.identify is identify
