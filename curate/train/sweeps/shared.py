"""What all trials of a sweep share, and what one of them takes of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from curate.models.checkpoint import Checkpoint
from curate.store.run_rows import Recorded
from curate.train.examples import Examples
from curate.train.settings import TrainSettings
from curate.train.sweeps.plan import SweepPlan
from curate.train.sweeps.space import as_content

_PLACES = ("device", "workers")
"""Settings that say where a training runs: another machine goes on with the same sweep."""


@dataclass(frozen=True)
class Shared:
    """What all trials of a sweep share.

    Attributes
    ----------
    settings : TrainSettings
        All but what is tried.
    arch : str or None
        Recipe of the architecture, where it is not tried; None is that of `initial`.
    initial : Checkpoint or None
        The model whose body is kept.
    examples : Examples
        The images.
    """

    settings: TrainSettings
    arch: str | None
    initial: Checkpoint | None
    examples: Examples

    def settings_of(self, plan: SweepPlan, values: Mapping[str, Any]) -> TrainSettings:
        """Give the settings of a trial: of what it takes, and with the epochs that its steps take.

        Parameters
        ----------
        plan : SweepPlan
            Its `steps` are the length of a trial.
        values : mapping
            What the trial takes; the architecture is no setting and is passed by.
        """
        settings = replace(self.settings, **{k: v for k, v in values.items() if k != "arch"})
        if plan.steps is None:
            return settings
        images = len(self.examples.splits["train"])
        an_epoch = math.ceil(images / (settings.batch_size * settings.accumulate))
        return replace(settings, steps=plan.steps, epochs=math.ceil(plan.steps / an_epoch))

    def arch_of(self, values: Mapping[str, Any]) -> str | None:
        """Give the recipe of a trial's architecture; None is that of the earlier model."""
        return str(values["arch"]) if "arch" in values else self.arch

    def parameters(self, arch: str | None) -> dict[str, Any]:
        """Name the architecture and the earlier model as every training's run does."""
        initial = self.initial
        return {
            "arch": arch or (initial.arch if initial else None),
            "from": initial.digest if initial else None,
        }

    def identity(self, plan: SweepPlan) -> dict[str, Any]:
        """Everything that must be the same for the values of two trials to be compared.

        The number of trials is not: a sweep can be made longer.
        """
        settings = {k: v for k, v in asdict(self.settings).items() if k not in _PLACES}
        found = {
            "method": plan.method,
            "metric": plan.metric,
            "steps": plan.steps,
            "seed": plan.seed,
            "prune": plan.prune,
            "space": as_content(plan.space),
            "train": {**settings, **self.parameters(self.arch)},
            "split": self.examples.split,
            "data": self.examples.data,
        }
        # As the library gives it back: tuples become lists.
        return dict(json.loads(json.dumps(found)))


def differences(
    earlier: Sequence[Recorded], name: str, identity: Mapping[str, Any]
) -> tuple[str, ...]:
    """Name what differs from the last sweep of this name, where none of them is the same.

    Parameters
    ----------
    earlier : sequence of Recorded
        Sweeps, the newest first.
    name : str
        Of the sweep.
    identity : mapping
        See `Shared.identity`.
    """
    asked = [row.parameters["asked"] for row in earlier if row.parameters.get("name") == name]
    if not asked or identity in asked:
        return ()
    return tuple(part for part in identity if identity[part] != asked[0].get(part))
