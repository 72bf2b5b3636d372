"""Folders of pictures, and what comes back of their names."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from curate.core.errors import FaultsError, InputError
from curate.core.identity import image_id
from curate.formats import incoming, pictures
from tests.conftest import MakePhoto
from tests.formats.exchanged import id_of, ignore, outgoing, row


def test_what_lies_in_an_archive_is_copied(tmp_path: Path, photo: MakePhoto) -> None:
    """There is nothing that a link could lead to."""
    file = photo("a.jpg")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(file, "in/a.jpg")
    known = image_id(file.read_bytes())
    table = outgoing([row(1, image_id=known, path=f"{tmp_path}/x.tar//in/a.jpg")]).table
    (tmp_path / "out").mkdir()
    assert pictures.place(table, tmp_path / "out", False, ignore) == [f"a-{known}.jpg"]
    assert (tmp_path / "out" / f"a-{known}.jpg").read_bytes() == file.read_bytes()


def test_pictures_of_one_name_keep_apart(tmp_path: Path, photo: MakePhoto) -> None:
    rows = [row(n, path=str(photo(f"{n}/a.jpg", seed=n))) for n in range(3)]
    (tmp_path / "out").mkdir()
    names = pictures.place(outgoing(rows).table, tmp_path / "out", False, ignore)
    assert len(set(names)) == 3
    assert [incoming.id_in(name) for name in names] == [id_of(n) for n in range(3)]


@pytest.mark.parametrize("copy", [False, True])
def test_a_name_without_a_suffix_gets_that_of_its_format(
    tmp_path: Path, photo: MakePhoto, copy: bool
) -> None:
    """Others pass by what has none, and take what is behind another dot for one."""
    rows = []
    for n, kind in enumerate((".jpg", ".png", ".jpg")):
        file = photo(f"{n}{kind}", n).rename(tmp_path / f"IMG.{n}")
        rows.append(row(n, path=str(file), image_id=image_id(file.read_bytes())))
    (tmp_path / "out").mkdir()
    names = pictures.place(outgoing(rows).table, tmp_path / "out", copy, ignore)
    ends = [name.removeprefix(f"IMG.{n}-{rows[n]['image_id']}") for n, name in enumerate(names)]
    assert ends == [".jpg", ".png", ".jpg"]
    assert sorted(names) == sorted(os.listdir(tmp_path / "out"))


def test_what_is_no_picture_gets_no_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no picture")
    with pytest.raises(FaultsError, match="not an image of an accepted format"):
        pictures.place(outgoing([row(1, path=f"{tmp_path}/a")]).table, tmp_path, False, ignore)


def test_what_a_server_is_asked_stays_out_of_names() -> None:
    assert pictures.named("https://host/a.jpg?sig=x/y.png", id_of(1)) == f"a-{id_of(1)}.jpg"
    assert pictures.named("s3://b/what?.jpg", id_of(1)) == f"what_-{id_of(1)}.jpg"


def test_characters_that_the_other_tool_does_not_read(tmp_path: Path, photo: MakePhoto) -> None:
    table = outgoing([row(1, path=str(photo("a,b;c.jpg")))]).table
    (tmp_path / "out").mkdir()
    [name] = pictures.place(table, tmp_path / "out", False, ignore, without=",;")
    assert name == f"a_b_c-{id_of(1)}.jpg"


def test_a_name_that_is_no_text(tmp_path: Path, photo: MakePhoto) -> None:
    odd = os.fsencode(photo("a.jpg").parent) + b"/\xff.jpg"
    os.rename(tmp_path / "a.jpg", odd)
    (tmp_path / "out").mkdir()
    table = outgoing([row(1, path=f"{tmp_path}/\\xff.jpg")]).table
    [name] = pictures.place(table, tmp_path / "out", False, ignore)
    assert os.readlink(os.fsencode(tmp_path / "out" / name)) == odd


def test_all_that_is_gone_is_named(tmp_path: Path) -> None:
    table = outgoing([row(n, path=f"/gone/{n}.jpg") for n in range(3)]).table
    with pytest.raises(FaultsError) as caught:
        pictures.place(table, tmp_path, False, ignore)
    assert len(caught.value.faults) == 3


def test_a_folder_that_is_empty_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    pictures.write_folder(tmp_path / "out", lambda part: (part / "a").touch())
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="is there already"):
        pictures.write_folder(tmp_path / "out", lambda part: None)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (f"a-{id_of(1)}.jpg", id_of(1)),
        (f"a-{id_of(1)}_jpg.rf.{id_of(2)}.jpg", id_of(1)),
        (f"a-{id_of(2)}-{id_of(1)}", id_of(1)),
        (f"{id_of(1)}.jpg", ""),
        (f"a-{id_of(1)[:-1]}.jpg", ""),
        (f"a-{id_of(1)}f.jpg", ""),
        ("a.jpg", ""),
    ],
)
def test_ids_in_names(name: str, found: str) -> None:
    assert incoming.id_in(name) == found


@pytest.mark.parametrize("value", [None, "0.5", True, float("nan"), float("inf"), -0.1, 1.1, [1]])
def test_what_is_no_score(value: object) -> None:
    assert incoming.score_of(value) is None


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_what_is_a_score(value: float) -> None:
    assert incoming.score_of(value) == value


def test_an_answer_given_twice_is_one(tmp_path: Path) -> None:
    gathered = incoming.Gathered(tmp_path)
    for place, label in (("one", "cat"), ("two", "cat"), ("three", "dog")):
        gathered.answer(place, "a.jpg", "", label)
    assert list(gathered.incoming().answers["place"]) == ["one", "three"]
