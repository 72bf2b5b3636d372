"""timm's results: every form that its `inference.py` (1.0.31) writes, built as it builds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import FaultsError, InputError
from curate.formats import timm_csv
from tests.formats.exchanged import CLASSES, NASTY, ignore, outgoing, row

FILES = ["a.jpg", "b, c.jpg"]
LABELS = np.array([["cat", "tiger's eye"], ['the "dog"', "tench, Tinca tinca"]], dtype=object)
PROBS = np.array([[0.9, 0.1], [0.123456789, 1e-08]], dtype=np.float32)


def frame(top: int, separate: bool, **more: Any) -> pd.DataFrame:
    """Build the table as `inference.py` does."""
    labels, probs = LABELS[:, :top], PROBS[:, :top]
    columns: dict[str, Any] = {"filename": FILES, **more}
    if separate and top > 1:
        columns |= {f"label_{n}": labels[:, n] for n in range(top)}
        columns |= {f"prob_{n}": probs[:, n] for n in range(top)}
    elif top > 1:
        columns |= {"label": list(labels), "prob": list(probs)}
    else:
        columns |= {"label": list(labels.squeeze(-1)), "prob": list(probs.squeeze(-1))}
    return pd.DataFrame(columns)


def save(table: pd.DataFrame, path: Path, way: str) -> Path:
    """Write it as `save_results` does."""
    if way == "parquet":
        table.set_index("filename").to_parquet(path.with_suffix(".parquet"))
        return path.with_suffix(".parquet")
    if way == "csv":
        table.to_csv(path.with_suffix(".csv"), index=False)
        return path.with_suffix(".csv")
    path = path.with_suffix(".json")
    if way == "json":
        table.set_index("filename").to_json(path, indent=4, orient="index")
    elif way == "json-record":
        table.to_json(path, lines=True, orient="records")
    else:
        table.to_json(path, indent=4, orient="split", index=False)
    return path


@pytest.mark.parametrize("way", ["csv", "json", "json-record", "json-split", "parquet"])
@pytest.mark.parametrize(("top", "separate"), [(1, False), (2, False), (2, True)])
def test_all_that_timm_writes(tmp_path: Path, way: str, top: int, separate: bool) -> None:
    read = timm_csv.read(save(frame(top, separate, index=[1, 2]), tmp_path / "r", way))
    said = read.predictions
    assert list(said["file"]) == FILES
    assert list(said["classes"]) == [list(one) for one in LABELS[:, :top]]
    for found, known in zip(said["scores"], PROBS[:, :top], strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-6, atol=1e-9)
    assert set(said["status"]) == {"ok"}
    assert read.answers.empty


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
@settings(max_examples=20)
@given(
    drawn=st.lists(
        st.dictionaries(st.one_of(CLASSES, st.sampled_from(NASTY)), st.floats(0, 1), max_size=3),
        min_size=1,
        max_size=4,
    )
)
def test_predictions_come_back(
    suffix: str, drawn: list[dict[str, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [row(0, top_classes=["one"], top_scores=[1.0])]
    for number, scores in enumerate(drawn, 1):
        names = sorted(scores, key=lambda name: -scores[name])
        rows.append(row(number, top_classes=names, top_scores=[scores[name] for name in names]))
    path = tmp_path_factory.getbasetemp() / f"law{suffix}"
    timm_csv.write(outgoing(rows), path, False, ignore)
    said = timm_csv.read(path).predictions
    known = [one for one in rows if one["top_classes"]]
    assert list(said["image_id"]) == [one["image_id"] for one in known]
    assert list(said["file"]) == [one["path"] for one in known]
    assert list(said["classes"]) == [one["top_classes"] for one in known]
    for found, one in zip(said["scores"], known, strict=True):
        np.testing.assert_allclose(found, one["top_scores"], rtol=1e-14, atol=1e-15)


def test_the_best_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("filename,label_1,label_0,prob_1,prob_0\na,worse,best,0.25,0.5\n")
    [said] = timm_csv.read(path).predictions.to_dict("records")
    assert (said["classes"], said["scores"]) == (["best", "worse"], [0.5, 0.25])


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image has a prediction"):
        timm_csv.write(outgoing([row(1, label="cat")]), tmp_path / "r.csv", False, ignore)
    predicted = outgoing([row(1, top_classes=["a"], top_scores=[1.0])])
    with pytest.raises(InputError, match="is no file of timm's"):
        timm_csv.write(predicted, tmp_path / "r.txt", False, ignore)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("file,label,prob", "has no column 'filename'"),
        ("filename,index,prob", "has no names of classes"),
        ("filename,label,logit", "has no probabilities"),
        ("filename,label", "has no probabilities"),
        ("filename,label_0,label_1,prob_0", "has 2 columns of labels and 1 of probs"),
    ],
)
def test_what_timm_was_not_asked_for(tmp_path: Path, header: str, said: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"{header}\n{','.join(['0.5'] * len(header.split(',')))}\n")
    with pytest.raises(InputError, match=said):
        timm_csv.read(path)


def test_all_faults_come_together(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    lines = ["a,cat,0.5", "b,cat,nan", "c,cat,1.5", "d,cat", ",cat,0.5", "e,,0.5", "a,dog,0.5",
             "a,cat,0.5", "f,<unmapped:3>,0.5", "g,['a' 'b'],[0.5]", "h,['a' 'a'],[0.5 0.5]",
             "i,cat,high"]  # fmt: skip
    path.write_text("filename,label,prob\n" + "\n".join(lines) + "\n")
    with pytest.raises(FaultsError) as caught:
        timm_csv.read(path)
    assert caught.value.faults == [
        "line 3: 'b' has no prob, or one that is none",
        "line 4: 'c' has no prob, or one that is none",
        "line 5: names no file, or has too few or too many cells",
        "line 6: names no file, or has too few or too many cells",
        "line 7: 'e' has no label, or one that is none",
        "line 8: 'a' has other predictions in line 2 (two files of one name? --fullname keeps "
        "them apart)",
        "line 10: 'f' has '<unmapped:3>': timm did not know the name of this class",
        "line 11: 'g' has 2 classes and 1 probabilities",
        "line 12: 'h' has a class twice",
        "line 13: 'i' has no prob, or one that is none",
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.json", b'{"a.jpg": {"label"', "is not JSON"),
        ("r.json", b'{"a.jpg": 5}', "row 1: is no object"),
        ("r.json", b"[1]", "row 1: is no object"),
        ("r.json", b"\xff\xfe\x00", "is not JSON"),
        ("r.parquet", b"PAR1", "is not a Parquet file"),
        ("r.txt", b"", "is no file of timm's"),
    ],
)
def test_what_is_no_file_of_timm(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        timm_csv.read(tmp_path / name)


def test_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("filename,label,prob\n")
    assert timm_csv.read(tmp_path / "r.csv").predictions.empty
