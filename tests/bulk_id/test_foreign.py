"""Predictions of other programs are predictions of the library: queues work on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.bulk_id import foreign
from curate.bulk_id.foreign import Imported, import_predictions, is_known
from curate.core.errors import FaultsError, InputError
from curate.core.identity import file_id
from curate.formats.exchange import PREDICTION_COLUMNS
from curate.queues import Filters, queue
from curate.scan import scan
from curate.store import check, files, views
from curate.store.library import Library

from ..conftest import MakePhoto

Take = Callable[..., Imported]


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> dict[str, str]:
    for seed, name in enumerate("abc"):
        photo(f"pool/{name}.jpg", seed)
    photo("pool/again.jpg", 0)
    scan(library, tmp_path / "pool", backend="serial")
    with library.reading() as connection:
        table = files.table(connection)
    return {Path(path).stem: name for path, name in table[["path", "image_id"]].to_numpy()}


def predictions(*rows: tuple[str, list[str], list[float]], reason: str = "") -> pd.DataFrame:
    cells = [
        (f"image {n}", file, "", "failed" if reason else "ok", reason, names, scores)
        for n, (file, names, scores) in enumerate(rows, 1)
    ]
    return pd.DataFrame(cells, columns=list(PREDICTION_COLUMNS))


@pytest.fixture
def take(library: Library, ids: dict[str, str], tmp_path: Path) -> Take:
    source = tmp_path / "results.json"
    source.write_text("{}")

    def give(table: pd.DataFrame, **options: Any) -> Imported:
        return import_predictions(library, table, "MD", ["vehicle"], source, **options)

    return give


def kept(library: Library) -> list[dict[str, Any]]:
    with views.asked(library, "predictions") as answering:
        found: pd.DataFrame = answering.sql("SELECT * FROM predictions ORDER BY path").df()
    return [{str(k): v for k, v in row.items()} for row in found.to_dict("records")]


def test_a_queue_works_on_them(
    library: Library, ids: dict[str, str], take: Take, tmp_path: Path
) -> None:
    imported = take(
        predictions(("a.jpg", ["animal", "person"], [0.75, 0.2]), ("b.jpg", ["blank"], [0.5]))
    )
    assert imported.counts["imported"] == 2
    assert imported.model == file_id(tmp_path / "results.json")

    table = queue(library, "low-score", Filters(), min_count=40, model=imported.model)

    assert list(table["image_id"]) == [ids["b"], ids["a"]]
    assert list(table["predicted"]) == ["blank", "animal"]
    assert table.attrs["checkpoint"] == f"MD ({tmp_path / 'results.json'})"
    assert queue(library, "low-score", Filters(class_="vehicle"), min_count=40).empty
    assert not check.faults(library)


def test_measures_are_made_of_what_is_there(
    library: Library, take: Take, ids: dict[str, str]
) -> None:
    take(
        predictions(
            ("a.jpg", ["x", "y"], [0.75, 0.25]),
            ("b.jpg", ["x"], [0.75]),
            ("c.jpg", ["x", "y"], [0.9, 0.8]),
        )
    )
    full, top, unlike = kept(library)
    assert (full["margin"], full["second"]) == (0.5, "y")
    assert full["entropy"] == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    for name in ("second_score", "margin", "entropy", "energy", "novelty"):
        assert math.isnan(top[name])
    assert pd.isna(top["second"])
    # Detections are no distribution.
    assert unlike["margin"] == pytest.approx(0.1)
    assert math.isnan(unlike["entropy"])


def test_failures_stay_rows_and_keep_out_of_queues(library: Library, take: Take) -> None:
    counts = take(predictions(("a.jpg", [], []), reason="MD: no access")).counts
    assert (counts["imported"], counts["failed"]) == (1, 1)
    (row,) = kept(library)
    assert (row["status"], row["reason"]) == ("failed", "MD: no access")
    assert queue(library, "low-score", Filters(), min_count=40).empty


def test_the_same_file_adds_nothing(library: Library, take: Take, tmp_path: Path) -> None:
    table = predictions(("a.jpg", ["x"], [0.5]), ("b.jpg", ["x"], [0.5]))
    take(table)
    assert take(table).counts["known"] == 2
    assert len(kept(library)) == 2
    (tmp_path / "results.json").write_text("{ }")
    assert take(table).counts["imported"] == 2


def test_what_the_library_lacks_is_counted_and_said(library: Library, take: Take) -> None:
    table = predictions(("a.jpg", ["x"], [0.5]), ("z.jpg", ["x"], [0.5]))
    imported = take(table)
    assert imported.counts["unfound"] == 1
    assert imported.unfound == ["image 2: file 'z.jpg' is no image of the library"]
    with pytest.raises(InputError, match=r"none of its 1 images is in the library") as caught:
        take(table.iloc[1:].reset_index(drop=True))
    assert "--root" in caught.value.remedy


def test_two_files_of_one_image_are_one_row(library: Library, take: Take) -> None:
    counts = take(predictions(("a.jpg", ["x"], [0.5]), ("again.jpg", ["x"], [0.5]))).counts
    assert (counts["imported"], counts["doubled"]) == (1, 1)
    assert len(kept(library)) == 1


def test_they_come_in_several_shards(
    library: Library, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "ROWS", 2)
    take(predictions(*[(f"{name}.jpg", ["x"], [0.5]) for name in "abc"]))
    assert len(kept(library)) == 3
    assert len(list(library.folder.glob("tables/predictions/*.parquet"))) == 2
    assert not check.faults(library)


@pytest.mark.parametrize(
    ("names", "scores", "said"),
    [
        (["a/b"], [0.5], "'a/b' cannot name a class: it would not be one folder"),
        (["a"], [1.5], "scores lie between 0 and 1: 1.5"),
        (["a"], [float("nan")], "scores lie between 0 and 1: nan"),
        (["a", "b"], [0.2, 0.3], "the best score comes first: 0.2, 0.3"),
        (["a", "b"], [0.2], "2 classes and 1 scores"),
    ],
)
def test_faults(take: Take, names: list[str], scores: list[float], said: str) -> None:
    with pytest.raises(FaultsError) as caught:
        take(predictions(("a.jpg", names, scores)))
    assert caught.value.faults == [f"image 1: {said}"]


def test_no_predictions_are_an_error(take: Take) -> None:
    with pytest.raises(InputError, match="there is no prediction in it"):
        take(predictions())


def test_a_folder_is_told_by_what_it_says(library: Library, ids: dict[str, str]) -> None:
    table = predictions(("a.jpg", ["x"], [0.5]))
    models = {
        import_predictions(library, one, "", (), Path()).model
        for one in (table, table.copy(), predictions(("a.jpg", ["x"], [0.25])))
    }
    assert len(models) == 2
    assert all(is_known(library, model) for model in models)
    assert not is_known(library, "")


def test_a_folder_that_was_moved_says_the_same(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    models = set()
    for place in (tmp_path / "here", tmp_path / "there"):
        place.mkdir()
        table = predictions((str(place / "a.jpg"), ["x"], [0.5]))
        models.add(import_predictions(library, table, "", (), place).model)
    assert len(models) == 1


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=5))
def test_the_entropy_lies_between_none_and_all(scores: list[float]) -> None:
    shares = sorted((score / sum(scores) for score in scores), reverse=True)
    entropy = foreign._entropy(shares)
    assert entropy is not None
    assert 0 <= entropy <= math.log(len(shares) + 1) + 1e-9
    # With fewer of the classes there is no more of it.
    fewer = foreign._entropy(shares[:-1])
    assert fewer is not None
    assert fewer <= entropy + 1e-9
