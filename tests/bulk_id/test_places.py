"""Archives, patterns, manifests and buckets give the rows of the folder that they were made of."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import webdataset
from PIL import Image

from curate.cli.main import answer
from curate.core.identity import image_id
from curate.store.check import faults
from curate.store.library import Library, opened

from ..pictures import encoded, picture
from .made import checkpoint, identified, photos, saved

CHANGED = "deeper/004.jpg"
BROKEN = "deeper/broken.jpg"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(checkpoint(), tmp_path / "ckpt.pt")


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, bytes]:
    """Nine photos in two folders, one of them twice, and one that is cut off."""
    photos(tmp_path / "folder", 4)
    photos(tmp_path / "folder/deeper", 5, first=4)
    (tmp_path / "folder/copy.jpg").write_bytes((tmp_path / "folder/001.jpg").read_bytes())
    (tmp_path / "folder" / BROKEN).write_bytes(b"\xff\xd8\xff\xe0 cut off")
    found = sorted((tmp_path / "folder").rglob("*.jpg"))
    return {str(path.relative_to(tmp_path / "folder")): path.read_bytes() for path in found}


def tar(contents: dict[str, bytes]) -> str:
    with tarfile.open("made.tar", "w") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    return "made.tar"


def of_webdataset(contents: dict[str, bytes]) -> str:
    """Write a shard, each image with its class and a description beside it."""
    with webdataset.TarWriter("shard.tar") as writer:
        for name, content in contents.items():
            key = name.removesuffix(".jpg")
            writer.write({"__key__": key, "jpg": content, "cls": 3, "json": {"of": key}})
    return "shard.tar"


def zipped(contents: dict[str, bytes]) -> str:
    with zipfile.ZipFile("made.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return "made.zip"


def in_folder(contents: dict[str, bytes]) -> str:
    """Write what differs from what is there."""
    for name, content in contents.items():
        path = Path("pool", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    return "pool"


def pattern(contents: dict[str, bytes]) -> str:
    in_folder({**contents, "notes.txt": b"not asked for"})
    return "pool/**/*.jpg"


def manifest(contents: dict[str, bytes]) -> str:
    in_folder({**contents, "unnamed.jpg": b"not asked for"})
    Path("list.csv").write_text("path\n" + "".join(f"pool/{name}\n" for name in contents))
    return "list.csv"


LOCAL: dict[str, Callable[[dict[str, bytes]], str]] = {
    "tar": tar,
    "webdataset": of_webdataset,
    "zip": zipped,
    "glob": pattern,
    "manifest": manifest,
}
ARCHIVES = ("tar", "webdataset", "zip")


def by_name(table: pd.DataFrame, contents: dict[str, bytes]) -> pd.DataFrame:
    """Lay a table out by the names of the contents, each of which ends one path."""
    names = {path: name for path in table["path"] for name in contents if path.endswith(f"/{name}")}
    assert len(table) == len(contents)
    return table.assign(path=table["path"].map(names)).set_index("path").sort_index()


@pytest.fixture
def expected(tmp_path: Path, model: Path, contents: dict[str, bytes]) -> pd.DataFrame:
    """The rows of the folder itself, by name."""
    with opened(tmp_path / "plain", make=True) as plain:
        return by_name(identified(plain, model, [tmp_path / "folder"]).table, contents)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Library]:
    with opened(tmp_path / "other", make=True) as place:
        yield place


@pytest.mark.parametrize("engine_name", ["serial", "processes"])
@pytest.mark.parametrize("kind", LOCAL)
def test_the_rows_of_the_folder(
    other: Library,
    model: Path,
    contents: dict[str, bytes],
    expected: pd.DataFrame,
    kind: str,
    engine_name: str,
) -> None:
    place = LOCAL[kind](contents)
    found = identified(other, model, [Path(place)], engine_name=engine_name)
    same(found.table, contents, expected)
    again = identified(other, model, [Path(place)], engine_name=engine_name)
    assert (found.counts["computed"], again.counts["computed"]) == (len(contents), 0)
    pd.testing.assert_frame_equal(found.table, again.table)

    # A tar tells no member's time: where it has changed, all of it is looked at again.
    new = {**contents, CHANGED: encoded(picture(99, (48, 40)), "JPEG")}
    LOCAL[kind](new)
    after = identified(other, model, [Path(place)], engine_name=engine_name)
    assert after.counts["computed"] == (len(contents) if kind in ARCHIVES else 1)
    changed_alone(after.table, new, expected)
    assert faults(other) == []


def same(table: pd.DataFrame, contents: dict[str, bytes], expected: pd.DataFrame) -> None:
    """Compare with the folder's rows, and with the contents themselves."""
    found = by_name(table, contents)
    pd.testing.assert_frame_equal(found, expected, atol=1e-6)
    fine = found[found["status"] == "ok"]
    assert sorted(set(contents) - set(fine.index)) == [BROKEN]
    assert fine["image_id"].to_dict() == {name: image_id(contents[name]) for name in fine.index}


def changed_alone(table: pd.DataFrame, new: dict[str, bytes], expected: pd.DataFrame) -> None:
    """One row is of the new content, and every other one as it was."""
    found = by_name(table, new)
    assert found.loc[CHANGED, "image_id"] == image_id(new[CHANGED])
    assert found["energy"][CHANGED] != expected["energy"][CHANGED]
    pd.testing.assert_frame_equal(found.drop(CHANGED), expected.drop(CHANGED), atol=1e-6)


@pytest.mark.parametrize("engine_name", ["serial", "processes"])
def test_a_bucket_with_an_archive_in_it(
    other: Library,
    bucket: Any,
    model: Path,
    contents: dict[str, bytes],
    expected: pd.DataFrame,
    engine_name: str,
) -> None:
    inside = {name: content for name, content in contents.items() if "/" in name}

    def put(some: dict[str, bytes]) -> None:
        for name, content in some.items():
            bucket.put_object(Key=f"pool/{name}", Body=content)

    put({name: contents[name] for name in contents.keys() - inside.keys()})
    put({"x.tar": Path(tar(inside)).read_bytes()})
    url = f"s3://{bucket.name}/pool"
    found = identified(other, model, [url], engine_name=engine_name)
    same(found.table.assign(path=by_bucket(found.table)), contents, expected)
    assert identified(other, model, [url], engine_name=engine_name).counts["computed"] == 0

    new = {**contents, "001.jpg": encoded(picture(99, (48, 40)), "JPEG")}
    put({"001.jpg": new["001.jpg"]})
    after = identified(other, model, [url], engine_name=engine_name)
    assert after.counts["computed"] == 1
    rows = by_name(after.table.assign(path=by_bucket(after.table)), new)
    assert rows.loc["001.jpg", "image_id"] == image_id(new["001.jpg"])
    pd.testing.assert_frame_equal(rows.drop("001.jpg"), expected.drop("001.jpg"), atol=1e-6)
    assert faults(other) == []


def by_bucket(table: pd.DataFrame) -> pd.Series[str]:
    return table["path"].str.replace("/x.tar//", "/", regex=False)


def test_places_together_meet_each_file_once(
    other: Library, model: Path, contents: dict[str, bytes], expected: pd.DataFrame
) -> None:
    in_folder(contents)
    places = [Path(LOCAL[kind](contents)) for kind in ("manifest", "glob", "tar", "zip")]
    (Path("pool") / "unnamed.jpg").unlink()
    table = identified(other, model, [*places, Path("pool/001.jpg")]).table
    for part in (".tar//", ".zip//"):
        inside = table["path"].str.contains(part, regex=False)
        same(table[inside], contents, expected)
        table = table[~inside]
    same(table, contents, expected)


def test_a_queue_shows_members_on_its_sheet(model: Path, contents: dict[str, bytes]) -> None:
    place = tar(contents)
    assert answer(["bulk-id", place, "--model", str(model), "--device", "cpu"]) == 0
    asked = ["queue", "low-score", "--csv", "queue.csv", "--sheet", "sheet.jpg"]
    assert answer([*asked, "--json"]) == 0
    queue = pd.read_csv("queue.csv")
    # Two files of one content are one question, and what cannot be opened is none.
    assert len(queue) == len(contents) - 2
    assert queue["path"].str.contains("made.tar//", regex=False).all()
    assert set(queue["image_id"]) <= {image_id(content) for content in contents.values()}
    shown = in_colour(Path("sheet.jpg"))
    Path(place).unlink()
    assert answer(asked) == 0
    # The places of photos that cannot be read are grey.
    assert shown > 0.01
    assert in_colour(Path("sheet.jpg")) < shown / 10


def in_colour(sheet: Path) -> float:
    """Measure which share of a picture is not grey."""
    with Image.open(sheet) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return float(np.mean(np.ptp(pixels, axis=2) > 40))


def test_what_is_odd_of_an_archive_is_said(library: Library, tmp_path: Path, model: Path) -> None:
    (one, two) = photos(tmp_path / "photos", 2)
    with tarfile.open(tmp_path / "twice.tar", "w") as archive:
        for path in (one, two):
            archive.add(path, "same.jpg")
        archive.add(one, "same.json")
    found = identified(library, model, [tmp_path / "twice.tar"])
    assert (found.counts["found"], found.counts["sidecars"]) == (1, 1)
    (note,) = found.notes
    assert "more than once" in note
