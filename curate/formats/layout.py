"""Where an image lies in a folder tree: ``train/kangaroo/img-<image id>.jpg``.

Names come from the image and its class alone, never from what else is in the tree: so two files
named alike keep apart, and a name stays when others come and go.
"""

from __future__ import annotations

import os
import re
import unicodedata
from hashlib import sha256

import pandas as pd

from curate.core import paths, urls
from curate.core.suffixes import SUFFIXES

_OF_FORMAT = {format_: suffix for suffix, format_ in reversed(SUFFIXES.items())} | {"MPO": ".jpg"}
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_LONGEST = 120


def laid_out(table: pd.DataFrame) -> pd.DataFrame:
    """Give every image of a split its place in a tree.

    Parameters
    ----------
    table : DataFrame
        image_id, path (text, '' where no file is left), label, split ('' when left out), and
        optionally format (as the scan names it), for files whose name has no suffix of an image.

    Returns
    -------
    DataFrame
        The rows that have a split and a path, sorted by their new column `place`: the path in the
        tree, with `/` between its three parts.
    """
    rows = table[(table["split"] != "") & table["path"].fillna("").ne("")].copy()
    formats = rows["format"] if "format" in rows else [""] * len(rows)
    folders = {label: folder_name(label) for label in rows["label"].unique()}
    rows["place"] = [
        f"{split}/{folders[label]}/{file_name(path, image_id, format_)}"
        for split, label, path, image_id, format_ in zip(
            rows["split"], rows["label"], rows["path"], rows["image_id"], formats, strict=True
        )
    ]
    return rows.sort_values("place", ignore_index=True)


def folder_name(label: str) -> str:
    """Name the folder of a class, on every system; '' (no label any more) is ``_``.

    A name that had to be changed ends with a digest of the label, so that two classes never meet
    in one folder.
    """
    safe = _safe(label)
    return (
        safe if safe == label or not label else f"{safe}-{sha256(label.encode()).hexdigest()[:8]}"
    )


def file_name(path: str, image_id: str, format_: str = "") -> str:
    """Name a file after the one it shows, with the image id, which no other image has."""
    base = os.path.basename(urls.shown(paths.from_text(path))).decode("utf-8", "replace")
    stem, suffix = os.path.splitext(base)
    if suffix.lower() not in SUFFIXES:
        # Tools that go by suffix would pass the image by in silence.
        stem, suffix = base, _OF_FORMAT.get(format_, "")
    short = _safe(stem).encode()[:_LONGEST].decode(errors="ignore")
    return f"{short}-{image_id}{suffix}"


def _safe(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    printable = "".join(c if c.isprintable() and c != "\ufffd" else "_" for c in composed)
    safe = _FORBIDDEN.sub("_", printable)
    # Hidden files are passed by, a dash looks like an option, a dot at the end is lost on Windows.
    safe = f"_{safe[1:]}" if safe.startswith((".", "-")) else safe
    return f"{safe[:-1]}_" if safe.endswith((".", " ")) else safe or "_"
