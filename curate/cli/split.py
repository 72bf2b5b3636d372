"""`curate split`: the permanent assignment to train, val, test and benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from curate.cli import split_options as options
from curate.cli.images import find_image
from curate.cli.options import CsvOption, JsonOption, LibraryOption, MinCount, ParquetOption
from curate.cli.split_input import (
    COLUMNS,
    only_given,
    read_moves,
    refuse_contradictions,
    with_paths,
)

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.core.config import Config
    from curate.splits import SplitPolicy
    from curate.store.library import Library


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(split)


def policy_from(config: Config, **wanted: float | str | None) -> SplitPolicy:
    """Lay options over `curate.toml` over the defaults."""
    from curate.splits import SplitPolicy

    return SplitPolicy(**{**config.split.given(), **only_given(wanted)})


def standing_policy(place: Library, config: Config) -> SplitPolicy:
    """Lay `curate.toml` over what the split that exists was made with, over the defaults."""
    from dataclasses import asdict

    from curate.splits import SplitPolicy, last_policy

    last = last_policy(place)
    return SplitPolicy(**{**(asdict(last) if last else {}), **config.split.given()})


def split(
    min_count: MinCount = None,
    max_count: options.MaxCount = None,
    sub_min_count: options.SubMinCount = None,
    sub_max_count: options.SubMaxCount = None,
    count: options.Count = None,
    keep: options.Keep = None,
    val: options.Val = None,
    test: options.Test = None,
    benchmark: options.Benchmark = None,
    seed: options.Seed = None,
    move: options.Move = None,
    explain: options.Explain = "",
    check: options.Check = None,
    folds: options.Folds = None,
    lock: options.LockFile = None,
    from_lock: options.FromLock = None,
    tree: options.Tree = None,
    imagefolder: options.ImageFolder = None,
    copy: options.Copy = False,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Assign images to train, val, test and the frozen benchmark.

    Every image that is left out has its reason. What was assigned before stays where it is.
    """
    from curate.cli.output import Printer

    asked = only_given(
        {
            "min_count": min_count,
            "max_count": max_count,
            "sub_min_count": sub_min_count,
            "sub_max_count": sub_max_count,
            "count": count,
            "keep": keep,
            "val": val,
            "test": test,
            "benchmark": benchmark,
            "seed": seed,
        }
    )
    refuse_contradictions(
        {
            "--explain": explain,
            "--check": check,
            "--folds": folds,
            "--from-lock": from_lock,
            "--move": move,
            "--lock": lock,
            "--tree": tree,
            "--imagefolder": imagefolder,
            "--copy": copy,
        },
        asked,
    )
    folders = {"tree": tree, "imagefolder": imagefolder}
    printer = Printer(as_json)
    if check is not None:
        faults = _check(printer, library, check, from_lock, asked)
        printer.write(faults, csv, parquet)
        printer.finish()
        raise typer.Exit(1 if len(faults) else 0)
    if explain:
        _explain(printer, library, explain, asked)
    elif folds is not None:
        printer.write(_folds(printer, library, folds, asked), csv, parquet)
    else:
        table, policy, near = _split(printer, library, asked, move or [], lock, from_lock)
        printer.write(table[list(COLUMNS)], csv, parquet)
        _write_folders(printer, table, folders, copy)
        _name_the_next(printer, policy, near)
    printer.finish()


def _split(
    printer: Printer,
    library: Path | None,
    asked: Mapping[str, Any],
    move: Sequence[str],
    lock: Path | None,
    from_lock: Path | None,
) -> tuple[pd.DataFrame, SplitPolicy, int]:
    """Make the permanent split.

    Returns
    -------
    tuple
        Its table, its policy, and how many classes nearly pass.
    """
    from curate import splits
    from curate.cli.output import quoted
    from curate.cli.split_output import print_split
    from curate.core import config
    from curate.store.library import opened

    with opened(library) as place:
        policy = policy_from(config.load(place.root), **asked)
        moves = {"moves": read_moves(place, move)} if move else {}
        if from_lock is not None:
            policy = splits.read_lock(from_lock).policy
            assignment = splits.split_from_lock(place, from_lock)
        elif lock is not None:
            assignment, made = splits.split_and_lock(place, policy, **moves)
            splits.write_lock(made, lock)
        else:
            assignment = splits.split(place, policy, **moves)
        table = with_paths(place, assignment.table)
    print_split(printer, assignment)
    if lock is not None:
        printer.say(f"Wrote the lock to {quoted(lock)}")
    near = splits.near_misses(assignment.classes, policy, _lower(policy.min_count))
    return table, policy, len(near)


def _explain(printer: Printer, library: Path | None, image: str, asked: Mapping[str, Any]) -> None:
    from curate import splits
    from curate.core import config
    from curate.store.library import opened

    with opened(library) as place:
        policy = policy_from(config.load(place.root), **asked)
        image_id = find_image(place, image)
        text = splits.explain(splits.preview(place, policy), image_id)
    printer.facts(image_id=image_id, explanation=text)
    printer.say(text)


def _folds(
    printer: Printer, library: Path | None, folds: int, asked: Mapping[str, Any]
) -> pd.DataFrame:
    from curate import splits
    from curate.cli.split_output import print_folds
    from curate.core import config
    from curate.store.library import opened

    with opened(library) as place:
        policy = policy_from(config.load(place.root), **asked)
        table = with_paths(place, splits.split_folds(place, policy, folds))
    print_folds(printer, table)
    return table.drop(columns="format")


def _check(
    printer: Printer,
    library: Path | None,
    file: Path,
    from_lock: Path | None,
    asked: Mapping[str, Any],
) -> pd.DataFrame:
    """Check a split that is written down, with a library or, where there is none, without."""
    from curate import splits
    from curate.cli.split_output import print_checked
    from curate.core import config
    from curate.formats.split_files import read_split
    from curate.store.library import find, opened

    source = read_split(file)
    lock = splits.read_lock(from_lock) if from_lock is not None else None
    with ExitStack() as held:
        there = library is not None or find(Path.cwd()) is not None
        place = held.enter_context(opened(library)) if there else None
        settings = config.load(place.root if place else Path.cwd())
        # Of others only what is asked for is demanded: our defaults are not their rules.
        base = {} if source.ours else {"min_count": 1, "max_count": None}
        policy = splits.SplitPolicy(**{**base, **settings.split.given(), **asked})
        if lock is not None:
            policy = lock.policy
        checked = splits.check(source, policy, place, lock)
    print_checked(printer, checked, policy, has_library=there)
    return checked.faults


def _write_folders(
    printer: Printer, table: pd.DataFrame, folders: Mapping[str, Path | None], copy: bool
) -> None:
    from curate.cli.split_output import print_written
    from curate.engine import progress
    from curate.formats.imagefolder import write_imagefolder
    from curate.formats.trees import write_tree

    for name, folder in folders.items():
        if folder is not None:
            write = write_tree if name == "tree" else write_imagefolder
            total = int((table["split"] != "").sum())
            with progress("Copying" if copy else "Linking", total, "files") as advance:
                written = write(table, folder, copy=copy, advance=advance)
            print_written(printer, name, folder, written)


def _name_the_next(printer: Printer, policy: SplitPolicy, near: int) -> None:
    if near:
        lower = _lower(policy.min_count)
        printer.next(
            f"curate train --throw-away --min-count {lower} -o throw-away.pt",
            f"{near} more {'class' if near == 1 else 'classes'} would pass at {lower}",
        )
    else:
        printer.next("curate train -o ckpt.pt")


def _lower(min_count: int) -> int:
    """The cutoff of a throw-away model: seven eighths, 35 for 40."""
    return max(1, min_count * 7 // 8)
