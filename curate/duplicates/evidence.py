"""What cameras wrote into their files as evidence: when and where photos were taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.duplicates.candidates import wholes

BURST_SECONDS = 10
"""Photos of one camera within so many seconds are shots of one scene, unless they look unlike."""

FAR_KM = 1.0
"""Photos from places further apart do not show one scene, unless they look the same."""

_EARTH_KM = 6371.0
_SOON = 3
"""A shot is compared with so many of the next ones."""


@dataclass(frozen=True)
class Evidence:
    """When, by which camera and where images were taken; all of it may be missing.

    Attributes
    ----------
    table : DataFrame
        Indexed by image id: taken (datetime64, NaT where missing), camera (str, '' where missing),
        latitude, longitude (degrees, NaN where missing).
    """

    table: pd.DataFrame

    @classmethod
    def of(cls, looks: pd.DataFrame) -> Evidence:
        """Read image_id, taken (ISO text or missing), camera, latitude and longitude."""
        table = looks.set_index("image_id")[["taken", "camera", "latitude", "longitude"]].copy()
        table["taken"] = pd.to_datetime(table["taken"], errors="coerce", format="ISO8601")
        table["camera"] = table["camera"].astype(object).fillna("").astype(str)
        for column in ("latitude", "longitude"):
            table[column] = table[column].astype(float)
        return cls(table.sort_index())

    def moments(self) -> pd.DataFrame:
        """Give pairs of shots of one camera within moments, as `candidates` does."""
        known = self.table[self.table["taken"].notna()].sort_values(["camera", "taken"])
        first, second = [], []
        for ahead in range(1, _SOON + 1):
            here, there = known.iloc[:-ahead], known.iloc[ahead:]
            passed = (there["taken"].to_numpy() - here["taken"].to_numpy()) / np.timedelta64(1, "s")
            soon = (passed <= BURST_SECONDS) & _one_camera(here, there)
            first.append(here.index.to_numpy(object)[soon])
            second.append(there.index.to_numpy(object)[soon])
        pairs = wholes(np.concatenate(first), np.concatenate(second), 64)
        swapped = pairs["first"] > pairs["second"]
        pairs.loc[swapped, ["first", "second"]] = pairs.loc[swapped, ["second", "first"]].to_numpy()
        return pairs

    def seconds_apart(self, first: pd.Series, second: pd.Series) -> pd.Series:
        """Seconds between the shots of one camera; NaN where that is not known."""
        a, b = self._of(first), self._of(second)
        passed = (a["taken"] - b["taken"]).abs().dt.total_seconds()
        return passed.where(_one_camera(a, b)).set_axis(first.index)

    def km_apart(self, first: pd.Series, second: pd.Series) -> pd.Series:
        """Kilometres between two places (haversine); NaN where one is not known."""
        a, b = self._of(first), self._of(second)
        lat_a, lat_b = np.radians(a["latitude"]), np.radians(b["latitude"])
        turn = np.radians(a["longitude"] - b["longitude"])
        across = (
            np.sin((lat_a - lat_b) / 2) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin(turn / 2) ** 2
        )
        return pd.Series(2 * _EARTH_KM * np.arcsin(np.sqrt(across.to_numpy())), index=first.index)

    def _of(self, image_id: pd.Series) -> pd.DataFrame:
        return self.table.reindex(image_id.to_numpy(object)).reset_index(drop=True)


def _one_camera(a: pd.DataFrame, b: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether both were taken by one camera; a camera that is not known is no other's."""
    mine, other = a["camera"].to_numpy(object), b["camera"].to_numpy(object)
    return np.asarray((mine == other) & (mine != ""), dtype=np.bool_)
