"""A question that a queue answers, in a form that can be kept and asked anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from curate.core.errors import InputError
from curate.queues.filters.filters import Filters


@dataclass(frozen=True)
class Question:
    """What is asked of the library.

    Attributes
    ----------
    filters : Filters
        What every image of the queue fulfils.
    min_count : int
        The cutoff below which a class is left out.
    count : str
        What counts towards it: groups or images.
    model : str or None
        Digest of the checkpoint whose predictions count; None for the one that predicted last.
    against : str or None
        Digest of the checkpoint that it is compared with.
    of : str
        The class that the question is about; '' for none.
    seed : int
        Decides what chance decides.
    """

    filters: Filters
    min_count: int
    count: str = "groups"
    model: str | None = None
    against: str | None = None
    of: str = ""
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Give it as what JSON can hold."""
        return {**asdict(self), "filters": self.filters.to_dict()}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Question:
        """Read what `to_dict` gave; what else stands there is not looked at.

        Raises
        ------
        InputError
            Part of it is missing: another version of curate asked.
        PolicyError
            The filters are none.
        """
        known = {field.name for field in fields(cls)}
        if not {"filters", "min_count"} <= given.keys():
            raise InputError(
                "the question of a saved queue",
                "was asked by another version of curate, and cannot be asked anew",
                "Save the queue again.",
            )
        own = {name: value for name, value in given.items() if name in known}
        return cls(**{**own, "filters": Filters.from_dict(given["filters"])})

    def limited(self, limit: int) -> Question:
        """Ask the same for at most so many images."""
        return replace(self, filters=replace(self.filters, limit=limit))
