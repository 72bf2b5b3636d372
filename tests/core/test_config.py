"""`curate.toml` is read whole, or refused with every fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.core.config import FILE, Config, load
from curate.core.errors import FaultsError


def loaded(text: str) -> Config:
    Path(FILE).write_text(text, encoding="utf-8")
    return load(Path())


def test_without_a_file_nothing_is_set() -> None:
    config = load(Path())
    assert config == Config()
    assert config.split.given() == {}
    assert config.train.given() == {}


def test_only_what_is_set_is_given() -> None:
    config = loaded('[split]\nmin_count = 35\nval = 0\n[train]\narch = "resnet50"\n')
    assert config.split.given() == {"min_count": 35, "val": 0}
    assert config.train.given() == {"arch": "resnet50"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[split]\nmin_cuont = 3", "split.min_cuont: unknown key; did you mean 'min_count'?"),
        ("[splits]\n", "splits: unknown key; did you mean 'split'?"),
        ("[zoo]\n", "zoo: unknown key; known: split, duplicates, train"),
        ("[train]\ncolour = 1", "train.colour: unknown key; known: arch, epochs"),
        ("[split]\nmin_count = 0", "split.min_count: input should be greater than or equal to 1"),
        ('[split]\nmin_count = "40"', "split.min_count: input should be a valid integer"),
        ("[split]\nmin_count = true", "split.min_count: input should be a valid integer"),
        ("[split]\nval = nan", "split.val: "),
        ("[split]\nval = 1.5", "split.val: a share lies below 1"),
        ("[split]\nkeep = 'best'", "split.keep: input should be 'diverse', 'newest', "),
        ("[split]\ncount = 'files'", "split.count: input should be 'groups' or 'images'"),
        ("[split]\nsub_max_count = 0", "split.sub_max_count: input should be greater than"),
        ("[sources]\nschemes = ['file']", "sources.schemes: 'file' is not opened; known: s3, gs"),
        ("split = 3", "split: "),
        ("[split\n", "Expected ']'"),
    ],
)
def test_a_fault_is_named(text: str, fault: str) -> None:
    with pytest.raises(FaultsError) as caught:
        loaded(text)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(fault)
    assert caught.value.value == FILE


def test_all_faults_come_together() -> None:
    with pytest.raises(FaultsError) as caught:
        loaded("[split]\nval = -2\nmin_cuont = 3\n[train]\nepochs = 0\n")
    assert len(caught.value.faults) == 3


def test_a_file_that_is_not_utf_8_is_refused() -> None:
    Path(FILE).write_bytes(b'[train]\narch = "\xff"')
    with pytest.raises(FaultsError, match="utf-8"):
        load(Path())
