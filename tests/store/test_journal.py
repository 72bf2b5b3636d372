"""The journal only grows, and an item's state is what its last row says."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.files import FileEntry
from curate.store import files, journal
from curate.store.journal import EVENTS, Leaving
from curate.store.library import Library
from curate.store.runs import running

from .made import file_row, put_files


def leaving(name: bytes, image_id: str = "i1") -> Leaving:
    return Leaving(b"/photos/" + name, image_id, 100, "blank", "shows nothing", "kudu")


def begun(library: Library, *names: bytes) -> list[journal.Item]:
    with running(library, "cleanup", {}) as run, library.writing() as connection:
        return journal.begin(
            connection, run.run_id, [leaving(n) for n in names], lambda item, file: b"q/%d" % item
        )


def said(library: Library, *events: tuple[int, str, str]) -> None:
    with running(library, "cleanup", {}) as run, library.writing() as connection:
        journal.add(connection, run.run_id, events)


def states(library: Library) -> dict[int, str]:
    with library.reading() as connection:
        return {item.item: item.state for item in journal.items(connection)}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, int, str]]:
    """Draw rows of some items, each a legal sequence, in any order among each other."""
    rows: list[tuple[int, int, str]] = []
    last: dict[int, str] = {}
    for seq in range(1, draw(st.integers(1, 25))):
        going_on = [item for item, event in last.items() if EVENTS[event][1]]
        goes_on: bool = draw(st.booleans())
        if going_on and goes_on:
            item = draw(st.sampled_from(going_on))
            last[item] = draw(st.sampled_from(EVENTS[last[item]][1]))
        else:
            item, last[seq] = seq, "intent"
        rows.append((item, seq, last[item]))
    return rows


def table(rows: list[tuple[int, int, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["item", "seq", "event"])


@settings(max_examples=50)
@given(histories(), st.randoms())
def test_states_are_those_of_the_last_rows_whatever_the_order(
    rows: list[tuple[int, int, str]], chance: Random
) -> None:
    last = {item: event for item, _, event in rows}
    mixed = list(rows)
    chance.shuffle(mixed)
    found = journal.states(table(mixed))
    assert dict(zip(found["item"], found["event"], strict=True)) == last
    assert list(found["state"]) == [EVENTS[event][0] for event in found["event"]]
    assert list(found["item"]) == sorted(last)
    assert not any(found["fault"])


@settings(max_examples=50)
@given(histories().filter(bool), st.data())
def test_a_row_that_cannot_follow_is_a_fault_of_its_item_alone(
    rows: list[tuple[int, int, str]], data: st.DataObject
) -> None:
    last = {item: event for item, _, event in rows}
    item = data.draw(st.sampled_from(sorted(last)))
    wrong = data.draw(st.sampled_from(sorted(set(EVENTS) - set(EVENTS[last[item]][1]))))
    found = journal.states(table([*rows, (item, len(rows) + 1, wrong)])).set_index("item")["fault"]
    assert found[item] == f"{wrong} after {last[item]}"
    assert (found.drop(item) == "").all()


def test_an_item_without_its_first_row_is_a_fault() -> None:
    assert list(journal.states(table([(7, 9, "moved")]))["fault"]) == ["moved after nothing"]
    assert list(journal.states(table([(7, 9, "intent")]))["fault"]) == ["intent after nothing"]


def test_rows_come_back_as_items(library: Library) -> None:
    one, two = begun(library, b"a\xff\n.jpg", b"b.jpg")
    assert (one.item, two.item, one.place) == (1, 2, b"q/1")
    said(library, (1, "moved", ""), (2, "skipped", "changed"))
    with library.reading() as connection:
        found = journal.items(connection)
        assert [item.path for item in found] == [b"/photos/a\xff\n.jpg", b"/photos/b.jpg"]
        assert [(item.state, item.said) for item in found] == [
            ("quarantined", ""),
            ("stayed", "changed"),
        ]
        assert found[0].run_id > found[0].moved_run
        assert (found[0].rule, found[0].why, found[0].predicted) == (
            "blank",
            "shows nothing",
            "kudu",
        )
        assert [i.item for i in journal.items(connection, ["quarantined"])] == [1]
        assert [i.item for i in journal.items(connection, run_id=found[0].moved_run)] == [1, 2]
        assert [i.item for i in journal.items(connection, after=1)] == [2]
        assert journal.counts(connection) == {"quarantined": (1, 100), "stayed": (1, 100)}
        assert journal.moved_at(connection, 1, 2) == {1: found[0].made_at}
    assert [i.item for i in begun(library, b"c.jpg")] == [5]


def test_pages_give_each_item_once(library: Library) -> None:
    begun(library, *[b"%d.jpg" % n for n in range(7)])
    pages = list(journal.in_pages(library, [journal.OPEN], size=3))
    assert [[item.item for item in page] for page in pages] == [[1, 2, 3], [4, 5, 6], [7]]


def test_a_run_is_left_when_nothing_of_it_is_held(library: Library) -> None:
    one, two = begun(library, b"a.jpg", b"b.jpg")
    said(library, (one.item, "moved", ""), (two.item, "skipped", ""))
    with library.reading() as connection:
        assert journal.left_runs(connection) == []
    said(library, (one.item, "restoring", ""))
    said(library, (one.item, "restored", ""))
    with library.reading() as connection:
        assert [item.item for item in journal.left_runs(connection)] == [1]


@pytest.mark.parametrize("change", ["UPDATE journal SET event = 'moved'", "DELETE FROM journal"])
def test_the_journal_is_append_only(library: Library, change: str) -> None:
    begun(library, b"a.jpg")
    refused = pytest.raises(sa.exc.IntegrityError, match="append-only")
    with refused, library.writing() as connection:
        connection.exec_driver_sql(change)
    assert states(library) == {1: "open"}


def test_files_are_gone_with_their_reason_and_back_as_they_lie_there(library: Library) -> None:
    put_files(library, file_row(b"/photos/a.jpg", "i1"), file_row(b"/photos/b.jpg", "i1"))
    (item,) = begun(library, b"a.jpg")
    with running(library, "cleanup", {}) as run, library.writing() as connection:
        journal.mark_moved(connection, run.run_id, [item.item])
        found = files.known(connection, [b"/photos"])
        assert found[b"/photos/a.jpg"].status == "gone"
        assert found[b"/photos/a.jpg"].reason == f"in quarantine (run {run.run_id})"
        assert found[b"/photos/b.jpg"].status == "ok"
        entry = FileEntry(b"/photos/a.jpg", 7, 8, 9)
        journal.mark_back(connection, run.run_id, [("i1", entry)])
        assert files.known_at(connection, [entry.path])[entry.path].was_read(entry)


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from("ab")), unique_by=lambda one: one[0]))
def test_neighbours_of_one_kind_are_written_together(given_: list[tuple[int, str]]) -> None:
    ordered = sorted(given_)
    numbers, kinds = [one[0] for one in ordered], [one[1] for one in ordered]
    found = list(journal._ranges(numbers, kinds))
    assert [place for low, high in found for place in range(low, high + 1)] == list(
        range(len(ordered))
    )
    for low, high in found:
        assert numbers[high] - numbers[low] == high - low
        assert len(set(kinds[low : high + 1])) == 1
    for (_, high), (low, _) in pairwise(found):
        assert (numbers[low], kinds[low]) != (numbers[high] + 1, kinds[high])


def test_rows_of_neighbours_say_of_each_what_came_of_it(library: Library) -> None:
    fates = ["moved", "moved", "", "skipped", "moved", "moved", "moved", "failed", "moved"]
    names = [b"%d" % number for number in range(len(fates))]
    put_files(library, *(file_row(b"/photos/" + name, "i1") for name in names))
    made = begun(library, *names)
    rows = [(m.item, fate, f"why {fate}") for m, fate in zip(made, fates, strict=True)]
    gone = [item for item, fate, _ in rows if fate == "moved"]
    said(library, *(row for row in reversed(rows) if row[1]))
    with running(library, "cleanup", {}) as run, library.writing() as connection:
        journal.mark_moved(connection, run.run_id, gone)
        found = {one.item: (one.event, one.said) for one in journal.items(connection)}
        known = files.known(connection, [b"/photos"])
        numbers = list(connection.scalars(sa.select(journal.journal.c.seq)))
    assert found == {item: (fate, why) if fate else ("intent", "") for item, fate, why in rows}
    assert sorted(numbers) == list(range(1, 2 * len(fates)))
    status = [known[b"/photos/" + name].status for name in names]
    assert status == ["gone" if fate == "moved" else "ok" for fate in fates]
