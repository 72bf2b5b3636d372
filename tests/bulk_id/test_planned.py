"""What one run measured, the next ones do not measure again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from curate.bulk_id import Ask, Means, planned, verb
from curate.bulk_id.done import STAGE
from curate.models import plan
from curate.models.runner import Plan
from curate.store import runs
from curate.store.library import Library

from .made import MEANS, checkpoint, identified, photos, saved

PLANS = [Plan(batch_size=3), Plan(batch_size=5, streams=1)]


def test_only_a_plan_of_the_same_circumstances_is_remembered(library: Library) -> None:
    under = planned.circumstances(MEANS, Ask())
    for number, key in enumerate(["a", "a", "b"]):
        with runs.running(library, STAGE, {}, key) as run:
            chosen = [replace(plan, threads=number + 1) for plan in PLANS]
            run.summary[planned.NAME] = planned.kept(under, chosen)
    with library.reading() as connection:
        assert planned.remembered(connection, "c", under) is None
        found = planned.remembered(connection, "a", under)
        others = (
            planned.circumstances(replace(MEANS, precision="bf16"), Ask()),
            planned.circumstances(MEANS, Ask(embeddings=True)),
            {**under, "cores": 1000},
            {**under, "machine": "another"},
        )
        for other in others:
            assert planned.remembered(connection, "a", other) is None
    assert found == ([replace(plan, threads=2) for plan in PLANS], 2)


def test_a_run_that_is_killed_has_measured_for_the_next(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "FEW", 5)
    monkeypatch.setattr(plan, "FEW", 5)
    monkeypatch.setattr(plan, "SOON", 0.0)
    monkeypatch.setattr(plan, "_rate", lambda *_: 1.0)
    photos(tmp_path / "pool", 12)
    model = saved(checkpoint(), tmp_path / "ckpt.pt")
    told: list[str] = []

    def ends(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        identified(library, model, [tmp_path / "pool"], announce=ends)
    identified(
        library, model, [tmp_path / "pool"], announce=lambda plan: told.extend(plan["reason"])
    )
    assert told == ["as run 1 measured it"]
    identified(
        library,
        model,
        [tmp_path / "pool"],
        ask=Ask(top=2),
        means=Means(device="cpu", backend="torch", precision="fp32", batch_size=2),
        announce=lambda plan: told.extend(plan["reason"]),
    )
    assert "measured it" not in told[-1]
