"""Object stores: a copy by the server, looked at, then a delete; on a real S3 server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from curate.cleanup.applying import apply
from curate.cleanup.moving import bucket as moving
from curate.cleanup.plans import PLAN_COLUMNS, Plan, digest, typed
from curate.cleanup.purging import purge
from curate.cleanup.restoring import restore
from curate.core import remote
from curate.core.errors import LibraryError
from curate.core.files import NotReadable, Walked
from curate.core.identity import Content, image_id
from curate.core.listing import listed
from curate.store import check, files, journal
from curate.store.dialect import insert_or_replace
from curate.store.files import FileRow
from curate.store.library import Library
from curate.store.runs import running
from curate.store.schema import roots
from tests.cleanup.moved import LABELLED, items, label

CONTENTS = {"a.jpg": b"a", "in/é b.jpg": b"bb", "in/c.jpg": b"", "kept.jpg": LABELLED}


@pytest.fixture
def plan(library: Library, bucket: Any) -> Plan:
    """Know a bucket of four files; plan that three go."""
    for key, content in CONTENTS.items():
        bucket.put_object(Key=f"p/{key}", Body=content)
    root = f"s3://{bucket.name}/p"
    place, found = listed(root, Walked())
    by_path = {f"{root}/{key}".encode(): content for key, content in CONTENTS.items()}
    seen = [FileRow.read(entry, image_id(by_path[entry.path]), "") for entry in found]
    contents = [Content(image_id(c), len(c), 1, 1, "JPEG", None) for c in CONTENTS.values()]
    with running(library, "scan", {}) as run, library.writing() as connection:
        files.register(connection, run.run_id, seen, contents)
        at = {"path": place, "labels": "", "origin": "", "run_id": run.run_id}
        insert_or_replace(connection, roots, [at])
    label(library, LABELLED)
    rows = [
        (image_id(content), path.decode(), "blank", "shows nothing", None, len(content), None)
        for path, content in by_path.items()
        if content != LABELLED
    ]
    table = typed(pd.DataFrame(rows, columns=list(PLAN_COLUMNS)))
    (library.root / "curate.toml").write_text("[cleanup]\nmax_share = 1.0\n")
    return Plan(table, "", 0, digest(table))


def lying(bucket: Any) -> dict[str, bytes]:
    found = {one.key: one.get()["Body"].read() for one in bucket.objects.all()}
    return {key: content for key, content in found.items() if "WHAT-LIES-HERE" not in key}


def test_files_go_beside_their_root_and_come_back(
    library: Library, bucket: Any, plan: Plan
) -> None:
    before = lying(bucket)
    told = apply(library, plan)
    assert told.counts["moved"] == 3
    now = lying(bucket)
    assert sorted(now.values()) == sorted(before.values())
    start = f"p/.curate/quarantine/run-{told.run_id:06}/000000/"
    assert [key for key in now if not key.startswith(start)] == ["p/kept.jpg"]
    # A scan does not enter it.
    assert [e.path for e in listed(f"s3://{bucket.name}/p", Walked())[1]] == [
        f"s3://{bucket.name}/p/kept.jpg".encode()
    ]
    notes = [o.get()["Body"].read() for o in bucket.objects.all() if "WHAT-LIES" in o.key]
    assert len(notes) == 1
    assert "in/é b.jpg".encode() in notes[0]
    assert check.faults(library) == []
    assert restore(library).counts["restored"] == 3
    assert lying(bucket) == before
    assert check.faults(library) == []


def test_what_changed_stays_and_nothing_is_overwritten(
    library: Library, bucket: Any, plan: Plan
) -> None:
    bucket.put_object(Key="p/a.jpg", Body=b"z")
    bucket.Object("p/in/c.jpg").delete()
    told = apply(library, plan)
    assert told.counts["moved"] == 1
    assert sorted(told.reasons) == [
        "changed since the plan: it has another content",
        "changed since the plan: it is not there any more",
    ]
    bucket.put_object(Key="p/in/é b.jpg", Body=b"new")
    assert restore(library).reasons == {"another file lies at its old path": 1}
    assert lying(bucket)["p/in/é b.jpg"] == b"new"


def test_a_file_that_changes_while_it_is_copied_stays(
    library: Library, bucket: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = remote.copy

    def copying(url: bytes, new: bytes) -> None:
        real(url, new)
        if url.endswith(b"a.jpg"):
            bucket.put_object(Key="p/a.jpg", Body=b"z")

    monkeypatch.setattr(remote, "copy", copying)
    told = apply(library, plan)
    assert list(told.reasons) == ["changed since the plan: it was written to while it was copied"]
    assert lying(bucket)["p/a.jpg"] == b"z"
    assert b"a" not in lying(bucket).values()


@pytest.mark.parametrize("at", ["copy", "delete"])
def test_what_the_server_did_not_say_is_settled_from_what_lies_there(
    library: Library, bucket: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    before, real = lying(bucket), getattr(remote, at)

    def failing(*places: bytes) -> None:
        if at == "copy":
            real(*places)
        raise NotReadable("no answer within 60 seconds")

    with monkeypatch.context() as patch:
        patch.setattr(remote, at, failing)
        assert apply(library, plan).counts["open"] == 3
    assert sorted(lying(bucket)) != sorted(before)
    told = apply(library, plan)
    assert (told.counts["settled"], told.counts["moved"]) == (3, 3)
    assert sorted(lying(bucket).values()) == sorted(before.values())
    assert check.faults(library) == []


def test_purge_deletes_what_is_as_it_was_put_there(
    library: Library, bucket: Any, plan: Plan
) -> None:
    apply(library, plan)
    for _ in range(2):
        with running(library, "scan", {}):
            pass
    (spoilt, *_) = items(library)
    bucket.put_object(Key=spoilt.place.decode().split("/", 3)[3], Body=b"z")
    told = purge(library, grace=timedelta(0), really=True).told
    assert told is not None
    assert told.counts["purged"] == 2
    assert sorted(lying(bucket).values()) == sorted([b"z", LABELLED])


def test_a_bucket_that_takes_no_notes_stops_before_anything_moves(
    library: Library, bucket: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(source: str, url: bytes) -> None:
        raise NotReadable("permission denied")

    before = lying(bucket)
    with monkeypatch.context() as patch:
        patch.setattr(remote, "put", refusing)
        with pytest.raises(LibraryError, match="permission denied"):
            apply(library, plan)
    assert lying(bucket) == before
    assert {item.state for item in items(library)} == {journal.OPEN}
    assert apply(library, plan).counts["moved"] == 3


def test_what_cannot_be_asked_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(url: bytes) -> bool:
        raise NotReadable("no answer")

    monkeypatch.setattr(remote, "is_there", silent)
    assert moving._looked(b"s3://b/a", "") == "unknown"


def test_what_lies_in_quarantine_already_is_not_overwritten(
    library: Library, bucket: Any, plan: Plan
) -> None:
    # Another library over the same bucket, or one whose database was lost, numbers alike.
    for number in range(9):
        for run in range(9):
            bucket.put_object(Key=f"p/.curate/quarantine/{run}/{number}-a.jpg", Body=b"another's")
    before = lying(bucket)
    apply(library, plan)
    assert set(before.values()) <= set(lying(bucket).values())


@pytest.mark.parametrize("moment", ["copy", "image_of"])
def test_who_puts_a_file_there_during_a_restore_keeps_it(
    library: Library, bucket: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    apply(library, plan)
    real = getattr(remote, moment)

    def beside(url: bytes, *others: bytes) -> Any:
        found = real(url, *others)
        if b"a.jpg" in url:
            bucket.put_object(Key="p/a.jpg", Body=b"uploaded by somebody just now")
        return found

    monkeypatch.setattr(remote, moment, beside)
    restore(library)
    contents = set(lying(bucket).values())
    assert {b"uploaded by somebody just now", *CONTENTS.values()} <= contents


def test_what_is_interrupted_in_a_bucket_is_settled_by_the_next_run(
    library: Library, bucket: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(moving, "_moved", stopped)
        with pytest.raises(KeyboardInterrupt):
            apply(library, plan)
    # A request may still be under way: whoever settled now could remove the last copy.
    assert items(library, journal.OPEN)
    assert apply(library, plan).counts["moved"] == 3
