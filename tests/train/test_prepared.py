from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

import curate.train.prepared as subject
from curate.core.errors import InputError
from curate.train import TrainSettings
from curate.train.ranks import Ranks
from tests.train.conftest import Make


class BesideAnother(Ranks):
    """A process that hears of another one, which saw another library."""

    def gathered(self, value: Any) -> list[Any]:
        return [value, ("another split", "other labels")]


def test_processes_that_see_unlike_images_are_refused(
    make_table: Make, quick: TrainSettings
) -> None:
    with (
        pytest.raises(InputError, match="the same images"),
        subject.prepared(make_table(), "test_resnet", quick, ranks=BesideAnother()),
    ):
        pass


def test_processes_share_the_memory(
    make_table: Make, quick: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[int] = []

    class Store:
        def __init__(self, examples: Any, used: Any, workers: int, room: int, passes: int) -> None:
            rooms.append(room)

        def close(self) -> None:
            pass

    monkeypatch.setattr(subject, "PixelStore", Store)
    monkeypatch.setattr(subject, "free_memory", lambda: 800)
    monkeypatch.setattr(subject, "joined", lambda *_: nullcontext())
    monkeypatch.setattr(subject, "Learner", lambda *_: None)
    monkeypatch.setattr(Ranks, "gathered", lambda self, value: [value])
    for world in (1, 4):
        with subject.prepared(make_table(), "test_resnet", quick, ranks=Ranks(0, world)):
            pass
    assert rooms == [200, 50]
