"""The measure of `benchmarks.labelling`, and what a plan's library is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from benchmarks.labelling import over_the_cutoff
from benchmarks.labelling_library import said
from benchmarks.labelling_report import write
from benchmarks.labelling_study import Head, Study, accuracy, trained
from curate.bulk_id.columns import PREDICTIONS_SCHEMA

TRUTH = ["kudu"] * 8 + ["zebra"] * 8 + ["gnu"] * 8
PLACES = np.arange(len(TRUTH))


@pytest.fixture
def study() -> Study:
    """Three classes that lie apart; of each two photos are held out, and six have a label."""
    photos = pd.DataFrame({"image_id": [f"{n:02}" for n in PLACES], "truth": TRUTH})
    photos = photos.assign(path=photos["image_id"], group=photos["image_id"])
    centres = np.repeat(np.eye(3, 5, dtype=np.float32), 8, axis=0)
    noise = np.random.default_rng(0).normal(0, 0.1, centres.shape).astype(np.float32)
    test = PLACES % 8 < 2
    features = centres + noise
    return Study(photos, features.astype(np.float16), features, test, ~test, 0, Path(), 4, 2)


def test_all_classes_weigh_the_same_and_one_that_was_not_learnt_is_wrong(study: Study) -> None:
    study.test[:] = PLACES < 12
    logits = np.zeros((len(TRUTH), 2))
    logits[:, 0] = 1
    # All kudus are right, and none of the four zebras is.
    assert accuracy(study, Head(["kudu", "zebra"], logits)) == 0.5
    assert accuracy(study, Head(["gnu", "zebra"], logits)) == 0.0


def test_what_is_below_the_cutoff_is_not_learnt(study: Study) -> None:
    kudu, zebra, _ = (study.labelled & (n == PLACES // 8) for n in range(3))
    assert over_the_cutoff(study, study.labelled) == 1.0
    assert over_the_cutoff(study, kudu | zebra) == pytest.approx(2 / 3)
    assert over_the_cutoff(study, kudu) == over_the_cutoff(study, kudu & zebra) == 0.0


def test_a_library_is_told_all_but_the_test(study: Study) -> None:
    columns = said(study, trained(study, study.labelled), PLACES % 8 > 5)

    assert set(PREDICTIONS_SCHEMA.names) - {"run_id"} <= columns.keys()
    assert list(columns["image_id"]) == list(study.photos["image_id"][~study.test])
    assert list(columns["predicted"]) == list(study.photos["truth"][~study.test])
    assert np.isfinite(columns["novelty"]).all()
    assert len(columns["embedding"]) == len(columns["novelty"])


def test_of_val_only_a_head_speaks_that_did_not_learn_it(study: Study) -> None:
    val = PLACES % 8 > 5
    sure = Head(["gnu", "kudu", "zebra"], np.tile([0.0, 9.0, 0.0], (len(TRUTH), 1)))

    predicted = pd.Series(said(study, sure, val)["predicted"], PLACES[~study.test])

    assert set(predicted[PLACES[~val & ~study.test]]) == {"kudu"}
    assert list(predicted[PLACES[val]]) == list(study.photos["truth"][val])


def test_the_report_gives_middles_and_ranges(tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    curves = {"plan": [[0.1, 0.2, 0.3], [0.2, 0.3, 0.5], [0.3, 0.4, 0.4]]}
    write(out, "Photos.", {2: curves, 10: {"plan": [[0.0, 0.0, 0.1]]}}, 200)

    lines = out.read_text().splitlines()
    for cutoff, row in (
        (2, "| plan | 20.0 (10.0…30.0) | 30.0 (20.0…40.0) | 40.0 (30.0…50.0) |"),
        (10, "| plan | 0.0 (0.0…0.0) | 0.0 (0.0…0.0) | 10.0 (10.0…10.0) |"),
    ):
        head = lines.index(f"| min-count {cutoff} | start | 1 × 200 labels | 2 × 200 labels |")
        assert lines[head + 2] == row
    assert out.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
