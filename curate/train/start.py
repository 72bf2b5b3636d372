"""What a training starts from: a network with random, fetched or inherited weights."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from curate.core.errors import CheckpointError, InputError
from curate.models import arch as architectures
from curate.models.checkpoint import Checkpoint
from curate.models.preprocess import Preprocessing
from curate.train.settings import TrainSettings, Transplant


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
        An earlier model: its body is kept, its head is fresh (random, for the new classes).
    classes : tuple of str
        In the order of the new logits.
    settings : TrainSettings
        Its size and whether weights are fetched.

    Raises
    ------
    InputError
        No architecture, or two sources of weights.
    CheckpointError
        The body of `initial` does not fit the architecture.
    """
    if arch is None and initial is None:
        raise InputError("no architecture", "a training needs one", "Name it: --arch resnet18")
    if initial is not None and settings.pretrained:
        raise InputError(
            "--pretrained together with --from", "weights come from one place", "Drop one of them"
        )
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
        transplant, licence = _transplant(model, recipe, initial, classes), initial.licence
    elif settings.pretrained:
        fresh = _head_keys(model, keys)
        transplant = Transplant(len(keys) - len(fresh), fresh, (), classes, ())
        licence = architectures.default_config(recipe).get("license")
    else:
        transplant, licence = Transplant(0, keys, (), classes, ()), None
    return Start(recipe, model, preprocessing, transplant, licence)


def _transplant(
    model: nn.Module, recipe: str, initial: Checkpoint, classes: tuple[str, ...]
) -> Transplant:
    state = model.state_dict()
    fresh = _head_keys(model, tuple(state))
    body = {key: value for key, value in state.items() if key not in fresh}
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
    _small_head(model)
    before = set(initial.classes)
    return Transplant(
        kept=len(body),
        fresh=fresh,
        classes_kept=tuple(name for name in classes if name in before),
        classes_new=tuple(name for name in classes if name not in before),
        classes_dropped=tuple(name for name in initial.classes if name not in set(classes)),
    )


def _small_head(model: nn.Module) -> None:
    """Draw a fresh head so small that the first steps do not tear the kept body apart.

    timm's own draw gave a first loss of 6.4 for six classes, where guessing is 1.8.
    """
    for name in architectures.head_of(model):
        head = model.get_submodule(name)
        if isinstance(head, nn.Linear):
            nn.init.normal_(head.weight, std=0.01)
            if head.bias is not None:
                nn.init.zeros_(head.bias)


def _head_keys(model: nn.Module, keys: tuple[str, ...]) -> tuple[str, ...]:
    head = architectures.head_of(model)
    return tuple(key for key in keys if architectures.in_head(key, head))
