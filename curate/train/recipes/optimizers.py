"""Optimisers by recipe, made by timm: its names, its defaults."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import timm
import torch
from timm.optim import (  # type: ignore[attr-defined]  # timm's public names, not marked so
    create_optimizer_v2,
    get_optimizer_class,
    list_optimizers,
)
from torch import nn

from curate.core.errors import InputError
from curate.models.recipe import Call
from curate.train.recipes.kinds import one_call

# What a recipe cannot set: these come from the settings, or only spoil a training.
_NOT_IN_A_RECIPE = frozenset({"self", "params", "lr", "weight_decay", "maximize", "differentiable"})
_ELSEWHERE = ["bnb*", "fused*"]
"""Names of timm's that stand for optimisers of other packages, which need a GPU of one maker."""


def names() -> list[str]:
    """Give the names that a recipe may have."""
    return [str(name) for name in list_optimizers(exclude_filters=_ELSEWHERE)]


def optimizer_of(
    recipe: str, model: nn.Module, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Make the optimiser of a model.

    Parameters
    ----------
    recipe : str
        A name of timm's registry and arguments of its own: ``adamw``,
        ``sgd(momentum=0.9, nesterov=True)``, ``nadam``, ``rmsprop(momentum=0.0)``, ``lamb``.
        timm gives momentum 0.9 to all that take one, and makes ``sgd`` Nesterov's.
    model : torch.nn.Module
        Its parameters that require a gradient are optimised.
    lr : float
        Learning rate at first.
    weight_decay : float
        Of the parameters that decay (`parameter_groups`).

    Returns
    -------
    torch.optim.Optimizer
        Of two groups at most, each with ``lr`` to be set before a step.

    Raises
    ------
    InputError
        An unknown name, one that cannot work here, or arguments that it does not take.

    Notes
    -----
    The layer-wise optimisers (``lamb``, ``lars``) of timm scale no update of a group without
    decay: biases and norms take plain steps, as in Y. You et al., "Large Batch Optimization for
    Deep Learning", ICLR 2020.
    """
    call = one_call("optimizer", recipe, names())
    _check_arguments(call)
    _try(call)
    return _made(call, parameter_groups(model, weight_decay), lr)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Part the parameters: weights decay; biases, norms and what the network names do not.

    Parameters
    ----------
    model : torch.nn.Module
        Its ``no_weight_decay()``, where it has one, names what lies among the weights but is none
        (position embeddings, class tokens).
    weight_decay : float
        Of those that decay.

    Returns
    -------
    list of dict
        ``params`` and ``weight_decay`` of each group that has parameters.
    """
    exempt: Callable[[], set[str]] = getattr(model, "no_weight_decay", set)
    named = exempt()
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[parameter.ndim > 1 and name not in named].append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if decays else 0.0}
        for decays, parameters in groups.items()
        if parameters
    ]


def _made(call: Call, groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    return create_optimizer_v2(groups, opt=call.name, lr=lr, weight_decay=0.0, **call.keywords)


def _check_arguments(call: Call) -> None:
    """Refuse what timm would drop without a word (``betas`` of an optimiser that has none)."""
    made = get_optimizer_class(call.name, bind_defaults=False)
    taken = [name for name in inspect.signature(made).parameters if name not in _NOT_IN_A_RECIPE]
    surplus = [name for name in call.keywords if name not in taken]
    if surplus:
        raise InputError(
            f"optimizer {call}",
            f"a recipe cannot give it {', '.join(surplus)}; it takes {', '.join(taken)}",
            "Leave it out; the learning rate and the weight decay have settings of their own",
        )


def _try(call: Call) -> None:
    """Take a step with a tiny network: some arguments are only looked at there."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # What is to be said of the optimiser is said by the one that trains.
        warnings.simplefilter("ignore")
        toy = nn.Linear(2, 2)
        try:
            # Optimisers raise whatever they like on what they cannot take.
            made = _made(call, parameter_groups(toy, 0.1), 1e-3)
            toy(torch.ones(1, 2)).sum().backward()
            made.step()
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"optimizer {call}",
                f"timm {timm.__version__} cannot train with it ({said})",
                "Correct its arguments or leave them out; adamw always works",
            ) from error
    if not all(bool(torch.isfinite(parameter).all()) for parameter in toy.parameters()):
        raise InputError(
            f"optimizer {call}",
            "a first step with it gives weights that are no finite numbers",
            "Correct its arguments, or leave them out",
        )
