"""`curate.toml`: a project's settings, checked against a schema."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from curate.core import names
from curate.core.durations import duration
from curate.core.errors import ConfigError, FaultsError
from curate.core.files import describe
from curate.core.urls import SCHEMES

FILE = "curate.toml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def given(self) -> dict[str, Any]:
        """Only what the file sets; everything else keeps the default of the stage."""
        return self.model_dump(exclude_unset=True)


class Split(_Section):
    """``[split]``: see `curate.splits.SplitPolicy`."""

    min_count: int = Field(default=40, ge=1)
    max_count: int = Field(default=400, ge=1)
    val: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    test: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    benchmark: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    seed: int = 0
    staged_share: float = Field(default=0.5, ge=0, le=1)
    sub_min_count: int = Field(default=0, ge=0)
    sub_max_count: int | None = Field(default=None, ge=1)
    keep: Literal["diverse", "newest", "quality", "random"] = "diverse"
    count: Literal["groups", "images"] = "groups"

    @field_validator("val", "test", "benchmark")
    @classmethod
    def _share_or_count(cls, asked: float) -> float:
        if not (asked < 1 or asked == int(asked)):
            raise ValueError("a share lies below 1, and a count of images is a whole number")
        return asked


class Duplicates(_Section):
    """``[duplicates]``: see `curate.duplicates.DuplicatePolicy`."""

    similarity: float = Field(default=0.8, ge=0.6, le=1)
    flips: bool = False
    turns: bool = False
    hashes: list[str] = ["phash:8"]
    keeper: list[str] = [
        "usable",
        "labelled",
        "real",
        "benchmark",
        "placed",
        "resolution",
        "bytes",
        "oldest",
    ]


class Train(_Section):
    """``[train]``: see `curate.train.TrainSettings`."""

    arch: str = "resnet18"
    epochs: int = Field(default=20, ge=1)
    steps: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=2)
    accumulate: int = Field(default=1, ge=1)
    size: int | None = Field(default=None, ge=16)
    lr: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    optimizer: str = "adamw"
    schedule: str = "cosine"
    warm_up: float = Field(default=1, ge=0)
    freeze: int = Field(default=0, ge=0)
    balance: Literal["none", "sampling", "effective", "logits"] = "none"
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    mix: str = ""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: bool = False
    ema: float = Field(default=0, ge=0, lt=1)
    augment: str | None = None
    augment_classes: dict[str, str] = {}
    workers: int | None = Field(default=None, ge=1)


class Library(_Section):
    """``[library]``: see `curate.store.elsewhere`."""

    database: str | None = None


class Sources(_Section):
    """``[sources]``: what manifests may name beside files (see `curate.core.listing`)."""

    schemes: list[str] = []

    @field_validator("schemes")
    @classmethod
    def _opened(cls, asked: list[str]) -> list[str]:
        unknown = [scheme for scheme in asked if scheme not in SCHEMES]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not opened; known: {', '.join(SCHEMES)}")
        return asked


class CleanupRule(_Section):
    """``[cleanup.rules.NAME]``: see `curate.cleanup.policy.Rule`.

    Every other key is a filter of queues, which whoever makes queues checks.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    recipe: str
    older_than: str = "0d"
    limit: int | None = Field(default=None, ge=1)
    action: Literal["quarantine", "list"] = "quarantine"

    @field_validator("older_than")
    @classmethod
    def _length(cls, asked: str) -> str:
        duration(asked)
        return asked


class Cleanup(_Section):
    """``[cleanup]``: see `curate.cleanup.policy.Policy`."""

    quarantine: str = ""
    grace: str = "30d"
    max_share: float = Field(default=0.1, gt=0, le=1)
    surge: float = Field(default=10, ge=1, allow_inf_nan=False)
    rules: dict[str, CleanupRule] = {}

    @field_validator("grace")
    @classmethod
    def _length(cls, asked: str) -> str:
        duration(asked)
        return asked

    @field_validator("rules")
    @classmethod
    def _named(cls, asked: dict[str, CleanupRule]) -> dict[str, CleanupRule]:
        for name in asked:
            fault = names.fault_of(name)
            if fault:
                raise ValueError(f"the name of rule {name!r} {fault}")
        return asked


JOB_STEPS = ("scan", "duplicates", "bulk-id", "queues", "cleanup", "report")
"""Steps that `[jobs.nightly]` may name, in the order in which each finds what it needs."""


class Nightly(_Section):
    """``[jobs.nightly]``: see `curate.cli.nightly`."""

    steps: list[str] = list(JOB_STEPS)

    @field_validator("steps")
    @classmethod
    def _known(cls, asked: list[str]) -> list[str]:
        unknown = [step for step in asked if step not in JOB_STEPS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no step; known: {', '.join(JOB_STEPS)}")
        if asked != [step for step in JOB_STEPS if step in asked] or not asked:
            raise ValueError(f"each step stands once, in this order: {', '.join(JOB_STEPS)}")
        return asked


class Jobs(_Section):
    """``[jobs]``: see `curate.cli.jobs` and `curate.schedules.notify`."""

    model: str = ""
    mail: str = ""
    smtp: str = Field(default="localhost:25", pattern=r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$")
    nightly: Nightly = Nightly()

    @field_validator("mail")
    @classmethod
    def _address(cls, asked: str) -> str:
        if asked and (asked.count("@") != 1 or not asked.isprintable() or " " in asked):
            raise ValueError("give one e-mail address")
        return asked


class Config(_Section):
    """The whole file; every section may be left out."""

    split: Split = Split()
    duplicates: Duplicates = Duplicates()
    train: Train = Train()
    library: Library = Library()
    sources: Sources = Sources()
    cleanup: Cleanup = Cleanup()
    jobs: Jobs = Jobs()


def load(folder: Path) -> Config:
    """Read `curate.toml` in a folder; the defaults where there is none.

    Raises
    ------
    FaultsError
        It is not TOML, or has unknown keys or values out of bounds; all are listed.
    """
    path = folder / FILE
    if not path.is_file():
        return Config()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return Config.model_validate(content)
    except OSError as error:
        raise ConfigError(str(path), describe(error), "See that it can be read.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FaultsError(str(path), [str(error)], "Mend the file.") from error
    except ValidationError as error:
        faults = [_fault(item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise FaultsError(str(path), faults, "Mend the file and give the command again.") from error


def _fault(place: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in place)
    if kind != "extra_forbidden":
        message = message.removeprefix("Value error, ")
        return f"{key}: {message[0].lower()}{message[1:]}"
    known = _keys(place[:-1])
    meant = names.nearest(str(place[-1]), known)
    hint = f"did you mean {meant!r}?" if meant else f"known: {', '.join(known)}"
    return f"{key}: unknown key; {hint}"


def _keys(place: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Config
    for part in place:
        inner = section.model_fields[str(part)].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            section = inner
    return list(section.model_fields)
