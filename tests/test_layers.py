"""The house keeps its shape: imports run one way, and some doors have one key.

core ← store, engine, models, formats ← stages ← review, cli. Every import counts, also those inside
functions and those for type checkers.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import curate

HOUSE = Path(str(curate.__file__)).parent
MOST_LINES = 500

FOUNDATIONS = {"store", "engine", "models", "formats"}
SURFACES = {"cli", "review"}
ROOMS = {
    path.stem for path in HOUSE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
} - {"__init__", "__main__", "__pycache__"}
STAGES = ROOMS - FOUNDATIONS - SURFACES - {"core"}

BETWEEN_FOUNDATIONS = {"store": {"engine"}}
"""Thumbnails that no scan has made are looked up in the files, by the engine."""

BETWEEN_STAGES = {"train": {"augment"}}

ONLY_IN = {
    "albumentations": {"augment/with_albumentations.py"},
    "fsspec": {"core/remote.py"},
    "matplotlib": {"cli/plot.py", "train/figures.py"},
    "mlflow": {"train/trackers.py"},
    "optuna": {"train/sweeps/search.py"},
    "plotext": {"cli/plot.py"},
    "ray": {"engine/cluster.py"},
    "simplejpeg": {"core/images.py"},
    "timm": {"models", "train/learner.py", "train/recipes/optimizers.py"},
    "typer": {"cli"},
    "rich": {"cli", "engine"},
}
"""Packages, and the rooms or files that may import them."""

SOURCES = sorted(HOUSE.rglob("*.py"))


def room_of(module: str) -> str:
    """Name the room of a module of the house; '' for `curate` itself."""
    return module.split(".")[1] if "." in module else ""


@cache
def imports_of(source: Path) -> frozenset[str]:
    """Full names of everything that a file imports, wherever in it."""
    here = ("curate", *source.relative_to(HOUSE).with_suffix("").parts)
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level] if node.level else ()
            base = ".".join((*start, *filter(None, [node.module])))
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(found)


def allowed(room: str) -> set[str]:
    """Rooms that a room may import beside itself."""
    if room == "core":
        return set()
    if room in FOUNDATIONS:
        return {"core"} | BETWEEN_FOUNDATIONS.get(room, set())
    if room in STAGES:
        return {"core"} | FOUNDATIONS | BETWEEN_STAGES.get(room, set())
    return ROOMS


def named(source: Path) -> str:
    return source.relative_to(HOUSE).as_posix()


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_imports_run_one_way(source: Path) -> None:
    room = source.relative_to(HOUSE).parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return  # the front door: the public verbs, and the command
    ours = {room_of(module) for module in imports_of(source) if module.startswith("curate.")}
    # `from curate import engine` names a room; `from curate import X` anything else of the package.
    wrong = {other for other in ours & ROOMS if other != room and other not in allowed(room)}
    assert not wrong, f"curate/{named(source)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("package", ONLY_IN)
def test_some_packages_have_one_door(package: str) -> None:
    using = {
        named(source)
        for source in SOURCES
        if any(module.split(".")[0] == package for module in imports_of(source))
    }
    wrong = {
        name
        for name in using
        if name not in ONLY_IN[package] and name.split("/")[0] not in ONLY_IN[package]
    }
    assert not wrong


OPENERS = {"imread", "imdecode", "decode_image", "decode_jpeg", "read_image", "default_loader"}


def opens_images(source: Path) -> bool:
    """Whether a file calls `Image.open` or another library's opener of pixels."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Attribute):
            of_image = isinstance(node.value, ast.Name) and node.value.id == "Image"
            if node.attr in OPENERS or (node.attr == "open" and of_image):
                return True
    return bool({module.rpartition(".")[2] for module in imports_of(source)} & OPENERS)


def test_one_module_opens_images() -> None:
    assert [named(source) for source in SOURCES if opens_images(source)] == ["core/images.py"]


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_no_file_is_too_long(source: Path) -> None:
    assert len(source.read_text().splitlines()) <= MOST_LINES


def test_the_rooms_are_those_of_the_design() -> None:
    designed = {
        "core", "store", "engine", "models", "formats",
        "scan", "duplicates", "splits", "augment", "train", "evaluate", "bulk_id", "queues",
        "cleanup", "schedules", "report", "doctor", "labels", "status",
        "review", "cli",
    }  # fmt: skip
    assert designed >= ROOMS


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_nothing_is_read_or_printed_at_import(source: Path) -> None:
    if source.name == "__main__.py":
        return
    loud = {"print", "open", "exit", "input"}
    for node in ast.parse(source.read_text()).body:
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            inside = isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.If
            )
            assert inside or not (isinstance(call.func, ast.Name) and call.func.id in loud)
