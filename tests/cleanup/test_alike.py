"""What features say of images is laid beside them: the last features count, and silence is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from curate.cleanup import alike, images
from curate.cleanup.naming import Ask
from curate.cleanup.policy import DEFAULT, Policy, Rule
from curate.cleanup.recipes import RECIPES
from curate.cleanup.verb import plan
from curate.models.like_rejected import Learnt, learn
from curate.store import embeddings, runs, shards
from curate.store.library import Library

from ..models.test_like_rejected import CLASSES, EACH, REJECTED, WIDTH, Features, decided
from ..models.test_like_rejected import pool as of_pool
from ..store.made import decide, said
from .rows import FINE, pool, predicted

NONE = pd.DataFrame()
ASK = Ask(lambda rule: None, lambda rule: (NONE, NONE), lambda rule, found: found)
ALIKE = Policy((Rule("alike", "like-rejected"),), max_share=1)


def keep(library: Library, rows: Mapping[str, Features]) -> None:
    """Write a run of bulk identification that kept features."""
    with runs.running(library, "bulk-id", {"model": "m1"}) as run:
        flat = pa.array(np.concatenate(list(rows.values())).astype(np.float16))
        table = pa.table(
            {
                "run_id": pa.array([run.run_id] * len(rows), pa.int64()),
                "image_id": pa.array(list(rows), pa.string()),
                "embedding": pa.FixedSizeListArray.from_arrays(flat, WIDTH),
            }
        )
        shard = shards.write(library, embeddings.TABLE, run.run_id, 0, table)
        with library.writing() as connection:
            shards.reference(connection, shard)


def answered(library: Library, root: Path, *, late: bool = False) -> dict[str, Features]:
    """Put the images of `decided` and of `of_pool` into a library; give the features by image.

    They are predicted before anybody rejects one; `late`: only afterwards.
    """
    table, features = decided(0)
    fresh, _ = of_pool(0)
    ids = [*table["image_id"], *(f"p{number:03}" for number in range(len(fresh)))]
    pool(library, root, dict.fromkeys(ids, FINE))
    away = table["rejected"]
    labels = zip(table["image_id"][~away], table["label"][~away], strict=True)
    decide(library, *(said("label", image_id, label) for image_id, label in labels))
    if not late:
        predicted(library, dict.fromkeys(ids, 0.5))
    decide(library, *(said("reject", image_id, "by ann") for image_id in table["image_id"][away]))
    if late:
        predicted(library, dict.fromkeys(ids, 0.5))
    return dict(zip(ids, [*features, *fresh], strict=True))


def named(library: Library) -> tuple[str, set[str]]:
    with images.gathered(library) as answering:
        note = alike.lay(library, answering)
        found = images.pieces(answering, ["image_id"], "like_rejected IS NOT NULL")
        return note, {image_id for piece in found for image_id in piece["image_id"]}


def test_images_like_rejected_ones_go_by_a_plan_and_the_cost_is_known(
    library: Library, tmp_path: Path
) -> None:
    features = answered(library, tmp_path / "pool")
    keep(library, features)
    made = plan(library, ALIKE, ASK)
    junk = {f"p{number:03}" for number in range(CLASSES * 30, CLASSES * 30 + 30)}
    gone = set(made.table["image_id"])
    assert len(gone & junk) >= 15
    # What was rejected goes too, and nothing else.
    assert gone - junk <= {f"i{number:04}" for number in range(CLASSES * EACH, 460)}
    (cost,) = made.costs.to_dict("records")
    assert 30 <= cost["looked"] <= REJECTED
    assert cost["wanted_lost"] == 0
    (rule,) = made.rules.to_dict("records")
    assert rule["note"].startswith("tried on 400 wanted images beside 60 rejected ones")


def test_what_nobody_looked_at_waits_and_the_queue_is_named(
    library: Library, tmp_path: Path
) -> None:
    keep(library, answered(library, tmp_path / "pool", late=True))
    made = plan(library, ALIKE, ASK)
    assert made.table.empty
    (rule,) = made.rules.to_dict("records")
    assert rule["note"].endswith(
        f"; {waiting(rule['note'])} more wait until somebody has looked at 30 of "
        "`curate queue like-rejected`"
    )
    assert waiting(rule["note"]) >= 15


def waiting(note: str) -> int:
    return int(note.partition("; ")[2].split()[0])


def test_the_features_that_were_kept_last_count(library: Library, tmp_path: Path) -> None:
    features = answered(library, tmp_path / "pool")
    keep(library, features)
    before = {name for name in named(library)[1] if name.startswith("p")}
    away = sorted(before)[0]
    keep(library, {away: -features[away]})
    after = {name for name in named(library)[1] if name.startswith("p")}
    assert after == before - {away}


def test_features_that_come_while_it_looks_are_not_compared(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = answered(library, tmp_path / "photos")
    keep(library, rows)
    assert named(library)[1]

    def late(*asked: Any) -> Learnt | str:
        keep(library, {name: -row for name, row in rows.items()})
        return learn(*asked)

    monkeypatch.setattr(alike, "learn", late)
    note, going = named(library)
    assert "written meanwhile" in note
    assert not going


def test_without_features_or_answers_the_rule_is_silent_and_says_why(
    library: Library, tmp_path: Path
) -> None:
    features = answered(library, tmp_path / "pool")
    note, none = named(library)
    assert (note, none) == (
        "the library holds no embeddings: Run `curate bulk-id --model CKPT --embeddings PLACE…` "
        "first.",
        set(),
    )
    keep(library, {name: row for name, row in features.items() if name < "i0420"})
    found = plan(library, ALIKE, ASK)
    assert found.table.empty
    assert found.rules["note"].to_list() == [
        "20 rejected images, near-duplicates counted once, have features, and it takes 30"
    ]


def test_the_default_policy_asks_for_it_and_no_other_rule_reads_features() -> None:
    assert DEFAULT["like-rejected"] == {"recipe": "like-rejected"}
    assert [name for name, recipe in RECIPES.items() if recipe.compares] == ["like-rejected"]
