"""A scan brings the library up to date with a folder, and reads only what it has to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import FaultsError, InputError
from curate.core.paths import to_text
from curate.store import files
from curate.store.library import Library

from ..conftest import MakePhoto
from .seen import Counted, facts_of, labels_of, looks_of, scanned


def test_a_pool_has_no_labels(library: Library, photos: Path) -> None:
    found = scanned(library, photos)
    assert found.table["status"].tolist() == ["ok"] * 4
    assert found.counts["files"] == found.counts["read"] == found.counts["images"] == 4
    assert found.counts["decisions"] == 0
    assert labels_of(library) == {}
    assert set(facts_of(library)["origin"]) == {"real"}


def test_labels_come_from_folders_and_sub_classes_from_theirs(
    library: Library, photos: Path
) -> None:
    found = scanned(library, photos, labels="folder")
    assert found.counts["decisions"] == 3
    assert labels_of(library) == {
        "photos/cat/1.jpg": "cat",
        "photos/cat/kitten/2.jpg": "cat",
        "photos/dog/3.jpg": "dog",
    }
    assert facts_of(library)["sub_class"].dropna().to_dict() == {
        "photos/cat/kitten/2.jpg": "kitten"
    }


@pytest.mark.parametrize("origin", ["staged", "real"])
@pytest.mark.parametrize("labels", ["", "folder"])
def test_the_origin_is_said_for_all_of_a_folder(
    library: Library, photos: Path, origin: str, labels: str
) -> None:
    shutil.move(photos / "4.jpg", f"{photos}/dog/\udcff.jpg")
    scanned(library, photos, origin=origin, labels=labels)
    assert set(facts_of(library)["origin"]) == {origin}
    assert scanned(library, photos, origin=origin, labels=labels).counts["decisions"] == 0
    assert scanned(library, photos).counts["decisions"] == 0


def test_the_origin_holds_in_folders_that_cannot_name_a_class(
    library: Library, photos: Path
) -> None:
    shutil.move(photos / "dog", f"{photos}/\udcff")
    scanned(library, photos, origin="staged")
    assert set(facts_of(library)["origin"]) == {"staged"}


def test_a_second_scan_reads_and_decides_nothing(
    library: Library, photos: Path, read_files: Counted
) -> None:
    first = scanned(library, photos, labels="folder")
    assert len(read_files()) == 4
    again = scanned(library, photos, labels="folder")
    assert read_files() == []
    assert again.counts["read"] == again.counts["decisions"] == again.counts["gone"] == 0
    assert again.counts["unchanged"] == 4
    pd.testing.assert_frame_equal(first.table, again.table)


def test_what_is_new_touched_or_changed_is_read(
    library: Library, photos: Path, photo: MakePhoto, read_files: Counted
) -> None:
    scanned(library, photos, labels="folder")
    read_files()
    os.utime(photos / "cat/1.jpg", ns=(1, 1))
    photo("photos/dog/3.jpg", 33)
    photo("photos/dog/new.jpg", 34)
    found = scanned(library, photos, labels="folder")
    assert read_files() == [b"1.jpg", b"3.jpg", b"new.jpg"]
    assert found.counts["decisions"] == 2  # the two contents that are new
    assert labels_of(library)["photos/cat/1.jpg"] == "cat"
    # What was in 3.jpg is an image without a file now; its label is kept.
    lost = facts_of(library).loc[[""]]
    assert (lost["label"].item(), lost["usable"].item()) == ("dog", False)


def test_a_file_that_is_replaced_with_the_same_size_and_time_is_read(
    library: Library, photos: Path, read_files: Counted
) -> None:
    scanned(library, photos)
    read_files()
    path = photos / "4.jpg"
    status = path.stat()
    data = path.read_bytes()
    path.rename(photos / "old")
    path.write_bytes(data[:-10] + b"x" * 8 + data[-2:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (photos / "old").unlink()
    scanned(library, photos)
    assert read_files() == [b"4.jpg"]


def test_a_moved_file_is_the_image_it_was(library: Library, photos: Path) -> None:
    scanned(library, photos, labels="folder")
    shutil.move(photos / "cat/1.jpg", photos / "1 moved.jpg")
    found = scanned(library, photos, labels="folder")
    assert (found.counts["gone"], found.counts["decisions"], len(found.conflicts)) == (1, 0, 0)
    assert labels_of(library)["photos/1 moved.jpg"] == "cat"
    assert len(looks_of(library)) == 4


def test_a_file_moved_to_another_class_keeps_its_label_and_is_reported(
    library: Library, photos: Path
) -> None:
    scanned(library, photos, labels="folder")
    shutil.move(photos / "cat/1.jpg", photos / "dog/1.jpg")
    for _ in range(2):
        found = scanned(library, photos, labels="folder")
        assert labels_of(library)["photos/dog/1.jpg"] == "cat"
        (conflict,) = found.conflicts.to_dict("records")
        assert conflict["path"] == str(photos / "dog/1.jpg")
        assert (conflict["label"], conflict["stated"]) == ("cat", "dog")
        assert "another class's folder" in conflict["reason"]
        assert found.counts["conflicts"] == 1
    shutil.move(photos / "dog/1.jpg", photos / "cat/1.jpg")
    assert len(scanned(library, photos, labels="folder").conflicts) == 0


def test_copies_are_one_image(library: Library, photos: Path) -> None:
    shutil.copy(photos / "cat/1.jpg", photos / "cat/copy.jpg")
    (photos / "cat/link.jpg").hardlink_to(photos / "cat/1.jpg")
    found = scanned(library, photos, labels="folder")
    assert (found.counts["files"], found.counts["images"]) == (6, 4)
    assert found.counts["decisions"] == 3
    assert len(found.conflicts) == 0
    assert len(looks_of(library)) == 4
    shutil.copy(photos / "cat/1.jpg", photos / "cat/later.jpg")
    assert scanned(library, photos, labels="folder").counts["images"] == 4
    assert len(looks_of(library)) == 4


def test_twins_under_two_labels_are_reported_and_the_first_stays(
    library: Library, photos: Path
) -> None:
    shutil.copy(photos / "cat/1.jpg", photos / "dog/1.jpg")
    for _ in range(2):
        (conflict,) = scanned(library, photos, labels="folder").conflicts.to_dict("records")
        assert conflict["path"] == str(photos / "dog/1.jpg")
        assert (conflict["label"], conflict["stated"]) == ("cat", "dog")
        assert "same content" in conflict["reason"]


def test_a_deleted_file_is_gone_and_its_label_waits(library: Library, photos: Path) -> None:
    scanned(library, photos, labels="folder")
    data = (photos / "cat/1.jpg").read_bytes()
    (photos / "cat/1.jpg").unlink()
    found = scanned(library, photos)
    assert (found.counts["gone"], len(found.table)) == (1, 3)
    assert scanned(library, photos).counts["gone"] == 0
    (photos / "back.jpg").write_bytes(data)
    scanned(library, photos)
    assert labels_of(library)["photos/back.jpg"] == "cat"


def test_scanning_one_folder_says_nothing_of_another(
    library: Library, photos: Path, photo: MakePhoto
) -> None:
    photo("photos2/5.jpg", 5)
    scanned(library, photos)
    scanned(library, "photos2")
    shutil.rmtree(photos)
    photos.mkdir()
    with pytest.raises(InputError):
        scanned(library, photos)
    scanned(library, "photos2")
    with library.reading() as connection:
        assert len(files.table(connection)) == 5


def test_one_file_can_be_scanned(library: Library, photos: Path) -> None:
    scanned(library, photos)
    found = scanned(library, photos / "4.jpg", labels="folder")
    assert (found.counts["files"], found.counts["gone"], found.counts["decisions"]) == (1, 0, 0)


def test_a_folder_that_cannot_be_listed_is_reported_and_nothing_in_it_is_gone(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned(library, photos, labels="folder")
    real = os.scandir

    def closed(folder: bytes) -> object:
        if os.fsencode(folder).endswith(b"/cat"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", closed)
    found = scanned(library, photos, labels="folder")
    assert found.unlisted == [f"{photos}/cat: permission denied"]
    assert (found.counts["files"], found.counts["gone"]) == (2, 0)
    assert facts_of(library)["usable"].all()


def test_failures_are_rows_and_are_not_tried_again(
    library: Library, photos: Path, read_files: Counted
) -> None:
    (photos / "cat/broken.jpg").write_bytes((photos / "cat/1.jpg").read_bytes()[:500])
    (photos / "cat/empty.jpg").write_bytes(b"")
    (photos / "cat/notes.txt").write_bytes(b"text")
    found = scanned(library, photos, labels="folder")
    failed = found.table[found.table["status"] == "failed"]
    assert failed["reason"].str.partition(":")[0].tolist() == ["decode"] * 3
    assert failed["image_id"].isna().all()
    assert found.counts["failed"] == 3
    read_files()
    again = scanned(library, photos, labels="folder")
    assert read_files() == []
    assert again.counts["failed"] == 3
    (photos / "cat/empty.jpg").write_bytes((photos / "4.jpg").read_bytes())
    assert scanned(library, photos).counts["failed"] == 2
    assert read_files() == [b"empty.jpg"]


def test_a_file_that_could_not_be_read_is_tried_again(
    library: Library, photos: Path, read_files: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from curate.core import files as core_files

    real = core_files.read

    def refuse(path: bytes) -> bytes:
        if path.endswith(b"4.jpg"):
            raise core_files.NotReadable("input/output error")
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(core_files, "read", refuse)
        found = scanned(library, photos)
    assert found.table["reason"].tolist()[0] == "read: input/output error"
    read_files()
    assert scanned(library, photos).counts["failed"] == 0
    assert read_files() == [b"4.jpg"]


def test_what_is_not_followed_is_counted(library: Library, photos: Path) -> None:
    (photos / "loop").symlink_to(photos)
    (photos / "dangling.jpg").symlink_to("nowhere")
    os.mkfifo(photos / "pipe.jpg")
    found = scanned(library, photos)
    assert (found.counts["files"], found.counts["links"], found.counts["special"]) == (4, 2, 1)


def test_a_library_inside_the_folder_is_not_scanned(library: Library, photos: Path) -> None:
    found = scanned(library, library.root)
    assert found.counts["files"] == 4
    assert not found.table["path"].str.contains(".curate", regex=False).any()


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.jpg", b"new\nline.jpg", b"n" * 251 + b".jpg", b"a\\x41.jpg", b"-rf.jpg"]
)
def test_any_name_survives(library: Library, photos: Path, name: bytes) -> None:
    shutil.move(photos / "4.jpg", photos / "dog" / os.fsdecode(name))
    scanned(library, photos, labels="folder")
    assert labels_of(library)[f"photos/dog/{to_text(name)}"] == "dog"
    assert scanned(library, photos, labels="folder").counts["read"] == 0


def test_bad_folder_names_come_together_and_change_nothing(
    library: Library, photos: Path, photo: MakePhoto
) -> None:
    for number, folder in enumerate(
        ("con", " x", "e\u0301", "Cat", "Unknown", "cat/nul", "\udcff")
    ):
        photo(f"photos/{folder}/{number}.jpg", number)
    with pytest.raises(FaultsError) as caught:
        scanned(library, photos, labels="folder")
    said = "\n".join(caught.value.faults)
    assert len(caught.value.faults) == 7
    for part in ("'con'", "' x'", "NFC", "'cat' differs from 'Cat'", "'Unknown'", "'nul'", "UTF-8"):
        assert part in said
    assert facts_of(library).empty
    # A pool does not mind.
    assert scanned(library, photos).counts["files"] == 11


def test_a_class_that_could_be_mistaken_for_a_known_one_is_refused(
    library: Library, photos: Path, photo: MakePhoto
) -> None:
    scanned(library, photos, labels="folder")
    photo("more/Dog/9.jpg", 9)
    with pytest.raises(FaultsError, match="class 'Dog' differs from 'dog' only in case"):
        scanned(library, "more", labels="folder")


def test_deeper_folders_belong_to_the_first_two(library: Library, photo: MakePhoto) -> None:
    photo("photos/cat/kitten/2024/may/1.jpg", 1)
    scanned(library, "photos", labels="folder")
    row = facts_of(library).iloc[0]
    assert (row["label"], row["sub_class"]) == ("cat", "kitten")


@pytest.mark.parametrize(
    ("root", "options", "said"),
    [
        ("nowhere", {}, "nowhere: no such file or directory"),
        ("empty", {}, "there is no file in it"),
        ("photos", {"origin": "fake"}, "origin 'fake'"),
        ("photos", {"labels": "m.csv"}, "m.csv: no such file"),
        ("photos", {"labels": "folders"}, "folders: is not a manifest"),
    ],
)
def test_bad_input_changes_nothing(
    library: Library, photos: Path, root: str, options: dict[str, str], said: str
) -> None:
    (photos.parent / "empty").mkdir()
    before = (library.folder / "library.db").read_bytes()
    with pytest.raises(InputError, match=said):
        scanned(library, root, **options)
    assert (library.folder / "library.db").read_bytes() == before
    assert not (library.folder / "tables").exists()
