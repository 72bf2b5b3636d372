"""What a training starts from: a network with random, fetched or inherited weights."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from torch import nn

from curate.core.errors import CheckpointError, InputError
from curate.models import arch as architectures
from curate.models.checkpoint import Checkpoint
from curate.models.preprocess import Preprocessing
from curate.train.settings import TrainSettings, Transplant
from curate.train.transplant import head_keys, map_head, mapped, small_head


@dataclass(frozen=True)
class Start:
    """A network before its first step, and where its weights come from."""

    arch: str
    model: nn.Module
    preprocessing: Preprocessing
    transplant: Transplant
    licence: str | None


def start(
    arch: str | None, initial: Checkpoint | None, classes: tuple[str, ...], settings: TrainSettings
) -> Start:
    """Build the network of a training.

    Parameters
    ----------
    arch : str or None
        Recipe; None takes the architecture of `initial`.
    initial : Checkpoint or None
        An earlier model, whose body is kept; `settings.head` says what becomes of its head.
    classes : tuple of str
        In the order of the new logits.
    settings : TrainSettings
        Its size, head and rename, and whether weights are fetched.

    Raises
    ------
    InputError
        No architecture, two sources of weights, or classes renamed or mapped that cannot be.
    CheckpointError
        The body of `initial` does not fit the architecture, or its head where it is mapped.
    """
    _check_sources(arch, initial, settings)
    recipe = arch or (initial.arch if initial is not None else "")
    if settings.size is not None:
        recipe = architectures.at_size(recipe, settings.size)
    if initial is None:
        preprocessing = architectures.preprocessing(recipe)
    else:
        preprocessing = initial.preprocessing
    if settings.size is not None:
        preprocessing = preprocessing.at_size(settings.size)
    model = architectures.build(recipe, len(classes), settings.pretrained)
    keys = tuple(model.state_dict())
    if initial is not None:
        table = mapped(initial.classes, classes, settings.rename)
        _take_body(model, recipe, initial)
        fresh = _take_head(model, initial, table, settings.head)
        transplant = _transplant(table, len(keys) - len(fresh), fresh)
        licence = initial.licence
    elif settings.pretrained:
        fresh = head_keys(model)
        transplant = Transplant(len(keys) - len(fresh), fresh, (), classes, ())
        licence = architectures.default_config(recipe).get("license")
    else:
        transplant, licence = Transplant(0, keys, (), classes, ()), None
    return Start(recipe, model, preprocessing, transplant, licence)


def _check_sources(arch: str | None, initial: Checkpoint | None, settings: TrainSettings) -> None:
    if arch is None and initial is None:
        raise InputError("no architecture", "a training needs one", "Name it: --arch resnet18")
    if initial is not None and settings.pretrained:
        raise InputError(
            "--pretrained together with --from", "weights come from one place", "Drop one of them"
        )
    for flag, given in (("--head map", settings.head == "map"), ("--rename", settings.rename)):
        if given and initial is None:
            raise InputError(
                f"{flag} without --from",
                "the classes that it speaks of are those of an earlier model",
                "Name that model with --from, or leave it out",
            )


def _take_body(model: nn.Module, recipe: str, initial: Checkpoint) -> None:
    state, head = model.state_dict(), set(head_keys(model))
    body = {key: value for key, value in state.items() if key not in head}
    unlike = [
        key
        for key, value in body.items()
        if key not in initial.weights or initial.weights[key].shape != value.shape
    ]
    if unlike:
        shown = ", ".join(unlike[:3]) + (", …" if len(unlike) > 3 else "")
        raise CheckpointError(
            f"a checkpoint of {initial.arch}",
            f"{len(unlike)} of the {len(body)} tensors of {recipe}'s body are missing in it or of"
            f" another shape ({shown})",
            "Leave --arch and --size out to train the architecture of the checkpoint",
        )
    model.load_state_dict({**state, **{key: initial.weights[key] for key in body}})


def _take_head(
    model: nn.Module, initial: Checkpoint, table: pd.DataFrame, head: str
) -> tuple[str, ...]:
    """Fill the head; give the names of its tensors that are not, or not wholly, the earlier's."""
    if head == "map":
        map_head(model, initial, table)
        return head_keys(model) if (table["what"] == "new").any() else ()
    small_head(model, int((table["to"] >= 0).sum()))
    return head_keys(model)


def _transplant(table: pd.DataFrame, kept: int, fresh: tuple[str, ...]) -> Transplant:
    def named(*what: str) -> tuple[str, ...]:
        return tuple(table.loc[table["what"].isin(what), "class"])

    renamed = table[table["what"] == "renamed"]
    return Transplant(
        kept=kept,
        fresh=fresh,
        classes_kept=named("kept", "renamed"),
        classes_new=named("new"),
        classes_dropped=named("dropped"),
        classes_renamed=tuple(zip(renamed["was"], renamed["class"], strict=True)),
    )
