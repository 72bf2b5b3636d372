"""What lies where, written for people beside the files: of use should the database be lost."""

from __future__ import annotations

from collections.abc import Iterable

from curate.cleanup.moving.move import Move
from curate.core import paths

NAME = b"WHAT-LIES-HERE"

_HEADER = """\
# Files of run {run}. A line a file: its name in this folder, a tab, where it lay, a tab, its image.
# A backslash and xNN stand for a byte that cannot be printed, two backslashes for one.
# To put all back:  curate cleanup restore --run {run}
# By hand: move the file to where it lay. Files that are not here were put back, or never moved.
"""


def noted(moves: Iterable[Move]) -> dict[tuple[bytes, bytes], tuple[str, str]]:
    """Write what is about to lie where.

    Returns
    -------
    dict of (bytes, bytes) to (str, str)
        By quarantine and the folder of a run in it: the lines that a file of them begins with, and
        a line for each of the files.
    """
    texts: dict[tuple[bytes, bytes], list[str]] = {}
    for move in moves:
        run, _, name = move.place[len(move.quarantine) + 1 :].partition(b"/")
        line = "\t".join([paths.to_text(name), paths.to_text(move.path), move.image_id])
        texts.setdefault((move.quarantine, run), []).append(f"{line}\n")
    return {
        key: (_HEADER.format(run=int(key[1].rpartition(b"-")[2])), "".join(lines))
        for key, lines in texts.items()
    }
