"""The lock file of a split: what it was made of, so that it can be made again, bit for bit.

A split follows from the images as the library sees them, the policy, and the places that images had
before. The lock has a digest of each, so that one that differs can be named, and the number of the
decision log at which the earlier places stood: the log is never changed, so they can be read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from curate.core.errors import InputError, PolicyError
from curate.core.files import describe, write_asked
from curate.splits.keeping import COLUMN
from curate.splits.policy import SplitPolicy
from curate.splits.tables import GROUP_PREFIX, NEEDED, SPLITS, text

FORMAT = 1


@dataclass(frozen=True)
class Lock:
    """What a lock file holds.

    Attributes
    ----------
    policy : SplitPolicy
        What was asked.
    moves : dict of str to str
        The images that this split moved by hand, and where to.
    inputs : dict of str to str
        A digest of each column that the split was made of.
    images : int
        How many images there were.
    decisions : int
        The number of the decision log at which the split was made.
    previous : str
        Digest of the places before.
    places, table : str
        Digests of the places after, and of the whole table with its reasons.
    sizes : dict of str to int
        Images in each split.
    benchmark : str
        Digest of the image ids of the benchmark.
    curate : str
        The version that made it.
    """

    policy: SplitPolicy
    moves: dict[str, str]
    inputs: dict[str, str]
    images: int
    decisions: int
    previous: str
    places: str
    table: str
    sizes: dict[str, int]
    benchmark: str
    curate: str


def make_lock(
    images: pd.DataFrame,
    policy: SplitPolicy,
    previous: pd.DataFrame,
    moves: Mapping[str, str],
    decisions: int,
    table: pd.DataFrame,
) -> Lock:
    """Make the lock of an assignment.

    Parameters
    ----------
    images, policy
        As `assign` took them.
    previous : DataFrame
        image_id and split before; '' where a person had left the image out.
    moves : mapping of str to str
        What was moved by hand in this split.
    decisions : int
        The number of the decision log at which `images` and `previous` were read.
    table : DataFrame
        The `table` of the assignment.
    """
    return Lock(
        policy=policy,
        moves=dict(moves),
        inputs=inputs(images, policy),
        images=len(images),
        decisions=decisions,
        previous=places_digest(previous),
        places=digest(table),
        table=table_digest(table),
        sizes=_sizes(table),
        benchmark=benchmark_digest(table),
        curate=version("curate"),
    )


def inputs(images: pd.DataFrame, policy: SplitPolicy) -> dict[str, str]:
    """Digest each column that a split is made of, the rows in the order of their ids."""
    ordered = images.sort_values("image_id")
    cuts = policy.max_count is not None or policy.sub_max_count is not None
    # What the keep rule reads counts only where something may have to be cut.
    optional = {COLUMN[policy.keep]} if cuts and policy.keep in COLUMN else set()
    optional |= {str(name) for name in ordered if str(name).startswith(GROUP_PREFIX)}
    # A column without a value says no more than one that is not there.
    there = {name for name in optional & {*ordered.columns} if ordered[name].notna().any()}
    return {name: _digest(text(ordered[name])) for name in sorted({*NEEDED, *there})}


def digest(table: pd.DataFrame) -> str:
    """Digest of an assignment: the same when every image has the same place."""
    return places_digest(table[table["split"] != ""])


def places_digest(places: pd.DataFrame) -> str:
    """Digest of image_id and split as they stand, whatever the order of the rows."""
    ordered = places.sort_values("image_id")
    lines = (ordered["image_id"] + "\t" + ordered["split"]).tolist()
    return sha256("\n".join(lines).encode()).hexdigest()[:32]


def table_digest(table: pd.DataFrame) -> str:
    """Digest of every cell of an assignment, its reasons among them."""
    return _digest(_digest(text(table[name])) for name in sorted(table.columns))


def benchmark_digest(table: pd.DataFrame) -> str:
    """Digest of the images of the benchmark."""
    return _digest(sorted(table.loc[table["split"] == "benchmark", "image_id"]))


def table_faults(lock: Lock, table: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Say where a table of splits (image_id, split) is not the one of the lock."""
    faults = []
    if benchmark_digest(table) != lock.benchmark:
        faults.append(("benchmark", "lock", "the benchmark is not the one of the lock"))
    if digest(table) != lock.places:
        sizes = _sizes(table)
        differ = [
            f"{name} has {sizes[name]:,} images, {lock.sizes.get(name, 0):,} in the lock"
            for name in SPLITS
            if sizes[name] != lock.sizes.get(name, 0)
        ]
        what = "; ".join(differ) or "every split has as many images, but not the same ones"
        faults.append(("lock", "lock", f"the assignment is not the one of the lock: {what}"))
    return faults


def differences(lock: Lock, images: pd.DataFrame, previous: pd.DataFrame) -> list[str]:
    """Say which of a lock's inputs and earlier places are different here."""
    here = inputs(images, lock.policy)
    if here["image_id"] != lock.inputs.get("image_id"):
        # Then every other column differs as well, and that says nothing.
        here = {**lock.inputs, "image_id": here["image_id"]}
    changed = [
        f"{name} ({why})"
        for name in sorted(here.keys() | lock.inputs.keys())
        if (why := _change(here.get(name), lock.inputs.get(name)))
    ]
    faults = []
    if changed:
        what = ", ".join(changed)
        faults.append(f"inputs: {what}; {len(images):,} images here, {lock.images:,} in the lock")
    if places_digest(previous) != lock.previous:
        faults.append(
            "previous: the places that images had before are not those that the lock started from"
        )
    return faults


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock file: JSON with sorted keys, the same bytes for the same lock."""
    content = {"format": FORMAT, **asdict(lock)}
    text_ = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    write_asked(path, f"{text_}\n".encode())


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises
    ------
    InputError
        It cannot be read, or is no lock that this version knows.
    """
    remedy = "Give a file that `curate split --lock FILE` wrote."
    try:
        content: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(str(path), describe(error), remedy) from error
    except ValueError as error:
        raise InputError(str(path), "is no lock file: it is not JSON", remedy) from error
    if not isinstance(content, dict) or "format" not in content:
        raise InputError(str(path), "is no lock file", remedy)
    if content.pop("format") != FORMAT:
        raise InputError(
            str(path), "was made by another version of curate", "Use that version, or split anew."
        )
    try:
        policy = SplitPolicy(**content.pop("policy"))
        lock = Lock(policy=policy, **content)
    except (TypeError, KeyError, PolicyError) as error:
        raise InputError(str(path), f"is no whole lock file ({error})", remedy) from error
    wrong = [
        name
        for name, kind in Lock.__annotations__.items()
        if name != "policy" and not isinstance(getattr(lock, name), _KINDS[kind])
    ]
    if wrong:
        raise InputError(str(path), f"is no whole lock file: {', '.join(wrong)}", remedy)
    return lock


_KINDS: dict[str, type] = {"dict[str, str]": dict, "dict[str, int]": dict, "int": int, "str": str}


def _change(here: str | None, there: str | None) -> str:
    if here == there:
        return ""
    return "only here" if there is None else "only in the lock" if here is None else "differs"


def _sizes(table: pd.DataFrame) -> dict[str, int]:
    return {name: int((table["split"] == name).sum()) for name in SPLITS}


def _digest(values: Iterable[Any]) -> str:
    # JSON, so that no two lists of texts run into the same bytes.
    return sha256(json.dumps([str(value) for value in values]).encode()).hexdigest()[:32]
