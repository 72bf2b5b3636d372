"""The exception tree.

Every error that a user can cause is a `CurateError`; the command line catches these, nothing else.
A message has three parts: the value that was met, the rule it broke, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CurateError(Exception):
    """Base of everything `curate` raises on purpose.

    Parameters
    ----------
    value : str
        What was met, as the user would recognise it.
    rule : str
        The rule that it breaks.
    remedy : str
        What to do about it; where a command helps, the command.
    """

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        self.value = value
        self.rule = rule
        self.remedy = remedy if remedy.endswith((".", "?", "!")) else f"{remedy}."
        super().__init__(f"{value}: {rule}. {self.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is rebuilt from its message alone by default, which no constructor of this
        # tree takes; and an error that cannot leave a worker is a hang in its parent.
        return _remade, (type(self), self.args), self.__dict__


class InputError(CurateError):
    """A path, manifest, option or table from the user cannot be used."""


class ConfigError(CurateError):
    """`curate.toml` does not fit its schema."""


class PolicyError(CurateError):
    """A policy (cutoffs, ratios, filters) contradicts itself or leaves nothing."""


class CheckpointError(CurateError):
    """A checkpoint cannot be loaded, or does not fit what is asked of it."""


class LibraryError(CurateError):
    """The library is missing, damaged, too new, or its disk refuses to keep what it is given."""


class ClusterError(CurateError):
    """The machines that should do the work cannot: none is free, or they end one after another."""


class LockedError(CurateError):
    """Another process is doing the same work on the same library."""


class FaultsError(CurateError):
    """Several faults of one input, reported together so that they can be mended in one go.

    Parameters
    ----------
    source : str
        The file or table at fault.
    faults : sequence of str
        One line a fault, with its line number where there is one.
    remedy : str
        What to do about them.
    """

    shown = 50

    def __init__(self, source: str, faults: Sequence[str], remedy: str) -> None:
        self.faults = list(faults)
        listed = [f"\n  {fault}" for fault in self.faults[: self.shown]]
        if len(self.faults) > self.shown:
            listed.append(f"\n  … and {len(self.faults) - self.shown} more")
        noun = "fault" if len(self.faults) == 1 else "faults"
        rule = f"{len(self.faults)} {noun}, nothing was changed"
        super().__init__(source, rule, remedy)
        self.args = (f"{source}: {rule}:{''.join(listed)}\n{self.remedy}",)


def _remade(kind: type[CurateError], message: tuple[str, ...]) -> CurateError:
    """Make an error again without its constructor; its attributes follow (see `pickle`)."""
    return kind.__new__(kind, *message)
