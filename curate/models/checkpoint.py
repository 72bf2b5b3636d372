"""A checkpoint: one file with all that is needed to run a model, and nothing that can run itself.

Ours are written as safetensors or as a weights-only ``.pt``; timm's are read too. No file is ever
unpickled beyond tensors and plain values.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from curate.core import files
from curate.core.errors import CheckpointError, InputError
from curate.core.identity import ID_LENGTH
from curate.models import arch as architectures
from curate.models import weights as weight_files
from curate.models.novelty import Novelty
from curate.models.preprocess import Preprocessing

FORMAT = 1
"""Written into every checkpoint; a reader refuses a higher one."""

_COUNTER = "num_batches_tracked"
_NOVELTY_TYPES = frozenset({torch.float16, torch.float32, torch.float64})
_AGAIN = "Train it again, or take another file"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model, complete: what it computes, for which classes, from which pixels, and its history.

    Attributes
    ----------
    arch : str
        Recipe of the architecture (`curate.models.arch`).
    classes : tuple of str
        In the order of the logits.
    preprocessing : Preprocessing
        What an image goes through first.
    weights : mapping of str to Tensor
        A state dict that fits the architecture, on the CPU.
    temperature : float
        Divides the logits before they become scores; 1 is uncalibrated.
    thresholds : mapping of str to float
        A wanted precision (``"0.95"``) and the calibrated score from which on it was reached on
        val. One that was not reached is missing; all are in older files.
    throw_away : bool
        Trained with a lowered min-count only to find images; it passes no deploy gate.
    min_count : int or None
        The cutoff that its classes passed.
    parent : str or None
        Digest of the checkpoint that it was trained from.
    split, data : str or None
        Digests of the assignment and of the labelled images that it was trained on.
    metrics, settings, versions : mapping
        Plain values: what was measured, how it was trained, with which software.
    licence : str or None
        Note on the licence of the weights that it descends from.
    novelty : Novelty or None
        Statistics of the features of the training images, which tell how unlike them an image is.
        None where they were not measured: files from elsewhere, older ones, trainings without val.
    digest : str or None
        The model's identity: start of the SHA-256 of the file. None until it lies in one.
    """

    arch: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    weights: Mapping[str, Tensor]
    temperature: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    throw_away: bool = False
    min_count: int | None = None
    parent: str | None = None
    split: str | None = None
    data: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None
    novelty: Novelty | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        check_classes("a checkpoint's classes", self.classes)
        if not (
            isinstance(self.temperature, float | int)
            and math.isfinite(self.temperature)
            and self.temperature > 0
        ):
            raise CheckpointError(
                f"temperature {self.temperature!r}", "it is a finite number above 0", _AGAIN
            )
        for wanted, score in self.thresholds.items():
            if not (_is_share(wanted) and isinstance(score, float | int) and 0 <= score <= 1):
                raise CheckpointError(
                    f"threshold {score!r} for a precision of {wanted!r}",
                    "both are numbers from 0 to 1",
                    _AGAIN,
                )


def save(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> Checkpoint:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to write.
    path : path-like
        ``.safetensors`` or ``.pt``; an existing file is replaced.

    Returns
    -------
    Checkpoint
        The same with `digest` set to the identity of the new file.

    Raises
    ------
    CheckpointError
        Another suffix, or the system refuses to write.
    """
    target = Path(path)
    write = weight_files.WRITERS.get(target.suffix)
    if write is None:
        known = " or ".join(weight_files.WRITERS)
        raise CheckpointError(
            str(target), f"a checkpoint ends in {known}", "Choose one of these names"
        )
    meta = json.dumps({"format": FORMAT, **_to_json(checkpoint)}, ensure_ascii=False)
    novelty = {} if checkpoint.novelty is None else checkpoint.novelty.to_arrays()
    data = write(
        weight_files.Content(
            dict(checkpoint.weights),
            {weight_files.OURS: meta},
            {key: torch.from_numpy(array) for key, array in novelty.items()},
        )
    )
    try:
        files.write_whole(target, lambda file: file.write(data))
    except OSError as error:
        raise CheckpointError(
            str(target), f"it cannot be written ({files.describe(error)})", "Choose another place"
        ) from error
    return replace(checkpoint, digest=hashlib.sha256(data).hexdigest()[:ID_LENGTH])


def load(
    path: str | os.PathLike[str],
    arch: str | None = None,
    classes: str | os.PathLike[str] | Sequence[str] | None = None,
    *,
    any_classes: bool = False,
) -> Checkpoint:
    """Load a checkpoint of ours, or a timm state dict from elsewhere.

    Parameters
    ----------
    path : path-like
        ``.safetensors``, ``.pt``, ``.pth`` …; the content decides, not the name.
    arch : str, optional
        Recipe of the architecture, for a file that does not name it.
    classes : path-like or sequence of str, optional
        Class names in the order of the logits, for a file that does not hold them: a text file
        with one name a line (see `read_classes`), or the names.
    any_classes : bool
        The names do not matter, because the head will be replaced: a file that holds none gets
        ``output 1``, ``output 2`` ….

    Returns
    -------
    Checkpoint
        Its weights fit its architecture and are finite.

    Raises
    ------
    CheckpointError
        Anything else. Nothing in the file is executed.
    """
    source = Path(path)
    with _open(source) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:ID_LENGTH]
        file.seek(0)
        content = weight_files.read(file, str(source))
    meta = content.metadata.get(weight_files.OURS)
    try:
        if meta is None:
            checkpoint = _foreign(source, content, arch, classes, any_classes)
        elif arch is not None or classes is not None:
            raise CheckpointError(
                str(source),
                "it is a checkpoint of curate's and holds its architecture and classes",
                "Leave --arch and --classes out",
            )
        else:
            checkpoint = replace(
                _from_json(str(source), meta, content.tensors),
                novelty=_novelty(content.novelty),
            )
        fitting = _fitted(str(source), checkpoint)
    except InputError as error:
        raise CheckpointError(f"{source}: {error.value}", error.rule, error.remedy) from error
    return replace(checkpoint, weights=fitting, digest=digest)


def read_classes(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read class names from a UTF-8 text file, one a line, in the order of the logits.

    A name that stands on several lines (ImageNet has two classes called "crane") gets the line's
    number, ``crane [135]`` and ``crane [518]``: the lines are different outputs of the model, and
    merging them or guessing would be silent.

    Raises
    ------
    CheckpointError
        Not readable, not UTF-8, empty, or with an empty line before the end.
    """
    remedy = "Give a UTF-8 text file with one class name a line, in the order of the logits"
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").rstrip().splitlines()
    except OSError as error:
        raise CheckpointError(
            str(path), f"it cannot be read ({files.describe(error)})", remedy
        ) from error
    except UnicodeDecodeError as error:
        raise CheckpointError(
            str(path), f"it is not UTF-8 text ({error.reason})", remedy
        ) from error
    names = [line.strip() for line in lines]
    for number, name in enumerate(names, start=1):
        if not name:
            raise CheckpointError(f"{path}, line {number}", "a class has a name", remedy)
    if not names:
        raise CheckpointError(str(path), "it is empty", remedy)
    counts = Counter(names)
    return tuple(
        f"{name} [{number}]" if counts[name] > 1 else name
        for number, name in enumerate(names, start=1)
    )


def check_classes(source: str, classes: Sequence[str]) -> None:
    """Refuse class names that are missing, not text, empty or not distinct."""
    if not classes or not all(isinstance(name, str) and name for name in classes):
        raise CheckpointError(
            f"{source}: {list(classes)[:5]!r}", "there is at least one, each a text", _AGAIN
        )
    twice = sorted(name for name, count in Counter(classes).items() if count > 1)
    if twice:
        raise CheckpointError(
            f"{source}: {', '.join(map(repr, twice[:5]))}",
            "no two classes have the same name",
            "Rename one of them",
        )


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Give what a card shows: plain values, the weights only as their number."""
    return {
        "digest": checkpoint.digest,
        **_to_json(checkpoint),
        "parameters": sum(
            tensor.numel() for tensor in checkpoint.weights.values() if tensor.is_floating_point()
        ),
    }


def _to_json(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "arch": checkpoint.arch,
        "classes": list(checkpoint.classes),
        "preprocessing": checkpoint.preprocessing.to_json(),
        **{name: getattr(checkpoint, name) for name in _OPTIONAL},
    }


_OPTIONAL: dict[str, tuple[type, ...]] = {
    "temperature": (float, int),
    "thresholds": (dict,),
    "throw_away": (bool,),
    "min_count": (int, type(None)),
    "parent": (str, type(None)),
    "split": (str, type(None)),
    "data": (str, type(None)),
    "metrics": (dict,),
    "settings": (dict,),
    "versions": (dict,),
    "licence": (str, type(None)),
}


_LATER: dict[str, Any] = {"thresholds": {}}
"""What files of format 1 lack that were written before there was such a field."""


def _from_json(source: str, text: object, tensors: Mapping[str, Tensor]) -> Checkpoint:
    try:
        meta = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(source, f"its description is not JSON ({error})", _AGAIN) from error
    if not isinstance(meta, dict) or not isinstance(meta.get("format"), int):
        raise CheckpointError(source, "its description is not a checkpoint's", _AGAIN)
    if meta["format"] > FORMAT:
        raise CheckpointError(
            f"{source}: format {meta['format']}",
            f"this version reads formats up to {FORMAT}",
            "Install a newer curate",
        )
    meta = {**_LATER, **meta}
    wanted = {"arch": (str,), "classes": (list,), "preprocessing": (dict,), **_OPTIONAL}
    for name, types in wanted.items():
        if not isinstance(meta.get(name), types):
            raise CheckpointError(
                f"{source}: {name} {str(meta.get(name))[:80]!r}",
                f"it is a {' or '.join(kind.__name__ for kind in types)}",
                _AGAIN,
            )
    return Checkpoint(
        arch=meta["arch"],
        classes=tuple(meta["classes"]),
        preprocessing=Preprocessing.from_json(meta["preprocessing"]),
        weights=tensors,
        **{name: meta[name] for name in _OPTIONAL},
    )


def _novelty(tensors: Mapping[str, Tensor]) -> Novelty | None:
    """Read the statistics of the training features, if there are any."""
    if not tensors:
        return None
    # NumPy lacks some of torch's types (bfloat16): they are refused as any other wrong one.
    known = all(tensor.dtype in _NOVELTY_TYPES for tensor in tensors.values())
    if not known:
        raise InputError("novelty statistics", "they are floating-point numbers", _AGAIN)
    return Novelty.from_arrays({key: tensor.numpy() for key, tensor in tensors.items()})


def _foreign(
    source: Path,
    content: weight_files.Content,
    arch: str | None,
    classes: str | os.PathLike[str] | Sequence[str] | None,
    any_classes: bool,
) -> Checkpoint:
    recipe = arch or weight_files.named_architecture(content.metadata)
    if recipe is None:
        raise CheckpointError(
            str(source), "it does not say which architecture it is for", "Name it with --arch"
        )
    if classes is None and any_classes:
        classes = [f"output {number + 1}" for number in range(_outputs(recipe, content.tensors))]
    if classes is None:
        raise CheckpointError(
            str(source),
            "it does not hold the names of its classes",
            "Give them with --classes FILE, one name a line in the order of the logits",
        )
    names = read_classes(classes) if isinstance(classes, str | os.PathLike) else tuple(classes)
    licence = content.metadata.get("license") or content.metadata.get("licence")
    return Checkpoint(
        arch=recipe,
        classes=names,
        preprocessing=architectures.preprocessing(
            recipe, weight_files.named_preprocessing(str(source), content.metadata)
        ),
        weights=content.tensors,
        licence=licence if isinstance(licence, str) else None,
    )


def _outputs(recipe: str, tensors: Mapping[str, Tensor]) -> int:
    """Count the outputs by the weights of the head; 1 where there is none (it will not fit)."""
    with torch.random.fork_rng(devices=[]):
        head = architectures.head_of(architectures.build(recipe, 1))
    heads = (value for key, value in tensors.items() if architectures.in_head(key, head))
    sizes = [len(value) for value in heads if value.ndim]
    return max(sizes, default=1)


def _fitted(source: str, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Give the weights; refuse those that do not fit the architecture or are not finite."""
    # The model is built only for its shapes: that must not use up the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        model = architectures.build(checkpoint.arch, len(checkpoint.classes))
    expected, head = model.state_dict(), architectures.head_of(model)
    _check_novelty(source, checkpoint, [expected.get(f"{name}.weight") for name in head[:1]])
    # Converters leave the batch counters out; they play no part in what a model computes.
    counters = {key: value for key, value in expected.items() if key.endswith(_COUNTER)}
    weights = {**counters, **checkpoint.weights}
    missing = [key for key in expected if key not in weights]
    surplus = [key for key in weights if key not in expected]
    if missing and not surplus and all(architectures.in_head(key, head) for key in missing):
        raise CheckpointError(
            source,
            f"it is an encoder without a head ({_some(missing)} missing): it gives features, and "
            "names no class",
            "Take weights that were saved with the head of a classifier",
        )
    if missing or surplus:
        raise CheckpointError(
            source,
            f"its weights do not fit {checkpoint.arch}: {_some(missing)} missing,"
            f" {_some(surplus)} unexpected",
            "Name the architecture that it was trained with",
        )
    unlike = [key for key in expected if weights[key].shape != expected[key].shape]
    heads = [key for key in unlike if architectures.in_head(key, head)]
    if heads and heads == unlike:
        rows = next(iter(weights[heads[0]].shape), 0)
        raise CheckpointError(
            f"{source}: a head for {rows} classes",
            f"{len(checkpoint.classes)} class names were given",
            "Give the names of the classes that it was trained with",
        )
    if unlike:
        shapes = [
            f"{key} {tuple(weights[key].shape)} instead of {tuple(expected[key].shape)}"
            for key in unlike[:3]
        ]
        raise CheckpointError(
            source,
            f"its weights do not fit {checkpoint.arch}: {'; '.join(shapes)}",
            "Name the architecture that it was trained with",
        )
    for key, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{source}: {key}", "weights are finite numbers, not NaN or infinity", _AGAIN
            )
    return weights


def _check_novelty(source: str, checkpoint: Checkpoint, heads: list[Tensor | None]) -> None:
    """Refuse statistics of another network: a linear head tells how many features there are."""
    for head in heads:
        if checkpoint.novelty is None or head is None or head.ndim != 2:
            continue
        found, expected = checkpoint.novelty.width, head.shape[1]
        if found != expected:
            raise CheckpointError(
                f"{source}: novelty statistics of {found} features",
                f"{checkpoint.arch} has {expected}",
                _AGAIN,
            )


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _some(keys: list[str]) -> str:
    shown = ", ".join(keys[:3])
    return f"{len(keys)} ({shown}{', …' if len(keys) > 3 else ''})" if keys else "none"


def _open(path: Path) -> BufferedReader:
    """Open a regular file; a link to one is followed, because hub caches are made of links."""
    remedy = "Give a checkpoint: .safetensors, .pt or .pth"
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer that never comes.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise CheckpointError(
            str(path), f"it cannot be read ({files.describe(error)})", remedy
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise CheckpointError(str(path), "it is not a regular file", remedy)
    return os.fdopen(handle, "rb")
