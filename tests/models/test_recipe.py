from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.models.recipe import LONGEST, Call, parse

literals = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=4,
)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}(-[a-z0-9]{1,4})?(\.[a-z0-9]{1,4})?", fullmatch=True)
keys = st.from_regex(r"k[a-z]{0,5}", fullmatch=True)


@given(st.lists(st.builds(Call, names, st.dictionaries(keys, literals, max_size=3)), max_size=4))
def test_what_is_written_reads_back_the_same(calls: list[Call]) -> None:
    written = " ".join(map(str, calls))
    if "inf" not in written and len(written) <= LONGEST:
        assert parse(written) == tuple(calls)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("resnet18", [("resnet18", {})]),
        ("  resnet18.a1_in1k()  ", [("resnet18.a1_in1k", {})]),
        ('a(x=")") b', [("a", {"x": ")"}), ("b", {})]),
        ("a(x=(1, (2, -3.5))) b(y=True)", [("a", {"x": (1, (2, -3.5))}), ("b", {"y": True})]),
        ("one-cycle", [("one-cycle", {})]),
        ("one-cycle(start=0.3) a-b-c", [("one-cycle", {"start": 0.3}), ("a-b-c", {})]),
    ],
)
def test_shapes_of_a_recipe(text: str, expected: list[tuple[str, dict[str, Any]]]) -> None:
    assert [(call.name, call.keywords) for call in parse(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "3d",
        "-a",
        "a-",
        "a--b",
        "a- b",
        "a-(x=1)",
        "a(1)",
        "a(**{})",
        "a(*())",
        "a(x=y)",
        "a(x=__import__('os').system('true'))",
        "a(x=1+1 if 1 else 2)",
        "a(x=1",
        "a(x=1)b",
        "a(x=1, x=2)",
        "a; b",
        "a(x=" + "(" * 400 + ")" * 400 + ")",
        "a" * (LONGEST + 1),
    ],
)
def test_anything_else_is_refused_with_an_example_or_a_rule(text: str) -> None:
    with pytest.raises(InputError, match=r"recipe"):
        parse(text)
