"""Manifests as lists of files: the column `path` of a table, or a text with a path in each line."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from curate.core import archives, cells, paths, remote
from curate.core.errors import FaultsError, InputError
from curate.core.files import FileEntry, NotReadable, describe
from curate.core.urls import checked

SUFFIXES = (b".csv", b".tsv", b".parquet", b".txt")
"""How the names of manifests end."""

_ROWS = 10_000
_REMEDY = "Mend these and give the command again."


def entries(path: bytes, schemes: Collection[str]) -> Iterator[FileEntry]:
    """Yield the files that a manifest names, in the order of their paths, each once.

    The paths are held in memory, and nothing else of the table. A file that is not there is
    yielded all the same, as all zeros: reading it will say why.

    Parameters
    ----------
    path : bytes
        A ``.csv``, ``.tsv`` or ``.parquet`` with a column `path`, or a ``.txt`` with a path in each
        line (its bytes as they are). Relative paths start from the manifest's folder.
    schemes : collection of str
        Schemes that its URLs may have.

    Raises
    ------
    InputError, FaultsError
        It cannot be read, or names what is not opened: all faults come together.
    """
    found, faults = list[bytes](), list[str]()
    resolve = _Resolver(os.path.dirname(path), frozenset(schemes))
    for place, raw in _KINDS[os.path.splitext(path)[1].lower()](Path(os.fsdecode(path))):
        named, fault = resolve(raw)
        if fault:
            faults.append(f"{place}: {paths.to_text(raw)!r} {fault}")
        elif not faults:
            found.append(named)
    if faults:
        raise FaultsError(paths.to_text(path), faults, _REMEDY)
    found.sort()
    return _looked_at(found)


def _looked_at(found: list[bytes]) -> Iterator[FileEntry]:
    """Give the state of files; those at URLs some at a time, a run of them after the other."""
    last = b""
    urls: list[bytes] = []
    for path in found:
        if path == last:
            continue
        last = path
        if paths.scheme_of(path) and not paths.parted(path)[1]:
            urls.append(path)
            if len(urls) < _ROWS:
                continue
        if urls:
            yield from remote.statuses(urls)
            urls.clear()
        if not paths.scheme_of(path) or paths.parted(path)[1]:
            yield _state(path)
    yield from remote.statuses(urls)


def _state(path: bytes) -> FileEntry:
    try:
        if paths.parted(path)[1]:
            return archives.entry(path)
        return FileEntry.of(path, os.lstat(path))
    except (OSError, NotReadable):
        return FileEntry(path, 0, 0, 0)


class _Resolver:
    """Gives the whole path that a manifest means, and what is wrong with it."""

    def __init__(self, folder: bytes, schemes: Collection[str]) -> None:
        self.folder = folder
        self.schemes = schemes
        # A million files lie in a few folders; resolving each by itself would take minutes.
        self.real = lru_cache(10_000)(os.path.realpath)

    def __call__(self, raw: bytes) -> tuple[bytes, str]:
        if not raw:
            return raw, "is no path"
        if b"\x00" in raw:
            return raw, "has a NUL byte, which no path has"
        scheme = paths.scheme_of(raw)
        if scheme:
            return raw, checked(raw) or self._refused(scheme)
        file, member = paths.parted(paths.beside(self.folder, raw))
        inside, name = os.path.split(file)
        place = os.path.join(self.real(inside), name)
        if os.path.islink(place):
            place = os.path.realpath(place)
        return (place + b"//" + member if member else place), ""

    def _refused(self, scheme: str) -> str:
        if scheme in self.schemes:
            return ""
        return (
            f"is a URL of a scheme that manifests may not name here; to allow it, write "
            f'schemes = ["{scheme}"] under [sources] in curate.toml'
        )


def _separated(separator: str) -> Callable[[Path], Iterator[tuple[str, bytes]]]:
    return lambda path: _from_table(path, separator)


def _from_table(path: Path, separator: str) -> Iterator[tuple[str, bytes]]:
    line = 1
    try:
        # newline="": line ends inside quotes are content.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=separator, strict=True)
            number = _column(path, next(reader, []))
            line = reader.line_num + 1
            for row in reader:
                if row:
                    text = cells.plain(row[number]) if number < len(row) else ""
                    yield f"line {line}", paths.from_text(text)
                line = reader.line_num + 1
    except OSError as error:
        raise InputError(str(path), describe(error), "Give a manifest that can be read.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        fault = f"line {line}: is not CSV in UTF-8 ({error})"
        raise FaultsError(str(path), [fault], _REMEDY) from error


def _from_parquet(path: Path) -> Iterator[tuple[str, bytes]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        with pq.ParquetFile(path) as file:
            _column(path, file.schema_arrow.names)
            for batch in file.iter_batches(_ROWS, columns=["path"]):
                for value in batch.column(0).to_pylist():
                    row += 1
                    yield f"row {row}", _as_bytes(value)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            str(path), f"is not a Parquet file ({error})", "Give one that is."
        ) from error


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else paths.from_text(str(value or ""))


def _from_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                raw = line.rstrip(b"\r\n")
                if raw:
                    yield f"line {number}", raw
    except OSError as error:
        raise InputError(str(path), describe(error), "Give a manifest that can be read.") from error


def _column(path: Path, header: list[str]) -> int:
    if "path" not in header:
        raise FaultsError(
            str(path),
            [f"line 1: the column 'path' is missing; there is {', '.join(map(repr, header))}"],
            "Name the column of the files `path`, with commas between the cells of a .csv.",
        )
    return header.index("path")


_KINDS: dict[bytes, Callable[[Path], Iterator[tuple[str, bytes]]]] = {
    b".csv": _separated(","),
    b".tsv": _separated("\t"),
    b".parquet": _from_parquet,
    b".txt": _from_lines,
}
