"""The state of a training between two epochs, in a file: it can go on as if never interrupted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from curate.core import files
from curate.core.errors import CheckpointError, InputError
from curate.train.keep import Row, last_path

WHICH = ("last", "best")
"""After which epoch a training may go on."""

_FORMAT = 1


@dataclass(frozen=True)
class State:
    """All that the next epoch depends on; the order of images and all chance follow from the seed.

    Attributes
    ----------
    fits : dict of str to str
        What must be the same when it goes on: architecture, split, images ….
    history : list of dict
        Rows of the epochs so far.
    learner : dict
        From `Learner.snapshot`.
    failures : dict of str to str
        Ids of images that did not open, with the reasons: later epochs are cut without them.
    """

    fits: dict[str, str]
    history: list[Row]
    learner: Mapping[str, Any]
    failures: dict[str, str] = field(default_factory=dict)


def state_path(out: Path, which: str) -> Path:
    """Where a state lies: ``ckpt.pt`` → ``ckpt.last.state``, ``ckpt.best.state``."""
    return out.with_name(f"{out.stem}.{which}.state")


def write(out: Path, state: State, best: bool) -> None:
    """Write the state after an epoch, whole or not at all.

    The best one is a second name of the same file, not a copy of it.
    """
    buffer = BytesIO()
    torch.save({"format": _FORMAT, **vars(state)}, buffer)
    last = state_path(out, "last")
    try:
        files.write_whole(last, lambda file: file.write(buffer.getbuffer()))
        if best:
            fresh = state_path(out, "best.new")
            fresh.unlink(missing_ok=True)
            try:
                os.link(last, fresh)
            except OSError:  # a disk without links
                files.write_whole(fresh, lambda file: file.write(buffer.getbuffer()))
            fresh.replace(state_path(out, "best"))
    except OSError as error:
        raise CheckpointError(
            str(last), f"it cannot be written ({files.describe(error)})", "Choose another --out"
        ) from error


def forget(out: Path) -> None:
    """Take away the states of an earlier training: the checkpoints will not be its any more."""
    for which in WHICH:
        state_path(out, which).unlink(missing_ok=True)


def existing(out: Path, which: str) -> Path:
    """Give the place of the state to go on from.

    Raises
    ------
    InputError
        There is none, or no such kind.
    """
    if which not in WHICH:
        raise InputError(f"resume {which!r}", f"known are {', '.join(WHICH)}", "Take one of them")
    path = state_path(out, which)
    if not path.is_file():
        raise InputError(
            str(path),
            "a training goes on from the state that it wrote after an epoch, and there is none",
            f"Leave --resume out, or give the --out of that training (it writes {last_path(out)})",
        )
    return path


def read(out: Path, which: str, fits: Mapping[str, str]) -> State:
    """Read the state to go on from.

    Raises
    ------
    InputError
        No such state, or it is of another architecture, split, set of images ….
    CheckpointError
        The file is broken.
    """
    path = existing(out, which)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle makes the restricted reader fail in any way
        raise CheckpointError(
            str(path), f"it is truncated or broken ({error})", "Leave --resume out"
        ) from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise CheckpointError(str(path), "it is no state of a training", "Leave --resume out")
    unlike = [name for name, value in fits.items() if found["fits"].get(name) != value]
    if unlike:
        raise InputError(
            f"{path}: another {' and '.join(unlike)}",
            "a training goes on with what it began with",
            "Give the options that it began with, or leave --resume out: --from keeps the body",
        )
    return State(found["fits"], found["history"], found["learner"], found["failures"])
