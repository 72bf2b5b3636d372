"""Hugging Face's imagefolder: a tree, and beside the images of each split what they show.

The metadata is JSON Lines, not CSV: `datasets` (5.2.0) guesses the types of a CSV's columns for
each split by itself, so that a class named 1 becomes a number, one named NA a missing value, and
a sub_class that is empty throughout one split stops the loading of all.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from curate.formats.layout import laid_out
from curate.formats.trees import Advance, Written, write_tree

METADATA = "metadata.jsonl"
CARD = "README.md"
COLUMNS = ("label", "sub_class", "origin", "image_id")


def write_imagefolder(
    table: pd.DataFrame, folder: Path, *, copy: bool = False, advance: Advance = lambda done: None
) -> Written:
    """Write a split as an imagefolder, or bring one up to date.

    ``datasets.load_dataset(folder)`` then gives every split that has images, the benchmark among
    them, with the columns image, label, sub_class, origin and image_id.

    Parameters
    ----------
    table : DataFrame
        As `write_tree` takes it, with `sub_class` and `origin`.
    folder, copy, advance
        As `write_tree` takes them.

    Raises
    ------
    FaultsError, InputError
        As `write_tree`.
    """
    rows = laid_out(table)
    texts = {
        f"{split}/{METADATA}": _metadata(images)
        for split, images in rows.groupby("split", sort=True)
    }
    texts[CARD] = _card([place.partition("/")[0] for place in texts])
    return write_tree(table, folder, copy=copy, texts=texts, advance=advance)


def _metadata(images: pd.DataFrame) -> bytes:
    lines = [
        json.dumps({"file_name": place.partition("/")[2], **row}, ensure_ascii=False)
        for place, row in zip(
            images["place"], images[list(COLUMNS)].fillna("").to_dict("records"), strict=True
        )
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _card(splits: list[str]) -> bytes:
    """Name the splits: by folder names alone `datasets` knows train, val and test."""
    named = "".join(f"  - split: {split}\n    path: {split}/**\n" for split in splits)
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n{named}---\n".encode()
