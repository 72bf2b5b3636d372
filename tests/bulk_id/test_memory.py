"""A device that is short of memory: the rows of one that is not, and the user is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sqlalchemy import select

from curate.bulk_id import Ask, Means, verb
from curate.cli.main import answer
from curate.models import backends
from curate.models.checkpoint import Checkpoint
from curate.models.runner import MemoryShort, Plan
from curate.store import schema
from curate.store.check import faults
from curate.store.library import Library, opened

from .made import checkpoint, identified, photos, saved

FILES = 40
MEANS = Means(device="cpu", backend="torch", precision="fp32", batch_size=16, workers=2)
Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(checkpoint(), tmp_path / "ckpt.pt")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    photos(tmp_path / "pool", FILES)
    (tmp_path / "pool/broken.jpg").write_bytes(b"\xff\xd8 cut off")
    return tmp_path / "pool"


@pytest.fixture
def room_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Let a device have room for so many images; gives the sizes that went through, as they do."""
    usual = backends.BACKENDS["torch"]

    def limit(number: int) -> list[int]:
        sizes: list[int] = []

        def small(checkpoint: Checkpoint, plan: Plan, features: bool) -> Forward:
            forward = usual(checkpoint, plan, features)

            def tried(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
                if len(batch) > number:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
                sizes.append(len(batch))
                return forward(batch)

            return tried

        monkeypatch.setitem(backends.BACKENDS, "torch", small)
        return sizes

    return limit


def summary(library: Library) -> dict[str, Any]:
    """What the last run wrote down."""
    with library.reading() as connection:
        last = select(schema.runs.c.summary).order_by(schema.runs.c.run_id.desc())
        found: dict[str, Any] = json.loads(connection.scalars(last).first() or "{}")
    return found


@pytest.mark.parametrize("engine_name", ["serial", "processes"])
@pytest.mark.parametrize("ask", [Ask(), Ask(tta="flip", embeddings=True)])
def test_the_rows_are_those_of_a_run_with_room(
    library: Library,
    tmp_path: Path,
    model: Path,
    pool: Path,
    room_for: Callable[[int], list[int]],
    engine_name: str,
    ask: Ask,
) -> None:
    options = {"ask": ask, "means": MEANS, "engine_name": engine_name}
    with opened(tmp_path / "roomy", make=True) as roomy:
        expected = identified(roomy, model, [pool], **options)
        assert expected.batch_size == summary(roomy)["batch_size"] == 16
    sizes = room_for(5)
    found = identified(library, model, [pool], **options)
    pd.testing.assert_frame_equal(found.table, expected.table, atol=1e-5)
    assert found.counts["computed"] == FILES + 1
    # It is halved until it fits, and stays so.
    assert found.batch_size == summary(library)["batch_size"] == max(sizes) == 4
    assert faults(library) == []
    assert identified(library, model, [pool], **options).batch_size is None


def test_where_not_one_image_fits_it_is_an_error_and_the_files_are_left_to_do(
    library: Library, model: Path, pool: Path, room_for: Callable[[int], list[int]]
) -> None:
    room_for(0)
    with pytest.raises(MemoryShort, match=r"not even one image fits .*--device cpu"):
        identified(library, model, [pool], means=MEANS)
    room_for(99)
    found = identified(library, model, [pool], means=MEANS)
    assert (found.table["status"] == "ok").sum() == FILES


def test_the_command_says_it(
    model: Path,
    pool: Path,
    room_for: Callable[[int], list[int]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["bulk-id", str(pool), "--model", str(model), "--device", "cpu", "--batch-size", "16"]
    room_for(5)
    assert answer(command) == 0
    said = "Memory ran short: in the end 4 images went through at a time. --batch-size 4 saves"
    assert said in capsys.readouterr().out
    assert answer(command) == 0
    assert "Memory" not in capsys.readouterr().out


def test_a_remembered_plan_has_the_size_that_went_through(
    library: Library,
    model: Path,
    pool: Path,
    room_for: Callable[[int], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verb, "remembered", lambda *_: ([Plan(batch_size=16)], 1))
    room_for(5)
    identified(library, model, [pool], means=MEANS)
    assert [plan["batch_size"] for plan in summary(library)["plan"]["plans"]] == [4]
