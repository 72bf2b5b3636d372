"""Filters: which images a queue may hold, whatever its recipe; the same from every surface."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from curate.core import names
from curate.core.errors import InputError, PolicyError
from curate.queues.filters import bounds

_ANY_HOUR = "~"
"""Stands behind every hour of a day, in the order of texts."""


@dataclass(frozen=True)
class Filters:
    """What an image must fulfil to be in a queue, and how many are wanted.

    Attributes
    ----------
    class_ : str or tuple of str
        The predicted class, or several; '' for any.
    min_score, max_score : float or None
        Bounds of the best score, both included, between 0 and 1; None for no bound.
    limit : int
        The most images that are wanted.
    labelled : bool or "only"
        Whether images that have a label (*unknown* is one) may come: False, they stay away; True,
        they come too; "only", no others come. Who asks for a sub-class or a reviewer means
        labelled images. Rejected images stay away.
    second : str
        The second class.
    sub_class : str
        The sub-class that a person gave.
    class_count : (int or None, int or None) or None
        The predicted class has so many countable real images, from and to, both included.
    min_margin, max_margin, min_novelty, max_novelty : float or None
        Bounds of the measures of the prediction.
    origin : str
        real, staged or synthetic.
    by : str
        Who labelled it last.
    folder : str
        Where it lies: a folder, archive or URL as in the column `path`; all that lies below it.
    taken_from, taken_to : str
        Days (ISO 8601, 2026-05-31), both included; an image without a date has none.
    camera : str
        Part of the make and model, in any case.
    min_side, max_side : float or None
        Bounds of the shorter side, in pixels.
    min_bytes, max_bytes : float or None
        Bounds of the file's size.
    min_sharpness, max_sharpness, min_brightness, max_brightness, min_quality, max_quality
        Bounds of what `core.quality` measures.
    where : str
        A condition in SQL; see `where`.
    one_per_group : bool
        Of images that look alike, only the first.
    per_class : int or None
        At most so many of one topic, or of one predicted class where the recipe has no topics.
    diverse : bool
        Images that are as unlike as can be; see `choosing.diverse`.
    sort : str
        One of `bounds.SORTS`, or with a ``-`` before it; '' for the order of the recipe.

    Raises
    ------
    PolicyError
        The filters contradict themselves, or let nothing through.
    InputError
        `where` is no condition that can be used.
    """

    class_: str | tuple[str, ...] = ""
    min_score: float | None = None
    max_score: float | None = None
    limit: int = 500
    labelled: bool | Literal["only"] = False
    second: str = ""
    sub_class: str = ""
    class_count: tuple[int | None, int | None] | None = None
    min_margin: float | None = None
    max_margin: float | None = None
    min_novelty: float | None = None
    max_novelty: float | None = None
    origin: str = ""
    by: str = ""
    folder: str = ""
    taken_from: str = ""
    taken_to: str = ""
    camera: str = ""
    min_side: float | None = None
    max_side: float | None = None
    min_bytes: float | None = None
    max_bytes: float | None = None
    min_sharpness: float | None = None
    max_sharpness: float | None = None
    min_brightness: float | None = None
    max_brightness: float | None = None
    min_quality: float | None = None
    max_quality: float | None = None
    where: str = ""
    one_per_group: bool = True
    per_class: int | None = None
    diverse: bool = False
    sort: str = ""

    def __post_init__(self) -> None:
        for name in bounds.RANGES:
            bounds.refuse_range(name, getattr(self, f"min_{name}"), getattr(self, f"max_{name}"))
        bounds.refuse_number("limit", self.limit)
        bounds.refuse_number("per-class", self.per_class)
        bounds.refuse_counts(self.class_count)
        bounds.refuse_name("origin", self.origin)
        bounds.refuse_name("sort", self.sort)
        bounds.refuse_days(self.taken_from, self.taken_to)
        bounds.refuse_folder(self.folder)
        if self.where:
            _checked(self.where)
        if (self.by or self.sub_class) and not self.labelled:
            object.__setattr__(self, "labelled", True)

    @property
    def classes(self) -> tuple[str, ...]:
        """The predicted classes that may come; none for any."""
        return tuple(filter(None, (self.class_,) if isinstance(self.class_, str) else self.class_))

    def conditions(self) -> tuple[list[str], list[object]]:
        """Give the filters as SQL over the columns of candidates, and the values to bind.

        The table `classes` (label, countable_real) must be known where they are asked.
        """
        found: list[tuple[str, list[object]]] = [*self._decided(), *self._class_counts()]
        if len(self.classes) > 1:
            found.append(("list_contains(?::VARCHAR[], predicted)", [list(self.classes)]))
        equal = {
            "predicted": self.classes[0] if len(self.classes) == 1 else "",
            "second": self.second,
            "sub_class": self.sub_class,
            "origin": self.origin,
            '"by"': self.by,
        }
        found += [(f"{column} = ?", [value]) for column, value in equal.items() if value]
        for name, (column, _, _) in bounds.RANGES.items():
            low, high = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if (low, high) != (None, None):
                # Two bounds at all times: DuckDB sorts NaN, which a measure is that could not be
                # taken, above infinity.
                found.append((f"{column} BETWEEN ? AND ?", list(bounds.closed(low, high))))
        if self.folder:
            found.append(("starts_with(path, ?)", [f"{self.folder.rstrip('/')}/"]))
        if self.taken_from:
            found.append(("taken >= ?", [self.taken_from]))
        if self.taken_to:
            found.append(("taken <= ?", [self.taken_to + _ANY_HOUR]))
        if self.camera:
            found.append(("contains(lower(camera), lower(?))", [self.camera]))
        if self.where:
            found.append((_checked(self.where), []))
        return [sql for sql, _ in found], [value for _, values in found for value in values]

    def to_dict(self) -> dict[str, Any]:
        """Give the filters as what JSON can hold."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Filters:
        """Read what `to_dict` gave; what is not there has its usual value.

        Raises
        ------
        PolicyError
            A name or a value that no filter has.
        """
        known = {field.name: field.default for field in fields(cls)}
        for name, value in given.items():
            if name not in known:
                meant = names.nearest(name, known)
                hint = f"Did you mean {meant}? " if meant else ""
                raise PolicyError(
                    f"filter {name!r}", "there is none", f"{hint}Known: {', '.join(known)}."
                )
            if not _fits(name, value, known[name]):
                raise PolicyError(
                    f"filter {name} {value!r}",
                    "a filter has a value of its own kind",
                    f"Give it one such as {known[name] if known[name] is not None else 1!r}.",
                )
        listed: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in given.items()
        }
        return cls(**listed)

    def _decided(self) -> list[tuple[str, list[object]]]:
        known = {False: ["label IS NULL"], True: [], "only": ["label IS NOT NULL"]}
        return [(sql, []) for sql in [*known[self.labelled], "rejected IS NOT TRUE"]]

    def _class_counts(self) -> list[tuple[str, list[object]]]:
        if self.class_count is None:
            return []
        low, high = bounds.closed(*self.class_count)
        if low > 0:
            counted = "SELECT label FROM classes WHERE countable_real BETWEEN ? AND ?"
            return [(f"predicted IN ({counted})", [low, high])]
        # A class of the model that the library has no image of counts none.
        counted = "SELECT label FROM classes WHERE countable_real > ?"
        return [(f"predicted NOT IN ({counted})", [high])]


def _checked(where: str) -> str:
    # Few questions have a condition, and it takes long to import what reads one.
    from curate.queues.filters.where import checked

    return checked(where)


def _fits(name: str, value: Any, usual: Any) -> bool:
    """Whether a value read from JSON is of the kind that a filter has."""
    listed = list(value) if isinstance(value, list | tuple) else None
    match name:
        case "class_":
            return isinstance(value, str) or (
                listed is not None and all(isinstance(one, str) for one in listed)
            )
        case "class_count":
            whole = listed is not None and all(one is None or type(one) is int for one in listed)
            return value is None or (whole and len(value) == 2)
        case "labelled":
            return isinstance(value, bool) or value == "only"
        case "limit" | "per_class":
            return type(value) is int or value is usual
    if isinstance(usual, bool | str):
        return isinstance(value, type(usual))
    return value is None or type(value) in (int, float)


def check_class(
    asked: str | Collection[str], predicted: Collection[str], labelled: Collection[str]
) -> None:
    """Refuse a class that the model cannot have predicted.

    Parameters
    ----------
    asked : str or collection of str
        The class, or classes, that the user asks for; '' asks for nothing.
    predicted : collection of str
        The classes of the model.
    labelled : collection of str
        The classes of the library.

    Raises
    ------
    InputError
        The model does not know a class; the message names those that were probably meant.
    """
    wanted = [asked] if isinstance(asked, str) else list(asked)
    unknown = [name for name in wanted if name and name not in predicted]
    if not unknown:
        return
    name = unknown[0]
    if name in labelled:
        remedy = (
            f"The library has it: `curate queue look-alike --of {name}` brings what may hide it; "
            "or train a model that has it."
        )
    else:
        close = difflib.get_close_matches(name, sorted(predicted), n=5, cutoff=0.5)
        remedy = (
            f"Nearest that it knows: {', '.join(close)}."
            if close
            else f"It knows {len(predicted)}, such as {', '.join(sorted(predicted)[:5])}."
        )
    rule = "the model does not know this class, so no image is predicted as it"
    raise InputError(f"class {name!r}", rule, remedy)
