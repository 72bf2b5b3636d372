"""What a folder or a manifest says of images, against what the library knows: decisions, conflicts.

The library keeps what it was told last by a person. A folder speaks once for each image: a file
that was moved to another class's folder keeps its label, and the difference is reported. A manifest
is a person's word: where it changed since it was last read, it makes a new decision.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from curate.core import names, paths

CONFLICTS = ("image_id", "path", "label", "stated", "reason")


def from_folders(found: Iterable[bytes], root: bytes) -> tuple[pd.DataFrame, list[str]]:
    """Read labels from the folders that files lie in: ``root/class/[sub-class/…/]name``.

    Returns
    -------
    table : DataFrame
        Columns path (bytes), label, sub_class ('' where there is none).
    faults : list of str
        Folders whose names cannot name a class.
    """
    rows: list[tuple[bytes, str, str]] = []
    wrong: dict[tuple[bytes, ...], None] = {}
    for path in found:
        parts = path[len(root) :].strip(b"/").split(b"/")[:-1][:2]
        if any(part.startswith(b".") for part in parts):
            # `.thumbnails` and the like are some program's, and no class.
            parts = []
        try:
            label, sub_class = ([part.decode() for part in parts] + ["", ""])[:2]
        except UnicodeDecodeError:
            wrong[tuple(parts)] = None
            continue
        rows.append((path, label, sub_class))
    table = pd.DataFrame(rows, columns=["path", "label", "sub_class"], dtype=object)
    faults = [
        f"folder {paths.to_text(b'/'.join(parts))!r} cannot name a class: it is not UTF-8"
        for parts in wrong
    ]
    for column in ("label", "sub_class"):
        for name in table[column].unique():
            if name and (fault := names.fault_of(name)):
                faults.append(f"folder {name!r} cannot name a class: it {fault}")
    return table, faults


def clash_faults(labels: Iterable[str], known: Iterable[str]) -> list[str]:
    """Say which incoming classes could be mistaken for each other or for known ones."""
    return [
        f"class {name!r} differs from {other!r} only in case or composition"
        for name, other in names.clashes(labels, {*known, names.UNKNOWN})
    ]


def label_changes(
    stated: pd.DataFrame, current: pd.DataFrame, said: pd.DataFrame, *, revises: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the labels that are new, and those that contradict what the library keeps.

    Parameters
    ----------
    stated : DataFrame
        Columns image_id, path (text), label, sub_class of files that have a label, by path.
    current, said : DataFrame
        Columns image_id, label, sub_class: the labels that hold now, and what a scan said last.
    revises : bool
        Whether a statement that changed since the last scan is a new decision (a manifest) or a
        conflict to report (folders).

    Returns
    -------
    changes : DataFrame
        The rows of `stated` that become decisions, one an image.
    conflicts : DataFrame
        Columns image_id, path, label (kept), stated, reason.
    """
    first = stated.drop_duplicates("image_id")
    joined = first.merge(current, on="image_id", how="left", suffixes=("", "_kept"))
    joined = joined.merge(said, on="image_id", how="left", suffixes=("", "_said"))
    new = joined["label_kept"].isna()
    fresh = ~new & _differs(joined, "_kept") & _differs(joined, "_said")
    changes = joined[new | fresh] if revises else joined[new]
    moved = joined[fresh & (not revises)]
    holds = joined.set_index("image_id")["label_kept"].where(~(fresh & revises).to_numpy())
    holds = holds.fillna(joined.set_index("image_id")["label"])
    twins = stated[stated["image_id"].duplicated()]
    twins = twins.assign(label_kept=holds.reindex(twins["image_id"]).to_numpy())
    twins = twins[twins["label"] != twins["label_kept"]]
    conflicts = pd.concat(
        [
            moved.assign(
                reason="it lies in another class's folder now; its label stays",
                label=_in_full(moved, ""),
                label_kept=_in_full(moved, "_kept"),
            ),
            twins.assign(reason="the same content lies under two labels; the first stays"),
        ]
    )
    conflicts = conflicts.drop_duplicates("path").rename(
        columns={"label": "stated", "label_kept": "label"}
    )
    kept: pd.DataFrame = changes[list(stated.columns)]
    return kept, conflicts[list(CONFLICTS)].reset_index(drop=True)


def value_changes(stated: pd.DataFrame, column: str, current: pd.Series) -> pd.DataFrame:
    """Find the images for which a column says something that does not hold yet.

    Parameters
    ----------
    stated : DataFrame
        Columns image_id and `column` ('' where nothing is said).
    column : str
        The column.
    current : Series
        What holds now, by image_id.

    Returns
    -------
    DataFrame
        The rows of `stated` that become decisions, one an image.
    """
    told = stated[stated[column] != ""].drop_duplicates("image_id")
    differs = told[column].to_numpy() != current.reindex(told["image_id"]).to_numpy()
    changes: pd.DataFrame = told[differs]
    return changes


def _in_full(rows: pd.DataFrame, suffix: str) -> pd.Series:
    """Write classes with their sub-classes: ``kangaroo/joey``."""
    pairs = zip(rows[f"label{suffix}"], rows[f"sub_class{suffix}"], strict=True)
    written = [f"{label}/{sub_class}" if sub_class else label for label, sub_class in pairs]
    return pd.Series(written, index=rows.index, dtype=object)


def _differs(joined: pd.DataFrame, suffix: str) -> pd.Series:
    columns = ["label", "sub_class"]
    other = joined[[f"{name}{suffix}" for name in columns]].to_numpy()
    return pd.Series((joined[columns].to_numpy() != other).any(axis=1), index=joined.index)
