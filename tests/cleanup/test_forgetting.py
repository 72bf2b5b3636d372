"""A folder that is gone for good is forgotten by name, and nothing that anybody said is."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.cleanup.forgetting import forget
from curate.core.errors import InputError, PolicyError
from curate.store import decisions, files, protection
from curate.store.library import Library

from .moved import LABELLED, filled, know, put, quarantined, whole


@pytest.fixture
def retired(library: Library, tmp_path: Path) -> Path:
    """Scan two disks, take a file of the first to quarantine, and take that disk away."""
    old, new = tmp_path / "old", tmp_path / "new"
    first, *_ = filled(library, old, {"1.jpg": b"1", "2.jpg": b"2", "3.jpg": b"on both"})
    know(library, new, put(new, {"4.jpg": b"4", "5.jpg": b"on both"}))
    quarantined(library, [first])
    old.rename(tmp_path / "in a drawer")
    return old


def there(library: Library, root: Path) -> list[str]:
    with library.reading() as connection:
        table = files.table(connection, [bytes(root)])
    return [Path(path).name for path in table["path"]]


def test_a_look_changes_nothing(library: Library, retired: Path) -> None:
    told = forget(library, str(retired))
    assert (told.files, told.labelled, told.quarantined, told.run_id) == (3, 1, 1, 0)
    assert there(library, retired) == ["2.jpg", "3.jpg", "kept.jpg"]
    with library.reading() as connection:
        assert list(protection.absent(connection)) == [str(retired)]


def test_a_forgotten_folder_is_waited_for_no_more_and_labels_stay(
    library: Library, retired: Path
) -> None:
    told = forget(library, str(retired), really=True)
    assert told.files == 3
    assert there(library, retired) == []
    assert there(library, retired.parent / "new") == ["4.jpg", "5.jpg"]
    with library.reading() as connection:
        assert protection.absent(connection) == {}
        assert bytes(retired) not in protection.roots(connection)
        assert len(decisions.current(connection, "label")) == 1
        gone = files.known(connection, [bytes(retired)])[bytes(retired / "2.jpg")]
    assert gone.reason == f"its folder {retired} was forgotten"
    assert whole(library)
    # And when it comes back after all, a scan brings all of it back.
    (retired.parent / "in a drawer").rename(retired)
    know(library, retired, [bytes(retired / "2.jpg"), bytes(retired / "kept.jpg")])
    assert there(library, retired) == ["2.jpg", "kept.jpg"]
    assert (retired / "kept.jpg").read_bytes() == LABELLED


def test_a_folder_that_is_there_is_not_forgotten(library: Library, retired: Path) -> None:
    with pytest.raises(PolicyError, match="only a folder that is gone"):
        forget(library, str(retired.parent / "new"), really=True)
    assert there(library, retired.parent / "new") == ["4.jpg", "5.jpg"]


@pytest.mark.parametrize("name", ["", "o1d", "old/", "nowhere"])
def test_only_the_whole_name_counts(library: Library, retired: Path, name: str) -> None:
    with pytest.raises(InputError, match="no folder of this name"):
        forget(library, f"{retired.parent}/{name}", really=True)
    assert len(there(library, retired)) == 3


def test_what_another_folder_holds_as_well_is_that_folder_s(
    library: Library, retired: Path
) -> None:
    inner = retired / "inner"
    (retired.parent / "in a drawer").rename(retired)
    know(library, inner, put(inner, {"6.jpg": b"6"}))
    retired.rename(retired.parent / "in a drawer")
    assert forget(library, str(retired), really=True).files == 3
    assert there(library, retired) == ["6.jpg"]
    assert forget(library, str(inner), really=True).files == 1
    assert there(library, retired) == []
