"""Models together: ensembles, the mirrored view, features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from curate.bulk_id import Ask
from curate.bulk_id.thinking import Said, Thinker, order_of, reading
from curate.core.errors import CheckpointError, InputError
from curate.engine.work import Work
from curate.models import novelty
from curate.models.checkpoint import Checkpoint
from curate.models.preprocess import Preprocessing, prepare
from curate.models.runner import Plan, Runner
from curate.models.scores import energy, log_softmax
from curate.store.library import Library

from .made import CLASSES, checkpoint, identified, photos, pixels, renamed, saved

PLAN = Plan(batch_size=4)
ONE = checkpoint(seed=3)
OTHER = replace(checkpoint(seed=4), temperature=0.2)


def asked(models: list[Checkpoint], arrays: list[Any], ask: Ask | None = None) -> Said:
    return Thinker(models, [PLAN] * len(models), ask or Ask(top=4))(arrays)


def scores(said: Said) -> Any:
    """Scores by image and class, in the order of `CLASSES`."""
    rows = zip(said.columns["top_classes"], said.columns["top_scores"], strict=True)
    by_name = [dict(zip(names, values, strict=True)) for names, values in rows]
    return np.array([[row[name] for name in CLASSES] for row in by_name])


def test_an_ensemble_is_the_mean_of_calibrated_probabilities_and_energies() -> None:
    batch = pixels(9)
    shuffled = renamed(OTHER, ("dog", "ant", "cat", "bee"))
    both = asked([ONE, shuffled], [batch])
    logits = [Runner(model, PLAN).run(batch).logits for model in (ONE, OTHER)]
    temperatures = [model.temperature for model in (ONE, OTHER)]
    voices = list(zip(logits, temperatures, strict=True))
    mean = np.mean([np.exp(log_softmax(*voice)) for voice in voices], axis=0)
    assert np.allclose(scores(both), mean, atol=1e-5)
    energies = np.mean([energy(*voice) for voice in voices], axis=0)
    assert np.allclose(both.columns["energy"], energies, atol=1e-5)


def test_the_order_of_the_models_changes_nothing_but_the_first_ones_part() -> None:
    batch = pixels(6)
    forth, back = asked([ONE, OTHER], [batch]), asked([OTHER, ONE], [batch])
    assert np.allclose(scores(forth), scores(back), atol=1e-6)
    assert np.allclose(forth.columns["energy"], back.columns["energy"], atol=1e-6)


def test_a_model_twice_is_that_model() -> None:
    batch = pixels(6)
    once, twice = asked([ONE], [batch]), asked([ONE, ONE], [batch])
    assert np.allclose(scores(once), scores(twice), atol=1e-6)
    assert np.allclose(once.columns["energy"], twice.columns["energy"], atol=1e-5)


def test_a_mirrored_image_says_the_same_where_both_views_are_asked() -> None:
    batch = pixels(6)
    mirrored = np.ascontiguousarray(batch[:, :, ::-1])
    flip, plain = Ask(top=4, tta="flip", embeddings=True), Ask(top=4)
    one, other = asked([ONE], [batch], flip), asked([ONE], [mirrored], flip)
    assert np.allclose(scores(one), scores(other), atol=1e-6)
    assert np.allclose(one.columns["energy"], other.columns["energy"], atol=1e-5)
    assert one.features is not None
    assert other.features is not None
    assert np.allclose(one.features, other.features, atol=1e-3)
    # Without it they do not.
    views = [asked([ONE], [side], plain) for side in (batch, mirrored)]
    assert not np.allclose(scores(views[0]), scores(views[1]), atol=1e-3)
    mean = (scores(views[0]) + scores(views[1])) / 2
    assert np.allclose(scores(one), mean, atol=1e-5)


@pytest.mark.parametrize("classes", [("ant", "bee", "cat", "owl"), ("ant", "bee", "cat")])
def test_models_of_different_classes_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(CheckpointError, match="different classes"):
        Thinker([ONE, checkpoint(classes=classes)], [PLAN] * 2, Ask())
    with pytest.raises(CheckpointError, match="different classes"):
        order_of(checkpoint(classes=classes), ONE)


def test_an_order_leads_from_one_model_to_the_other() -> None:
    names = ("dog", "ant", "cat", "bee")
    order = order_of(ONE, renamed(OTHER, names))
    assert [names[place] for place in order] == list(CLASSES)


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(InputError, match="flop"):
        Ask(tta="flop")


def test_one_model_that_says_no_number_makes_the_row_a_failure() -> None:
    broken = {name: values.clone() for name, values in OTHER.weights.items()}
    broken["fc.bias"][:] = float("inf")
    both = asked([ONE, replace(OTHER, weights=broken)], [pixels(3)])
    assert both.columns["status"] == ["failed"] * 3
    assert np.isnan(both.columns["energy"]).all()


def test_features_are_the_first_models_and_novelty_is_measured_by_its_own() -> None:
    batch = pixels(12)
    features = Runner(ONE, PLAN, features=True).run(batch).features
    assert features is not None
    statistics = novelty.fit(features, np.arange(12) % 3, features)
    knowing = replace(ONE, novelty=statistics)
    said = asked([knowing, OTHER], [batch], Ask(embeddings=True))
    assert said.features is not None
    assert said.features.dtype == np.float16
    assert np.allclose(said.features, features, rtol=1e-3, atol=1e-3)
    assert np.allclose(said.columns["novelty"], statistics.distance(features), atol=1e-4)
    without = asked([knowing, OTHER], [batch])
    assert without.features is None
    assert np.allclose(without.columns["novelty"], said.columns["novelty"])
    assert np.isnan(asked([OTHER, knowing], [batch]).columns["novelty"]).all()


def test_models_of_two_sizes_are_fed_by_one_decode(
    monkeypatch: pytest.MonkeyPatch, library: Library, tmp_path: Path
) -> None:
    wide = checkpoint(seed=4, side=48)
    assert Thinker([ONE, wide, OTHER], [PLAN] * 3, Ask()).form.shapes == ((32, 32, 3), (48, 48, 3))
    paths = [saved(one, tmp_path / f"{n}.pt") for n, one in enumerate((ONE, wide))]
    photos(tmp_path / "pool", 9)
    decoded: list[bytes] = []

    def counting(forms: list[Preprocessing], _many: bool) -> Work:
        return Work("tests.bulk_id.counting:read", {"preprocessings": forms, "decoded": decoded})

    monkeypatch.setattr("curate.bulk_id.thinking.reading", counting)
    both = identified(library, paths, [tmp_path / "pool"], ask=Ask(top=4)).table
    assert len(decoded) == len(set(decoded)) == 9
    for row in both.to_dict("records"):
        picture = np.asarray(Image.open(row["path"]).convert("RGB"))
        voices = []
        for model in (ONE, wide):
            prepared = prepare(picture, model.preprocessing)
            logits = Runner(model, PLAN).run(prepared[None]).logits
            voices.append(np.exp(log_softmax(logits, model.temperature))[0])
        found = dict(zip(row["top_classes"], row["top_scores"], strict=True))
        assert np.allclose([found[name] for name in CLASSES], np.mean(voices, axis=0), atol=1e-4)


@pytest.mark.parametrize("many", [False, True])
def test_what_workers_do_can_be_found_by_its_name(many: bool) -> None:
    assert callable(reading([ONE.preprocessing], many).resolve())
