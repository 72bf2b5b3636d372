"""A cleanup plan: which files would go, by which rule, and why. Nothing moves without one.

The library keeps every plan that was made and not stopped; a file may carry one to people and back.
What a file says of its policy counts only where the library knows the very plan.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from curate import engine
from curate.core.errors import FaultsError, InputError, LibraryError
from curate.core.files import describe, write_asked
from curate.formats.tables import read_records, write_csv, write_parquet
from curate.store import run_rows, runs, shards
from curate.store.library import Library
from curate.store.run_rows import Recorded

STAGE = "cleanup plan"
TABLE = "plans"
VERSION = 1

PLAN_COLUMNS = ("image_id", "path", "rule", "reason", "score", "bytes", "predicted")
"""One row a file. `rule` is the name of the policy's rule, `score` and `predicted` what the last
model said (missing where none did)."""

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("image_id", "path", "rule", "reason")]
    + [("score", pa.float64()), ("bytes", pa.int64()), ("predicted", pa.string())]
)

_NEEDED = ("image_id", "path", "rule", "reason", "bytes")
_TYPES = {
    **dict.fromkeys(("image_id", "path", "rule", "reason", "predicted"), "str"),
    "score": "float64",
    "bytes": "int64",
}


@dataclass(frozen=True)
class Plan:
    """A plan as it was made.

    Attributes
    ----------
    table : DataFrame
        `PLAN_COLUMNS`, in the order in which files go; no path twice.
    policy : str
        Digest of the policy that made it, see `policy.digest`; '' where no policy did: a person
        wrote the file, or changed it.
    run_id : int
        The run that made it; 0 where the library does not know the plan.
    digest : str
        Of the rows; names the plan.
    """

    table: pd.DataFrame
    policy: str
    run_id: int
    digest: str


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Give rows the columns of a plan, and these their types."""
    return table.reindex(columns=list(PLAN_COLUMNS)).astype(_TYPES).reset_index(drop=True)


def digest(table: pd.DataFrame) -> str:
    """Name rows: the same for the same files, images and rules in the same order."""
    named = sha256()
    rows = zip(*(table[name] for name in ("image_id", "path", "rule", "bytes")), strict=True)
    for image_id, path, rule, size in rows:
        # No text that can be printed holds a line break.
        named.update(f"{image_id}\n{path}\n{rule}\n{size}\n".encode())
    return named.hexdigest()[:32]


def keep(library: Library, run: runs.Run, table: pd.DataFrame, policy: str) -> Plan:
    """Keep a plan in the library, as the last one.

    Parameters
    ----------
    library : Library
        Where it is kept.
    run : Run
        That made it; its summary is told the digests, by which a file of the plan is known again.
    table : DataFrame
        `PLAN_COLUMNS`.
    policy : str
        Digest of the policy.
    """
    plan = Plan(typed(table), policy, run.run_id, digest(table))
    kept = pa.Table.from_pandas(plan.table, schema=SCHEMA, preserve_index=False)
    shard = shards.write(library, TABLE, run.run_id, 0, kept)
    run.summary.update(plan=plan.digest, policy=policy)
    runs.note(library, run)
    with library.writing() as connection:
        shards.reference(connection, shard)
    return plan


def write(plan: Plan, path: Path) -> None:
    """Write a plan to a file: ``.json`` with its digests, ``.csv`` or ``.parquet`` its rows.

    Raises
    ------
    InputError
        Another suffix, or the file cannot be written.
    """
    check_suffix(path)
    with engine.progress("Writing the plan", None, "rows"):
        WRITERS[path.suffix](plan, path)


def check_suffix(path: Path) -> None:
    """Refuse a file that no plan can be written to."""
    if path.suffix not in WRITERS:
        raise InputError(str(path), "is no place for a plan", f"Name it {' or '.join(WRITERS)}.")


def read(library: Library, path: Path | None = None) -> Plan:
    """Read a plan from a file, or the last one that the library keeps.

    Parameters
    ----------
    library : Library
        Knows which plans its policies made.
    path : Path, optional
        ``.json``, ``.csv`` or ``.parquet``; also of `curate queue low-score --cleanup`, or written
        by hand with the columns image_id, path, rule, reason and bytes.

    Returns
    -------
    Plan
        Its `policy` is '' and its `run_id` 0 where the library made no such plan.

    Raises
    ------
    InputError, FaultsError
        The file is no plan.
    LibraryError
        The library keeps none.
    """
    if path is None:
        return last(library)
    check_suffix(path)
    with engine.progress("Reading the plan", None, "rows"):
        table = typed(_json(path) if path.suffix == ".json" else _rows(path))
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        faults = [f"{name}: stands in the plan twice" for name in twice.unique()]
        raise FaultsError(str(path), faults, "Leave each file in one row.")
    name = digest(table)
    made = next((run for run in made_before(library) if run.summary["plan"] == name), None)
    policy = str(made.summary["policy"]) if made else ""
    return Plan(table, policy, made.run_id if made else 0, name)


def last(library: Library) -> Plan:
    """Give the plan that was made last.

    Raises
    ------
    LibraryError
        There is none, or its rows are damaged.
    """
    made = next(made_before(library), None)
    if made is None:
        raise LibraryError(
            str(library.root), "the library keeps no cleanup plan", "Run `curate cleanup plan`."
        )
    with library.reading() as connection:
        found = shards.referenced(connection, TABLE, [made.run_id])
    tables = [pq.read_table(path) for path in shards.paths(library, found)]
    table = typed(pa.concat_tables([SCHEMA.empty_table(), *tables]).to_pandas())
    return Plan(table, str(made.summary["policy"]), made.run_id, str(made.summary["plan"]))


def made_before(library: Library) -> Iterator[Recorded]:
    """Give the runs that kept a plan, the newest first; those that were stopped kept none."""
    with library.reading() as connection:
        kept = {shard.run_id for shard in shards.referenced(connection, TABLE)}
        found = run_rows.recorded(connection, stage=STAGE)
    return (run for run in found if run.run_id in kept)


def _write_json(plan: Plan, path: Path) -> None:
    about = {
        "version": VERSION,
        "policy": plan.policy,
        "run_id": plan.run_id,
        "digest": plan.digest,
    }
    rows = plan.table.to_json(orient="records", force_ascii=False, double_precision=15)
    # The rows may be a million: they are not made into objects once more.
    text = f'{json.dumps(about)[:-1]}, "rows": {rows}}}\n'
    write_asked(path, text.encode())


Write = Callable[[Plan, Path], None]

WRITERS: dict[str, Write] = {
    ".json": _write_json,
    ".csv": lambda plan, path: write_csv(plan.table, path),
    ".parquet": lambda plan, path: write_parquet(plan.table, path),
}
"""How plans are written, by suffix."""


def _json(path: Path) -> pd.DataFrame:
    remedy = "Give a plan that `curate cleanup plan -o FILE` wrote."
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), describe(error), remedy) from error
    except ValueError as error:
        raise InputError(str(path), f"is not JSON ({error})", remedy) from error
    version = given.get("version") if isinstance(given, dict) else None
    if version != VERSION or not isinstance(given.get("rows"), list):
        raise InputError(str(path), "is no plan of this version of curate", remedy)
    rows = [row if isinstance(row, dict) else {} for row in given["rows"]]
    return _checked(path, [(f"row {place}", row) for place, row in enumerate(rows, start=1)])


def _rows(path: Path) -> pd.DataFrame:
    records = read_records(path, "a plan")
    _, header = next(records, ("", []))
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise FaultsError(
            str(path), [f"there is no column {name}" for name in missing], "Give a cleanup plan."
        )
    return _checked(
        path, [(place, dict(zip(header, cells, strict=False))) for place, cells in records]
    )


def _checked(path: Path, rows: list[tuple[str, dict[str, Any]]]) -> pd.DataFrame:
    """Read cells as what they stand for; all faults are told together."""
    faults, good = [], []
    for place, row in rows:
        wrong = [name for name in _NEEDED if row.get(name) in (None, "")]
        values = dict(row)
        for name, kind in (("bytes", int), ("score", float)):
            told = values.get(name)
            try:
                values[name] = kind(told) if told not in (None, "") else None
            except (TypeError, ValueError):
                wrong.append(name)
        values["predicted"] = values.get("predicted") or None
        faults += [f"{place}: {name} {row.get(name)!r} cannot be used" for name in wrong]
        good.append(values)
    if faults:
        raise FaultsError(str(path), faults, "Mend the rows, or make the plan again.")
    return pd.DataFrame(good, columns=list(PLAN_COLUMNS))
