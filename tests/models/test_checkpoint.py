from __future__ import annotations

import argparse
import io
import json
import os
import struct
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from curate.core.errors import CheckpointError, InputError
from curate.models import checkpoint as files_of_checkpoints
from curate.models.arch import build
from curate.models.checkpoint import Checkpoint, describe, load, read_classes, save
from curate.models.novelty import Novelty, fit

SUFFIXES = (".pt", ".safetensors")
NAMES = ["ant", "bee", "cat"]


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return describe(one) == describe(other) and all(
        torch.equal(one.weights[key], other.weights[key])
        for key in one.weights.keys() | other.weights.keys()
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_everything_survives_the_file(tmp_path: Path, checkpoint: Checkpoint, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    saved = save(checkpoint, path)
    assert same(load(path), saved)
    assert saved.digest == sha256(path.read_bytes()).hexdigest()[:32]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_thresholds_survive_and_older_files_have_none(
    tmp_path: Path, checkpoint: Checkpoint, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    save(replace(checkpoint, thresholds={"0.9": 0.71, "0.95": 1}), path)
    assert load(path).thresholds == {"0.9": 0.71, "0.95": 1}

    def before(checkpoint: Checkpoint) -> dict[str, Any]:
        return {name: value for name, value in now(checkpoint).items() if name != "thresholds"}

    now = files_of_checkpoints._to_json
    monkeypatch.setattr(files_of_checkpoints, "_to_json", before)
    save(checkpoint, path)
    assert load(path).thresholds == {}


@pytest.mark.parametrize(
    "thresholds", [{"0.9": 1.2}, {"0.9": float("nan")}, {"0.9": "high"}, {"most": 0.9}, {"2": 0.9}]
)
def test_thresholds_that_are_none_are_refused(
    checkpoint: Checkpoint, thresholds: dict[str, Any]
) -> None:
    with pytest.raises(CheckpointError, match="numbers from 0 to 1"):
        replace(checkpoint, thresholds=thresholds)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_checkpoints_are_equal_files(
    tmp_path: Path, checkpoint: Checkpoint, suffix: str
) -> None:
    one, other = (save(checkpoint, tmp_path / f"{name}{suffix}") for name in "ab")
    changed = save(replace(checkpoint, temperature=2.0), tmp_path / f"c{suffix}")
    assert one.digest == other.digest
    assert changed.digest != one.digest


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_name_does_not_decide_what_a_file_is(
    tmp_path: Path, checkpoint: Checkpoint, suffix: str
) -> None:
    saved = save(checkpoint, tmp_path / f"a{suffix}")
    moved = (tmp_path / f"a{suffix}").rename(tmp_path / "model.bin")
    assert same(load(moved), saved)


def test_shared_and_strided_weights_are_written(tmp_path: Path, checkpoint: Checkpoint) -> None:
    weights = dict(checkpoint.weights)
    key = "conv1.0.weight" if "conv1.0.weight" in weights else next(iter(weights))
    weights[key] = weights[key].transpose(0, -1).contiguous().transpose(0, -1)
    for suffix in SUFFIXES:
        save(replace(checkpoint, weights=weights), tmp_path / f"a{suffix}")
        assert torch.equal(load(tmp_path / f"a{suffix}").weights[key], weights[key])


def test_a_card_says_how_large_the_model_is(checkpoint: Checkpoint) -> None:
    card = describe(checkpoint)
    expected = sum(p.numel() for p in build(checkpoint.arch, 3).parameters())
    assert card["parameters"] >= expected
    assert card["classes"] == NAMES
    assert json.loads(json.dumps(card)) == card


@pytest.mark.parametrize("name", ["a.pth", "a", "a.onnx"])
def test_only_two_formats_are_written(tmp_path: Path, checkpoint: Checkpoint, name: str) -> None:
    with pytest.raises(CheckpointError, match=r"\.safetensors or \.pt"):
        save(checkpoint, tmp_path / name)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="cannot be written"):
        save(checkpoint, tmp_path / "no" / "a.pt")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save(checkpoint, tmp_path / "a.pt")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="no space left"):
        save(replace(checkpoint, temperature=3.0), tmp_path / "a.pt")
    assert same(load(tmp_path / "a.pt"), saved)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]


class Gadget:
    """Unpickled carelessly, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_executed(
    tmp_path: Path, checkpoint: Checkpoint, zipped: bool
) -> None:
    evidence = tmp_path / "executed"
    torch.save(
        {"state_dict": dict(checkpoint.weights), "extra": Gadget(evidence)},
        tmp_path / "evil.pt",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(CheckpointError, match="nothing else is ever unpickled"):
        load(tmp_path / "evil.pt", "test_resnet", NAMES)
    assert not evidence.exists()
    # The gadget is a real one: a careless reader would have been caught by it.
    torch.load(tmp_path / "evil.pt", weights_only=False)["extra"].close()
    assert evidence.exists()


def header(length: int, rest: bytes = b"{") -> bytes:
    return struct.pack("<Q", length) + rest


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"Some text that is longer than nine bytes", "not a checkpoint"),
        (header(2**60), "its header claims"),
        (header(99_999_999), "truncated or broken"),
        (header(2, b"{}"), "do not fit"),
        (header(3, b"{]}"), "truncated or broken"),
        (header(9, b'{"a": [1]'), "truncated or broken"),
        (b"PK\x03\x04 and then nothing of a zip", "truncated or broken"),
        (b"\x80\x02 and then nothing of a pickle", "truncated or broken"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=says):
        load(path, "test_resnet", NAMES)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("part", [0.0005, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(
    tmp_path: Path, checkpoint: Checkpoint, suffix: str, part: float
) -> None:
    path = tmp_path / f"a{suffix}"
    save(checkpoint, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(CheckpointError):
        load(path)


def test_a_folder_a_pipe_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, says in (
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / "missing.pt", "no such file"),
    ):
        with pytest.raises(CheckpointError, match=says):
            load(path)


def test_a_compressed_archive_is_refused(tmp_path: Path, checkpoint: Checkpoint) -> None:
    save(checkpoint, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as plain,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(CheckpointError, match="compressed"):
        load(tmp_path / "b.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_are_finite(tmp_path: Path, checkpoint: Checkpoint, value: float) -> None:
    weights = dict(checkpoint.weights)
    weights["fc.weight"] = weights["fc.weight"].clone()
    weights["fc.weight"][0, 0] = value
    save(replace(checkpoint, weights=weights), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"fc\.weight: weights are finite"):
        load(tmp_path / "a.safetensors")


def test_a_tensor_that_claims_a_terabyte_is_refused_before_it_is_looked_at(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    weights = {**checkpoint.weights, "fc.weight": torch.zeros(1).expand(1 << 40)}
    torch.save({"state_dict": weights}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="no state dict of plain tensors"):
        load(tmp_path / "a.pt", "test_resnet", NAMES)


@pytest.mark.parametrize(
    "value",
    [
        {"fc.weight": torch.zeros(2, 2).to_sparse()},
        {"fc.weight": torch.zeros(2, device="meta")},
        {"fc.weight": torch.zeros(2, dtype=torch.complex64)},
        {"fc.weight": 3},
        {},
        [1, 2],
    ],
)
def test_only_plain_tensors_are_weights(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="no state dict"):
        load(tmp_path / "a.pt", "test_resnet", NAMES)


def with_description(tmp_path: Path, checkpoint: Checkpoint, change: dict[str, Any]) -> Path:
    path = tmp_path / "a.safetensors"
    save(checkpoint, path)
    with safetensors.safe_open(path, "pt") as file:
        meta = json.loads(file.metadata()["curate"])
    text = json.dumps({**meta, **change})
    path.write_bytes(safetensors.torch.save(dict(checkpoint.weights), {"curate": text}))
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "formats up to 1"),
        ({"format": None}, "not a checkpoint's"),
        ({"arch": 3}, "arch"),
        ({"arch": "resnet_18"}, "The nearest"),
        ({"arch": "resnet18(pretrained=True)"}, "cannot set"),
        ({"arch": "resnet18"}, "do not fit"),
        ({"classes": "ant"}, "classes"),
        ({"classes": []}, "at least one"),
        ({"classes": ["ant", "bee", 3]}, "each a text"),
        ({"classes": ["ant", "bee", "ant"]}, "'ant': no two classes"),
        ({"classes": ["ant", "bee"]}, "head for 3 classes: 2 class names"),
        ({"preprocessing": {}}, "preprocessing"),
        ({"temperature": 0}, "temperature 0"),
        ({"temperature": "warm"}, "temperature"),
        ({"throw_away": "yes"}, "throw_away"),
        ({"metrics": []}, "metrics"),
    ],
)
def test_a_description_that_cannot_be_is_refused(
    tmp_path: Path, checkpoint: Checkpoint, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(CheckpointError, match=says):
        load(with_description(tmp_path, checkpoint, change))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "3"])
def test_a_description_that_is_not_json_is_refused(
    tmp_path: Path, checkpoint: Checkpoint, text: str
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.torch.save(dict(checkpoint.weights), {"curate": text}))
    with pytest.raises(CheckpointError, match="description"):
        load(path)


def test_ours_needs_no_help(tmp_path: Path, checkpoint: Checkpoint) -> None:
    save(checkpoint, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="Leave --arch"):
        load(tmp_path / "a.pt", arch="test_resnet")


WRAPPED: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "bare": lambda weights: weights,
    "state_dict": lambda weights: {"state_dict": weights, "epoch": 3, "arch": "something"},
    "model": lambda weights: {"model": weights},
    "averaged": lambda weights: {
        "state_dict": {key: value * 0 for key, value in weights.items()},
        "state_dict_ema": weights,
    },
    "parallel": lambda weights: {f"module.{key}": value for key, value in weights.items()},
    "compiled": lambda weights: {f"module._orig_mod.{k}": value for k, value in weights.items()},
    "timm's own": lambda weights: {
        "state_dict": weights,
        "args": argparse.Namespace(model="test_resnet", lr=0.1),
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]},
    },
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_timm_checkpoints_of_every_wrapping_load(
    tmp_path: Path, checkpoint: Checkpoint, wrapped: str
) -> None:
    torch.save(WRAPPED[wrapped](dict(checkpoint.weights)), tmp_path / "a.pth.tar")
    loaded = load(tmp_path / "a.pth.tar", "test_resnet", NAMES)
    assert loaded.classes == ("ant", "bee", "cat")
    assert (loaded.temperature, loaded.throw_away, loaded.parent) == (1.0, False, None)
    assert torch.equal(loaded.weights["fc.weight"], checkpoint.weights["fc.weight"])


def test_timms_training_names_its_architecture(tmp_path: Path, checkpoint: Checkpoint) -> None:
    torch.save({"state_dict": dict(checkpoint.weights), "arch": "test_resnet"}, tmp_path / "a.pth")
    assert load(tmp_path / "a.pth", classes=NAMES).arch == "test_resnet"


def test_a_safetensors_header_names_the_model(tmp_path: Path, checkpoint: Checkpoint) -> None:
    metadata = {
        "architecture": "test_resnet",
        "model_args": '{"drop_rate": 0.2}',
        "mean": "0.5,0.5,0.5",
        "std": "[0.25, 0.25, 0.25]",
        "input_size": "3,40,48",
        "license": "Apache-2.0",
    }
    halves = {key: value.half() for key, value in checkpoint.weights.items()
              if "num_batches" not in key}  # fmt: skip
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.torch.save(halves, metadata))
    loaded = load(path, classes=NAMES)
    assert loaded.arch == "test_resnet(drop_rate=0.2)"
    assert (loaded.preprocessing.height, loaded.preprocessing.width) == (40, 48)
    assert loaded.preprocessing.mean == (0.5, 0.5, 0.5)
    assert loaded.preprocessing.std == (0.25, 0.25, 0.25)
    assert loaded.licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("name", "value"),
    [("mean", "a,b,c"), ("mean", "0.5"), ("input_size", "224"), ("crop_pct", "most")],
)
def test_a_header_that_cannot_be_read_is_refused(
    tmp_path: Path, checkpoint: Checkpoint, name: str, value: str
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(
        safetensors.torch.save(
            dict(checkpoint.weights), {"architecture": "test_resnet", name: value}
        )
    )
    with pytest.raises(CheckpointError, match=name):
        load(path, classes=NAMES)


def test_what_a_foreign_file_leaves_open_is_asked_for(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    torch.save(dict(checkpoint.weights), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="--arch"):
        load(tmp_path / "a.pth", classes=NAMES)
    with pytest.raises(CheckpointError, match="--classes"):
        load(tmp_path / "a.pth", "test_resnet")
    with pytest.raises(CheckpointError, match="head for 3 classes: 2 class names"):
        load(tmp_path / "a.pth", "test_resnet", ["ant", "bee"])
    with pytest.raises(CheckpointError, match=r"missing.*unexpected"):
        load(tmp_path / "a.pth", "test_vit", NAMES)
    with pytest.raises(CheckpointError, match="The nearest"):
        load(tmp_path / "a.pth", "test_resnets", NAMES)


def test_loading_leaves_the_callers_random_numbers_alone(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    save(checkpoint, tmp_path / "a.pt")
    before = torch.get_rng_state()
    load(tmp_path / "a.pt")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_link_to_a_checkpoint_is_followed(tmp_path: Path, checkpoint: Checkpoint) -> None:
    saved = save(checkpoint, tmp_path / "a.pt")
    (tmp_path / "link.pt").symlink_to(tmp_path / "a.pt")
    assert load(tmp_path / "link.pt").digest == saved.digest


def test_class_names_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffant \r\nbée\r\ncat, house cat\r\n\r\n".encode())
    assert read_classes(path) == ("ant", "bée", "cat, house cat")


def test_twins_among_the_lines_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("crane\nowl\ncrane\n")
    assert read_classes(path) == ("crane [1]", "owl", "crane [3]")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"\n\n", "empty"), (b"ant\n\nbee", "line 2"), (b"\xff\xfe\x00", "UTF-8")],
)
def test_a_class_file_that_is_none_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=says):
        read_classes(path)
    with pytest.raises(CheckpointError, match="no such file"):
        read_classes(tmp_path / "missing.txt")


def test_the_shared_imagenet_weights_load(shared: Path) -> None:
    weights = shared / "weights"
    loaded = load(
        weights / "mobilenetv2_100_same.in1k.fp16.safetensors",
        classes=weights / "imagenet_classes.txt",
    )
    assert loaded.arch == "mobilenetv2_100(pad_type='same')"
    assert len(set(loaded.classes)) == 1000
    assert [name for name in loaded.classes if "[" in name] == ["crane [135]", "crane [518]"]
    assert loaded.preprocessing.mean == (0.5, 0.5, 0.5)
    assert loaded.licence == "Apache-2.0"


def test_the_file_in_hand_is_what_is_digested(tmp_path: Path, checkpoint: Checkpoint) -> None:
    buffer = io.BytesIO()
    torch.save(dict(checkpoint.weights), buffer)
    (tmp_path / "a.pth").write_bytes(buffer.getvalue())
    loaded = load(tmp_path / "a.pth", "test_resnet", NAMES)
    assert loaded.digest == sha256(buffer.getvalue()).hexdigest()[:32]


def test_input_errors_of_the_parts_become_checkpoint_errors(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    path = with_description(tmp_path, checkpoint, {"preprocessing": {"height": 3}})
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert isinstance(caught.value.__cause__, InputError)
    assert str(path) in str(caught.value)


def statistics(width: int = 96) -> Novelty:
    random = np.random.default_rng(0)
    features = random.normal(size=(12, width)).astype(np.float32)
    return fit(features, np.arange(12) % 3, random.normal(size=(5, width)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_novelty_survives_the_file_bit_for_bit(
    tmp_path: Path, checkpoint: Checkpoint, suffix: str
) -> None:
    plain = save(checkpoint, tmp_path / f"a{suffix}")
    novelty = statistics()
    saved = save(replace(checkpoint, novelty=novelty), tmp_path / f"b{suffix}")
    loaded = load(tmp_path / f"b{suffix}")
    assert loaded.novelty is not None
    before, after = novelty.to_arrays(), loaded.novelty.to_arrays()
    assert {key: array.tobytes() for key, array in before.items()} == {
        key: array.tobytes() for key, array in after.items()
    }
    features = np.random.default_rng(1).normal(size=(4, 96))
    assert loaded.novelty.distance(features).tobytes() == novelty.distance(features).tobytes()
    # They are no weights, and a checkpoint without them has none.
    assert loaded.weights.keys() == checkpoint.weights.keys()
    assert load(tmp_path / f"a{suffix}").novelty is None
    assert saved.digest != plain.digest


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_timm_still_loads_the_state_dict_beside_the_statistics(
    tmp_path: Path, checkpoint: Checkpoint, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    save(replace(checkpoint, novelty=statistics()), path)
    model = timm.create_model("test_resnet", num_classes=3, checkpoint_path=path)
    assert torch.equal(model.state_dict()["fc.weight"], checkpoint.weights["fc.weight"])


HOSTILE: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "not finite": ({"classes": torch.full((3, 96), torch.nan).half()}, "all finite"),
    "another type": ({"scale": torch.ones(1)}, "scale of float32"),
    "no floats": ({"scale": torch.ones(1, dtype=torch.bfloat16)}, "floating-point"),
    "another shape": ({"damped": torch.zeros(95, 2).half()}, "one number of features"),
    "more": ({"bank": torch.ones(1)}, "they are centre"),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_novelty_is_refused(
    tmp_path: Path, checkpoint: Checkpoint, suffix: str, kind: str
) -> None:
    change, says = HOSTILE[kind]
    path = tmp_path / f"a{suffix}"
    save(replace(checkpoint, novelty=statistics()), path)
    if suffix == ".pt":
        content = torch.load(path, weights_only=True)
        torch.save({**content, "novelty": {**content["novelty"], **change}}, path)
    else:
        with safetensors.safe_open(path, "pt") as file:
            meta = file.metadata()
        inside = {**safetensors.torch.load(b64decode(meta["novelty"])), **change}
        packed = b64encode(safetensors.torch.save(inside)).decode()
        tensors = safetensors.torch.load_file(path)
        path.write_bytes(safetensors.torch.save(tensors, {**meta, "novelty": packed}))
    with pytest.raises(CheckpointError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", [3, {"centre": 3}, {3: torch.ones(1)}])
def test_novelty_that_is_no_tensors_is_refused(
    tmp_path: Path, checkpoint: Checkpoint, value: object
) -> None:
    save(checkpoint, tmp_path / "a.pt")
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    torch.save({**content, "novelty": value}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="not plain tensors"):
        load(tmp_path / "a.pt")


@pytest.mark.parametrize("text", ["", "no base64!", "bm90IHRlbnNvcnM="])
def test_broken_statistics_in_a_header_are_refused(
    tmp_path: Path, checkpoint: Checkpoint, text: str
) -> None:
    path = tmp_path / "a.safetensors"
    save(checkpoint, path)
    with safetensors.safe_open(path, "pt") as file:
        meta = file.metadata()
    tensors = safetensors.torch.load_file(path)
    path.write_bytes(safetensors.torch.save(tensors, {**meta, "novelty": text}))
    if not text:
        assert load(path).novelty is None
        return
    with pytest.raises(CheckpointError, match="novelty statistics are broken"):
        load(path)


def test_novelty_of_another_network_is_refused(tmp_path: Path, checkpoint: Checkpoint) -> None:
    save(replace(checkpoint, novelty=statistics(95)), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="95 features: test_resnet has 96"):
        load(tmp_path / "a.pt")


def test_a_foreign_file_has_no_novelty(tmp_path: Path, checkpoint: Checkpoint) -> None:
    torch.save({"state_dict": dict(checkpoint.weights), "novelty": 3}, tmp_path / "a.pth")
    assert load(tmp_path / "a.pth", "test_resnet", NAMES).novelty is None
