"""Forget a scanned folder that is gone for good: a disk that was retired, not one that is away."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, delete, false, func, select, update

from curate.cleanup.applying import STAGE
from curate.core import names, paths
from curate.core.errors import InputError, PolicyError
from curate.store import decisions, files, journal, protection, runs, schema
from curate.store.library import Library

FORGOTTEN = "its folder {} was forgotten"


@dataclass(frozen=True)
class Forgotten:
    """A folder that is forgotten, or would be.

    Attributes
    ----------
    root : str
        The folder, as text.
    files : int
        Files that the library knows there.
    labelled : int
        Images with a label of which every file lies there.
    quarantined : int
        Files in quarantine that came from there: nobody can put them back any more.
    run_id : int
        The run that forgot it; 0 where nothing was changed.
    """

    root: str
    files: int
    labelled: int
    quarantined: int
    run_id: int = 0


def forget(library: Library, root: str, *, really: bool = False) -> Forgotten:
    """Forget a scanned folder, so that plans no longer wait for its disk.

    Its files are gone for the library; images, labels and all other decisions stay, and a scan
    of the folder brings its files back.

    Parameters
    ----------
    library : Library
        Where it was scanned.
    root : str
        The folder by its whole name, as the library knows it.
    really : bool
        Forget. Otherwise nothing is changed.

    Raises
    ------
    InputError
        No folder of this name was scanned.
    PolicyError
        It is there: a scan says what is missing in it.
    """
    at = paths.from_text(root)
    with library.reading() as connection:
        _require_absent(connection, at)
        found = _found(connection, at)
    if not really:
        return found
    parameters = {"action": "forget", "root": root}
    with runs.running(library, STAGE, parameters) as run, library.writing() as connection:
        _require_absent(connection, at)
        found = _found(connection, at)
        table, others = schema.files, [one for one in protection.roots(connection) if one != at]
        connection.execute(
            update(table)
            .where(_only(at, others), table.c.status != "gone")
            .values(status="gone", reason=FORGOTTEN.format(root), run_id=run.run_id)
        )
        connection.execute(delete(schema.roots).where(schema.roots.c.path == at))
        run.summary.update({**vars(found), "run_id": run.run_id})
    return Forgotten(**{**vars(found), "run_id": run.run_id})


def _require_absent(connection: Connection, root: bytes) -> None:
    known = [paths.to_text(one) for one in protection.roots(connection)]
    text = paths.to_text(root)
    if text not in known:
        meant = names.nearest(text, known)
        raise InputError(
            text,
            "no folder of this name was scanned",
            f"Did you mean {meant}?" if meant else f"Known: {', '.join(known) or 'none'}.",
        )
    if text not in protection.absent(connection) and connection.execute(_known(root, [])).first():
        raise PolicyError(
            text,
            "is there, with files in it, and only a folder that is gone is forgotten",
            f"`curate scan {text}` says what is missing in it.",
        )


def _found(connection: Connection, root: bytes) -> Forgotten:
    others = [one for one in protection.roots(connection) if one != root]
    here = _known(root, others).subquery()
    elsewhere = select(schema.files.c.image_id).where(
        schema.files.c.status == "ok", ~_only(root, others), schema.files.c.image_id.is_not(None)
    )
    labels = decisions.current(connection, "label")
    wanted = set(labels.loc[labels["value"] != "", "image_id"])
    alone = select(here.c.image_id).where(here.c.image_id.not_in(elsewhere)).distinct()
    held = journal.items(connection, [journal.QUARANTINED, journal.OPEN])
    return Forgotten(
        paths.to_text(root),
        int(connection.scalar(select(func.count()).select_from(here)) or 0),
        sum(image in wanted for image in connection.scalars(alone)),
        sum(item.path.startswith(root.rstrip(b"/") + b"/") for item in held),
    )


def _known(root: bytes, others: list[bytes]) -> Select[tuple[bytes, str]]:
    table = schema.files
    return select(table.c.path, table.c.image_id).where(
        _only(root, others), table.c.status != "gone"
    )


def _only(root: bytes, others: list[bytes]) -> ColumnElement[bool]:
    """Say that a file lies below a folder, and below no other that was scanned."""
    inside = files.under([root])
    inner = [one for one in others if one.startswith(root.rstrip(b"/") + b"/")]
    outer = [one for one in others if root.startswith(one.rstrip(b"/") + b"/")]
    if outer:
        return false()
    return inside & ~files.under(inner) if inner else inside
