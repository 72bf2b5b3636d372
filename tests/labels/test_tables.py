"""Answers of other programs' people come into the library, all of them or none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import FaultsError
from curate.formats.exchange import ANSWER_COLUMNS
from curate.labels import Imported, import_table
from curate.scan import scan
from curate.store import decisions, files
from curate.store.library import Library

from ..conftest import MakePhoto

Take = Callable[..., Imported]


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> dict[str, str]:
    for seed, name in enumerate("abc"):
        photo(f"pool/{name}.jpg", seed)
    photo("photos/gazelle/g.jpg", 8)
    photo("photos/kudu/k.jpg", 9)
    scan(library, tmp_path / "pool", backend="serial")
    scan(library, tmp_path / "photos", labels="folder", backend="serial")
    with library.reading() as connection:
        table = files.one_path_each(connection)
    return {Path(path).stem: name for path, name in table[["path", "image_id"]].to_numpy()}


@pytest.fixture
def take(library: Library, tmp_path: Path) -> Take:
    """Import rows of (file, image_id, label, sub_class, by, was), '' where not given."""

    def give(*rows: tuple[str, ...], new: tuple[str, ...] = ()) -> Imported:
        full = [(f"task {n}", *row, *[""] * (6 - len(row))) for n, row in enumerate(rows, 1)]
        table = pd.DataFrame(full, columns=list(ANSWER_COLUMNS))
        roots = [os.fsencode((tmp_path / "pool").resolve())]
        return import_table(library, table, "export.json", actor="me", new_classes=new, roots=roots)

    return give


def said(library: Library) -> dict[str, tuple[str, str]]:
    with library.reading() as connection:
        table = decisions.current(connection, "label").set_index("image_id")
    return {str(n): (row["value"], row["actor"]) for n, row in table.iterrows()}


def test_answers_become_decisions_of_whoever_gave_them(
    library: Library, ids: dict[str, str], take: Take
) -> None:
    rows = [("", ids["a"], "kudu", "", "zoe"), ("b.jpg", "", "gazelle"), ("c.jpg", "", "unknown")]
    imported = take(*rows)

    assert imported.counts["labelled"] == 2
    assert imported.counts["unknown"] == 1
    assert list(imported.table["path"]) == ["", "b.jpg", "c.jpg"]
    now = said(library)
    assert (now[ids["a"]], now[ids["b"]]) == (("kudu", "zoe"), ("gazelle", "me"))
    assert take(*rows).counts["unchanged"] == 3


def test_several_who_agree_are_one_answer(
    library: Library, ids: dict[str, str], take: Take
) -> None:
    rows = [("", ids["a"], "kudu", "", "zoe"), ("a.jpg", "", "kudu", "", "ann")]
    assert take(*rows).counts["labelled"] == 1
    assert said(library)[ids["a"]] == ("kudu", "zoe")


def test_faults_come_together_and_nothing_is_changed(
    library: Library, ids: dict[str, str], take: Take
) -> None:
    before = said(library)
    with pytest.raises(FaultsError) as caught:
        take(
            ("", ids["a"], "kudu", "", "zoe"),
            ("a.jpg", "", "gazelle", "", "ann"),
            ("gone.jpg", "", "kudu"),
            ("b.jpg", "", "gazele"),
            ("c.jpg", "", "unknown", "joey"),
        )
    assert caught.value.faults == [
        "task 2: the image is answered 'gazelle' here (by ann) and 'kudu' in task 1 (by zoe)",
        "task 3: file 'gone.jpg' is no image of the library",
        "task 4: no class 'gazele' is known; did you mean 'gazelle'?",
        "task 5: sub_class 'joey' without a class",
    ]
    assert str(caught.value).startswith("export.json: 4 faults, nothing was changed")
    assert said(library) == before


def test_a_new_class_is_named(library: Library, ids: dict[str, str], take: Take) -> None:
    assert take(("a.jpg", "", "okapi"), new=("okapi",)).counts["new_classes"] == 1


def test_a_missing_cell_is_no_text(library: Library, ids: dict[str, str]) -> None:
    row = {"place": "row 1", "file": None, "image_id": ids["a"], "label": "kudu"}
    table = pd.DataFrame([{**row, "sub_class": None, "by": float("nan"), "was": None}])
    import_table(library, table, "x", actor="me")
    assert said(library)[ids["a"]] == ("kudu", "me")
