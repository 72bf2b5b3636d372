"""What somebody wants is protected, whoever said so and whatever else is said of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from curate.store import journal, protection, queues, runs, schema
from curate.store.dialect import insert_or_replace
from curate.store.library import Library
from curate.store.protection import of_files, places

from ..cleanup.rows import group
from .made import decide, file_row, put_files, said


def reasons(library: Library, *image_ids: str) -> dict[str, str]:
    with library.reading() as connection:
        found = protection.images(connection, image_ids)
    return dict(zip(image_ids, found, strict=True))


def declare(library: Library, root: bytes) -> None:
    with runs.running(library, "scan", {}) as run, library.writing() as connection:
        row = {"path": root, "labels": "", "origin": "", "run_id": run.run_id}
        insert_or_replace(connection, schema.roots, [row])


def keep(library: Library, name: str, *image_ids: str) -> None:
    """Save a queue of images."""
    table = pd.DataFrame({"image_id": image_ids, "reason": "why", "topic": "", "recipe": "random"})
    columns = table.reindex(columns=list(queues.COLUMNS))
    with runs.running(library, "queue", {}) as run, library.writing() as connection:
        queues.save(connection, run.run_id, name, {}, columns)


@pytest.fixture(params=[0, protection.MANY], ids=["few", "many"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask one by one, and as of a million."""
    monkeypatch.setattr(protection, "MANY", request.param)


def test_a_near_duplicate_is_wanted_when_its_keeper_is_there_no_more(
    library: Library, either: None
) -> None:
    group(library, "keeper", "copy")
    assert reasons(library, "copy") == {
        "copy": "the keeper of its near-duplicates is there no more"
    }
    put_files(library, file_row(b"/p/keeper.jpg", "keeper"))
    assert reasons(library, "copy") == {"copy": ""}


def test_every_kind_of_wish_protects_and_says_so(library: Library, either: None) -> None:
    decide(
        library,
        said("label", "labelled", "kudu", actor="scan"),
        said("label", "unknown", "unknown"),
        said("label", "both", "kudu"),
        said("reject", "both", "by ann"),
        said("split", "placed", "train", actor="split"),
        said("split", "frozen", "benchmark", actor="split"),
        said("apart", "twin", "apart", field="other", actor="person"),
        said("origin", "told", "staged"),
        said("group", "child", "parent", field="parent", detail={"values": ["parent", "mother"]}),
        said("reject", "rejected", "by ann"),
        said("origin", "bulk", "staged", actor="scan"),
        said("group", "burst", "b7", field="burst", actor="scan"),
    )
    keep(library, "monday", "waiting")
    group(library, "keeper", "copy")
    put_files(library, file_row(b"/p/keeper.jpg", "keeper"))

    assert reasons(library, "labelled", "unknown", "both") == {
        "labelled": "labelled kudu",
        "unknown": "labelled unknown",
        "both": "labelled kudu",
    }
    assert reasons(library, "placed", "frozen", "waiting", "keeper") == {
        "placed": "in the split: train",
        "frozen": "in the benchmark",
        "waiting": "in the saved queue monday",
        "keeper": "the keeper of its near-duplicates",
    }
    assert reasons(library, "twin", "told", "parent", "mother") == {
        "twin": "person said that it is no duplicate",
        "told": "ann said where it comes from",
        "parent": "images were made of it",
        "mother": "images were made of it",
    }
    free = ("rejected", "bulk", "burst", "copy", "nobody knows it")
    assert reasons(library, *free) == dict.fromkeys(free, "")


def test_what_was_taken_back_protects_no_longer(library: Library, either: None) -> None:
    decide(
        library,
        said("label", "a", "kudu"),
        said("label", "a", ""),
        said("split", "a", "train", actor="split"),
        said("split", "a", "", actor="split"),
        said("apart", "a", "apart", field="b"),
        said("apart", "a", "", field="b"),
    )
    assert reasons(library, "a") == {"a": ""}


def test_one_word_of_several_is_enough(library: Library) -> None:
    decide(
        library,
        said("apart", "a", "apart", field="b"),
        said("apart", "a", "apart", field="c"),
        said("apart", "a", "", field="c"),
    )
    assert reasons(library, "a")["a"]


def test_reasons_come_in_the_order_asked(library: Library) -> None:
    decide(library, said("label", "b", "kudu"))
    with library.reading() as connection:
        found = protection.images(connection, ["c", "b", "a", "b"])
    assert list(found.index) == ["c", "b", "a", "b"]
    assert list(found) == ["", "labelled kudu", "", "labelled kudu"]


def test_only_files_below_what_was_scanned_may_be_moved() -> None:
    found = [
        b"/pool/a.jpg",
        b"/pool",
        b"/pools/a.jpg",
        b"/other/a.jpg",
        b"/pool/x.tar//a.jpg",
        b"s3://bucket/pool/a.jpg",
        b"s3://bucket/pool/x.zip//a.jpg",
        b"/pool/.curate/a.jpg",
    ]
    told = places(found, [b"/pool", b"s3://bucket/pool/"])
    outside, archive = (
        "it lies outside the folders that were scanned",
        "it is a member of an archive",
    )
    own = "it lies in a library's own folder"
    assert told == ["", "", outside, outside, archive, "", archive, own]


def test_the_files_of_images_come_with_the_first_reason(library: Library, either: None) -> None:
    put_files(
        library,
        file_row(b"/pool/2.jpg", "a", bytes=7),
        file_row(b"/pool/1.jpg", "a", bytes=7),
        file_row(b"/else/3.jpg", "a", bytes=7),
        file_row(b"/pool/4.jpg", "b"),
        file_row(b"/pool/5.jpg", "c"),
        file_row(b"/pool/6.jpg", "d", status="gone"),
    )
    declare(library, b"/pool")
    decide(library, said("label", "b", "kudu"))
    found = of_files(library, ["a", "b", "d"])

    outside = "it lies outside the folders that were scanned"
    assert found[["path", "image_id", "protected"]].to_numpy().tolist() == [
        ["/else/3.jpg", "a", outside],
        ["/pool/1.jpg", "a", ""],
        ["/pool/2.jpg", "a", ""],
        ["/pool/4.jpg", "b", "labelled kudu"],
    ]
    assert found["bytes"].to_list() == [7, 7, 7, 100]
    assert of_files(library, []).empty


def test_what_was_put_back_stays_until_somebody_rejects_it(library: Library) -> None:
    put_files(library, file_row(b"/pool/a.jpg", "a"), file_row(b"/pool/b.jpg", "b"))
    declare(library, b"/pool")
    with runs.running(library, "cleanup", {}) as run, library.writing() as connection:
        leaving = [journal.Leaving(b"/pool/a.jpg", "a", 100, "blank", "shows nothing")]
        (item,) = journal.begin(connection, run.run_id, leaving, lambda item, file: b"place")
        events = [(item.item, event, "") for event in ("moved", "restoring", "restored")]
        journal.add(connection, run.run_id, events)
    told = of_files(library, ["a", "b"]).set_index("image_id")["protected"]
    assert told.to_dict() == {"a": "somebody put it back from quarantine", "b": ""}

    decide(library, said("reject", "a", "by ann"))
    assert of_files(library, ["a"])["protected"].to_list() == [""]


def test_a_folder_that_is_gone_or_empty_is_absent_where_files_are_known(
    library: Library, tmp_path: Path
) -> None:
    full, empty, gone, unused = (tmp_path / name for name in ("full", "empty", "gone", "unused"))
    for folder in (full, empty, unused):
        folder.mkdir()
    (full / "a.jpg").write_bytes(b"a")
    for folder in (full, empty, gone, unused, tmp_path / "never"):
        declare(library, bytes(folder))
    declare(library, b"s3://bucket/pool")
    rows = [file_row(bytes(folder / "a.jpg"), "a") for folder in (full, empty, gone)]
    put_files(library, *rows, file_row(b"s3://bucket/pool/a.jpg", "a"))
    with library.reading() as connection:
        found = protection.absent(connection)
    assert found == {str(empty): "is empty", str(gone): "is not there"}
