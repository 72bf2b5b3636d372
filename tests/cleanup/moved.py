"""Libraries with small files for the tests of what moves them, and the three oracles."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from curate.cleanup.applying import apply
from curate.cleanup.batches import Told
from curate.cleanup.plans import PLAN_COLUMNS, Plan, digest, typed
from curate.core import paths
from curate.core.files import FileEntry
from curate.core.identity import Content, image_id
from curate.store import check, decisions, files, journal
from curate.store.decisions import Decision
from curate.store.dialect import insert_or_replace
from curate.store.files import FileRow
from curate.store.library import Library
from curate.store.runs import running
from curate.store.schema import roots

LABELLED = b"what people want"


def put(root: Path | bytes, named: Mapping[str | bytes, bytes]) -> list[bytes]:
    """Write files under a folder; give their paths."""
    made = []
    for name, content in named.items():
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        made.append(path)
    return made


def know(library: Library, root: Path | bytes, found: Sequence[bytes]) -> None:
    """Write down files as a scan of their root would, without looking at pictures."""
    seen, contents = [], {}
    for path in found:
        content = Path(os.fsdecode(path)).read_bytes()
        name = image_id(content)
        seen.append(FileRow.read(FileEntry.of(path, os.lstat(path)), name, ""))
        contents[name] = Content(name, len(content), 1, 1, "JPEG", None)
    with running(library, "scan", {}) as run, library.writing() as connection:
        files.register(connection, run.run_id, seen, list(contents.values()))
        at = {"path": os.fsencode(root), "labels": "", "origin": "", "run_id": run.run_id}
        insert_or_replace(connection, roots, [at])


def label(library: Library, content: bytes, value: str = "kudu") -> None:
    """Give an image a label."""
    with running(library, "label", {}) as run, library.writing() as connection:
        made = Decision("label", image_id(content), value, f"test/{run.run_id}", "ada")
        decisions.append(connection, run.run_id, [made])


def filled(library: Library, root: Path, named: Mapping[str | bytes, bytes]) -> list[bytes]:
    """Put files into a root that the library knows, beside one that has a label."""
    found = put(root, named)
    kept = put(root, {"kept.jpg": LABELLED})
    know(library, root, [*found, *kept])
    label(library, LABELLED)
    return found


def plan_of(found: Sequence[bytes], rule: str = "blank") -> Plan:
    """Plan that files go, as they are now."""
    rows = []
    for path in found:
        content = Path(os.fsdecode(path)).read_bytes()
        row = (image_id(content), paths.to_text(path), rule, "shows nothing", 0.1, len(content))
        rows.append((*row, "kudu"))
    table = typed(pd.DataFrame(rows, columns=list(PLAN_COLUMNS)))
    return Plan(table, "policy", 0, digest(table))


def quarantined(library: Library, found: Sequence[bytes]) -> Told:
    """Plan and apply."""
    return apply(library, plan_of(found))


def items(library: Library, *among: str) -> list[journal.Item]:
    """Give the items of the journal."""
    with library.reading() as connection:
        return journal.items(connection, among)


def digests(*folders: Path) -> Counter[str]:
    """Oracle T: the digests of all files under folders, less what people read there."""
    found: Counter[str] = Counter()
    for folder in folders:
        for place, _, names in os.walk(os.fsencode(folder)):
            for name in names:
                path = os.path.join(place, name)
                if name == b"WHAT-LIES-HERE.txt" or b"README.txt" in name:
                    continue
                if b"/.curate/" in path and b"/quarantine/" not in path:
                    continue
                with open(path, "rb") as file:
                    found[hashlib.sha256(file.read()).hexdigest()] += 1
    return found


def whole(library: Library) -> bool:
    """Oracle D: `curate check` finds nothing."""
    assert check.faults(library) == []
    return True


def settled(library: Library) -> bool:
    """Oracle L: what the journal says of each file is where it lies, and only there."""
    for item in items(library):
        place = journal.place_in(library, item.place)
        there = {"at its path": os.path.lexists(item.path), "in quarantine": os.path.lexists(place)}
        if item.state == journal.QUARANTINED:
            assert there["in quarantine"], item
        elif item.state != journal.OPEN:
            assert not there["in quarantine"], item
    return True
