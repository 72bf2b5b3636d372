"""What a folder or a manifest says of images, against what the library knows: decisions, conflicts.

The library keeps what it was told last by a person. A folder speaks once for each image: a file
that was moved to another class's folder keeps its label, and the difference is reported. A manifest
is a person's word: where it changed since it was last read, it makes a new decision, and where a
cell was emptied, it takes the earlier one back.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from curate.core import names, paths

CONFLICTS = ("image_id", "path", "label", "stated", "reason")

_CARE = {"synthetic": 0, "staged": 1, "real": 2}
"""Origins, the one that keeps an image out of val, test and benchmark most surely first."""


def from_folders(found: Iterable[bytes], root: bytes) -> tuple[pd.DataFrame, list[str]]:
    """Read labels from the folders that files lie in: ``root/class/[sub-class/…/]name``.

    Folders within an archive count as if it had been unpacked where it lies.

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
        parts = _folders(path[len(root) :])[:2]
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


def _folders(inside: bytes) -> list[bytes]:
    """Give the folders of a path; an archive is as if its members lay in its place."""
    archive, member = paths.parted(inside)
    folders = archive.split(b"/")[:-1] + (member.split(b"/")[:-1] if member else [])
    return [folder for folder in folders if folder not in (b"", b".")]


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


def group_values(told: pd.DataFrame, column: str) -> pd.DataFrame:
    """Give the groups that an image belongs to by any of its files.

    Parameters
    ----------
    told : DataFrame
        Columns image_id and `column` ('' where nothing is said), one row a file.
    column : str
        The group column.

    Returns
    -------
    DataFrame
        One row an image that is in a group: image_id, `column` (its group; where its files are in
        several, all of them, sorted, a line each), values (those as a list, '' where it is one).
    """
    pairs = told.loc[told[column] != "", ["image_id", column]].drop_duplicates()
    several = pairs["image_id"].duplicated(keep=False)
    values = {str(name): sorted(rows[column]) for name, rows in pairs[several].groupby("image_id")}
    rows = [(name, "\n".join(groups), groups) for name, groups in values.items()]
    many = pd.DataFrame(rows, columns=["image_id", column, "values"], dtype=object)
    return pd.concat([pairs[~several].assign(values=""), many], ignore_index=True)


def careful_origins(told: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Settle on one origin an image: of what its files say, the one that asks for most care.

    Parameters
    ----------
    told : DataFrame
        Columns image_id, path (text), origin ('' where nothing is said), one row a file.

    Returns
    -------
    origins : DataFrame
        The rows of `told` that hold, one an image.
    conflicts : DataFrame
        The others that say something else: image_id, path, label (the origin that holds), stated,
        reason.
    """
    stated = told[told["origin"] != ""]
    ordered = stated.sort_values("origin", key=lambda said: said.map(_CARE), kind="stable")
    origins = ordered.drop_duplicates("image_id")
    reason = "the same content has two origins; the more careful one holds"
    held = origins.set_index("image_id")["origin"]
    return origins, contradictions(stated, "origin", held, reason)


def contradictions(told: pd.DataFrame, column: str, held: pd.Series, reason: str) -> pd.DataFrame:
    """Find the files that say something else than what holds for their image.

    Parameters
    ----------
    told : DataFrame
        Columns image_id, path (text) and `column` ('' where nothing is said), one row a file.
    column : str
        The column.
    held : Series
        What holds, by image_id.
    reason : str
        What is said of each.

    Returns
    -------
    DataFrame
        Columns image_id, path, label (what holds), stated, reason.
    """
    stated = told[told[column] != ""]
    stated = stated.assign(stated=stated[column], label=held.reindex(stated["image_id"]).to_numpy())
    found: pd.DataFrame = stated[stated["stated"] != stated["label"]].assign(reason=reason)
    return found[list(CONFLICTS)]


def withdrawn(
    told: pd.DataFrame, column: str, current: pd.DataFrame, said: pd.DataFrame
) -> pd.DataFrame:
    """Find the images of which a manifest takes back what it said: its cells are empty now.

    Parameters
    ----------
    told : DataFrame
        Columns image_id and `column`, one row a file of the manifest.
    column : str
        The column.
    current, said : DataFrame
        What holds now, and what the manifest said last: image_id, `column`, and whatever else
        must be the same in both. A word that somebody else has changed since is not taken back.

    Returns
    -------
    DataFrame
        Rows of `told`, one an image, and values ('').
    """
    silent = ~told["image_id"].isin(told.loc[told[column] != "", "image_id"])
    holding = current[current[column] != ""].merge(said, on=list(current.columns))
    gone = told[silent & told["image_id"].isin(holding["image_id"])]
    return gone.drop_duplicates("image_id").assign(values="")


def _in_full(rows: pd.DataFrame, suffix: str) -> pd.Series:
    """Write classes with their sub-classes: ``kangaroo/joey``."""
    pairs = zip(rows[f"label{suffix}"], rows[f"sub_class{suffix}"], strict=True)
    written = [f"{label}/{sub_class}" if sub_class else label for label, sub_class in pairs]
    return pd.Series(written, index=rows.index, dtype=object)


def _differs(joined: pd.DataFrame, suffix: str) -> pd.Series:
    columns = ["label", "sub_class"]
    other = joined[[f"{name}{suffix}" for name in columns]].to_numpy()
    return pd.Series((joined[columns].to_numpy() != other).any(axis=1), index=joined.index)
