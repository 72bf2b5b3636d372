"""What labels are worth, by who chooses them: accuracy after 1, 2 and 4 rounds of labels.

    python -m benchmarks.labelling PHOTOS WEIGHTS CLASSES --peer VENV --work DIR -o REPORT.md

PHOTOS is a folder of classes; WEIGHTS and CLASSES (names, one a line) are a model from elsewhere.
Its features of all photos are computed once; what is trained anew in each round is a linear head on
them (logistic regression), the same for all ways to choose, so that 60 trainings are affordable. A
quarter of the photos, by whole groups of near-duplicates, is held out to measure with, all classes
alike; each class starts with a few labels, not as many of each; the rest is the pool. What is
measured learns the classes of `--min-count` labels or more (several cutoffs may be given), what
predicts the pool learns all. The ways to choose:

- plan: `curate.queues.plan` in a library of its own, where what the head says lies as a bulk
  identification, and the answers are imported with `curate label import`;
- random; margin (the smallest differences between the first and the second score);
- BADGE of scikit-activeml, which is installed in the virtual environment VENV.

What came of a cutoff, a seed and a way lies in DIR as JSON, and is not measured again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from benchmarks.labelling_library import answered, identified
from benchmarks.labelling_report import write
from benchmarks.labelling_study import (
    REGULAR,
    Head,
    Study,
    accuracy,
    prepared,
    started,
    trained,
)
from curate import queues
from curate.core import chance
from curate.store.library import opened

Chooser = Callable[[Study, Head, argparse.Namespace], NDArray[np.int64]]


def main() -> None:
    """Measure every seed and way that was not, and write the report."""
    asked = arguments()
    photos, features = prepared(asked)
    curves: dict[int, dict[str, list[list[float]]]] = {}
    for cutoff, seed in product(asked.min_count, range(asked.seeds)):
        for way, choose in WAYS.items():
            place = asked.work / f"{way}-{cutoff}-{seed}"
            note = place.with_suffix(".json")
            if not note.exists():
                study = started(asked, photos, features, seed, cutoff, place)
                note.write_text(json.dumps(measured(study, choose, asked)))
            found = curves.setdefault(cutoff, {}).setdefault(way, [])
            found.append(json.loads(note.read_text()))
    told = (
        f"{asked.photos.name}, {photos['truth'].nunique()} classes, {asked.least}–{asked.most} "
        "labels of each at the start."
    )
    write(asked.out, told, curves, asked.budget)


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
    parser.add_argument("--min-count", type=int, nargs="+", default=[2, 10], metavar="N")
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


def measured(study: Study, choose: Chooser, asked: argparse.Namespace) -> list[float]:
    """Give the accuracy before the first round and after each."""
    found = []
    for done in range(asked.rounds + 1):
        head = trained(study, study.labelled)
        often = study.photos["truth"][study.labelled].value_counts()
        enough = study.photos["truth"].map(often).fillna(0).to_numpy() >= study.min_count
        found.append(over_the_cutoff(study, study.labelled & enough))
        if done < asked.rounds:
            chosen = choose(study, head, asked)
            assert len(set(chosen)) == study.budget
            # A plan may look at a label again: that is a look too, and brings nothing here.
            assert not study.test[chosen].any()
            study.labelled[chosen] = True
            study.round += 1
    return found


def over_the_cutoff(study: Study, known: NDArray[np.bool_]) -> float:
    """Give the accuracy of a head that learns these; where it has no two classes, there is none."""
    if study.photos["truth"][known].nunique() < 2:
        return 0.0
    return accuracy(study, trained(study, known))


def at_random(study: Study, _: Head, __: argparse.Namespace) -> NDArray[np.int64]:
    """Choose by chance."""
    drawn = chance.fractions(study.seed, list(study.photos["image_id"][study.pool]), "labels")
    return study.pool[np.argsort(drawn, kind="stable")[: study.budget]]


def by_margin(study: Study, head: Head, _: argparse.Namespace) -> NDArray[np.int64]:
    """Choose where the first two scores are closest."""
    scores = np.sort(softmax(head.logits[study.pool], axis=1), axis=1)
    return study.pool[np.argsort(scores[:, -1] - scores[:, -2], kind="stable")[: study.budget]]


def by_badge(study: Study, _: Head, asked: argparse.Namespace) -> NDArray[np.int64]:
    """Let scikit-activeml choose; it knows the same features and labels."""
    study.place.mkdir(parents=True, exist_ok=True)
    given, chosen = study.place / "in.npz", study.place / "out.npy"
    numbers = pd.Categorical(study.photos["truth"]).codes.astype(np.int64)
    np.savez(
        given,
        features=study.scaled,
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
        answered(study, np.flatnonzero(study.labelled))
    with opened(study.place) as library:
        identified(library, study, head)
        made = queues.plan(
            library, study.budget, queues.Filters(), min_count=study.min_count, count="images"
        )
    found = pd.Index(study.photos["image_id"]).get_indexer(made["image_id"])
    places: NDArray[np.int64] = found.astype(np.int64)
    answered(study, places)
    return places


WAYS: dict[str, Chooser] = {
    "plan": by_plan,
    "random": at_random,
    "margin": by_margin,
    "BADGE": by_badge,
}
"""Ways to choose what is labelled next."""


if __name__ == "__main__":
    main()
