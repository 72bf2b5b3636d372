"""What has to be decided so that the answers of people hold: a heart without I/O.

What a table says is held against what the library keeps now. An answer that holds already adds
nothing, so the same table can be imported again; one that differs is a new decision, also where it
goes back to an earlier one. The key of a decision names the one that it replaces: a table that
changes its mind twice makes three decisions, an import that is sent twice makes one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from curate.core import names
from curate.core.names import REJECTED, UNKNOWN
from curate.store.decisions import Decision


@dataclass(frozen=True)
class Row:
    """One answer.

    Attributes
    ----------
    number : int
        Where it stands among all rows, so that faults can be listed in that order.
    place : str
        The same for people: ``line 7``.
    image_id, path : str
        How it names the image.
    label, sub_class : str
        The answer.
    by : str
        Who gave it; '' where whoever imports it says so.
    was : str
        What the image was labelled when the row went out (`formats.exchange.as_was`); '' where
        the row does not say.
    """

    number: int
    place: str
    image_id: str
    path: str
    label: str
    sub_class: str
    by: str = ""
    was: str = ""

    @property
    def is_as_it_went_out(self) -> bool:
        """Whether it says what went out, so that nobody said anything."""
        label, _, sub_class = self.was.partition("/")
        return bool(label) and self.label == label and self.sub_class in ("", sub_class)


@dataclass(frozen=True)
class Held:
    """What the library keeps of an image, and which decisions say so (0 where none does)."""

    label: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    label_seq: int = 0
    rejected: bool = False
    reject_seq: int = 0

    @property
    def answer(self) -> str:
        return REJECTED if self.rejected else self.label


Faults = list[tuple[int, str]]
"""Faults with the number of their row, so that they can be listed in the order of the file."""


def sub_class_fault(row: Row) -> str:
    """Say what is wrong with the sub-class of a row; '' where nothing is."""
    if not row.sub_class:
        return ""
    if row.label in ("", UNKNOWN, REJECTED):
        return f"sub_class {row.sub_class!r} without a class"
    fault = names.fault_of(row.sub_class)
    return f"sub_class {row.sub_class!r} {fault}" if fault else ""


def one_each(rows: Sequence[Row], images: Mapping[int, str], faults: Faults) -> dict[str, Row]:
    """Give the row that answers for each image; note where two rows answer differently.

    Parameters
    ----------
    rows : sequence of Row
        The answers.
    images : mapping of int to str
        The image of each row, by its number; rows that are not there are passed by.
    faults : list
        Two answers to one image are noted here.
    """
    answers: dict[str, Row] = {}
    for row in rows:
        image_id = images.get(row.number)
        if image_id is None:
            continue
        first = answers.setdefault(image_id, row)
        if (first.label, first.sub_class) != (row.label, row.sub_class):
            text = (
                f"{row.place}: the image is answered {_written(row)} here{_by(row)} and "
                f"{_written(first)} in {first.place}{_by(first)}"
            )
            faults.append((row.number, text))
    return answers


def _by(row: Row) -> str:
    return f" (by {row.by})" if row.by else ""


def _written(row: Row) -> str:
    return repr(" / ".join(filter(None, (row.label, row.sub_class))))


def class_faults(
    rows: Sequence[Row], classes: Collection[str], accepted: Collection[str]
) -> Faults:
    """Say which labels cannot be classes, once each, at the first row that has it."""
    first: dict[str, Row] = {}
    counts: dict[str, int] = {}
    for row in rows:
        first.setdefault(row.label, row)
        counts[row.label] = counts.get(row.label, 0) + 1
    settled = {*classes, UNKNOWN, REJECTED}
    known = settled | set(accepted)
    incoming = first.keys() - settled
    twins = dict(names.clashes(incoming, known))
    if known == {UNKNOWN, REJECTED}:
        # There is no class that a slip could be told from: a backup comes into a new library.
        known |= incoming
    faults = []
    for label in incoming:
        fault = _class_fault(label, twins.get(label, ""), known)
        if fault:
            more = f" (and {counts[label] - 1:,} more)" if counts[label] > 1 else ""
            faults.append((first[label].number, f"{first[label].place}{more}: {fault}"))
    return faults


def _class_fault(label: str, twin: str, known: Collection[str]) -> str:
    if twin:
        return f"class {label!r} differs from {twin!r} only in case or composition"
    fault = names.fault_of(label)
    if fault:
        return f"{label!r} cannot name a class: it {fault}"
    if label not in known:
        meant = names.nearest(label, sorted(known))
        return f"no class {label!r} is known" + (f"; did you mean {meant!r}?" if meant else "")
    return ""


def decisions_of(image_id: str, row: Row, held: Held, actor: str) -> list[Decision]:
    """Give what has to be decided so that the answer holds; nothing where it holds already."""
    if row.label == REJECTED:
        return [] if held.rejected else [_reject(image_id, f"by {actor}", held, actor)]
    made = [_reject(image_id, "", held, actor)] if held.rejected else []
    # An answer without a sub-class does not take away the one that is known.
    same = row.label == held.label and row.sub_class in ("", held.detail.get("sub_class", ""))
    if not same:
        # Where the subject stands in the picture does not depend on what it is called.
        detail = {name: value for name, value in held.detail.items() if name != "sub_class"}
        if row.sub_class:
            detail["sub_class"] = row.sub_class
        key = _key("label", image_id, held.label_seq, [row.label, detail])
        made.append(Decision("label", image_id, row.label, key, actor, detail=detail))
    return made


def _reject(image_id: str, value: str, held: Held, actor: str) -> Decision:
    key = _key("reject", image_id, held.reject_seq, value)
    return Decision("reject", image_id, value, key, actor)


def _key(kind: str, image_id: str, replaces: int, said: object) -> str:
    digest = sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    return f"answer/{kind}/{image_id}/{replaces}/{digest}"


def status(label: str, made: Sequence[Decision]) -> str:
    """Name what came of an answer: labelled, unknown, rejected or unchanged."""
    if not made:
        return "unchanged"
    return label if label in (UNKNOWN, REJECTED) else "labelled"
