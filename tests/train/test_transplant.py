from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from curate.core.errors import CheckpointError, InputError
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint
from curate.train.transplant import head_keys, map_head, mapped, output_layers, small_head

names = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True).map(tuple)


def rows(table: pd.DataFrame) -> list[tuple[str, str, str, int, int]]:
    return list(table.itertuples(index=False, name=None))


def test_each_class_has_a_row_that_says_what_becomes_of_it() -> None:
    table = mapped(("cat", "ant", "bee", "eel"), ("ant", "cat", "dog", "eft"), [("eel", "eft")])
    assert list(table.columns) == ["class", "was", "what", "from", "to"]
    assert rows(table) == [
        ("ant", "ant", "kept", 1, 0),
        ("cat", "cat", "kept", 0, 1),
        ("dog", "", "new", -1, 2),
        ("eft", "eel", "renamed", 3, 3),
        ("bee", "bee", "dropped", 2, -1),
    ]


def test_names_may_be_swapped_and_a_free_one_used_again() -> None:
    assert rows(mapped(("a", "b"), ("a", "b"), [("a", "b"), ("b", "a")])) == [
        ("a", "b", "renamed", 1, 0),
        ("b", "a", "renamed", 0, 1),
    ]
    # What was "a" is "c", and there is another "a" now, of which the earlier model knows nothing.
    assert rows(mapped(("a", "b"), ("a", "c"), [("a", "c")])) == [
        ("a", "", "new", -1, 0),
        ("c", "a", "renamed", 0, 1),
        ("b", "b", "dropped", 1, -1),
    ]


@given(names, names, st.data())
def test_every_row_of_either_head_occurs_once(
    earlier: tuple[str, ...], now: tuple[str, ...], data: st.DataObject
) -> None:
    free = [name for name in now if name not in earlier]
    olds = data.draw(st.lists(st.sampled_from(earlier), unique=True, max_size=len(free)))
    table = mapped(earlier, now, list(zip(olds, free, strict=False)))
    assert sorted(at for at in table["from"] if at >= 0) == list(range(len(earlier)))
    assert [at for at in table["to"] if at >= 0] == list(range(len(now)))
    assert tuple(table["class"][table["to"] >= 0]) == now
    for row in table.to_dict("records"):
        assert (row["from"] < 0) == (row["what"] == "new")
        assert (row["to"] < 0) == (row["what"] == "dropped")
        assert row["was"] == (earlier[row["from"]] if row["from"] >= 0 else "")
        assert (row["class"] == row["was"]) == (row["what"] in ("kept", "dropped"))
    assert set(table["class"][table["what"] == "renamed"]) == set(free[: len(olds)])


@pytest.mark.parametrize(
    ("rename", "faults"),
    [
        ([("x", "c")], ["'x' is no class of the earlier model"]),
        ([("a", "x")], ["'x' is no class of this training"]),
        ([("a", "b")], ["'b' is taken"]),
        ([("a", "a")], ["'a' is its name"]),
        ([("a", "c"), ("a", "d")], ["'a' is renamed 2 times"]),
        ([("a", "c"), ("a", "c")], ["'a' is renamed 2 times"]),
        ([("a", "c"), ("b", "c")], ["2 become 'c'"]),
        (
            [("x", "c"), ("a", "y"), ("b", "c"), ("b", "a")],
            [
                "'x' is no class of the earlier model",
                "'y' is no class of this training",
                "'b' is renamed 2 times",
                "2 become 'c'",
            ],
        ),
    ],
)
def test_renamings_that_cannot_be_are_told_together(
    rename: list[tuple[str, str]], faults: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        mapped(("a", "b"), ("a", "b", "c", "d"), rename)
    assert f"no other has ({'; '.join(faults)})." in str(caught.value)
    assert caught.value.value.startswith(f"--rename {rename[0][0]}={rename[0][1]}")


def of(arch: str, classes: tuple[str, ...], model: nn.Module) -> Checkpoint:
    return Checkpoint(arch, classes, preprocessing(arch), model.state_dict())


def logits(model: nn.Module, side: int) -> torch.Tensor:
    images = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found: torch.Tensor = model.eval()(images)
    return found


# A linear head, one under two names' worth of modules, a convolution, and a norm before a layer.
ARCHS = [
    ("test_resnet", 32),
    ("test_vit", 160),
    ("mobilenetv3_small_050", 32),
    ("dpn48b", 32),
    ("levit_128s", 224),
]


@pytest.mark.parametrize(("arch", "side"), ARCHS)
def test_a_mapped_head_says_of_the_known_classes_what_the_earlier_one_said(
    arch: str, side: int
) -> None:
    torch.manual_seed(1)
    earlier, now = ("a", "b", "c", "d"), ("c", "new", "x", "a", "newer")
    old = build(arch, 4)
    new = build(arch, 5)
    for key in head_keys(old):
        torch.nn.init.uniform_(old.state_dict()[key])
    body = {k: v for k, v in old.state_dict().items() if k not in head_keys(old)}
    new.load_state_dict({**new.state_dict(), **body})
    map_head(new, of(arch, earlier, old), mapped(earlier, now, [("d", "x")]))
    said, says = logits(old, side), logits(new, side)
    assert torch.allclose(says[:, [0, 2, 3]], said[:, [2, 3, 0]], atol=1e-5)
    # What is new is never the first guess of a network that knows nothing of it.
    assert torch.allclose(says[:, 1], says[:, [0, 2, 3]].mean(dim=1), atol=1e-4)
    assert torch.allclose(says[:, 1], says[:, 4])


def test_the_same_classes_make_the_same_network() -> None:
    old, new = build("test_resnet", 3), build("test_resnet", 3)
    new.load_state_dict(old.state_dict())
    small_head(new, 3)
    earlier = replace(of("test_resnet", ("a", "b", "c"), old), temperature=3.0)
    map_head(new, earlier, mapped(earlier.classes, earlier.classes))
    assert torch.equal(logits(new, 32), logits(old, 32))


def test_half_precision_rows_become_full() -> None:
    old, new = build("test_resnet", 2).half(), build("test_resnet", 3)
    map_head(new, of("test_resnet", ("a", "b"), old), mapped(("a", "b"), ("a", "b", "c")))
    weight = new.get_parameter("fc.weight")
    assert weight.dtype == torch.float32
    assert torch.equal(weight[0], old.get_parameter("fc.weight")[0].float())


def test_a_head_of_another_make_is_refused() -> None:
    table = mapped(("a", "b"), ("a", "c"))
    new = build("test_resnet", 2)
    with pytest.raises(CheckpointError, match=r"fc\.weight of its head is missing"):
        map_head(new, of("test_vit", ("a", "b"), build("test_vit", 2)), table)
    wide = of("test_resnet", ("a", "b"), build("test_resnet", 2))
    weights = {**wide.weights, "fc.weight": torch.zeros(2, 7)}
    with pytest.raises(CheckpointError, match=r"of the shape \(2, 7\), and \(2, 96\) is needed"):
        map_head(new, replace(wide, weights=weights), table)


def test_a_head_of_which_nothing_is_known_is_not_mapped() -> None:
    old = of("test_resnet", ("output 1", "output 2"), build("test_resnet", 2))
    with pytest.raises(InputError, match=r"none of the classes .* --head fresh"):
        map_head(build("test_resnet", 2), old, mapped(old.classes, ("a", "b")))


@pytest.mark.parametrize(("arch", "side"), ARCHS)
def test_a_fresh_head_guesses(arch: str, side: int) -> None:
    model = build(arch, 6)
    small_head(model, 6)
    layers = list(output_layers(model, 6))
    assert layers
    for _, layer in layers:
        assert 0.005 < float(layer.weight.detach().std()) < 0.015
        assert layer.bias is None or not layer.bias.any()
    scores = logits(model, side).softmax(dim=1)
    assert np.abs(scores.numpy() - 1 / 6).max() < 0.3
