"""How long files have been in quarantine, by two clocks, neither of which is trusted alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.durations import written

BELIEVED = timedelta(days=7)
"""Between two completed runs no more of the clock is believed, nor more than a third of the grace:
a clock that jumps forward by ten years gains a week, and never all of a short grace."""

LEAST_RUNS = 2
"""So many runs, of any stage, must have been completed since the move."""

_UNBELIEVED = "the clock went on by more than is believed: {} between two runs"

Moments = NDArray[np.datetime64]


def ages(items: pd.DataFrame, runs: pd.DataFrame, now: datetime, grace: timedelta) -> pd.DataFrame:
    """Say which files have been in quarantine for long enough to be purged.

    Two ages are taken, and both must have come to `grace`: that of the wall clock, and that which
    is believed: the steps of the clock from the move over each run completed since to now, steps
    back counted as nothing, and none as more than `BELIEVED` or a third of the grace.

    Parameters
    ----------
    items : DataFrame
        item, run_id (that moved it), moved_at (aware datetimes): files in quarantine.
    runs : DataFrame
        run_id, ended_at (aware datetimes): all completed runs of the library.
    now : datetime
        By the clock; aware.
    grace : timedelta
        How long files stay at least.

    Returns
    -------
    DataFrame
        In the order of `items`: item, wall and believed (timedeltas), runs (completed since),
        reason ('' where it may be purged).
    """
    done = runs.sort_values("run_id", kind="stable")
    ends = _moments(done["ended_at"])
    moved = _moments(items["moved_at"])
    first = np.searchsorted(done["run_id"].to_numpy("int64"), items["run_id"], side="right")
    since = len(ends) - first
    end = np.datetime64(_utc(now))
    believable = min(BELIEVED, grace / (LEAST_RUNS + 1))
    most = np.timedelta64(believable)
    steps = _credited(np.diff(ends), most)
    sums = np.concatenate([np.zeros(1, "timedelta64[us]"), np.cumsum(steps)])
    # From the move to the first run after it, over all further ones, and from the last one to now.
    if len(ends):
        at = np.minimum(first, len(ends) - 1)
        over_runs = (
            _credited(ends[at] - moved, most)
            + sums[-1]
            - sums[at]
            + _credited(end - ends[-1:], most)
        )
        believed = np.where(since > 0, over_runs, _credited(end - moved, most))
    else:
        believed = _credited(end - moved, most)
    wall = end - moved
    table = pd.DataFrame(
        {"item": items["item"].to_numpy(), "wall": wall, "believed": believed, "runs": since}
    )
    least = np.timedelta64(grace)
    # The first of these that holds is told.
    table["reason"] = ""
    for young, reason in (
        (believed < least, _UNBELIEVED.format(written(believable))),
        (since < LEAST_RUNS, f"fewer than {LEAST_RUNS} runs were completed since it was moved"),
        (wall < least, f"has not been in quarantine for {written(grace)}"),
    ):
        table.loc[young, "reason"] = reason
    return table


def _credited(steps: NDArray[np.timedelta64], most: np.timedelta64) -> NDArray[np.timedelta64]:
    limited: NDArray[np.timedelta64] = np.clip(
        steps.astype("timedelta64[us]"), np.timedelta64(0, "us"), most
    )
    return limited


def _moments(column: Sequence[datetime] | pd.Series) -> Moments:
    return np.array([_utc(moment) for moment in column], dtype="datetime64[us]")


def _utc(moment: datetime) -> datetime:
    return (moment - (moment.utcoffset() or timedelta(0))).replace(tzinfo=None)
