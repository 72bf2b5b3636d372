from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from curate.models.arch import build, head_of, preprocessing
from curate.train.examples import Examples, examples_of
from curate.train.finish import calibrated, novelty_of
from curate.train.loading.pixels import PixelStore
from curate.train.outputs import Outputs, outputs_of, some_of_each_class, together
from tests.train.conftest import Make

USED = preprocessing("test_resnet").at_size(32)


@pytest.fixture
def examples(make_table: Make) -> Examples:
    return examples_of(make_table(train=5, val=2, test=0))


@pytest.fixture
def store(examples: Examples) -> Iterator[PixelStore]:
    store = PixelStore(examples, USED, 2)
    yield store
    store.close()


def run(model: nn.Module, store: PixelStore, examples: Examples, features: bool) -> Outputs:
    positions = np.arange(len(examples.ids))
    cpu = torch.device("cpu")
    return outputs_of(model, store, examples, positions, USED, 4, cpu, features=features)


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(name, 3)


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_features_are_what_the_head_gets(name: str, store: PixelStore, examples: Examples) -> None:
    model = network(name).train()
    said = run(model, store, examples, True)
    head = model.get_submodule(head_of(model)[0])
    with torch.inference_mode():
        again = head(torch.from_numpy(said.features)).numpy()
    np.testing.assert_allclose(again, said.logits, atol=1e-5)
    assert said.targets.tolist() == examples.targets.tolist()
    # The network is left as it was: in training, and without our hook.
    assert model.training
    assert not head._forward_pre_hooks


def test_features_are_only_there_when_asked_for(store: PixelStore, examples: Examples) -> None:
    said = run(network("test_resnet"), store, examples, False)
    assert said.features.shape == (21, 0)
    assert said.logits.shape == (21, 3)


def test_a_network_that_does_not_name_its_head_has_no_features(
    store: PixelStore, examples: Examples
) -> None:
    model = network("test_resnet")
    del model.pretrained_cfg
    said = run(model, store, examples, True)
    assert said.features.shape == (21, 0)
    assert novelty_of(said, said) is None


def test_features_that_are_no_numbers_give_no_novelty() -> None:
    broken = Outputs(
        np.zeros((2, 2), np.float32), np.arange(2), np.full((2, 5), np.nan, np.float32)
    )
    whole = Outputs(broken.logits, broken.targets, np.eye(2, 5, dtype=np.float32))
    assert novelty_of(broken, whole) is None
    assert novelty_of(whole, broken) is None
    assert novelty_of(whole, whole) is not None


def test_some_of_each_class_by_chance(make_table: Make) -> None:
    table = make_table(train=20, val=0, test=0, side=8)
    examples = examples_of(table)
    positions = examples.splits["train"]
    some = some_of_each_class(examples, positions, 6, 0)
    assert np.bincount(examples.targets[some]).tolist() == [6, 6, 6]
    assert (np.diff(some) > 0).all()
    # The choice is a function of the ids: fewer other images change nothing of it.
    fewer = examples_of(table[table["label"] != "red"])
    kept = {examples.ids[at] for at in some if examples.classes[examples.targets[at]] != "red"}
    chosen = some_of_each_class(fewer, fewer.splits["train"], 6, 0)
    assert {fewer.ids[at] for at in chosen} == kept
    assert set(some_of_each_class(examples, positions, 6, 1)) != set(some)
    assert some_of_each_class(examples, positions, 100, 0).tolist() == positions.tolist()


def test_the_temperature_is_fitted_on_val_and_told_of_both() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(60, 3)).astype(np.float32) * 5
    said = Outputs(logits, random.integers(0, 3, 60), np.empty((60, 0), np.float32))
    none = Outputs(logits[:0], said.targets[:0], said.features[:0])
    temperature, thresholds, metrics = calibrated(said, said)
    assert temperature > 3
    assert thresholds == {}  # what is right by chance never reaches a precision
    assert metrics["val_ece_calibrated"] < metrics["val_ece"]
    assert {key.split("_")[0] for key in metrics} == {"val", "test"}
    assert calibrated(none, none) == (1.0, {}, {})
    without = calibrated(none, said)
    assert without[0] == 1.0
    assert without[1] == {}
    assert without[2]["test_ece"] == without[2]["test_ece_calibrated"]


def test_a_table_is_not_needed_in_order(make_table: Make) -> None:
    table = make_table(train=8, val=0, test=0, side=8)
    shuffled = table.sample(frac=1, random_state=1)
    frames: list[pd.DataFrame] = [table, shuffled]
    chosen = []
    for frame in frames:
        examples = examples_of(frame)
        some = some_of_each_class(examples, examples.splits["train"], 3, 0)
        chosen.append([examples.ids[at] for at in some])
    assert chosen[0] == chosen[1]


def test_a_process_without_an_image_says_nothing_of_the_features() -> None:
    def part(images: int, width: int) -> Outputs:
        values = np.arange(images)
        return Outputs(
            np.ones((images, 3), np.float32), values, np.ones((images, width), np.float32)
        )

    joined = together([part(0, 0), part(2, 5), part(1, 5)])
    assert (joined.logits.shape, joined.features.shape) == ((3, 3), (3, 5))
    assert joined.targets.tolist() == [0, 1, 0]
    assert together([part(0, 0), part(0, 0)]).logits.shape == (0, 3)
