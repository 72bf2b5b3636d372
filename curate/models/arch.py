"""An architecture is a recipe: a timm name and its literal keyword arguments."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any

import timm
from timm.data.config import resolve_data_config
from torch import nn

from curate.core.errors import InputError
from curate.models.preprocess import Preprocessing
from curate.models.recipe import Call, parse

# A recipe may come out of a checkpoint from anywhere: it describes a network, and may neither
# fetch nor open anything, nor undo what the caller decides (classes, three channels).
_FORBIDDEN = frozenset(
    {
        "cache_dir",
        "checkpoint_path",
        "exportable",
        "features_only",
        "in_chans",
        "no_jit",
        "num_classes",
        "pretrained",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "scriptable",
    }
)


def build(recipe: str, num_classes: int, pretrained: bool = False) -> nn.Module:
    """Build the network that a recipe names.

    Parameters
    ----------
    recipe : str
        ``resnet18`` or ``mobilenetv2_100(pad_type="same")``.
    num_classes : int
        Rows of the head.
    pretrained : bool
        Fetch the body's weights from the hub that timm names (the head is then fresh where the
        number of classes differs).

    Returns
    -------
    torch.nn.Module
        With random weights unless `pretrained`; torch's global generator draws them.

    Raises
    ------
    InputError
        Not an architecture, arguments that it does not take, or weights that cannot be had.
    """
    call = _architecture(recipe)
    if pretrained:
        return _build_pretrained(call, recipe, num_classes)
    try:
        # Constructors raise whatever they like on arguments that do not fit them.
        model: nn.Module = timm.create_model(call.name, num_classes=num_classes, **call.keywords)
    except Exception as error:
        raise InputError(
            f"architecture {recipe!r}",
            f"timm {timm.__version__} cannot build it ({_first_line(error)})",
            "Correct its arguments, or leave them out",
        ) from error
    return model


def at_size(recipe: str, size: int) -> str:
    """Give the recipe of the same architecture for square inputs of `size` pixels.

    Convolutional networks take any size and keep their recipe; networks that are built for one
    size (most vision transformers) get it as ``img_size``.
    """
    call = _architecture(recipe)
    if not default_config(recipe).get("fixed_input_size"):
        return recipe
    return str(Call(call.name, {**call.keywords, "img_size": size}))


def preprocessing(recipe: str, given: Mapping[str, Any] | None = None) -> Preprocessing:
    """Say what an image goes through before this architecture, by timm's configuration.

    Parameters
    ----------
    recipe : str
        The architecture.
    given : mapping, optional
        Overrides: ``input_size`` (3, height, width), ``mean``, ``std``, ``interpolation``,
        ``crop_pct``, ``crop_mode``.
    """
    size = _architecture(recipe).keywords.get("img_size")
    overrides = {} if size is None else {"input_size": (3, *_pair(size))}
    resolve: Callable[..., dict[str, Any]] = resolve_data_config  # timm leaves it untyped
    config = resolve(
        args={"in_chans": 3, **overrides, **(given or {})}, pretrained_cfg=default_config(recipe)
    )
    return Preprocessing.from_data_config(config)


def default_config(recipe: str) -> dict[str, Any]:
    """Give timm's configuration of an architecture's weights; empty where timm has none."""
    config = timm.models.get_pretrained_cfg(_architecture(recipe).name)
    return {} if config is None else dataclasses.asdict(config)


def head_of(model: nn.Module) -> tuple[str, ...]:
    """Give the names of the modules that turn features into logits (the head), as prefixes."""
    names = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def in_head(key: str, head: tuple[str, ...]) -> bool:
    """Whether a key of a state dict belongs to one of the modules named by `head_of`."""
    return any(key == name or key.startswith(f"{name}.") for name in head)


def _architecture(recipe: str) -> Call:
    calls = parse(recipe)
    if len(calls) != 1:
        raise InputError(
            f"architecture {recipe!r}",
            "it is one timm name with literal arguments",
            'Write it like: resnet18, or mobilenetv2_100(pad_type="same")',
        )
    call = calls[0]
    forbidden = sorted(_FORBIDDEN & call.keywords.keys())
    if forbidden:
        raise InputError(
            f"architecture {recipe!r}",
            f"a recipe describes a network and cannot set {', '.join(forbidden)}",
            "Leave it out",
        )
    if not timm.is_model(call.name):
        known = timm.list_models()
        near = difflib.get_close_matches(call.name, known, n=5, cutoff=0.5)
        nearest = f"The nearest: {', '.join(near)}" if near else "timm.list_models() lists them"
        raise InputError(
            f"architecture {call.name!r}",
            f"it is none of the {len(known)} that timm {timm.__version__} knows",
            nearest,
        )
    return call


def _build_pretrained(call: Call, recipe: str, num_classes: int) -> nn.Module:
    try:
        # The hub, its client and timm each have exceptions of their own for "not to be had".
        model: nn.Module = timm.create_model(
            call.name, pretrained=True, num_classes=num_classes, **call.keywords
        )
    except Exception as error:
        raise InputError(
            f"pretrained weights of {recipe!r}",
            f"they cannot be fetched ({_first_line(error)})",
            "Check the connection to the hub, or start from a file with --from",
        ) from error
    return model


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
