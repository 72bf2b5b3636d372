"""Decisions are appended and never lost; the last one of a kind holds."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.store import decisions, schema
from curate.store.decisions import Decision
from curate.store.library import Library

from .made import decide, said


def current(library: Library, kind: str, actors: tuple[str, ...] = ()) -> dict[str, str]:
    with library.reading() as connection:
        table = decisions.current(connection, kind, actors)
    return dict(zip(table["image_id"], table["value"], strict=True))


@pytest.mark.usefixtures("in_file")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET value = 'dog'",
        "UPDATE decisions SET seq = seq + 1",
        "DELETE FROM decisions",
        "DELETE FROM decisions WHERE key = 'k'",
        "REPLACE INTO decisions SELECT 1, key, kind, image_id, field, 'dog', detail, actor, "
        "run_id, made_at FROM decisions",
    ],
)
def test_the_log_can_only_be_appended_to(library: Library, statement: str) -> None:
    decide(library, said("label", "a", "cat", key="k"))
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), library.writing() as connection:
        connection.exec_driver_sql(statement)
    assert current(library, "label") == {"a": "cat"}


def test_the_last_one_holds(library: Library) -> None:
    decide(library, said("label", "a", "cat"), said("label", "b", "dog"))
    decide(library, said("label", "a", "fox"))
    assert current(library, "label") == {"a": "fox", "b": "dog"}


def test_order_is_that_of_the_log_and_not_of_the_clock(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(library, said("label", "a", "cat"))
    with library.reading() as connection:
        log = connection.execute(sa.select(schema.decisions.c.seq)).scalars().all()
    assert log == [1]
    decide(library, said("label", "a", "fox"))
    with library.writing() as connection:
        rows = connection.execute(sa.select(schema.decisions.c.made_at)).scalars().all()
    assert len(rows) == 2
    assert current(library, "label") == {"a": "fox"}


def test_the_same_decision_sent_again_is_one(library: Library) -> None:
    once = said("label", "a", "cat", key="import/1")
    assert decide(library, once) == 1
    assert decide(library, once, once, said("label", "b", "dog")) == 1
    # Also after another one: a retry that comes late changes nothing.
    decide(library, said("label", "a", "fox"))
    assert decide(library, once) == 0
    assert current(library, "label") == {"a": "fox", "b": "dog"}


def test_many_are_counted_exactly(library: Library) -> None:
    many = [said("label", f"{n}", "cat", key=f"{n}") for n in range(6_001)]
    assert decide(library, *many[:4_000]) == 4_000
    assert decide(library, *many) == 2_001
    assert len(current(library, "label")) == 6_001


def test_kinds_and_fields_are_kept_apart(library: Library) -> None:
    decide(
        library,
        said("label", "a", "cat"),
        said("origin", "a", "staged"),
        said("group", "a", "7", field="burst"),
        said("group", "a", "8", field="animal"),
        said("group", "a", "9", field="burst"),
    )
    with library.reading() as connection:
        groups = decisions.current(connection, "group")
    assert dict(zip(groups["field"], groups["value"], strict=True)) == {"animal": "8", "burst": "9"}
    assert current(library, "origin") == {"a": "staged"}


def test_what_some_said_can_be_asked_for(library: Library) -> None:
    decide(library, said("label", "a", "cat", actor="scan"))
    decide(library, said("label", "a", "fox", actor="ann"))
    assert current(library, "label") == {"a": "fox"}
    assert current(library, "label", ("scan",)) == {"a": "cat"}
    assert current(library, "label", ("bob",)) == {}


def test_details_come_back(library: Library) -> None:
    detail = {"sub_class": "zoë", "bbox": [1, 2.5], "none": None}
    decide(library, said("label", "a", "cat", detail=detail))
    with library.reading() as connection:
        table = decisions.current(connection, "label")
    assert list(table.columns) == ["image_id", "field", "value", "detail", "actor", "seq"]
    assert table["detail"].tolist() == [detail]


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="label, origin, group, apart, reject, split"):
        Decision("lable", "a", "cat", "k", "ann")


def test_a_decision_needs_its_run(library: Library) -> None:
    with pytest.raises(sa.exc.IntegrityError), library.writing() as connection:
        decisions.append(connection, 99, [said("label", "a", "cat")])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    made=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["cat", "dog"]), st.integers(0, 5)),
        max_size=12,
    )
)
def test_the_state_is_the_first_of_each_key_then_the_last_of_each_image(
    library: Library, made: list[tuple[str, str, int]]
) -> None:
    with library.reading() as connection:
        start = connection.execute(
            sa.select(sa.func.count()).select_from(schema.decisions)
        ).scalar()
    expected: dict[str, str] = {}
    seen: set[int] = set()
    for image, value, key in made:
        if key not in seen:
            seen.add(key)
            expected[f"{start}/{image}"] = value
    decide(
        library,
        *(said("label", f"{start}/{i}", value, key=f"{start}/{k}") for i, value, k in made),
    )
    state = current(library, "label")
    assert {i: v for i, v in state.items() if i.startswith(f"{start}/")} == expected
