"""`curate duplicates`: each way reaches its verb, what it writes is there, leaks are status 1."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curate import engine
from curate.cli.main import EXPECTED, answer
from curate.core import paths
from curate.core.errors import InputError
from curate.core.identity import file_id
from curate.duplicates import DuplicatePolicy
from curate.store.library import opened
from tests.conftest import MakePhoto
from tests.splits.made import put

LARGE = (192, 128)
DESIGN = ["group", "image_id", "path", "label", "keeper", "similarity", "reason"]
PAIRS = ["first_side", "first_path", "second_side", "second_path", "similarity", "reason"]


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine.BACKENDS, "processes", engine.BACKENDS["serial"])


@pytest.fixture
def photos(photo: MakePhoto, tmp_path: Path) -> Path:
    """A cat with a smaller copy, a dog with a copy that is labelled fox, and a hen."""
    photo("photos/cat/cat.jpg", 0, LARGE)
    photo("photos/cat/cat-small.jpg", 0)
    photo("photos/dog/dog.jpg", 1, LARGE)
    photo("photos/fox/dog-small.jpg", 1)
    photo("photos/hen/hen.jpg", 2)
    return tmp_path / "photos"


@pytest.fixture
def library(photos: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert answer(["scan", "photos", "--labels", "folder"]) == 0
    capsys.readouterr()
    return photos


@pytest.fixture
def listed(photos: Path) -> Path:
    """A library that knows the files, without having looked at them: enough where nothing is."""
    with opened(make=True) as place:
        put(place, *sorted(photos.rglob("*.jpg")))
    return photos


@pytest.fixture
def data_set(photo: MakePhoto, tmp_path: Path) -> Path:
    photo("set/train/cat.jpg", 0, LARGE)
    photo("set/train/dog.jpg", 1, LARGE)
    photo("set/test/cat-small.jpg", 0)
    return tmp_path / "set"


Asked = tuple[int, dict[str, Any]]


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Asked:
    """Run a command with --json; give its status and what it says, and nothing else is said."""
    capsys.readouterr()
    status = answer(["duplicates", *arguments, "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    return status, json.loads(out)


def drawn(path: str) -> int:
    """Give the width of a sheet."""
    with Image.open(io.BytesIO(Path(path).read_bytes())) as sheet:
        assert sheet.format == "JPEG"
        return sheet.width


STOP = InputError("stop", "here", "now")


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ("", DuplicatePolicy()),
        ("--similarity 0.9 --flips", DuplicatePolicy(0.9, flips=True)),
        (
            "--turns --hash dhash:4 --hash phash:6",
            DuplicatePolicy(turns=True, hashes=("dhash:4", "phash:6")),
        ),
    ],
)
@pytest.mark.parametrize(
    ("way", "verb"),
    [
        ("", "find"),
        ("photos", "in_folder"),
        ("--across splits", "find"),
        ("--across set", "across_sources"),
        ("photos --against set", "across_sources"),
        ("photos --against library", "against_library"),
    ],
)
def test_each_way_has_its_verb_and_the_policy_reaches_it(
    listed: Path, options: str, policy: DuplicatePolicy, way: str, verb: str
) -> None:
    with patch(f"curate.duplicates.{verb}", side_effect=STOP) as called:
        assert answer(["duplicates", *way.split(), *options.split()]) == EXPECTED
    assert policy in called.call_args.args


def test_sources_reach_their_verb(listed: Path) -> None:
    with patch("curate.duplicates.across_sources", side_effect=STOP) as called:
        answer(["duplicates", "--across", "a", "--across", "b"])
        assert called.call_args.args[0] == [Path("a"), Path("b")]
        answer(["duplicates", "new", "--against", "old"])
        assert called.call_args.args[0] == [Path("new"), Path("old")]


@pytest.mark.parametrize(("option", "apart"), [("--apart", True), ("--together", False)])
def test_images_are_named_by_path_or_id(listed: Path, option: str, apart: bool) -> None:
    cat, dog = listed / "cat" / "cat.jpg", listed / "dog" / "dog.jpg"
    with patch("curate.duplicates.part", return_value=True) as called:
        assert answer(["duplicates", option, "photos/cat/cat.jpg", file_id(dog)]) == 0
    assert called.call_args.args[1:] == (file_id(cat), file_id(dog))
    assert called.call_args.kwargs == {"apart": apart}


def test_settings_lie_under_options(listed: Path) -> None:
    Path("curate.toml").write_text(
        '[duplicates]\nsimilarity = 0.7\nturns = true\nhashes = []\nkeeper = ["bytes"]\n'
    )
    with patch("curate.duplicates.find", side_effect=STOP) as called:
        answer(["duplicates", "--similarity", "0.9"])
    assert called.call_args.args[1] == DuplicatePolicy(0.9, False, True, (), ("bytes",))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--similarity 0.5", ["similarity 0.5", "alike by 0.6 to 1", "Give a similarity"]),
        ("--similarity 0", ["similarity 0: near-duplicates are alike by 0.6 to 1"]),
        ("--similarity 1.01", ["similarity 1.01"]),
        ("--similarity nan", ["similarity nan"]),
        ("photos --similarity 2", ["similarity 2"]),
        ("--hash ahash:8", ["hash 'ahash'", "no known name", "phash, dhash, whash, colorhash"]),
        ("--hash phash", ["hash 'phash'", "number of bits from 0 to 20", "Give phash:8"]),
        ("--hash phash:21", ["hash 'phash:21'"]),
        ("--apart nobody.jpg photos/cat/cat.jpg", ["nobody.jpg: is neither the id", "Take one"]),
        ("--apart photos/cat/cat.jpg photos/cat/cat.jpg", ["one image", "two different"]),
        ("--against photos", ["says what to compare with, and not what", "FOLDER --against"]),
        ("--across splits --against photos", ["--across and --against", "do not go together"]),
        ("photos --across splits", ["--across and FOLDER: these do not go together"]),
        ("photos --apart a b", ["--apart and FOLDER"]),
        ("--apart a b --together a b", ["--apart and --together"]),
        ("--apart a b --csv x.csv", ["--apart and --csv"]),
        ("--together a b --flips", ["--together and --flips"]),
        ("--across set --imagededup x.json", ["--across and --imagededup"]),
        ("photos --against library --fastdup x.csv", ["--against and --fastdup"]),
        ("photos --embeddings curate.toml", ["FOLDER and --embeddings"]),
        ("--embeddings curate.toml", ["curate.toml: is not a Parquet file"]),
        ("--across splits", ["there is no split yet", "Run `curate split`"]),
        ("--across one.csv", ["one.csv: has one side only (train)", "two folders"]),
        ("--across one.csv --across one.csv", ["is a table", "one table of splits alone"]),
        ("--across photos", ["no image in a folder named for a split"]),
        ("--across nowhere.csv", ["nowhere.csv: no such file"]),
        ("nowhere", ["nowhere: no such file"]),
        ("photos --against nowhere", ["nowhere: no such file"]),
        ("photos --against photos/cat", ["photos/cat: lies in photos"]),
        ("--sheet nowhere/x.jpg", ["there is no folder nowhere"]),
        ("--imagededup nowhere/x.json", ["there is no folder nowhere"]),
        ("--fastdup nowhere/x.csv", ["there is no folder nowhere"]),
        ("photos --against library --library set", ["no library here"]),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(
    listed: Path, data_set: Path, capsys: pytest.CaptureFixture[str], options: str, said: list[str]
) -> None:
    Path("curate.toml").write_text("")
    Path("one.csv").write_text("path,split\nphotos/cat/cat.jpg,train\n")
    before = sorted(path.name for path in Path().iterdir())
    assert answer(["duplicates", *options.split()]) == 1
    err = capsys.readouterr().err
    assert err.startswith("curate: ")
    for part in said:
        assert part in err
    assert sorted(path.name for path in Path().iterdir()) == before
    with opened() as place, place.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM duplicates").scalar() in (0, 4)
        said_apart = "SELECT count(*) FROM decisions WHERE kind = 'apart'"
        assert connection.exec_driver_sql(said_apart).scalar() == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("similarity = 0.5", "duplicates.similarity: "),
        ("similarty = 0.9", "unknown key; did you mean 'similarity'?"),
        ('hashes = ["ahash:3"]', "hash 'ahash'"),
        ('keeper = ["prettiest"]', "keeper criterion 'prettiest'"),
        ('keeper = ["bytes", "bytes"]', "one is named twice"),
    ],
)
@pytest.mark.parametrize("way", ["", "photos"])
def test_a_wrong_setting_stops_it(
    listed: Path, capsys: pytest.CaptureFixture[str], line: str, said: str, way: str
) -> None:
    Path("curate.toml").write_text(f"[duplicates]\n{line}\n")
    assert answer(["duplicates", *way.split()]) == 1
    assert said in capsys.readouterr().err


def test_the_table_is_the_design_s(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = asked(
        capsys, "--csv", "d.csv", "--parquet", "d.parquet", "--sheet", "d.jpg",
        "--imagededup", "d.json", "--fastdup", "f.csv",
    )  # fmt: skip
    assert status == 0
    table = pd.read_csv("d.csv")
    assert list(table.columns[: len(DESIGN)]) == DESIGN
    assert list(pd.read_parquet("d.parquet").columns) == list(table.columns)
    assert [Path(path).name for path in table.loc[table["keeper"], "path"]] == [
        Path(row["path"]).name for row in said["rows"] if row["keeper"]
    ]
    assert (said["compared"], said["groups"], said["extra"]) == (5, 2, 2)
    (conflict,) = said["conflicts"]
    assert conflict["labels"] == "dog 1, fox 1"
    assert list(said["rows"][0]) == list(table.columns)
    deduped = json.loads(Path("d.json").read_bytes())
    assert deduped[str(library / "cat/cat.jpg")] == [str(library / "cat/cat-small.jpg")]
    assert len(deduped) == 4
    pairs = pd.read_csv("f.csv")
    assert list(pairs.columns) == ["from", "to", "distance"]
    assert set(pairs["from"]) == set(table.loc[table["keeper"], "path"])
    assert drawn("d.jpg") > 600


def test_what_people_read(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["duplicates"]) == 0
    out = capsys.readouterr().out
    assert "5 new images compared with all others" in out
    assert "2 groups of duplicates: 2 files beside the keepers" in out
    assert "photos/cat/cat.jpg  photos/cat/cat-small.jpg" in out
    assert "1 group with labels that differ, of which one is wrong:" in out
    assert "Next: curate duplicates --sheet duplicates.jpg" in out
    assert answer(["duplicates", "--sheet", "x.jpg"]) == 0
    out = capsys.readouterr().out
    assert "No new image: what was compared before is remembered" in out
    assert "Next: curate split" in out


def test_a_path_stays_on_its_line_beside_long_labels(
    photo: MakePhoto, capsys: pytest.CaptureFixture[str]
) -> None:
    klass = "valio-vanilla-yoghurt-of-the-shelf"
    for name in ("a-photo.jpg", "b-photo.jpg"):
        photo(f"photos/{klass}/{name}", 1, LARGE)
    photo(f"photos/{klass[:-1]}x/c-photo.jpg", 1)
    assert answer(["scan", "photos", "--labels", "folder"]) == 0
    assert answer(["duplicates"]) == 0
    printed = capsys.readouterr().out
    kept, *_ = (line for line in printed.splitlines() if "a-photo.jpg" in line)
    assert len(kept) <= 80
    assert "b-photo.jpg +1" in kept
    assert "valio-vanil…" in kept
    differ = printed.partition("labels that differ")[2].splitlines()
    assert any("a-photo.jpg" in line and "b-photo.jpg +1" in line for line in differ)


def test_a_person_parts_and_joins(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cat, small = (str(library / "cat" / name) for name in ("cat.jpg", "cat-small.jpg"))
    assert asked(capsys)[1]["groups"] == 2
    status, said = asked(capsys, "--apart", cat, file_id(Path(small)))
    assert (status, said["news"], said["apart"]) == (0, True, True)
    assert asked(capsys, "--apart", small, cat)[1]["news"] is False
    assert asked(capsys)[1]["groups"] == 1
    assert answer(["duplicates", "--apart", cat, small]) == 0
    assert "are no duplicates (that was said before)" in capsys.readouterr().out
    assert asked(capsys, "--together", cat, small)[1]["news"] is True
    assert asked(capsys)[1]["groups"] == 2


def test_leaks_are_status_1(
    data_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--csv", "l.csv", "--parquet", "l.parquet", "--sheet", "l.jpg"]
    status, said = asked(capsys, "--across", "set", *out)
    assert (status, said["pairs"]) == (1, 1)
    assert said["sizes"] == {"train": 2, "test": 1}
    assert said["leaking"] == {"train": 1, "test": 1}
    table = pd.read_csv("l.csv")
    assert list(table.columns[: len(PAIRS)]) == PAIRS
    assert list(table["first_side"]) == ["train"]
    assert list(pd.read_parquet("l.parquet").columns) == list(table.columns)
    assert drawn("l.jpg")
    assert not (tmp_path / ".curate").exists()
    assert answer(["duplicates", "--across", "set/train", "--across", "set/test"]) == 1
    out_text = capsys.readouterr().out
    assert "set/train 2 (1 leak), set/test 1 (1 leak)" in out_text
    assert "1 leak: pairs of alike images on different sides" in out_text


def test_a_side_is_always_said_and_a_pair_is_one_line(
    photo: MakePhoto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The side 1 stands in the name 41.jpg, and the folder train is cut off with the path's start.
    deep = "train/a-folder-with-a-name-that-is-too-long"
    for name, size in (("41.jpg", LARGE), ("40.jpg", (96, 64))):
        photo(f"pool/{deep}/{name}", 1, size)
    table = tmp_path / "splits.csv"
    for sides in (("0", "1"), ("train", "val")):
        rows = [f"pool/{deep}/{n},{side}" for n, side in zip((40, 41), sides, strict=True)]
        table.write_text("path,split\n" + "".join(row.replace(",", ".jpg,") + "\n" for row in rows))
        assert answer(["duplicates", "--across", "splits.csv"]) == 1
        (line,) = (x for x in capsys.readouterr().out.splitlines() if "40.jpg" in x)
        assert f"{sides[0]}: …" in line
        assert f"{sides[1]}: …" in line
        assert "41.jpg" in line


def test_no_leak_is_status_0(data_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data_set / "test" / "cat-small.jpg").unlink()
    (data_set / "test" / "broken.jpg").write_bytes(b"x")
    shutil.copy(data_set / "train" / "dog.jpg", data_set / "test" / "hen.jpg")
    (data_set / "train" / "dog.jpg").unlink()
    status, said = asked(capsys, "--across", "set", "--csv", "l.csv")
    assert (status, said["pairs"], said["rows"]) == (0, 0, [])
    assert len(said["failures"]) == 1
    assert list(pd.read_csv("l.csv").columns[: len(PAIRS)]) == PAIRS
    assert answer(["duplicates", "--across", "set"]) == 0
    assert "No leaks among the files that could be looked at" in capsys.readouterr().out


def test_leaks_of_the_library_s_own_split(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A split that was made before anybody looked for duplicates."""
    from tests.store.made import decide
    from tests.store.made import said as decided

    with opened() as place:
        for name, split in (("cat/cat", "train"), ("cat/cat-small", "test"), ("hen/hen", "val")):
            decide(place, decided("split", file_id(library / f"{name}.jpg"), split))
    status, said = asked(capsys, "--across", "splits", "--sheet", "l.jpg")
    assert (status, said["pairs"]) == (1, 1)
    assert (said["rows"][0]["first_side"], said["rows"][0]["second_side"]) == ("train", "test")
    assert Path("l.jpg").exists()
    cat, small = (str(library / "cat" / name) for name in ("cat.jpg", "cat-small.jpg"))
    assert answer(["duplicates", "--apart", cat, small]) == 0
    assert asked(capsys, "--across", "splits")[0] == 0


def test_a_folder_against_others(
    library: Path, photo: MakePhoto, capsys: pytest.CaptureFixture[str]
) -> None:
    photo("in box/cat.jpg", 0, (144, 96))
    photo("in box/new.jpg", 7)
    for against in ("library", "photos"):
        status, said = asked(capsys, "in box", "--against", against, "--sheet", "s.jpg")
        assert (status, said["known"], said["size"]) == (0, 1, 2)
        assert {row["first_side"] for row in said["rows"]} == {"in box"}
        assert {row["second_side"] for row in said["rows"]} == {against}
    assert answer(["duplicates", "in box", "--against", "library"]) == 0
    assert "1 of 2 files in 'in box' is in the library, or nearly so" in capsys.readouterr().out
    assert answer(["duplicates", "in box"]) == 0
    assert "Next: curate scan 'in box'" in capsys.readouterr().out


def test_names_survive(photo: MakePhoto, capsys: pytest.CaptureFixture[str]) -> None:
    names = [b"-cat.jpg", b"bad\xff.jpg", b"two\nlines.jpg"]
    os.mkdir(b"p\xfe")
    for number, name in enumerate(names):
        os.rename(photo("x.jpg", 3, (96 + 24 * number, 64 + 16 * number)), b"p\xfe/" + name)
    folder = os.fsdecode(b"p\xfe")
    outputs = ["--csv", "d.csv", "--imagededup", "d.json", "--fastdup", "f.csv", "--sheet", "d.jpg"]
    status, said = asked(capsys, folder, *outputs)
    assert status == 0
    texts = [row["path"] for row in said["rows"]]
    place = os.fsencode(Path.cwd())
    assert {paths.from_text(text) for text in texts} == {place + b"/p\xfe/" + n for n in names}
    assert list(pd.read_csv("d.csv")["path"]) == texts
    assert sorted(json.loads(Path("d.json").read_bytes())) == sorted(texts)
    assert answer(["scan", folder]) == 0
    assert asked(capsys)[1]["extra"] == 2
    bad, lines = (os.path.join(folder, os.fsdecode(name)) for name in names[1:])
    assert asked(capsys, "--apart", bad, lines)[1]["news"]
    assert asked(capsys, "--together", texts[0], texts[1])[0] == 0
    os.mkdir("q")
    os.link(b"p\xfe/-cat.jpg", "q/-cat.jpg")
    status, said = asked(capsys, "--across", folder, "--across", "q", "--csv", "l.csv")
    assert status == 1
    assert set(pd.read_csv("l.csv")["first_side"]) == {r"p\xfe"}


def test_embeddings_are_asked(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [file_id(library / name) for name in ("cat/cat.jpg", "hen/hen.jpg")]
    table = pa.table({"image_id": ids, "embedding": [[1.0, 0.0], [1.0, 0.1]]})
    pq.write_table(table, "e.parquet")
    status, said = asked(capsys, "--embeddings", "e.parquet")
    # Near by embedding and unlike to the eye: compared, and no duplicates.
    assert (status, said["groups"]) == (0, 2)


def test_nothing_is_found(photo: MakePhoto, capsys: pytest.CaptureFixture[str]) -> None:
    photo("p/a.jpg", 1)
    photo("p/b.jpg", 2)
    assert answer(["duplicates", "p", "--sheet", "s.jpg", "--fastdup", "f.csv"]) == 0
    assert "No duplicates" in capsys.readouterr().out
    assert drawn("s.jpg")
