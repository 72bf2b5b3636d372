"""The permanent split of a library: read what it knows, assign, write down what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from sqlalchemy import Connection

from curate.core.errors import FaultsError
from curate.splits.assign import Assignment, assign
from curate.splits.folds import assign_folds
from curate.splits.lock import (
    Lock,
    differences,
    digest,
    make_lock,
    places_digest,
    read_lock,
    table_digest,
)
from curate.splits.placed import MOVER, STAGE, last_number, placed
from curate.splits.policy import SplitPolicy
from curate.store import decisions, facts, runs, views
from curate.store.decisions import Decision
from curate.store.library import Library

OUT = "out"
"""Where an image is moved to that shall have no place."""


@dataclass(frozen=True)
class _Made:
    """An assignment and all that it was made of."""

    images: pd.DataFrame
    before: pd.DataFrame
    decisions: int
    assignment: Assignment


def split(
    library: Library, policy: SplitPolicy, moves: Mapping[str, str] | None = None
) -> Assignment:
    """Bring the permanent split up to date; what was assigned before stays where it is.

    Parameters
    ----------
    library : Library
        Read, and written to: one decision for every image whose place is new or had to change.
    policy : SplitPolicy
        What is asked.
    moves : mapping of str to str, optional
        Image id to the split that it moves to, or ``out``; remembered as what a person decided.

    Raises
    ------
    PolicyError
        No class passes the cutoff.
    InputError
        A move names no image or no split.
    """
    return _kept(library, policy, moves or {}).assignment


def split_and_lock(
    library: Library, policy: SplitPolicy, moves: Mapping[str, str] | None = None
) -> tuple[Assignment, Lock]:
    """The same as `split`, and the lock from which it can be made again."""
    made = _kept(library, policy, moves or {})
    return made.assignment, _lock(made, policy, moves or {})


def split_from_lock(library: Library, path: Path) -> Assignment:
    """Make the split of a lock file again; a library that has no split yet then has this one.

    Raises
    ------
    FaultsError
        The library differs from the one of the lock, or has been split otherwise since. All
        differences are listed, and nothing was changed.
    """
    lock = read_lock(path)
    with runs.running(library, STAGE, {**asdict(lock.policy), "lock": lock.table}) as run:
        made = _again(library, lock, path)
        _write_down(library, made, lock.moves, run)
    return made.assignment


def preview(
    library: Library, policy: SplitPolicy, moves: Mapping[str, str] | None = None
) -> Assignment:
    """Assign without writing anything down: for `--explain`, and for throw-away models."""
    return _made(library, policy, moves or {}).assignment


def last_policy(library: Library) -> SplitPolicy | None:
    """Give the policy that the permanent split was made with last; None where there is none."""
    asked = runs.last_asked(library, STAGE)
    known = {field.name for field in fields(SplitPolicy)}
    kept = {name: value for name, value in asked.items() if name in known}
    return SplitPolicy(**kept) if asked else None


def split_folds(library: Library, policy: SplitPolicy, folds: int) -> pd.DataFrame:
    """Share the images that the permanent split could use out to folds; nothing is written down.

    Returns
    -------
    DataFrame
        As `assign_folds` gives it.
    """
    with library.reading() as connection:
        images, before, _ = _read(library, connection)
    placed_now = before[before["split"] != ""]
    return assign_folds(_without(images, before, {}), policy, folds, placed_now)


def _kept(library: Library, policy: SplitPolicy, moves: Mapping[str, str]) -> _Made:
    asked = {**asdict(policy), "moves": dict(moves)} if moves else asdict(policy)
    with runs.running(library, STAGE, asked) as run:
        made = _made(library, policy, moves)
        _write_down(library, made, moves, run)
    return made


def _write_down(library: Library, made: _Made, moves: Mapping[str, str], run: runs.Run) -> None:
    with library.writing() as connection:
        decisions.append(connection, run.run_id, _new(made, moves, run.run_id))
    table = made.assignment.table
    run.summary["digest"] = digest(table)
    run.summary["images"] = table["split"].value_counts().to_dict()


def _made(library: Library, policy: SplitPolicy, moves: Mapping[str, str]) -> _Made:
    with library.reading() as connection:
        images, before, number = _read(library, connection)
    return _Made(images, before, number, _assigned(images, policy, before, moves))


def _read(library: Library, connection: Connection) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Give the images, the places that they had before, and the number of the log."""
    looks = views.looked(library, "phash", "quality").astype(object)
    images = facts.images(connection).merge(looks, on="image_id", how="left")
    return images, _here(placed(connection), images), last_number(connection)


def _here(places: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    return places[places["image_id"].isin(images["image_id"])].reset_index(drop=True)


def _assigned(
    images: pd.DataFrame, policy: SplitPolicy, before: pd.DataFrame, moves: Mapping[str, str]
) -> Assignment:
    asked = _without(images, before, moves)
    to = pd.DataFrame(list(moves.items()), columns=["image_id", "split"], dtype=object)
    to["split"] = to["split"].replace(OUT, "")
    assignment = assign(asked, policy, before[before["split"] != ""], to if len(to) else None)
    # What lost its place long ago is no news; it is known only so that it can return.
    now = set(images.loc[images["split"] != "", "image_id"])
    news = assignment.changes[assignment.changes["image_id"].isin(now)]
    return replace(assignment, changes=news.reset_index(drop=True))


def _without(images: pd.DataFrame, before: pd.DataFrame, moves: Mapping[str, str]) -> pd.DataFrame:
    """Take away what a person has left out and does not move elsewhere now."""
    taken_out = before.loc[before["split"] == "", "image_id"]
    stays = images["image_id"].isin(taken_out[~taken_out.isin(list(moves))]) & images["usable"]
    return images.assign(
        usable=images["usable"] & ~stays,
        unusable_reason=images["unusable_reason"].mask(stays, "left out as asked"),
    )


def _new(made: _Made, moves: Mapping[str, str], run_id: int) -> list[Decision]:
    before = made.images.set_index("image_id")["split"]
    table = made.assignment.table
    changed = table["split"].to_numpy() != before.reindex(table["image_id"]).to_numpy()
    # An image moves with its group, and then it is the person who has placed it too.
    by_hand = table["reason"].str.contains(r"\bas asked(?:;|$)") & bool(moves)
    rows = table.assign(actor=[MOVER if hand else STAGE for hand in by_hand])
    return [
        Decision(
            kind="split",
            image_id=row["image_id"],
            value=row["split"],
            key=f"split/{run_id}/{row['image_id']}",
            actor=row["actor"],
            detail={"reason": row["reason"]},
        )
        for row in rows[changed | by_hand.to_numpy()].to_dict("records")
    ]


def _lock(made: _Made, policy: SplitPolicy, moves: Mapping[str, str]) -> Lock:
    return make_lock(made.images, policy, made.before, moves, made.decisions, made.assignment.table)


def _again(library: Library, lock: Lock, path: Path) -> _Made:
    """Make the assignment of a lock, or say what is different here."""
    with library.reading() as connection:
        images, now, number = _read(library, connection)
        # In the library that the lock was made in, the log says how it stood then; in another
        # one of the same images, its present state may be the same.
        then = _here(placed(connection, lock.decisions), images)
    before = then if places_digest(then) == lock.previous else now
    faults = differences(lock, images, before)
    if not faults:
        made = _Made(images, before, number, _assigned(images, lock.policy, before, lock.moves))
        faults = _against(lock, made)
    if faults:
        raise FaultsError(
            str(path), faults, "Restore that, or make a new lock: `curate split --lock FILE`."
        )
    return made


def _against(lock: Lock, made: _Made) -> list[str]:
    """Say where an assignment is not the one of its lock, or cannot take the place of today's."""
    table = made.assignment.table
    if table_digest(table) != lock.table:
        return [
            "assignment: inputs, policy and earlier places are the same, and what comes out is "
            f"not; the lock was made by curate {lock.curate}, this is {version('curate')}"
        ]
    now = made.images.set_index("image_id")["split"].reindex(table["image_id"]).to_numpy()
    earlier = made.before.set_index("image_id")["split"].reindex(table["image_id"]).to_numpy()
    moved = table[(now != "") & (now != table["split"].to_numpy()) & (now != earlier)]
    if moved.empty:
        return []
    first = moved.iloc[0]
    return [
        f"since then: the library was split otherwise ({len(moved):,} of its places differ); "
        f"{first['image_id']} would move to {first['split'] or 'no split'}, and what is assigned "
        "stays"
    ]
