"""`sweep.toml`: what a sweep is asked to do, checked against a schema."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from torch import nn

from curate.augment.policy import compile_policy
from curate.core import names
from curate.core.errors import ConfigError, CurateError, FaultsError
from curate.core.files import describe
from curate.models.arch import default_config
from curate.train.recipes.mixing import mixing_of
from curate.train.recipes.optimizers import optimizer_of
from curate.train.recipes.schedules import schedule_of
from curate.train.settings import TrainSettings
from curate.train.sweeps.space import Choices, Range, Space, without_choices

METRICS = {"val_accuracy": "maximize", "val_recall": "maximize", "val_loss": "minimize"}
"""Columns of a training's history that a sweep can go by, and which way is better."""

_NOT_SWEPT = ("rename", "augment_classes", "throw_away", "min_count", "device", "workers", "steps")
"""Fields that say where a training runs or which classes it has, or that make trials unlike."""

_NOT_SET = ("augment_classes", "device", "steps", "workers")
"""Fields that have their place in `curate.toml`, in an option, or in the head of the file."""

_READERS: dict[str, Callable[[str], object]] = {
    "arch": default_config,
    "optimizer": lambda recipe: optimizer_of(recipe, nn.Linear(1, 1), 1e-3, 0.0),
    "schedule": schedule_of,
    "mix": mixing_of,
    "augment": compile_policy,
}
"""What reads the recipes among the settings: a wrong one is said now, not in the middle."""

_MEND = "Mend the file and give the command again."


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep is asked to do.

    Attributes
    ----------
    method : str
        ``grid`` (every combination once), ``random``, or ``tpe`` (the next trial is drawn where
        the good ones lie).
    space : mapping of str to Choices or Range
        What is tried.
    trials : int or None
        How many; None is all combinations of a grid, and 20 else.
    metric : str
        ``val_accuracy``, ``val_recall`` or ``val_loss``.
    steps, epochs : int or None
        How long a trial is; both None is the usual epochs.
    seed : int
        Of the search. That of the trainings is `TrainSettings.seed`.
    prune : bool
        Whether trials that fall behind end early.
    train : mapping of str to value
        Fields of `TrainSettings` that all trials share.
    arch : str or None
        Recipe of the architecture, where the file names one.
    initial : str or None
        Path of the model whose body is kept.
    """

    method: str
    space: Space
    trials: int | None = None
    metric: str = "val_accuracy"
    steps: int | None = None
    epochs: int | None = None
    seed: int = 0
    prune: bool = True
    train: Mapping[str, Any] = field(default_factory=dict)
    arch: str | None = None
    initial: str | None = None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Head(_Section):
    """The keys that stand outside of the tables."""

    method: Literal["grid", "random", "tpe"]
    trials: int | None = Field(default=None, ge=1)
    metric: Literal["val_accuracy", "val_recall", "val_loss"] = "val_accuracy"
    steps: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    seed: int = 0
    prune: bool = True


class _Bounds(_Section):
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    log: bool = False


def read_plan(path: Path) -> SweepPlan:
    """Read a sweep's file.

    Raises
    ------
    ConfigError
        It cannot be read.
    FaultsError
        It is not TOML, or says what cannot be; all faults are listed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), describe(error), "See that it can be read.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FaultsError(str(path), [str(error)], _MEND) from error
    return plan_of(content, str(path))


def plan_of(content: Mapping[str, Any], source: str = "sweep.toml") -> SweepPlan:
    """Check what a sweep's file says.

    Parameters
    ----------
    content : mapping
        The parsed file: `method`, `trials`, `metric`, `steps` or `epochs`, `seed`, `prune`, and
        the tables `train` and `space`.
    source : str
        How messages call it.

    Raises
    ------
    FaultsError
        Unknown keys (with the nearest known one), values out of bounds, parameters that are both
        fixed and tried, ranges in a grid; all are listed.
    """
    head = {key: value for key, value in content.items() if key not in ("train", "space")}
    faults = _faults(_Head, head, "", (*_Head.model_fields, "train", "space"))
    train = _table(content, "train", faults)
    fixed, fixed_faults = _train_of(train)
    space, space_faults = space_of(_table(content, "space", faults))
    faults += fixed_faults + space_faults
    if not space and not space_faults:
        faults.append("space: no parameter to try; write a table like [space] lr = [1e-4, 1e-3]")
    if not faults:
        faults += _contradictions(head, fixed, space)
    if faults:
        raise FaultsError(source, faults, _MEND)
    arch, initial = fixed.pop("arch", None), fixed.pop("from", None)
    return SweepPlan(**head, space=space, train=fixed, arch=arch, initial=initial)


def space_of(content: Mapping[str, Any]) -> tuple[dict[str, Choices | Range], list[str]]:
    """Read the table of what is tried.

    Parameters
    ----------
    content : mapping
        For each parameter, a list of choices, or a table with `low`, `high` and `log`.

    Returns
    -------
    space : dict of str to Choices or Range
        Of the parameters without a fault.
    faults : list of str
        One line each.
    """
    known = [name for name in _types() if name not in _NOT_SWEPT]
    space: dict[str, Choices | Range] = {}
    faults: list[str] = []
    for name, asked in content.items():
        place = f"space.{name}"
        if name not in known:
            faults.append(_unknown(place, name, known))
        elif isinstance(asked, list):
            found = [fault for value in asked for fault in _value_faults(place, name, value)]
            if not asked:
                found = [f"{place}: an empty list; name the values to try"]
            elif len({repr(value) for value in asked}) < len(asked):
                found.append(f"{place}: a value stands twice")
            faults += found
            if not found:
                space[name] = Choices(tuple(asked))
        elif isinstance(asked, dict):
            found = _range_faults(place, name, asked)
            faults += found
            if not found:
                space[name] = Range(
                    asked["low"], asked["high"], asked.get("log", False), _numeric(name) is int
                )
        else:
            faults.append(f"{place}: is a list of choices, or a table with low and high")
    return space, faults


@cache
def _types() -> dict[str, Any]:
    """Parameters of a training and the types of their values."""
    hints = typing.get_type_hints(TrainSettings)
    return {"arch": str, **{one.name: hints[one.name] for one in dataclasses.fields(TrainSettings)}}


def _numeric(name: str) -> type | None:
    """Whether a parameter is a whole number, a number, or none."""
    hint = _types()[name]
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((kind for kind in (int, float) if kind in parts), None)


@cache
def _train_section() -> type[BaseModel]:
    fields: dict[str, Any] = {
        name: (hint, None) for name, hint in _types().items() if name not in _NOT_SET
    }
    # A TOML file has lists where the settings have tuples.
    pair = Annotated[list[str], Field(min_length=2, max_length=2)]
    fields["rename"] = (list[pair], None)
    fields["from_"] = (str, Field(default=None, alias="from"))
    return create_model("Train", __base__=_Section, **fields)


def _train_of(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    section = _train_section()
    known = [inner.alias or name for name, inner in section.model_fields.items()]
    faults = _faults(section, content, "train.", known)
    if faults:
        return {}, faults
    fixed = dict(content)
    for name, value in content.items():
        if name not in ("arch", "from"):
            faults += _setting_faults(f"train.{name}", name, value)
    if "rename" in fixed:
        fixed["rename"] = tuple((old, new) for old, new in fixed["rename"])
    return fixed, faults


def _table(content: Mapping[str, Any], key: str, faults: list[str]) -> Mapping[str, Any]:
    table = content.get(key, {})
    if isinstance(table, dict):
        return table
    faults.append(f"{key}: is a table; write [{key}] and its lines below")
    return {}


def _contradictions(head: Mapping[str, Any], fixed: Mapping[str, Any], space: Space) -> list[str]:
    faults = [
        f"{name}: is fixed under [train] and tried under [space]; take one out"
        for name in space
        if name in fixed
    ]
    if "from" in fixed and "arch" in space:
        faults.append("space.arch: the model under train.from has its architecture; take one out")
    lengths = [key for key in ("steps", "epochs") if head.get(key)]
    for name, table in (("train", fixed), ("space", space)):
        lengths += [f"{name}.epochs"] * ("epochs" in table)
    if len(lengths) > 1:
        faults.append(f"{' and '.join(lengths)}: both say how long a trial is; take one")
    if head["method"] == "grid":
        faults += [
            f"space.{name}: a grid has no end of values between low and high; list some, or take "
            "the method random or tpe"
            for name in without_choices(space)
        ]
    return faults


def _range_faults(place: str, name: str, asked: Mapping[str, Any]) -> list[str]:
    if _numeric(name) is None:
        return [f"{place}: is not a number and has no range; list the choices"]
    faults = _faults(_Bounds, asked, f"{place}.", list(_Bounds.model_fields))
    if faults:
        return faults
    low, high, log = asked["low"], asked["high"], asked.get("log", False)
    for bound in (low, high):
        faults += _value_faults(place, name, bound)
    if not low < high:
        faults.append(f"{place}: low {low} is not below high {high}")
    if log and low <= 0:
        faults.append(f"{place}: low {low}, and a range by factors (log) starts above 0")
    return faults


def _value_faults(place: str, name: str, value: Any) -> list[str]:
    try:
        TypeAdapter(_types()[name], config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        return [f"{place}: {value!r}: {_lower(error.errors()[0]['msg'])}"]
    return _setting_faults(place, name, value)


def _setting_faults(place: str, name: str, value: Any) -> list[str]:
    """Let the settings themselves, and what reads recipes, judge a value."""
    try:
        if name in _READERS:
            _READERS[name](value)
        if name in ("arch", "rename"):
            return []
        TrainSettings(**{name: value})
    except CurateError as error:
        return [f"{place}: {error}"]
    return []


def _faults(
    section: type[BaseModel], content: Mapping[str, Any], prefix: str, known: typing.Iterable[str]
) -> list[str]:
    try:
        section.model_validate(dict(content))
    except ValidationError as error:
        listed = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                listed.append(_unknown(f"{prefix}{key}", str(item["loc"][-1]), known))
            elif item["type"] == "missing":
                listed.append(f"{prefix}{key}: is missing")
            else:
                listed.append(f"{prefix}{key}: {_lower(item['msg'])}")
        return listed
    return []


def _unknown(place: str, name: str, known: typing.Iterable[str]) -> str:
    known = list(known)
    meant = names.nearest(name, known)
    hint = f"did you mean {meant!r}?" if meant else f"known: {', '.join(known)}"
    return f"{place}: unknown key; {hint}"


def _lower(message: str) -> str:
    return f"{message[0].lower()}{message[1:]}"
