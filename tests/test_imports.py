"""`import curate` and every `--help` answer at once: nothing heavy is loaded for them."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import curate

HEAVY = {
    "torch", "torchvision", "timm", "duckdb", "pandas", "pyarrow", "numpy", "PIL", "sqlalchemy",
    "ray", "albumentations", "cv2", "rich", "pydantic",
}  # fmt: skip
"""None of these for `import curate`."""

TOO_HEAVY_FOR_HELP = {
    "torch", "torchvision", "timm", "duckdb", "pandas", "pyarrow", "sqlalchemy", "ray",
    "albumentations", "cv2", "scipy", "imagehash", "matplotlib", "plotext", "optuna", "mlflow",
}  # fmt: skip


def loaded(*command: str) -> set[str]:
    """Top-level modules that a Python process has imported when it ends."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr[-2000:]
    lines = [line for line in told.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_importing_curate_loads_nothing_heavy() -> None:
    modules = loaded("-c", "import curate")
    assert "curate" in modules
    assert not modules & HEAVY


@pytest.mark.parametrize("command", ["", "train", "queue", "lr-find", "augment preview", "runs"])
def test_help_loads_nothing_heavy(command: str) -> None:
    # All commands are in the one program: what one of them loads early, all would.
    modules = loaded("-m", "curate", *command.split(), "--help")
    assert not modules & TOO_HEAVY_FOR_HELP


def test_importing_has_no_effects() -> None:
    code = "import os, curate; print(os.listdir('.'))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("[]\n", "")


def test_every_public_verb_is_there() -> None:
    assert curate.__all__ == sorted(curate.__all__)
    for name in curate.__all__:
        assert callable(getattr(curate, name)), name
    with pytest.raises(AttributeError, match="no attribute 'verb'"):
        _ = curate.verb


def test_a_verb_is_what_its_room_calls_by_that_name() -> None:
    assert curate.open_library is importlib.import_module("curate.store.library").opened
    assert curate.scan_folder is importlib.import_module("curate.scan").scan
