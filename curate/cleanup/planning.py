"""The heart of a plan: what rules name, less what is protected, within the limits of each rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from curate.cleanup.plans import PLAN_COLUMNS
from curate.cleanup.policy import Rule

NAMED_COLUMNS = ("image_id", "reason", "risk", "score", "predicted")
"""What a rule names: one row an image. The lower its risk, the sooner it goes."""

_TYPES = {
    **dict.fromkeys(("image_id", "reason", "predicted"), "str"),
    **dict.fromkeys(("risk", "score"), "float64"),
}

LEFT_COLUMNS = ("image_id", "path", "rule", "reason")


@dataclass(frozen=True)
class Planned:
    """What would go, and what stays.

    Attributes
    ----------
    table : DataFrame
        `PLAN_COLUMNS`, risk and action, one row a file: rules in the order of the policy, in each
        the surest images first, of an image its files by path.
    left : DataFrame
        `LEFT_COLUMNS`: what rules named and why it stays; path is '' where it is the whole image.
    """

    table: pd.DataFrame
    left: pd.DataFrame


def planned(
    rules: Sequence[Rule], named: Mapping[str, pd.DataFrame], files: pd.DataFrame
) -> Planned:
    """Lay what rules name beside the files that may be moved.

    The first rule that names an image has it; a rule that only lists has what no other has. No
    path comes twice, nothing protected comes at all, and no rule has more images than its limit.
    A rule that names fewer images, alone, gives some of the same files. The order of rows does not
    matter.

    Parameters
    ----------
    rules : sequence of Rule
        In the order of the policy.
    named : mapping of str to DataFrame
        `NAMED_COLUMNS` by the name of the rule.
    files : DataFrame
        image_id, path, bytes, protected (why a file may not be moved; '' where it may).
    """
    ordered = sorted(rules, key=lambda rule: rule.action == "list")
    tables = [_ordered(rule, place, named[rule.name]) for place, rule in enumerate(ordered)]
    columns = [*NAMED_COLUMNS, "rule", "action", "place"]
    everything = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    second = everything["image_id"].duplicated()
    first = everything[~second]
    places = files.sort_values("path").drop_duplicates("path")
    free = places[places["protected"] == ""]
    movable = _among(first["image_id"], free["image_id"])
    limits = {rule.name: rule.limit for rule in ordered if rule.limit is not None}
    rank = first[movable].groupby("rule").cumcount()
    most = np.array([limits.get(rule, np.inf) for rule in first.loc[rank.index, "rule"]], "float64")
    over = rank.index[rank.to_numpy() >= most]
    going = first[movable].drop(index=over)
    rows = going.merge(free[["image_id", "path", "bytes"]], on="image_id", how="left")
    left = pd.concat(
        [
            _kept(first[~_among(first["image_id"], places["image_id"])], "no file of it is there"),
            _protected(first, places),
            _kept(first.loc[over], "above the limit of the rule"),
        ],
        ignore_index=True,
    )
    table = rows[[*PLAN_COLUMNS, "risk", "action"]].reset_index(drop=True)
    return Planned(table, left)


def _ordered(rule: Rule, place: int, rows: pd.DataFrame) -> pd.DataFrame:
    # Whoever names an image twice means its surest reason.
    ordered = rows[list(NAMED_COLUMNS)].astype(_TYPES).sort_values(["risk", "image_id", "reason"])
    once = ordered.drop_duplicates("image_id")
    return once.assign(rule=rule.name, action=rule.action, place=place)


def _among(ids: pd.Series, others: pd.Series) -> pd.Series:
    """Say which ids are among others."""
    # `isin` of pandas is slow here: it makes an object of each text.
    found = pc.is_in(pa.array(ids, pa.string()), value_set=pa.array(others.unique(), pa.string()))
    return pd.Series(found.to_numpy(zero_copy_only=False), index=ids.index)


def _kept(images: pd.DataFrame, why: str) -> pd.DataFrame:
    return images[["image_id", "rule"]].assign(path="", reason=why)[list(LEFT_COLUMNS)]


def _protected(images: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    held = places[places["protected"] != ""]
    rows = images[["image_id", "rule"]].merge(held, on="image_id")
    return rows.assign(reason=rows["protected"])[list(LEFT_COLUMNS)]
