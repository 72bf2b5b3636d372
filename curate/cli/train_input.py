"""What commands that train are given: the images, the settings, an earlier model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from curate.core.config import Config
    from curate.models.checkpoint import Checkpoint
    from curate.store.library import Library
    from curate.train import TrainSettings


@dataclass(frozen=True)
class Asked:
    """What a training is to learn from.

    Attributes
    ----------
    table : DataFrame
        image_id, path, label, split of its images.
    min_count : int
        The cutoff that the classes passed.
    sought : tuple of str
        Classes that pass only this cutoff, and not the permanent split's: a throw-away model is
        made to find images of them.
    """

    table: pd.DataFrame
    min_count: int
    sought: tuple[str, ...] = ()


def asked_of(
    place: Library, config: Config, throw_away: bool = False, min_count: int | None = None
) -> Asked:
    """Give the images with their places in the permanent split, or in a throw-away run's own.

    Raises
    ------
    InputError
        There is no split yet.
    PolicyError
        A cutoff that the permanent split does not have, without `throw_away`; or one that is not
        lower, with it.
    """
    from curate.cli.split import policy_from
    from curate.core.cutoffs import counted
    from curate.core.errors import InputError, PolicyError
    from curate.splits import last_policy, lowered, preview
    from curate.store import facts

    policy = last_policy(place) or policy_from(config)
    with place.reading() as connection:
        images = facts.images(connection)
    if throw_away:
        # Its own split, never written down; what has a place in the permanent one keeps it.
        own = lowered(policy, policy.min_count if min_count is None else min_count)
        assignment = preview(place, own)
        table, classes = assignment.table, assignment.classes
        real, others = (
            classes[name].to_numpy(dtype="int64") for name in ("countable_real", "countable_staged")
        )
        # Not what merely has no place yet: where there is no split, no class has one.
        enough = counted(real, others, policy.min_count, policy.staged_share) >= policy.min_count
        placed = images.loc[images["split"] == "train", "label"]
        learnt = table.loc[table["split"] == "train", "label"]
        return Asked(
            table.merge(images[["image_id", "path"]], on="image_id"),
            own.min_count,
            tuple(sorted(set(learnt) - set(placed) - set(classes.loc[enough, "class"]))),
        )
    if min_count is not None:
        raise PolicyError(
            f"--min-count {min_count}",
            "a permanent model is trained on the permanent split, which has its own min-count",
            "Add --throw-away, or change the split: `curate split --min-count …`.",
        )
    if not (images["split"] != "").any():
        raise InputError(str(place.root), "there is no split yet", "Run `curate split` first.")
    return Asked(images[images["usable"]], policy.min_count)


def settings_of(
    config: Config, given: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> tuple[TrainSettings, str]:
    """Lay options over ``[train]`` of `curate.toml` over the defaults; with the architecture.

    A training that goes on has in the place of `curate.toml` what it was `before`.
    """
    from curate.train import TrainSettings

    kept = config.train.given()
    usual_arch = str(kept.pop("arch", "resnet18"))
    asked = {name: value for name, value in given.items() if value is not None}
    return TrainSettings(**{**(kept if before is None else before), **asked}), usual_arch


def before(out: Path, which: str) -> tuple[dict[str, Any], Checkpoint]:
    """Give the settings of the training that wrote `out`, and the checkpoint of its last epoch.

    Raises
    ------
    InputError, CheckpointError
        There is no state to go on from, or no checkpoint beside it.
    """
    from dataclasses import fields

    from curate.models import checkpoint
    from curate.train import TrainSettings
    from curate.train.keep import last_path
    from curate.train.resume import existing

    existing(out, which)
    found = checkpoint.load(last_path(out))
    known = {field.name for field in fields(TrainSettings)}
    kept = {name: value for name, value in found.settings.items() if name in known}
    # JSON has no tuples.
    kept["rename"] = tuple((old, new) for old, new in kept.get("rename", ()))
    return kept, found


def initial_of(
    from_: Path | None, arch: str | None, usual_arch: str
) -> tuple[Checkpoint | None, str | None]:
    """Read the earlier model, if any; with the recipe of the architecture that is asked for."""
    from curate.models import checkpoint

    if from_ is None:
        return None, arch or usual_arch
    return checkpoint.load(from_, arch=arch, any_classes=True), arch
