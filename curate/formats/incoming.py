"""What comes back from other tools, gathered row by row, with all faults of a file together."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from curate.core.errors import FaultsError, InputError
from curate.core.files import describe
from curate.core.identity import ID_LENGTH
from curate.formats.exchange import ANSWER_COLUMNS, PREDICTION_COLUMNS, Incoming

_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")
_NAMED = re.compile(rf"-([0-9a-f]{{{ID_LENGTH}}})(?=[._]|$)")


@dataclass
class Gathered:
    """A file while it is read.

    Attributes
    ----------
    source : Path
        The file, for the error.
    faults : list of str
        One line each, with its place.
    notes : list of str
        What was passed by.
    """

    source: Path
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _answers: dict[tuple[str, ...], str] = field(default_factory=dict)
    _predictions: list[tuple[Any, ...]] = field(default_factory=list)

    def answer(
        self,
        place: str,
        file: str,
        image_id: str,
        label: str,
        sub_class: str = "",
        *,
        by: str = "",
        was: str = "",
    ) -> None:
        """Take an answer; the same answer of the same person for the same image is one."""
        sub_class = sub_class_of(label, sub_class, was)
        self._answers.setdefault((file, image_id, label, sub_class, by, was), place)

    def predict(
        self, place: str, file: str, image_id: str, classes: Sequence[str], scores: Sequence[float]
    ) -> None:
        """Take what a model says of an image, sorted so that the best comes first."""
        order = sorted(range(len(classes)), key=lambda n: (-scores[n], n))
        best = [classes[n] for n in order], [float(scores[n]) for n in order]
        self._predictions.append((place, file, image_id, "ok", "", *best))

    def failed(self, place: str, file: str, image_id: str, reason: str) -> None:
        """Take that a model could not do an image."""
        self._predictions.append((place, file, image_id, "failed", reason, [], []))

    def incoming(self, model: str = "") -> Incoming:
        """Give all that was taken.

        Raises
        ------
        FaultsError
            There were faults.
        """
        if self.faults:
            raise FaultsError(
                str(self.source), self.faults, "Mend these and give the command again."
            )
        rows = [(place, *said) for said, place in self._answers.items()]
        answers = pd.DataFrame(rows, columns=list(ANSWER_COLUMNS), dtype="string")
        predictions = pd.DataFrame(self._predictions, columns=list(PREDICTION_COLUMNS))
        texts = dict.fromkeys(PREDICTION_COLUMNS[:5], "string")
        return Incoming(answers, predictions.astype(texts), model, self.notes)


def sub_class_of(label: str, sub_class: str, was: str) -> str:
    """Give the sub-class of an answer.

    Who changes a class in another tool seldom sees the sub-class beside it: one that is still as it
    `was` belongs to the old class, and goes with it.
    """
    before, _, inner = was.partition("/")
    return "" if before and label != before and sub_class == inner else sub_class


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        It cannot be read, or is no JSON (with the line).
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(str(path), describe(error), "Give the path of a JSON file.") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}",
            f"is not JSON ({error.msg.lower()})",
            "Is the file cut off? Export it again.",
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(str(path), f"is not JSON ({error})", "Export it again.") from error


def score_of(value: object) -> float | None:
    """Give a score between 0 and 1; None for everything that is none (NaN, texts, true)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= 1 else None


def text_of(value: object) -> str:
    """Give a text as it is, an integer as digits (ids of people), '' for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def only(models: Collection[str | None]) -> str:
    """Give the model that all predictions of a file name; '' where they name none, or several."""
    return next(iter(models)) or "" if len(models) == 1 else ""


def id_of(value: object) -> str:
    """Give an image id that came back; '' for what is none of ours, as other tools have ids too."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def id_in(name: str) -> str:
    """Give the image id in the name of a picture that `pictures.place` wrote; '' without one.

    Tools that add to the names of files (Roboflow: ``a-<id>_jpg.rf.<hash>.jpg``) leave it whole.
    """
    found = _NAMED.findall(name)
    return str(found[-1]) if found else ""
