"""What other programs are given: everything, or a queue in its order."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import FaultsError, InputError
from curate.formats.exchange import OUT_COLUMNS
from curate.formats.tables import write_csv
from curate.labels import import_answers
from curate.queues.outgoing import outgoing
from curate.scan import scan
from curate.store import files
from curate.store.library import Library

from ..conftest import MakePhoto
from .cases import CLASSES, predict, said

Ids = dict[str, str]


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> Ids:
    """Scan a pool of three and a labelled image that has a box and a sub-class."""
    for seed, name in enumerate("abc"):
        photo(f"pool/{name}.jpg", seed)
    photo("photos/k.jpg", 9, size=(40, 30))
    row = {"path": "k.jpg", "label": "okapi", "sub_class": "calf", "bbox": "1 2 3 4"}
    pd.DataFrame([row]).to_csv(tmp_path / "labels.csv", index=False)
    scan(library, tmp_path / "pool", backend="serial")
    scan(library, tmp_path / "photos", labels=str(tmp_path / "labels.csv"), backend="serial")
    with library.reading() as connection:
        table = files.one_path_each(connection)
    return {Path(path).stem: name for path, name in table[["path", "image_id"]].to_numpy()}


def answered(library: Library, tmp_path: Path, image_id: str, label: str) -> None:
    write_csv(pd.DataFrame({"image_id": [image_id], "label": [label]}), tmp_path / "answers.csv")
    import_answers(library, tmp_path / "answers.csv", actor="ann", new_classes=[label])


def test_everything_with_a_label_or_a_prediction(
    library: Library, ids: Ids, tmp_path: Path
) -> None:
    rows = [said(ids[name], "zebra", 0.75, "kudu", 0.25) for name in ("b", "a")]
    predict(library, rows)

    sent = outgoing(library)

    table = sent.table
    assert tuple(table.columns) == OUT_COLUMNS
    assert [Path(path).stem for path in table["path"]] == ["k", "a", "b"]
    labelled, predicted, _ = table.to_dict("records")
    assert {name: labelled[name] for name in ("label", "sub_class", "bbox", "width", "height")} == {
        "label": "okapi", "sub_class": "calf", "bbox": "1 2 3 4", "width": 40, "height": 30,
    }  # fmt: skip
    assert labelled["by"]
    assert labelled["origin"] == "real"
    assert labelled["predicted"] == ""
    assert labelled["top_classes"] == []
    assert pd.isna(labelled["score"])
    assert (predicted["predicted"], predicted["score"]) == ("zebra", 0.75)
    assert (predicted["second"], predicted["second_score"]) == ("kudu", 0.25)
    assert (predicted["top_classes"], predicted["top_scores"]) == (["zebra"], [0.75])
    assert (predicted["label"], predicted["by"]) == ("", "")
    assert sent.classes == tuple(sorted([*CLASSES, "okapi"]))
    assert sent.model == "m1"


def test_a_library_without_predictions_has_labels(library: Library, ids: Ids) -> None:
    sent = outgoing(library)
    assert list(sent.table["label"]) == ["okapi"]
    assert (sent.classes, sent.model) == (("okapi",), "")


def test_a_queue_keeps_its_order_and_its_reasons(
    library: Library, ids: Ids, tmp_path: Path
) -> None:
    queue = pd.DataFrame(
        {"image_id": [ids["c"], ids["k"], ids["a"], ids["c"]], "reason": [*"xyzx"]}
    )
    answered(library, tmp_path, ids["a"], "rejected")

    table = outgoing(library, queue).table

    assert list(table["image_id"]) == [ids["c"], ids["k"]]
    assert list(table["reason"]) == ["x", "y"]
    assert table.attrs["left_out"] == 1
    assert list(outgoing(library, queue[["image_id"]]).table["reason"]) == ["", ""]


def test_images_of_another_library_are_faults(library: Library, ids: Ids) -> None:
    queue = pd.DataFrame({"image_id": [ids["a"], "f" * 32, "e" * 32]})
    with pytest.raises(FaultsError) as caught:
        outgoing(library, queue)
    assert len(caught.value.faults) == 2


def test_the_last_prediction_of_one_model_counts(library: Library, ids: Ids) -> None:
    predict(library, [said(ids["a"], "zebra", 0.5)])
    predict(library, [said(ids["a"], "kudu", 0.75), said(ids["b"], "kudu", 0.75)])
    predict(library, [said(ids["a"], "gazelle", 0.9)], model="m2")
    pool = pd.DataFrame({"image_id": [ids["a"], ids["b"]]})
    assert list(outgoing(library, pool, "m1").table["predicted"]) == ["kudu", "kudu"]
    assert list(outgoing(library, pool).table["predicted"]) == ["gazelle", ""]
    with pytest.raises(InputError, match="no predictions of it"):
        outgoing(library, pool, "m3")


def test_an_unknown_animal_goes_along(library: Library, ids: Ids, tmp_path: Path) -> None:
    answered(library, tmp_path, ids["a"], "unknown")
    sent = outgoing(library)
    assert list(sent.table["label"]) == ["okapi", "unknown"]
    assert sent.classes == ("okapi", "unknown")
