from __future__ import annotations

import pytest
import torch
from torch import nn

from curate.core.errors import InputError
from curate.models.arch import build
from curate.train.recipes.optimizers import names, optimizer_of, parameter_groups

# adahessian needs gradients of gradients; kron compiles code for a minute.
WORKING = [name for name in names() if not name.startswith(("adahessian", "kron"))]


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def test_biases_and_norms_do_not_decay() -> None:
    decayed, plain = parameter_groups(small(), 0.1)
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3, 3, 3), (2, 4)]
    assert len(plain["params"]) == 4


def test_what_the_network_names_does_not_decay() -> None:
    model = build("test_vit", 3)
    decayed, plain = parameter_groups(model, 0.1)
    exempt = {id(p) for p in plain["params"]}
    assert {id(model.get_parameter(name)) for name in ("pos_embed", "cls_token")} <= exempt
    assert id(model.get_parameter("head.weight")) not in exempt
    assert len(decayed["params"]) + len(exempt) == len(list(model.parameters()))


def test_frozen_parameters_are_left_out() -> None:
    model = small()
    model[0].requires_grad_(False)
    assert sum(len(group["params"]) for group in parameter_groups(model, 0.1)) == 4
    model.requires_grad_(False)
    model[3].bias.requires_grad_(True)
    assert [len(group["params"]) for group in parameter_groups(model, 0.1)] == [1]


@pytest.mark.parametrize(
    ("recipe", "kind", "holds"),
    [
        ("adamw", "AdamW", {"lr": 0.01, "betas": (0.9, 0.999)}),
        ("sgd(momentum=0.8, nesterov=False)", "SGD", {"momentum": 0.8, "nesterov": False}),
        ("sgd", "SGD", {"momentum": 0.9, "nesterov": True}),
        ("nadam(betas=(0.8, 0.9))", "NAdam", {"betas": (0.8, 0.9)}),
        ("rmsprop(momentum=0.0)", "RMSprop", {"momentum": 0.0, "alpha": 0.9}),
        ("lamb(eps=1e-5)", "Lamb", {"eps": 1e-5}),
    ],
)
def test_a_recipe_names_an_optimizer_and_its_arguments(
    recipe: str, kind: str, holds: dict[str, object]
) -> None:
    made = optimizer_of(recipe, small(), 0.01, 0.1)
    assert type(made).__name__ == kind
    assert [group["weight_decay"] for group in made.param_groups] == [0.1, 0.0]
    for group in made.param_groups:
        assert {name: group[name] for name in holds} == holds


def test_the_names_are_those_that_work_without_other_packages() -> None:
    assert {"adamw", "sgd", "nadam", "rmsprop", "lamb"} <= set(names())
    assert not any(name.startswith(("fused", "bnb")) for name in names())


def test_making_one_draws_no_random_numbers() -> None:
    model = small()
    before = torch.get_rng_state()
    optimizer_of("adamw", model, 0.01, 0.1)
    assert torch.equal(torch.get_rng_state(), before)


# Some of timm's and torch's warn of each other.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WORKING)
def test_none_decays_biases_and_norms_and_all_obey_the_rate(name: str) -> None:
    model = small()
    made = optimizer_of(name, model, 0.1, 0.5)
    for parameter in model.parameters():
        nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    made.step()
    made.step()
    weights = {name: float(p.detach().mean()) for name, p in model.named_parameters()}
    assert all(weights[at] == 1 for at in ("0.bias", "1.weight", "1.bias", "3.bias"))
    assert all(weights[at] < 1 for at in ("0.weight", "3.weight"))

    # Of a tiny rate there comes a tiny step: the schedule is listened to.
    for group in made.param_groups:
        group["lr"] = 1e-9
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    made.step()
    moved = [
        float((p.detach() - q).abs().max()) for p, q in zip(model.parameters(), before, strict=True)
    ]
    assert max(moved) < (0.1 if name in CARRIES_THE_RATE else 1e-5)


CARRIES_THE_RATE = {"madgrad", "madgradw", "rmsproptf", "crmsproptf"}
"""Their momentum holds steps of an earlier, larger rate."""


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("", "it is one name"),
        ("adamw sgd", "it is one name"),
        ("adamv", "Did you mean adam"),
        ("AdamW", "Did you mean"),
        ("lookahead_adamw", "known are"),
        ("nonsense_adamw", "known are"),
        ("fusedadam", "known are"),
        ("adahessian", "cannot train with it"),
        ("sgd(betas=(0.9, 0.99))", "cannot give it betas"),
        ("sgd(eps=0.1)", "cannot give it eps"),
        ("adamw(lr=0.1)", "cannot give it lr.* settings of their own"),
        ("adamw(weight_decay=0.1, maximize=True)", "cannot give it weight_decay, maximize"),
        ("adamw(beta=0.9)", "it takes betas, eps"),
        ("sgd(momentum=-1)", "Invalid momentum"),
        ("sgd(momentum='x')", "cannot train with it"),
        ("adamw(betas=0.9)", "cannot train with it"),
        ("rmsprop(alpha=1e999)", "no finite numbers"),
        ("adamw(", "recipe"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(recipe: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        optimizer_of(recipe, small(), 0.01, 0.1)
