"""Whole tables, a page at a time."""

from __future__ import annotations

import pytest

from curate.store import decisions, runs, schema
from curate.store.decisions import Decision
from curate.store.library import Library
from curate.store.pages import pages


@pytest.fixture
def decided(library: Library) -> list[str]:
    """Write seven decisions down; give their keys."""
    keys = [f"k{number}" for number in range(7)]
    with runs.running(library, "label", {}) as run, library.writing() as connection:
        made = [Decision("label", f"image {key}", "kudu", key, "anna") for key in keys]
        decisions.append(connection, run.run_id, made)
    return keys


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_every_row_comes_once_in_pages_of_a_size(
    library: Library, decided: list[str], size: int
) -> None:
    found = list(pages(library, schema.decisions, ["key", "value"], size=size))

    assert sorted(row.key for page in found for row in page) == decided
    assert {row.value for page in found for row in page} == {"kudu"}
    assert max(map(len, found)) <= size


def test_a_condition_leaves_rows_out_and_no_page_is_empty(
    library: Library, decided: list[str]
) -> None:
    last = schema.decisions.c.key == decided[-1]

    found = list(pages(library, schema.decisions, ["key"], last, size=2))

    assert [[tuple(row) for row in page] for page in found] == [[(decided[-1],)]]


def test_a_table_without_rows_has_no_page(library: Library) -> None:
    assert list(pages(library, schema.files, ["path"])) == []


def test_others_may_write_between_two_pages(library: Library, decided: list[str]) -> None:
    found = pages(library, schema.decisions, ["key"], size=2)
    next(found)

    with runs.running(library, "label", {}) as run, library.writing() as connection:
        decisions.append(connection, run.run_id, [Decision("label", "i", "kudu", "new", "ben")])

    assert {row.key for page in found for row in page} >= set(decided[2:])
