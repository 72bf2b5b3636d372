"""An imagefolder: what `datasets` reads, and the real thing where it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import FaultsError
from curate.core.identity import file_id
from curate.formats.imagefolder import write_imagefolder
from tests.conftest import MakePhoto

SPLITS = ("train", "train", "val", "test", "benchmark")
LABELS = ("1", "NA", "zoë, 鹿", "2", "1")
SUB_CLASSES = ("", "", "joey", "", "")


@pytest.fixture
def table(photo: MakePhoto) -> pd.DataFrame:
    """Labels that a guess takes for numbers and for missing, and a sub-class in one split only."""
    files = [photo(f"photos/{n}/img.png", seed=n) for n in range(len(SPLITS))]
    return pd.DataFrame(
        {
            "image_id": [file_id(file) for file in files],
            "path": [str(file) for file in files],
            "label": LABELS,
            "sub_class": SUB_CLASSES,
            "origin": "real",
            "split": SPLITS,
        }
    )


def test_every_file_has_its_line(table: pd.DataFrame, tmp_path: Path) -> None:
    write_imagefolder(table, tmp_path / "set")
    found = {}
    for split in set(SPLITS):
        for line in (tmp_path / "set" / split / "metadata.jsonl").read_text().splitlines():
            row = json.loads(line)
            shown = tmp_path / "set" / split / row.pop("file_name")
            assert file_id(shown) == row["image_id"]
            found[row["image_id"]] = {"split": split, **row}
    wanted = table.drop(columns="path").set_index("image_id", drop=False).to_dict("index")
    assert found == wanted


def test_it_follows_its_split(table: pd.DataFrame, tmp_path: Path) -> None:
    write_imagefolder(table, tmp_path / "set")
    table.loc[0, "split"] = "val"
    table.loc[4, "split"] = ""
    write_imagefolder(table, tmp_path / "set")
    lines = (tmp_path / "set/val/metadata.jsonl").read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["1", "zoë, 鹿"]
    assert not (tmp_path / "set/benchmark").exists()
    assert "benchmark" not in (tmp_path / "set/README.md").read_text()


def test_a_readme_of_the_user_is_not_overwritten(table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/README.md").write_text("mine")
    with pytest.raises(FaultsError, match=r"README\.md: is in the way"):
        write_imagefolder(table, tmp_path / "set")
    assert (tmp_path / "set/README.md").read_text() == "mine"


@pytest.mark.parametrize("copy", [False, True])
def test_datasets_loads_it(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: bool
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="curate[formats] is not installed")
    write_imagefolder(table, tmp_path / "set", copy=copy)
    loaded = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == set(SPLITS)
    rows = [{**row, "split": split} for split in loaded for row in loaded[split]]
    for row in rows:
        assert row.pop("image").size == (96, 64)
    wanted = table.drop(columns="path").to_dict("records")
    assert sorted(rows, key=lambda row: row["image_id"]) == sorted(
        wanted, key=lambda row: row["image_id"]
    )
