"""What the engine maps over files, and what comes back: exactly one outcome a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from curate.core.files import FileEntry, NotReadable
from curate.core.images import NotAnImage

Function = Callable[..., Any]

Attempt = tuple[Any, str]
"""A value and '', or None and the reason why there is none."""


def _imported(name: str) -> Function:
    module, _, attribute = name.partition(":")
    function: Function = getattr(import_module(module), attribute)
    return function


@dataclass(frozen=True)
class Work:
    """A function of one path, named so that another process can find it.

    Attributes
    ----------
    function : str
        ``package.module:name``; called as ``name(path, **arguments)`` with the path as bytes.
        It raises `NotAnImage`, `NotReadable` or `MemoryError` where the file is at fault.
    arguments : mapping
        The same for every file; picklable.
    together : str
        A second function, named in the same way: it turns the list of what the first one gave for
        some files into the list of their values, for work that is cheaper on many at once. '' for
        none.
    """

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    together: str = ""

    def resolve(self) -> Function:
        """Import the function."""
        return _imported(self.function)

    def finish(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Give what was attempted its last touch, all that went well at once.

        Where that fails, the files are finished one by one, so that only those at fault fail.
        """
        if not self.together:
            return list(attempts)
        well = [value for value, reason in attempts if not reason]
        try:
            finished = iter(_imported(self.together)(well))
        except Exception:
            return [attempt(self._finish_one, *one) if not one[1] else one for one in attempts]
        return [(next(finished), "") if not reason else (None, reason) for _, reason in attempts]

    def _finish_one(self, value: Any, _reason: str) -> Any:
        return _imported(self.together)([value])[0]


@dataclass(frozen=True)
class Limits:
    """What one file may cost a worker before it counts as failed.

    Attributes
    ----------
    memory : int
        Bytes that a worker may take beside what it has when it starts.
    seconds : float
        Time for one file.
    """

    memory: int = 3 << 30
    seconds: float = 30.0


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a value, or the reason why there is none.

    `reason` starts with its kind: ``read``, ``decode``, ``memory``, ``time``, ``crash`` or
    ``error``.
    """

    entry: FileEntry
    value: Any = None
    reason: str = ""


class Backend(Protocol):
    """Maps work over files, in any order, and yields one outcome for each."""

    def __call__(
        self, entries: Iterable[FileEntry], work: Work, workers: int, limits: Limits
    ) -> Iterator[Outcome]: ...


def attempt(function: Function, *arguments: Any, **named: Any) -> Attempt:
    """Call a function for one file; give its value and '', or None and the reason."""
    try:
        return function(*arguments, **named), ""
    except NotReadable as error:
        return None, f"read: {error}"
    except NotAnImage as error:
        return None, f"decode: {error}"
    except MemoryError:
        return None, "memory: opening it needs more than a worker may take"
    except Exception as error:  # whatever it is, it is this file's row and not the end of the run
        return None, f"error: {type(error).__name__}: {_said(error)}"


def _said(error: Exception) -> str:
    """Give the message of any exception as a text that can be stored, or '' where it has none."""
    try:
        return str(error).encode("utf-8", "backslashreplace").decode()
    except Exception:  # an error in telling the error
        return ""


def may_pass_later(reason: str) -> bool:
    """Whether a failure may lie with the system and not with the content: worth another try."""
    return not reason.startswith("decode:")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
