"""Names of classes: nothing that a folder, a cell or a person could mistake for another."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.names import clashes, fault_of, nearest


@pytest.mark.parametrize(
    "name",
    ["cat", "Floury Potato", "zoë", "鹿", "x.y", "a" * 200, "unknown", "-1", "100 %", "cönig"],
)
def test_good_names(name: str) -> None:
    assert fault_of(name) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        (" cat", "starts or ends with a space"),
        ("cat ", "starts or ends with a space"),
        ("cat\u00a0", "starts or ends with a space"),
        ("ca\tt", "has characters that cannot be printed"),
        ("ca\u200bt", "has characters that cannot be printed"),
        ("ca\nt", "has characters that cannot be printed"),
        ("ca\udcfft", "has characters that cannot be printed"),
        ("e\u0301", "is not in Unicode's composed form (NFC)"),
        ("a/b", "would not be one folder"),
        ("a\\b", "would not be one folder"),
        ("..", "would not be one folder"),
        (".", "would not be one folder"),
        ("con", "is the name of a device on Windows"),
        ("NUL.txt", "is the name of a device on Windows"),
        ("Com7", "is the name of a device on Windows"),
        ("é" * 101, "is longer than 200 bytes"),
        ("Rejected", "is kept for images that nobody wants"),
    ],
)
def test_bad_names_say_what_is_wrong(name: str, said: str) -> None:
    assert fault_of(name) == said


@given(st.text(max_size=30))
def test_a_good_name_is_one_printable_folder(name: str) -> None:
    if not fault_of(name):
        assert name.isprintable()
        assert name == name.strip()
        assert "/" not in name
        assert name == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("names", "known", "expected"),
    [
        (["cat", "dog"], [], []),
        (["cat", "cat"], ["cat"], []),
        (["Cat", "cat"], [], [("cat", "Cat")]),
        (["Cat"], ["cat"], [("Cat", "cat")]),
        (["STRASSE"], ["straße"], [("STRASSE", "straße")]),
        (["ﬁsh"], ["fish"], [("ﬁsh", "fish")]),
        (["a", "A", "b", "B"], [], [("a", "A"), ("b", "B")]),
    ],
)
def test_clashes(names: list[str], known: list[str], expected: list[tuple[str, str]]) -> None:
    assert clashes(names, known) == expected


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_clashes_do_not_depend_on_order(names: list[str], known: list[str]) -> None:
    assert clashes(names, known) == clashes(names[::-1], known[::-1])


def test_the_nearest_name() -> None:
    assert nearest("lable", ["path", "label"]) == "label"
    assert nearest("something", ["path", "label"]) == ""
