"""Files of tensors: read without running anything, written so that equal content is equal bytes."""

from __future__ import annotations

import argparse
import io
import json
import struct
import warnings
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import safetensors.torch
import torch
from torch import Tensor

from curate.core.errors import CheckpointError
from curate.models.recipe import Call

_LONGEST_HEADER = 100_000_000
"""Bytes; the format's own bound on a safetensors header."""

OURS = "curate"
"""Metadata of this name make a file one of ours, written by `WRITERS`."""

_NOVELTY = "novelty"
_REMEDY = "Give a checkpoint: .safetensors, .pt or .pth"
# The weights with averaging first: they are the ones that timm reports.
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "module")
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class Content:
    """What a file of weights holds: tensors by name, and plain values beside them.

    Attributes
    ----------
    tensors : dict of str to Tensor
        The state dict.
    metadata : mapping
        Of a ``.pt`` only texts.
    novelty : dict of str to Tensor
        Statistics of the training features; empty where there are none, as in all foreign files.
    """

    tensors: dict[str, Tensor]
    metadata: Mapping[str, Any]
    novelty: dict[str, Tensor] = field(default_factory=dict)


def read(file: IO[bytes], source: str) -> Content:
    """Read tensors and metadata from an open file; the content decides which format it is.

    Raises
    ------
    CheckpointError
        Of neither format, truncated, broken, or holding more than tensors and plain values.
    """
    start = file.read(9)
    file.seek(0)
    if start[8:9] == b"{":
        return _read_safetensors(file, source)
    if start[:2] in (b"PK", b"\x80\x02"):
        return _read_torch(file, source)
    raise CheckpointError(
        source, f"it is not a checkpoint (it starts with {start!r})" if start else "it is empty",
        _REMEDY,
    )  # fmt: skip


def named_architecture(metadata: Mapping[str, Any]) -> str | None:
    """Give the recipe that a foreign file names, if it does.

    Known are safetensors headers with ``architecture`` and ``model_args`` (JSON), and the ``arch``
    that timm's training writes.
    """
    name = metadata.get("architecture") or metadata.get("arch")
    if not isinstance(name, str):
        return None
    try:
        keywords = json.loads(metadata.get("model_args") or "{}")
    except (TypeError, ValueError):
        keywords = None
    return str(Call(name, keywords)) if isinstance(keywords, dict) else name


def named_preprocessing(source: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parts of the preprocessing that a foreign safetensors header names.

    Numbers are written ``0.5,0.5,0.5`` or as a JSON list.
    """
    given: dict[str, Any] = {}
    for name, kind in _NAMED.items():
        text = metadata.get(name)
        if not isinstance(text, str) or not text:
            continue
        try:
            given[name] = kind(text)
        except ValueError as error:
            raise CheckpointError(
                f"{source}: {name} {text[:80]!r}", f"it cannot be read ({error})", _REMEDY
            ) from error
    return given


def _integers(text: str) -> tuple[int, ...]:
    values = tuple(int(part) for part in text.strip("[]() ").split(","))
    if len(values) != 3:
        raise ValueError("three numbers are expected")
    return values


def _floats(text: str) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.strip("[]() ").split(","))
    if len(values) != 3:
        raise ValueError("three numbers are expected")
    return values


_NAMED: dict[str, Callable[[str], Any]] = {
    "input_size": _integers,
    "mean": _floats,
    "std": _floats,
    "crop_pct": float,
    "interpolation": str,
    "crop_mode": str,
}


def _read_safetensors(file: IO[bytes], source: str) -> Content:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LONGEST_HEADER:
        raise CheckpointError(
            source, f"its header claims {length:,} bytes, over {_LONGEST_HEADER:,}", _REMEDY
        )
    try:
        header = json.loads(file.read(length))
        metadata = header.get("__metadata__") or {}
        file.seek(0)
        # The library checks every offset against the file; we only read the metadata ourselves.
        tensors = safetensors.torch.load(file.read())
    except (safetensors.SafetensorError, ValueError, RecursionError, AttributeError) as error:
        raise CheckpointError(
            source, f"it is truncated or broken ({_first_line(error)})", _REMEDY
        ) from error
    if not isinstance(metadata, dict) or OURS not in metadata:
        return Content(_unprefixed(tensors), metadata if isinstance(metadata, dict) else {})
    try:
        packed = b64decode(metadata.get(_NOVELTY, ""), validate=True)
        novelty = safetensors.torch.load(packed) if packed else {}
    except (safetensors.SafetensorError, ValueError, TypeError) as error:
        raise CheckpointError(
            source, f"its novelty statistics are broken ({_first_line(error)})", _REMEDY
        ) from error
    return Content(_unprefixed(tensors), metadata, novelty)


def _read_torch(file: IO[bytes], source: str) -> Content:
    _refuse_compressed(file, source)
    try:
        # timm's own training files hold their arguments as a Namespace: a record of plain values.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile pickle makes the restricted reader fail in any way
        unsafe = "GLOBAL" in str(error) or "allowed global" in str(error)
        rule = (
            "it holds more than tensors and plain values, and nothing else is ever unpickled"
            if unsafe
            else f"it is truncated or broken ({_first_line(error)})"
        )
        remedy = "Save its state dict alone, best as .safetensors" if unsafe else _REMEDY
        raise CheckpointError(source, rule, remedy) from error
    if not isinstance(loaded, Mapping):
        raise CheckpointError(source, f"it holds a {type(loaded).__name__}, no state dict", _REMEDY)
    tensors = _state_dict(loaded)
    if not tensors or not all(_is_plain(key, value) for key, value in tensors.items()):
        raise CheckpointError(source, "it holds no state dict of plain tensors", _REMEDY)
    metadata = {
        key: value
        for key, value in loaded.items()
        if isinstance(key, str) and isinstance(value, str)
    }
    novelty = loaded.get(_NOVELTY, {}) if OURS in metadata else {}
    if not isinstance(novelty, Mapping) or not all(map(_is_plain, novelty, novelty.values())):
        raise CheckpointError(source, "its novelty statistics are not plain tensors", _REMEDY)
    return Content(_unprefixed(tensors), metadata, dict(novelty))


def _refuse_compressed(file: IO[bytes], source: str) -> None:
    """Refuse archives that unpack to more than they are: torch itself never compresses."""
    if file.read(2) == b"PK":
        try:
            with zipfile.ZipFile(file) as archive:
                packed = any(entry.compress_type for entry in archive.infolist())
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise CheckpointError(
                source, f"it is truncated or broken ({_first_line(error)})", _REMEDY
            ) from error
        if packed:
            raise CheckpointError(source, "it is a compressed archive, no checkpoint", _REMEDY)
    file.seek(0)


def _state_dict(loaded: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in _WRAPPERS:
        if isinstance(loaded.get(name), Mapping):
            inner: Mapping[str, Any] = loaded[name]
            return inner
    return loaded


def _is_plain(key: object, value: object) -> bool:
    """Whether it is a named, dense tensor of numbers that has its values with it."""
    return (
        isinstance(key, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_quantized or value.is_meta or value.is_complex())
        # A view can claim a terabyte over the storage of one number.
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def _unprefixed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what wrappers (data parallel, compile) put before every name."""
    result = dict(tensors)
    while prefix := next((p for p in _PREFIXES if all(key.startswith(p) for key in result)), None):
        if not result:
            break
        result = {key.removeprefix(prefix): value for key, value in result.items()}
    return result


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Copies: safetensors refuses tensors that share memory, and a view would drag its base along.
    return {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}


def _write_safetensors(content: Content) -> bytes:
    metadata = dict(content.metadata)
    if content.novelty:
        # As text: a tensor that no module has would make others refuse the file.
        packed = safetensors.torch.save(_plain(content.novelty))
        metadata[_NOVELTY] = b64encode(packed).decode()
    return safetensors.torch.save(_plain(content.tensors), metadata)


def _write_torch(content: Content) -> bytes:
    beside = {_NOVELTY: _plain(content.novelty)} if content.novelty else {}
    buffer = io.BytesIO()
    torch.save({**content.metadata, "state_dict": _plain(content.tensors), **beside}, buffer)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[Content], bytes]] = {
    ".safetensors": _write_safetensors,
    ".pt": _write_torch,
}
"""How content (metadata: texts) becomes the bytes of a file, by its suffix."""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
