"""What is computed of a block of pixels: the forward passes of one or several models, and scores.

Several models, and the mirrored image as a second view, are one ensemble: the mean of calibrated
probabilities. What belongs to features (novelty, embeddings) is the first model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.errors import CheckpointError, InputError
from curate.engine import Form, Work
from curate.engine.arena import Bytes
from curate.models.backends import BACKENDS
from curate.models.checkpoint import Checkpoint
from curate.models.network import DTYPES
from curate.models.preprocess import Preprocessing
from curate.models.runner import Plan, Runner
from curate.models.scores import Columns, mean_of, score_table

VIEWS = ("", "flip")
"""Test-time augmentation: none, or the mirrored image as a second view."""


@dataclass(frozen=True)
class Means:
    """How the models are run; the default of each lets the program choose.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
    backend : str
        ``auto``, ``torch``, ``onnx``, ``openvino``.
    precision : str
        ``auto``, ``fp32``, ``bf16``, ``fp16``.
    batch_size : int
        Images in one forward pass; 0 chooses.
    workers : int
        Decoding processes on this machine; 0 for one a core.
    """

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    batch_size: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        for name, known in (("backend", BACKENDS), ("precision", DTYPES)):
            value = getattr(self, name)
            if value != "auto" and value not in known:
                raise InputError(
                    f"{name} {value!r}", "is not known", f"Known: auto, {', '.join(known)}."
                )


@dataclass(frozen=True)
class Ask:
    """What is computed of every image, whatever it is run on: this names a prediction's run.

    Attributes
    ----------
    top : int
        How many classes are kept for each image.
    tta : str
        One of `VIEWS`.
    embeddings : bool
        Keep the features too.
    """

    top: int = 5
    tta: str = ""
    embeddings: bool = False

    def __post_init__(self) -> None:
        if self.tta not in VIEWS:
            raise InputError(f"tta {self.tta!r}", "is not known", "Take flip, or leave it out.")


@dataclass(frozen=True)
class Said:
    """What was computed of a block: a row for each image.

    Attributes
    ----------
    columns : dict
        As `score_table` gives them, and novelty.
    features : ndarray of float16, shape (N, D), or None
        Where embeddings are kept.
    """

    columns: Columns
    features: NDArray[np.float16] | None


class Thinker:
    """Models, loaded and ready.

    Parameters
    ----------
    models : sequence of Checkpoint
        The first one names the classes and their order; the others have the same.
    plans : sequence of Plan
        How each is run.
    ask : Ask
        What is computed.
    measured : sequence of DataFrame
        What was measured to find each plan.
    devices : sequence of str
        Devices that share the work, each with all models; the first plan's when not given.
    many : bool
        Whether there are so many images that the workers' start may take seconds.

    Raises
    ------
    CheckpointError
        The models have different classes.
    """

    def __init__(
        self,
        models: Sequence[Checkpoint],
        plans: Sequence[Plan],
        ask: Ask,
        measured: Sequence[pd.DataFrame] = (),
        *,
        devices: Sequence[str] = (),
        many: bool = False,
    ) -> None:
        first = models[0]
        self.measured = list(measured)
        self._many = many
        self._ask = ask
        self._classes = first.classes
        self._novelty = first.novelty
        self._orders = [order_of(first, model) for model in models]
        self._temperatures = [model.temperature for model in models]
        self._forms = list(dict.fromkeys(model.preprocessing for model in models))
        self._sees = [self._forms.index(model.preprocessing) for model in models]
        wanted = ask.embeddings or self._novelty is not None
        crews = [
            [
                Runner(
                    model,
                    replace(plan, device=device),
                    features=wanted and at == 0,
                    flip=ask.tta == "flip",
                )
                for at, (model, plan) in enumerate(zip(models, plans, strict=True))
            ]
            for device in devices or [plans[0].device]
        ]
        self._runners = [runner for crew in crews for runner in crew]
        # A thread takes the crew that has waited longest, and brings it back.
        self._crews: SimpleQueue[list[Runner]] = SimpleQueue()
        for crew in crews * plans[0].streams:
            self._crews.put(crew)
        self.form = Form(
            tuple((p.height, p.width, 3) for p in self._forms),
            plans[0].batch_size,
            plans[0].streams * len(crews),
        )

    @property
    def work(self) -> Work:
        """What the decoding workers do."""
        return reading(self._forms, self._many)

    @property
    def plans(self) -> list[Plan]:
        """How each model is run now."""
        one_crew = self._runners[: len(self._orders)]
        return [replace(runner.plan, batch_size=self.batch_size) for runner in one_crew]

    @property
    def batch_size(self) -> int:
        """Images in a forward pass now; fewer than planned where memory has run short."""
        return min(runner.plan.batch_size for runner in self._runners)

    def __call__(self, arrays: list[Bytes]) -> Said:
        """Compute on a block: one array (N, height, width, 3) for each preprocessing."""
        crew = self._crews.get()
        try:
            outputs = [
                runner.run(arrays[place]) for runner, place in zip(crew, self._sees, strict=True)
            ]
        finally:
            self._crews.put(crew)
        logits = [out.logits[:, order] for out, order in zip(outputs, self._orders, strict=True)]
        seen = outputs[0].features
        columns = (
            score_table(logits[0], self._classes, self._ask.top, self._temperatures[0])
            if len(logits) == 1
            else score_table(mean_of(logits, self._temperatures), self._classes, self._ask.top)
        )
        columns["novelty"] = (
            self._novelty.distance(seen)
            if self._novelty is not None and seen is not None
            else np.full(len(logits[0]), np.nan)
        )
        kept = seen.astype(np.float16) if seen is not None and self._ask.embeddings else None
        return Said(columns, kept)


def reading(forms: Sequence[Preprocessing], many: bool) -> Work:
    """Say what a decoding worker does for models that take images in these forms."""
    name = "resizing:read_into_fast" if many else "reading:read_into"
    return Work(f"curate.models.{name}", {"preprocessings": tuple(forms)})


def order_of(first: Checkpoint, other: Checkpoint) -> NDArray[Any]:
    """Give the places of the first model's classes among another one's."""
    places = {name: place for place, name in enumerate(other.classes)}
    lacking = [name for name in first.classes if name not in places]
    if lacking or len(places) != len(first.classes):
        named = lacking or sorted(set(other.classes) - set(first.classes))
        raise CheckpointError(
            "models that are asked together",
            f"they have different classes (only one of them knows {named[0]!r})",
            "Ask them one by one, or take models of the same classes.",
        )
    return np.array([places[name] for name in first.classes])
