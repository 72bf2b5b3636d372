"""What labels are worth, by who chooses them: accuracy after 1, 2 and 4 rounds of labels.

    python -m benchmarks.labelling PHOTOS WEIGHTS CLASSES --peer VENV --work DIR -o REPORT.md

PHOTOS is a folder of classes; WEIGHTS and CLASSES (names, one a line) are a model from elsewhere.
Its features of all photos are computed once; what is trained anew in each round is a linear head on
them (logistic regression), the same for all ways to choose, so that 60 trainings are affordable. A
quarter of the photos, by whole groups of near-duplicates, is held out to measure with, all classes
alike; each class starts with a few labels, not as many of each; the rest is the pool. The ways:

- plan: `curate.queues.plan` in a library of its own, where the head's predictions lie as those of a
  bulk identification, and the answers are imported with `curate label import`;
- random; margin (the smallest differences between the first and the second score);
- BADGE of scikit-activeml, which is installed in the virtual environment VENV.

What came of a seed and a way lies in DIR as JSON, and is not measured again.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.throw_away import curate, filled
from curate import queues
from curate.cli import plot
from curate.core import chance
from curate.store import embeddings, facts, runs, shards
from curate.store.library import Library, opened

REGULAR = 0.1
"""Inverse strength of the head's regularisation, on features of mean 0 and variance 1."""

SHOWN = (1, 2, 4)
"""Rounds of the table."""

_NUMBERS = ("score", "second_score", "margin", "entropy", "energy", "novelty")
SCHEMA = pa.schema(
    [("run_id", pa.int64())]
    + [(name, pa.string()) for name in ("image_id", "path", "status", "reason", "predicted")]
    + [("second", pa.string())]
    + [(name, pa.float64()) for name in _NUMBERS]
    + [("top_classes", pa.list_(pa.string())), ("top_scores", pa.list_(pa.float64()))]
)
"""Of predictions, as bulk identification writes them."""


@dataclass
class Study:
    """One seed: photos, and who has a label.

    Attributes
    ----------
    photos : DataFrame
        image_id, path, truth, group; one row a photo.
    features : ndarray of float32, shape (n, d)
        In the same order, of mean 0 and variance 1.
    test, labelled : ndarray of bool, shape (n,)
        Held out; with a label now.
    seed : int
        Of all that is drawn.
    place : Path
        Where a way may write.
    budget, min_count : int
        Labels a round; the cutoff of the library.
    round : int
        Rounds that are over.
    """

    photos: pd.DataFrame
    features: NDArray[np.float32]
    test: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    seed: int
    place: Path
    budget: int
    min_count: int
    round: int = 0

    @property
    def pool(self) -> NDArray[np.int64]:
        """The places of photos that may be labelled."""
        return np.flatnonzero(~self.test & ~self.labelled)


@dataclass(frozen=True)
class Head:
    """A trained head: its classes, and the scores of all photos, shape (n, classes)."""

    classes: list[str]
    scores: NDArray[np.float64]


Chooser = Callable[[Study, Head, argparse.Namespace], NDArray[np.int64]]


def main() -> None:
    """Measure every seed and way that was not, and write the report."""
    asked = arguments()
    base = asked.work / "base"
    photos, features = prepared(asked, base)
    curves: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for seed in range(asked.seeds):
        for way, choose in WAYS.items():
            note = asked.work / f"{way}-{seed}.json"
            if not note.exists():
                study = started(asked, photos, features, seed, asked.work / f"{way}-{seed}")
                note.write_text(json.dumps(measured(study, choose, asked)))
            curves[way].append(json.loads(note.read_text()))
    write(asked, curves, len(set(photos["truth"])))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("--arch", default='mobilenetv2_100(pad_type="same")')
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="take every n-th class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--least", type=int, default=2, help="labels that a class starts with")
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--min-count", type=int, default=10)
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


def prepared(asked: argparse.Namespace, base: Path) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Make the library that all begin with: scanned, grouped, with the features of all photos."""
    at = ["--library", str(base)]
    if not (base / "done").exists():
        base.mkdir(parents=True, exist_ok=True)
        settings = f'[split]\nmin_count = {asked.min_count}\ncount = "images"\n'
        (base / "curate.toml").write_text(settings)
        curate("scan", str(asked.photos), *at)
        curate("duplicates", *at)
        curate("bulk-id", str(asked.photos), "--model", str(asked.weights), "--arch", asked.arch,
               "--classes", str(asked.classes), "--other-classes", "--embeddings", *at)  # fmt: skip
        (base / "done").touch()
    with opened(base) as library:
        with library.reading() as connection:
            table = facts.images(connection)
        kept = embeddings.read(library)
    table["truth"] = [Path(path).parent.name for path in table["path"]]
    table["group"] = table["group_duplicates"].fillna(table["image_id"])
    classes = sorted(set(table["truth"]))[:: asked.every]
    table = table[table["truth"].isin(classes)].merge(kept, on="image_id")
    table = table.sort_values("image_id", ignore_index=True)
    features = np.stack(table.pop("embedding").to_list()).astype(np.float32)
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    return table[["image_id", "path", "truth", "group"]], features


def started(
    asked: argparse.Namespace,
    photos: pd.DataFrame,
    features: NDArray[np.float32],
    seed: int,
    place: Path,
) -> Study:
    """Hold some photos out, and label some others."""
    test = np.zeros(len(photos), bool)
    labelled = np.zeros(len(photos), bool)
    for name, some in photos.groupby("truth"):
        out = filled(some["group"], len(some) // 4, seed)
        test[out] = True
        # A group that is held out is not learnt either.
        left = some[~some["group"].isin(photos["group"][out])]
        part = chance.fraction(seed, str(name), "start")
        number = asked.least + int((asked.most - asked.least + 1) * part)
        labelled[filled(left["group"], number, seed + 1)] = True
    apart = set(photos["group"][test])
    kept = test | ~photos["group"].isin(apart).to_numpy()
    return Study(
        photos[kept].reset_index(drop=True),
        features[kept],
        test[kept],
        (labelled & ~test)[kept],
        seed,
        place,
        asked.budget,
        asked.min_count,
    )


def measured(study: Study, choose: Chooser, asked: argparse.Namespace) -> list[float]:
    """Give the accuracy before the first round and after each."""
    head = trained(study)
    found = [accuracy(study, head)]
    for _ in range(asked.rounds):
        chosen = choose(study, head, asked)
        assert not study.test[chosen].any()
        study.labelled[chosen] = True
        study.round += 1
        head = trained(study)
        found.append(accuracy(study, head))
    return found


def trained(study: Study) -> Head:
    """Train a head on all labels, and ask it of all photos."""
    model = LogisticRegression(C=REGULAR, max_iter=300)
    known = study.labelled
    model.fit(study.features[known], study.photos["truth"][known])
    return Head([str(name) for name in model.classes_], model.predict_proba(study.features))


def accuracy(study: Study, head: Head) -> float:
    """Give the share of held-out photos that are answered rightly, all classes weighing the same.

    A class without a label is always answered wrongly.
    """
    said = np.array(head.classes)[head.scores.argmax(1)]
    right = pd.Series(said == study.photos["truth"].to_numpy())[study.test]
    return float(right.groupby(study.photos["truth"][study.test]).mean().mean())


def at_random(study: Study, _: Head, __: argparse.Namespace) -> NDArray[np.int64]:
    """Choose by chance."""
    drawn = chance.fractions(study.seed, list(study.photos["image_id"][study.pool]), "labels")
    return study.pool[np.argsort(drawn, kind="stable")[: study.budget]]


def by_margin(study: Study, head: Head, _: argparse.Namespace) -> NDArray[np.int64]:
    """Choose where the first two scores are closest."""
    first = np.sort(head.scores[study.pool], axis=1)
    return study.pool[np.argsort(first[:, -1] - first[:, -2], kind="stable")[: study.budget]]


def by_badge(study: Study, _: Head, asked: argparse.Namespace) -> NDArray[np.int64]:
    """Let scikit-activeml choose; it knows the same features and labels."""
    study.place.mkdir(parents=True, exist_ok=True)
    given, chosen = study.place / "in.npz", study.place / "out.npy"
    numbers = pd.Categorical(study.photos["truth"]).codes.astype(np.int64)
    np.savez(
        given,
        features=study.features,
        labels=np.where(study.labelled, numbers, -1),
        candidates=study.pool,
        budget=study.budget,
        seed=study.seed,
        c=REGULAR,
    )
    peer = Path(__file__).with_name("labelling_peer.py")
    subprocess.run([asked.peer / "bin/python", peer, given, chosen], check=True)
    places: NDArray[np.int64] = np.load(chosen)
    return places


def by_plan(study: Study, head: Head, asked: argparse.Namespace) -> NDArray[np.int64]:
    """Let `curate queue --plan` choose, in a library that has seen all answers so far."""
    if study.round == 0:
        # What an interrupted run left knows answers that this one has not given yet.
        shutil.rmtree(study.place, ignore_errors=True)
        shutil.copytree(asked.work / "base", study.place)
        imported(study, np.flatnonzero(study.labelled))
    with opened(study.place) as library:
        predict(library, study, head)
        made = queues.plan(
            library, study.budget, queues.Filters(), min_count=study.min_count, count="images"
        )
    places = pd.Index(study.photos["image_id"]).get_indexer(made["image_id"])
    assert (places >= 0).all()
    imported(study, places)
    return np.asarray(places, dtype=np.int64)


def imported(study: Study, places: NDArray[np.int64]) -> None:
    """Import what photos show."""
    answers = study.photos.iloc[places][["image_id", "truth"]]
    file = study.place / "answers.csv"
    answers.rename(columns={"truth": "label"}).to_csv(file, index=False)
    named = [word for name in sorted(set(answers["truth"])) for word in ("--new-class", name)]
    curate("label", "import", str(file), "--library", str(study.place), *named)


def predict(library: Library, study: Study, head: Head) -> None:
    """Write what the head says of all photos but those held out, as a bulk identification."""
    asked = np.flatnonzero(~study.test)
    scores = head.scores[asked]
    order = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    top = np.take_along_axis(scores, order, axis=1)
    names = np.array(head.classes, dtype=object)[order]
    entropy = -(scores * np.log(np.maximum(scores, 1e-12))).sum(1)
    model = f"head-{study.round}"
    parameters = {"model": model, "path": f"{model}.pt", "classes": head.classes}
    with runs.running(library, "bulk-id", parameters, key=model) as run:
        columns = {
            "run_id": np.full(len(asked), run.run_id),
            "image_id": study.photos["image_id"].iloc[asked],
            "path": study.photos["path"].iloc[asked],
            "status": ["ok"] * len(asked),
            "reason": [None] * len(asked),
            "predicted": names[:, 0],
            "second": names[:, 1],
            "score": top[:, 0],
            "second_score": top[:, 1],
            "margin": top[:, 0] - top[:, 1],
            "entropy": entropy,
            "energy": np.zeros(len(asked)),
            "novelty": [None] * len(asked),
            "top_classes": names.tolist(),
            "top_scores": top.tolist(),
        }
        arrays = [pa.array(columns[field.name], field.type) for field in SCHEMA]
        shard = shards.write(
            library, "predictions", run.run_id, 0, pa.Table.from_arrays(arrays, schema=SCHEMA)
        )
        with library.writing() as connection:
            shards.reference(connection, shard)


WAYS: dict[str, Chooser] = {
    "plan": by_plan,
    "random": at_random,
    "margin": by_margin,
    "BADGE": by_badge,
}
"""Ways to choose what is labelled next."""


def write(asked: argparse.Namespace, curves: dict[str, list[list[float]]], classes: int) -> None:
    """Write the table as Markdown, and the curves beside it as PNG."""
    head = ["accuracy, %", "start", *(f"{n} × {asked.budget} labels" for n in SHOWN)]
    lines = [
        f"{asked.photos.name}, {classes} classes, {asked.least}–{asked.most} labels of each at the "
        f"start, {asked.seeds} seeds. A linear head on frozen features, means over classes of "
        f"held-out photos. Medians (and ranges). {platform.processor() or platform.machine()}.",
        "",
        f"| {' | '.join(head)} |",
        "| --- |" + " ---: |" * (len(head) - 1),
    ]
    drawn = []
    for way, found in curves.items():
        each = 100 * np.array(found)
        middle, low, high = np.median(each, axis=0), each.min(0), each.max(0)
        cells = [
            f"{middle[n]:.1f} ({low[n]:.1f}…{high[n]:.1f})"
            for n in (0, *SHOWN)
            if n <= asked.rounds
        ]
        lines.append(f"| {' | '.join([way, *cells])} |")
        labels = [asked.budget * n for n in range(asked.rounds + 1)]
        drawn.append(plot.Line(way, labels, middle.tolist()))
        drawn += [
            plot.Line(f"{way}, {end}", labels, values.tolist())
            for end, values in (("least", low), ("most", high))
            if len(found) > 1 and way in ("plan", "random")
        ]
    asked.out.write_text("\n".join([*lines, ""]))
    title = "Accuracy by labels, and who chose them"
    figure = plot.Plot(title, "labels after the start", "accuracy, %", drawn)
    plot.write(figure, asked.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
