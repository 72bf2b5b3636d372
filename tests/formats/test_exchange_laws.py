"""What goes out to another tool comes back: the laws of formats that hold labels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.core.identity import image_id as content_id
from curate.formats import (
    cleanlab,
    coco,
    cvat,
    fiftyone,
    hf,
    label_studio,
    roboflow,
    timm_csv,
    webdataset,
)
from curate.formats.exchange import ANSWER_COLUMNS, PREDICTION_COLUMNS, Format, Outgoing
from tests.conftest import MakePhoto
from tests.formats.exchanged import (
    CLASSES,
    NASTY,
    expected,
    id_of,
    ignore,
    labels_of,
    outgoing,
    row,
)


@dataclass(frozen=True)
class Case:
    """A format that holds labels, and the classes that the other tool can have.

    `cannot` starts with a space where names must not start or end with one; then come characters.
    """

    format: Format
    name: str
    cannot: str = ""
    longest: int = 200

    def can(self, label: str) -> bool:
        spaced = label != label.strip() and " " in self.cannot[:1]
        fits = len(label) <= self.longest and not spaced
        return fits and not set(self.cannot[1:]) & set(label)


CASES = [
    Case(coco.FORMAT, "labels.json"),
    Case(coco.FORMAT, "coco"),
    Case(label_studio.FORMAT, "tasks"),
    Case(cvat.FORMAT, "cvat", longest=cvat.LONGEST),
    Case(roboflow.FORMAT, "roboflow", cannot=' ,"\r\n'),
    Case(hf.FORMAT, "hf"),
    Case(fiftyone.FORMAT, "fiftyone"),
]
ALL = [*CASES, Case(cleanlab.FORMAT, "arrays"), Case(timm_csv.FORMAT, "results.csv")]


def named(case: Case) -> str:
    return f"{case.format.help.partition(':')[0]} {case.name}"


@pytest.fixture(scope="module")
def picture() -> Iterator[str]:
    """Where a picture lies; the formats that hold pictures link to it."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        yield file.name


def there_and_back(case: Case, sent: Outgoing, folder: Path) -> dict[str, str]:
    assert case.format.write is not None
    assert case.format.read is not None
    case.format.write(sent, folder / case.name, False, ignore)
    read = case.format.read(folder / case.name)
    assert tuple(read.answers.columns) == ANSWER_COLUMNS
    assert tuple(read.predictions.columns) == PREDICTION_COLUMNS
    return labels_of(read)


@pytest.mark.parametrize("case", CASES, ids=named)
@settings(max_examples=15)
@given(labels=st.lists(st.one_of(st.just(""), CLASSES, st.sampled_from(NASTY)), max_size=5))
def test_labels_come_back(case: Case, labels: list[str], picture: str) -> None:
    rows = [
        row(number, label=label if case.can(label) else "", path=picture)
        for number, label in enumerate(labels)
    ]
    sent = outgoing(rows)
    with tempfile.TemporaryDirectory() as folder:
        assert there_and_back(case, sent, Path(folder)) == expected(sent)


@pytest.mark.parametrize("case", CASES[:4], ids=named)
def test_sub_classes_come_back(case: Case, tmp_path: Path, picture: str) -> None:
    sent = outgoing([row(0, label="kangaroo", sub_class="jo & ey", path=picture)])
    assert case.format.write is not None
    assert case.format.read is not None
    case.format.write(sent, tmp_path / case.name, False, ignore)
    assert list(case.format.read(tmp_path / case.name).answers["sub_class"]) == ["jo & ey"]


@pytest.mark.parametrize(
    "case", [*CASES[:4], *CASES[5:], Case(webdataset.FORMAT, "tars")], ids=named
)
def test_what_a_label_was_comes_along(case: Case, tmp_path: Path, photo: MakePhoto) -> None:
    path = photo("a.jpg")
    image_id = content_id(path.read_bytes())
    one = row(0, label="a b", sub_class="c", path=str(path), image_id=image_id)
    assert case.format.write is not None
    assert case.format.read is not None
    case.format.write(outgoing([one]), tmp_path / case.name, False, ignore)
    assert list(case.format.read(tmp_path / case.name).answers["was"]) == ["a b/c"]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_a_model_says_is_no_answer(case: Case, tmp_path: Path, picture: str) -> None:
    rows = [row(0, top_classes=["cat", "dog"], top_scores=[0.75, 0.25], path=picture)]
    assert there_and_back(case, outgoing(rows), tmp_path) == {}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_label_stands_before_what_a_model_says(case: Case, tmp_path: Path, picture: str) -> None:
    rows = [row(0, label="dog", top_classes=["cat"], top_scores=[0.75], path=picture)]
    assert there_and_back(case, outgoing(rows), tmp_path) == {id_of(0): "dog"}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_image_is_counted(case: Case, tmp_path: Path, picture: str) -> None:
    counted: list[int] = []
    assert case.format.write is not None
    sent = outgoing([row(number, path=picture) for number in range(7)])
    case.format.write(sent, tmp_path / case.name, False, counted.append)
    assert sum(counted) == 7


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_same_table_gives_the_same_bytes(case: Case, tmp_path: Path, picture: str) -> None:
    sent = outgoing([row(1, label="a", path=picture), row(2, top_classes=["b"], top_scores=[0.5],
                                                          path=picture)])  # fmt: skip
    written = []
    for run in "one", "two":
        (tmp_path / run).mkdir()
        there_and_back(case, sent, tmp_path / run)
        files = sorted(path for path in (tmp_path / run).rglob("*") if path.is_file())
        written.append([(path.relative_to(tmp_path / run), path.read_bytes()) for path in files])
    assert written[0] == written[1]
    assert written[0]


@pytest.mark.parametrize("case", ALL, ids=named)
def test_nothing_is_left_of_a_writing_that_fails(case: Case, tmp_path: Path, picture: str) -> None:
    """The disk is full, the user gives up: what was there before is there, and nothing else."""

    def fail(_: int) -> None:
        raise KeyboardInterrupt

    assert case.format.write is not None
    rows = [row(0, label="a", top_classes=["a"], top_scores=[1.0], path=picture)]
    if case.format is not timm_csv.FORMAT:  # it tells when all is written
        with pytest.raises(KeyboardInterrupt):
            case.format.write(outgoing(rows), tmp_path / case.name, False, fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", ALL, ids=named)
def test_a_folder_that_is_not_there(case: Case, tmp_path: Path, picture: str) -> None:
    assert case.format.write is not None
    rows = [row(0, label="a", top_classes=["a"], top_scores=[1.0], path=picture)]
    with pytest.raises(InputError, match="cannot be written: no such file"):
        case.format.write(outgoing(rows), tmp_path / "no" / case.name, False, ignore)


@pytest.mark.parametrize("case", ALL, ids=named)
def test_a_file_that_is_not_there(case: Case, tmp_path: Path) -> None:
    assert case.format.read is not None
    with pytest.raises(InputError):
        case.format.read(tmp_path / case.name)


@pytest.mark.parametrize("case", [case for case in ALL if "." not in case.name], ids=named)
def test_a_folder_with_something_in_it_stays(case: Case, tmp_path: Path, picture: str) -> None:
    kept = tmp_path / case.name / "mine.txt"
    kept.parent.mkdir()
    kept.touch()
    assert case.format.write is not None
    rows = [row(0, label="a", top_classes=["a"], top_scores=[1.0], path=picture)]
    with pytest.raises(InputError, match="is there already"):
        case.format.write(outgoing(rows), kept.parent, False, ignore)
    assert list(tmp_path.rglob("*.*")) == [kept]
