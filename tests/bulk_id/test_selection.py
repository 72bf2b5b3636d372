"""What a run takes of the files that are to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from curate.bulk_id import Ask, Identified, Selection, verb
from curate.bulk_id.selection import duration, moment
from curate.core.errors import InputError
from curate.core.files import FileEntry
from curate.scan import scan
from curate.store import duplicates, files, runs, schema
from curate.store.library import Library

from .made import checkpoint, identified, photos, saved

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(checkpoint(), tmp_path_factory.mktemp("model") / "ckpt.pt")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2d", 172800), ("1w", 604800), (" 2 H", 7200)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "30", "0s", "-1h", "nans", "infd", "1e999s", "3x", "1 m2"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="duration"):
        duration(text)


@given(st.integers(1, 10**6), st.sampled_from("smhdw"))
def test_a_moment_ago_is_a_duration_before_now(number: int, unit: str) -> None:
    try:
        expected = NOW - timedelta(seconds=duration(f"{number}{unit}"))
    except OverflowError:
        with pytest.raises(InputError, match="neither a date nor a duration"):
            moment(f"{number}{unit}", NOW)
    else:
        assert moment(f"{number}{unit}", NOW) == expected


def test_a_moment_is_a_date_of_this_place_unless_it_says_where() -> None:
    assert moment("2026-11-01T18:00+02:00", NOW) == datetime(2026, 11, 1, 16, tzinfo=UTC)
    assert moment("2026-11-01", NOW) == datetime(2026, 11, 1).astimezone()


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "99999999999d"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="moment"):
        moment(text, NOW)


def test_a_number_of_files_and_a_sample_exclude_each_other() -> None:
    with pytest.raises(InputError, match="exclude each other"):
        Selection(limit=3, sample=3)


def test_a_limit_goes_on_where_the_last_one_stopped(
    library: Library, model: Path, tmp_path: Path
) -> None:
    made = photos(tmp_path / "pool", 12)
    seen = []
    for left in (7, 2, 0, 0):
        found = identified(library, model, [tmp_path / "pool"], selection=Selection(limit=5))
        seen.append(names(found))
        assert found.counts["left"] == left
        assert found.counts["found"] == 12
    assert [len(some) for some in seen] == [5, 10, 12, 12]
    assert seen[0] == [path.name for path in made[:5]]
    assert found.counts["computed"] == 0
    assert (found.table["status"] == "ok").all()


def test_files_that_are_left_have_no_row_though_something_is_known_of_them(
    library: Library, model: Path, tmp_path: Path
) -> None:
    pool = tmp_path / "pool"
    first, changed, back = photos(pool, 3)
    identified(library, model, [pool])
    content = back.read_bytes()
    back.unlink()
    identified(library, model, [pool])
    first.write_bytes(b"not an image any more")
    changed.write_bytes(content)
    back.write_bytes(content)

    found = identified(library, model, [pool], selection=Selection(limit=1))

    # One is another image now, and one had gone: what was said before is not said of them.
    assert list(found.table["status"]) == ["failed"]
    assert names(found) == [first.name]
    assert found.counts["left"] == 2
    assert found.results.summary()["files"] == 1
    assert len(identified(library, model, [pool]).table) == 3


def test_a_sample_is_repeatable_and_does_not_depend_on_what_lies_beside(
    library: Library, model: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "pool"
    photos(whole / "a", 20)
    photos(whole / "b", 20, first=20)
    ranks = verb._ranks(library, Selection(sample=8, seed=5), [])
    entries = {path.name: path for path in whole.rglob("*.jpg")}
    ranked = sorted(entries, key=lambda name: ranks(_entry(entries[name]), None) or 0.0)

    asked = [whole / "b", whole / "a"]
    found = identified(library, model, asked, selection=Selection(sample=8, seed=5))
    assert names(found) == sorted(ranked[:8])
    assert found.counts["left"] == 32
    more = identified(library, model, [whole], selection=Selection(sample=8, seed=5))
    assert names(more) == sorted(ranked[:16])

    other = identified(library, model, [whole], ask=Ask(top=1), selection=Selection(sample=8))
    assert names(other) != names(found)


def test_a_sample_is_fair(library: Library) -> None:
    """Each of 40 files is in a sample of 10 about as often as any other, whatever its name."""
    entries = [_entry(Path(f"/photos/{number:03}.jpg")) for number in range(40)]
    taken = np.zeros(40)
    for seed in range(400):
        ranks = verb._ranks(library, Selection(sample=10, seed=seed), [])
        drawn = [ranks(entry, None) or 0.0 for entry in entries]
        taken[np.argsort(drawn)[:10]] += 1
    # 100 expected; four standard deviations are 35.
    assert np.abs(taken - 100).max() < 40


def test_since_takes_what_was_written_then_or_later(
    library: Library, model: Path, tmp_path: Path
) -> None:
    photos(tmp_path / "pool", 6)
    since = datetime(2026, 1, 4, tzinfo=UTC)
    found = identified(library, model, [tmp_path / "pool"], selection=Selection(since=since))
    assert names(found) == ["003.jpg", "004.jpg", "005.jpg"]
    nothing = Selection(since=datetime(2027, 1, 1, tzinfo=UTC))
    other = identified(library, model, [tmp_path / "pool"], ask=Ask(top=1), selection=nothing)
    assert len(other.table) == other.counts["computed"] == 0
    assert other.results.summary()["files"] == 0
    (piece,) = other.results.pieces(1)
    assert list(piece.columns[-2:]) == ["class_1", "score_1"]


def test_when_the_time_is_up_the_rest_is_left(
    monkeypatch: pytest.MonkeyPatch, library: Library, model: Path, tmp_path: Path
) -> None:
    photos(tmp_path / "pool", 20)
    ticks = iter(range(1000))
    with monkeypatch.context() as patch:
        patch.setattr("time.monotonic", lambda: float(next(ticks)))
        short = Selection(seconds=9)
        found = identified(library, model, [tmp_path / "pool"], selection=short)
    assert 0 < found.counts["computed"] < 20
    assert found.counts["left"] == 20 - found.counts["computed"]
    assert len(found.table) == found.counts["computed"]
    long = identified(library, model, [tmp_path / "pool"], selection=Selection(seconds=600))
    assert long.counts["computed"] == found.counts["left"]
    assert len(long.table) == 20


def test_within_a_time_the_most_promising_go_first(
    library: Library, model: Path, tmp_path: Path
) -> None:
    """What no model has seen before what another one has; keepers before their near-duplicates."""
    pool = tmp_path / "pool"
    photos(pool, 8)
    other = saved(checkpoint(seed=4), tmp_path / "other.pt")
    scan(library, pool, backend="serial")
    identified(library, other, [pool], selection=Selection(limit=4))
    _alike(library, {"001.jpg": "000.jpg", "005.jpg": "004.jpg"})

    order = []
    for number in range(1, 9):
        # Ranks are what a time budget is about; a limit beside it makes the order visible.
        chosen = Selection(limit=1, seconds=600)
        found = identified(library, model, [pool], selection=chosen)
        assert len(found.table) == number
        order += [name for name in names(found) if name not in order]
    unseen, seen = ["004", "006", "007", "005"], ["000", "002", "003", "001"]
    assert order == [f"{name}.jpg" for name in unseen + seen]


def _alike(library: Library, keepers: dict[str, str]) -> None:
    with library.reading() as connection:
        table = files.one_path_each(connection)
    ids = {Path(path).name: image for path, image in table[["path", "image_id"]].to_numpy()}
    rows = [
        (ids[name], ids[keeper], ids[keeper], ids[keeper], 1.0, "made")
        for copy, keeper in keepers.items()
        for name in (copy, keeper)
    ]
    with runs.running(library, "duplicates", {}) as run, library.writing() as connection:
        duplicates.replace(connection, run.run_id, pd.DataFrame(rows, columns=duplicates.COLUMNS))


def test_what_was_left_is_in_the_record_of_the_run(
    library: Library, model: Path, tmp_path: Path
) -> None:
    photos(tmp_path / "pool", 4)
    identified(library, model, [tmp_path / "pool"], selection=Selection(limit=3))
    with library.reading() as connection:
        (summary,) = connection.scalars(select(schema.runs.c.summary))
    assert '"left": 1' in summary


def names(found: Identified) -> list[str]:
    return [Path(path).name for path in found.table["path"]]


def _entry(path: Path) -> FileEntry:
    return FileEntry(str(path).encode(), 1, 1, 1)
