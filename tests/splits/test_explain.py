"""What `--explain IMAGE` says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from curate.core.errors import InputError
from curate.splits import assign, explain

from .libraries import SMALL, earlier, library, some


def test_a_used_image() -> None:
    images = library(
        some(20, "roo", group_burst=["1", "1", "1", *[None] * 17], sub_class="joey"),
        some(1, "s", label="roo", origin="staged", group_burst="1"),
    )
    assert explain(assign(images, SMALL), "roo001").splitlines() == [
        "roo001: train (its group holds a staged or synthetic image: all train)",
        "real image, labelled roo / joey",
        "group roo000: with roo000 (train), roo002 (train), s000 (train)",
        "class roo is in: 21 usable, 18 counted, 21 used (train 17, val 2, test 2, benchmark 0)",
    ]


def test_an_image_of_a_thin_class() -> None:
    answer = assign(library(some(20, "roo"), some(3, "emu")), SMALL)
    assert explain(answer, "emu001").splitlines() == [
        "emu001: left out (emu has 3 of 10 usable groups; 7 short)",
        "real image, labelled emu",
        "group: none, it is tied to no other image",
        "class emu is out: 3 usable, 3 counted, 7 short, 0 used"
        " (train 0, val 0, test 0, benchmark 0)",
    ]


def test_an_image_without_a_label_has_no_class_line() -> None:
    answer = assign(library(some(20, "roo"), some(1, "x", label=None)), SMALL)
    assert explain(answer, "x000").splitlines() == [
        "x000: left out (no label)",
        "real image, labelled nothing",
        "group: none, it is tied to no other image",
    ]


def test_changes_conflicts_and_notes_are_told() -> None:
    images = some(20, "roo", group_burst=["1", "1", *["2"] * 18])
    answer = assign(images, SMALL, earlier(train=["roo000"], benchmark=["roo001"]))
    lines = explain(answer, "roo000").splitlines()
    assert "changed: was in train, now left out" in lines
    assert any(line.startswith("conflict: was in train and is near the") for line in lines)
    assert any(
        "; none in val, test: 2 groups of real images to share out" in line for line in lines
    )


def test_a_large_group_is_cut_short() -> None:
    answer = assign(some(30, "roo", group_burst=["1"] * 30), replace(SMALL, count="images"))
    group = explain(answer, "roo000").splitlines()[2]
    assert group.count("(train)") == 8
    assert group.endswith("21 more")


def test_an_image_that_is_not_there() -> None:
    with pytest.raises(InputError, match="'roo999': it is not among the images"):
        explain(assign(some(20, "roo"), SMALL), "roo999")
