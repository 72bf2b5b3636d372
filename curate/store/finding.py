"""Which image of the library a row of another program's file means."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sqlalchemy import Connection, select

from curate.core import paths
from curate.core.chunks import batched
from curate.core.files import NotReadable, read
from curate.core.identity import ID_LENGTH, image_id
from curate.store import schema

SHOWN = 3
"""Files of one name that a fault lists."""

_ID = re.compile(f"[0-9a-f]{{{ID_LENGTH}}}")
_ID_AT_THE_END = re.compile(rb"(?:^|-)([0-9a-f]{%d})$" % ID_LENGTH)

Named = tuple[str, str]
"""The id that a row carries ('' for none), and how it names the file."""


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes
    ----------
    images : dict of int to str
        The image of each row, by its place in the sequence; rows without one are not there.
    faults : dict of int to str
        Why a row has none, in words for people.
    """

    images: dict[int, str]
    faults: dict[int, str]


def find(connection: Connection, rows: Sequence[Named], roots: Sequence[bytes]) -> Found:
    """Find the images that rows name.

    An id that a row carries decides. Else counts, in this order: the path (absolute, or from one of
    the folders); the id that curate writes into the names of exported files; the content of the
    file that lies there; the name of the file alone, where one file of the library has it, or
    where the folders before it tell which.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    rows : sequence of (str, str)
        See `Named`.
    roots : sequence of bytes
        Folders that relative paths start from, the first that has the file counts.
    """
    images: dict[int, str] = {}
    faults: dict[int, str] = {}

    def left() -> list[int]:
        return [n for n in range(len(rows)) if n not in images and n not in faults]

    carried = {n: rows[n][0] for n in left() if rows[n][0]}
    known = _known(connection, carried.values())
    for number, name in carried.items():
        if name in known:
            images[number] = name
        elif _ID.fullmatch(name) and name not in rows[number][1]:
            # What only looks like an id of ours, in the name of a file, says nothing.
            faults[number] = f"image_id {name!r} is no image of the library"
    places = {n: _places(rows[n][1], roots) for n in left() if rows[n][1]}
    for step in (_by_path, _by_id_in_name, _by_content):
        images |= step(connection, {n: p for n, p in places.items() if n not in images})
    rest = {n: rows[n][1] for n in places if n not in images}
    by_name, several = _by_name(connection, rest, frozenset(images.values()))
    images |= by_name
    faults |= several
    for number in left():
        named, file = rows[number]
        text = f"file {file!r}" if file else f"image_id {named!r}"
        faults[number] = f"{text} is no image of the library" if named or file else "no image named"
    return Found(images, faults)


def _places(text: str, roots: Sequence[bytes]) -> list[bytes]:
    raw = paths.from_text(text.removeprefix("file://"))
    return list(dict.fromkeys(paths.beside(root, raw) for root in roots)) if roots else [raw]


def _known(connection: Connection, ids: Iterable[str]) -> set[str]:
    column = schema.images.c.image_id
    return {
        name
        for some in batched(sorted(set(ids)), 500)
        for name in connection.scalars(select(column).where(column.in_(some)))
    }


_Places = Mapping[int, Sequence[bytes]]


def _by_path(connection: Connection, places: _Places) -> dict[int, str]:
    path, column = schema.files.c.path, schema.files.c.image_id
    asked = sorted({place for several in places.values() for place in several})
    at: dict[bytes, str] = {}
    for lot in batched(asked, 500):
        query = select(path, column).where(path.in_(lot), column.is_not(None))
        at.update((row.path, row.image_id) for row in connection.execute(query))
    return _first(places, at.get)


def _by_id_in_name(connection: Connection, places: _Places) -> dict[int, str]:
    names = {n: found[1].decode() for n, p in places.items() if (found := _id_in(p[0]))}
    known = _known(connection, names.values())
    return {number: name for number, name in names.items() if name in known}


def _id_in(path: bytes) -> re.Match[bytes] | None:
    return _ID_AT_THE_END.search(os.path.splitext(os.path.basename(path))[0])


def _by_content(connection: Connection, places: _Places) -> dict[int, str]:
    # Only files on a disk: nothing is fetched because a table names a URL.
    local = {n: [p for p in several if not paths.scheme_of(p)] for n, several in places.items()}
    found = _first(local, _content)
    known = _known(connection, found.values())
    return {number: name for number, name in found.items() if name in known}


def _content(place: bytes) -> str | None:
    try:
        return image_id(read(os.path.realpath(place))) if os.path.isfile(place) else None
    except (NotReadable, ValueError):
        return None


def _by_name(
    connection: Connection, files: Mapping[int, str], taken: frozenset[str]
) -> tuple[dict[int, str], dict[int, str]]:
    """Find images by the end of their path; several of one name are a fault that lists them.

    An image that another row means for certain (`taken`) is not what a mere name stands for.
    """
    wanted = {os.path.basename(_slashed(text)) for text in files.values()} - {b""}
    known: dict[bytes, list[tuple[bytes, str]]] = {}
    if wanted:
        path, column = schema.files.c.path, schema.files.c.image_id
        for place, name in connection.execute(select(path, column).where(column.is_not(None))):
            base = os.path.basename(place)
            if base in wanted:
                known.setdefault(base, []).append((place, name))
    images: dict[int, str] = {}
    faults: dict[int, str] = {}
    first: dict[frozenset[bytes], tuple[int, str]] = {}
    for number, text in files.items():
        best = _longest_common(_slashed(text), known.get(os.path.basename(_slashed(text)), []))
        ids = {name for _, name in best}
        if len(ids) > 1:
            shown = ", ".join(paths.to_text(place) for place, _ in sorted(best)[:SHOWN])
            more = f" and {len(best) - SHOWN} more" if len(best) > SHOWN else ""
            faults[number] = f"file {text!r} may be any of {shown}{more}"
        elif ids:
            (name,) = ids
            if name in taken:
                place = paths.to_text(best[0][0])
                faults[number] = f"file {text!r} is named like {place}, which another row means"
                continue
            earlier = first.setdefault(frozenset(place for place, _ in best), (number, text))
            if earlier[1] == text:
                images[number] = name
                continue
            # One of the two is another image of that name, which the library does not have.
            place = paths.to_text(best[0][0])
            images.pop(earlier[0], None)
            for each, said in (earlier, (number, text)):
                faults[each] = f"file {said!r} is one of several that are named like {place}"
    return images, faults


def _slashed(text: str) -> bytes:
    raw = paths.from_text(text) if "/" in text else text.replace("\\", "/").encode()
    return raw.rstrip(b"/")


def _longest_common(asked: bytes, known: Sequence[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
    """Give the files whose path agrees with what is asked for the most folders from its end."""
    lengths = [_common(asked, place) for place, _ in known]
    return [one for one, n in zip(known, lengths, strict=True) if n == max(lengths)]


def _common(one: bytes, other: bytes) -> int:
    pairs = zip(reversed(one.split(b"/")), reversed(other.split(b"/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _first(places: _Places, find_at: Callable[[bytes], str | None]) -> dict[int, str]:
    found = {}
    for number, several in places.items():
        name = next((name for place in several if (name := find_at(place))), None)
        if name:
            found[number] = name
    return found
