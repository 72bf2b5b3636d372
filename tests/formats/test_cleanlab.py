"""cleanlab: arrays that go out, and its table of issues that comes back.

`benchmarks/formats_peers.py` lets cleanlab find issues in the arrays.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import FaultsError, InputError
from curate.formats import cleanlab
from tests.formats.exchanged import CLASSES, id_of, ignore, labels_of, outgoing, row

ISSUES = pd.DataFrame(
    {
        "is_label_issue": [True, False, True],
        "label_score": [0.01, 0.9, 0.2],
        "given_label": [0, 1, 1],
        "predicted_label": [1, 1, 0],
    }
)
"""What `Datalab.get_issues("label")` and, with `label_quality`, `get_label_issues()` give."""


def exported(tmp_path: Path) -> Path:
    rows = [
        row(0, label="cat", top_classes=["dog", "cat"], top_scores=[0.75, 0.25]),
        row(1, label="", top_classes=["dog"], top_scores=[0.5]),
        row(2, label="dog", top_classes=["dog"], top_scores=[0.5]),
        row(3, label="cat"),
        row(4, label="unknown", top_classes=["dog"], top_scores=[0.5]),
        row(5, label="horse", top_classes=["cat", "dog"], top_scores=[0.625, 0.25]),
    ]
    cleanlab.write(outgoing(rows, ["cat", "dog"]), tmp_path / "out", False, ignore)
    return tmp_path / "out"


def test_the_arrays(tmp_path: Path) -> None:
    """What the best classes leave of 1 is spread over the others."""
    out = exported(tmp_path)
    assert json.loads((out / "classes.json").read_text()) == ["cat", "dog", "horse"]
    labels = np.load(out / "labels.npy", allow_pickle=False)
    assert (labels.dtype, labels.tolist()) == (np.int64, [0, 1, 2])
    assert np.load(out / "pred_probs.npy", allow_pickle=False).tolist() == [
        [0.25, 0.75, 0.0],
        [0.25, 0.5, 0.25],
        [0.625, 0.25, 0.125],
    ]
    ids = pd.read_csv(out / "ids.csv")
    assert list(ids["image_id"]) == [id_of(0), id_of(2), id_of(5)]
    assert list(ids["label"]) == ["cat", "dog", "horse"]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            CLASSES,
            st.dictionaries(CLASSES, st.floats(1e-3, 1), min_size=1, max_size=4),
            st.floats(0.1, 1),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_rows_are_distributions(drawn: list[tuple[str, dict[str, float], float]]) -> None:
    rows = []
    for number, (label, weights, share) in enumerate(drawn):
        total = sum(weights.values())
        names = sorted(weights, key=lambda name: -weights[name])
        scores = [weights[name] / total * share for name in names]
        rows.append(row(number, label=label, top_classes=names, top_scores=scores))
    sent = outgoing(rows)
    numbers = {name: number for number, name in enumerate(sent.classes)}
    found = cleanlab.probabilities(sent.table, numbers)
    assert found.shape == (len(rows), len(sent.classes))
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for one, known in zip(found, rows, strict=True):
        places = [numbers[name] for name in known["top_classes"]]
        kept = np.array(known["top_scores"])
        if len(places) < len(numbers):
            np.testing.assert_allclose(one[places], kept)
        else:
            np.testing.assert_allclose(one[places], kept / kept.sum())


def test_nothing_to_write(tmp_path: Path) -> None:
    rows = [row(1, label="cat"), row(2, top_classes=["cat"], top_scores=[1.0])]
    with pytest.raises(InputError, match="no image has a label and a prediction"):
        cleanlab.write(outgoing(rows), tmp_path / "out", False, ignore)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_answers_by_the_place_in_the_arrays(tmp_path: Path, suffix: str) -> None:
    out = exported(tmp_path)
    answered = ISSUES.assign(label=["dog", "", ""])
    if suffix == "csv":
        answered.to_csv(out / "issues.csv")
    else:
        answered.rename_axis("row").reset_index().to_parquet(out / "issues.parquet")
    said = cleanlab.read(out / f"issues.{suffix}")
    assert labels_of(said) == {id_of(0): "dog"}
    assert list(said.answers["file"]) == ["/photos/0.jpg"]
    assert said.predictions.empty
    assert said.notes == ["label issues without an answer: 1"]


def test_answers_by_id_or_path(tmp_path: Path) -> None:
    path = tmp_path / "issues.csv"
    ISSUES.assign(label=["dog", "cat", ""], image_id=[id_of(7), "", ""], path=["", "b.jpg", "c.jpg"]
                  ).to_csv(path)  # fmt: skip
    said = cleanlab.read(path).answers
    assert said[["file", "image_id", "label"]].values.tolist() == [
        ["", id_of(7), "dog"],
        ["b.jpg", "", "cat"],
    ]


def test_suspicions_are_no_answers(tmp_path: Path) -> None:
    ISSUES.to_csv(tmp_path / "issues.csv")
    with pytest.raises(InputError, match="cleanlab suspects labels, people decide"):
        cleanlab.read(tmp_path / "issues.csv")


def test_places_without_the_arrays(tmp_path: Path) -> None:
    ISSUES.assign(label="cat").to_csv(tmp_path / "issues.csv")
    with pytest.raises(InputError, match="names no images"):
        cleanlab.read(tmp_path / "issues.csv")


def test_all_faults_come_together(tmp_path: Path) -> None:
    out = exported(tmp_path)
    (out / "issues.csv").write_text(",is_label_issue,label\n3,True,cat\n-1,True,cat\n0,True\n")
    with pytest.raises(FaultsError) as caught:
        cleanlab.read(out / "issues.csv")
    assert caught.value.faults == [
        "line 2: '3' is no place in ids.csv",
        "line 3: '-1' is no place in ids.csv",
        "line 4: 2 cells, 3 columns",
    ]


def test_ids_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("a,b\n1,2\n")
    ISSUES.assign(label="cat").to_csv(tmp_path / "issues.csv")
    with pytest.raises(InputError, match="has not the columns image_id and path"):
        cleanlab.read(tmp_path / "issues.csv")
