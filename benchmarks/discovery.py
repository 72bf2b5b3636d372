"""New classes found among unlabelled photos: `queue new-class` beside k-means over embeddings.

    python -m benchmarks.discovery PHOTOS WEIGHTS CLASSES --work DIR -o REPORT.md

PHOTOS is a folder of classes, WEIGHTS a checkpoint from elsewhere with its class names. For each
seed and number of hidden classes a library is made in DIR with the commands that a user types: some
classes have no label at all, of the others at most `--most` photos have one (whole groups of
near-duplicates), and the rest is the pool. A model is trained on what is labelled, and
`bulk-id --embeddings` keeps its features of all photos. With `--zoo` the pictures of `sample_data`
are taken too. Beside it:

- k-means (scikit-learn) over the features of the pool, of length 1, with as many clusters as there
  are classes and hidden ones (which nobody would know), its clusters ordered by how far their
  photos are from the labelled ones on average;
- the same with the number of clusters that has the best silhouette;
- all of these over the features of WEIGHTS as they are.

A hidden class is found by the cluster that agrees with it best (the highest F1). Purity is the
share of that cluster that is of it, and share the part of the class that lies in it. What came of a
case lies in its folder, and is not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from benchmarks.discovery_data import Photos, hide, identified, scanned, taken, zoo
from benchmarks.novelty import says
from curate.core.names import UNKNOWN
from curate.models.checkpoint import Checkpoint, load
from curate.queues.recipes.groups import clusters
from curate.queues.recipes.new_class import EVEN_GAIN, good
from curate.store import views
from curate.store.library import opened

LOOKS = (50, 100)
EACH = 8
"""Hidden classes with fewer photos are not asked for."""

Found = list[NDArray[np.int64]]


def main() -> None:
    """Measure every case that was not, and write the report."""
    asked = arguments()
    cases = [
        (f"{asked.photos.name}, {hidden} hidden", asked.work / f"{asked.photos.name}-{hidden}-{n}")
        for hidden in asked.hidden
        for n in range(asked.seeds)
    ]
    if asked.zoo:
        cases += [("zoo", asked.work / f"zoo-{seed}") for seed in range(asked.seeds)]
    rows = []
    for name, place in cases:
        note = place / "found.json"
        if not note.exists():
            note.write_text(json.dumps(measured(asked, place)))
        rows += [{"photos": name, **row} for row in json.loads(note.read_text())]
    asked.out.write_text(report(pd.DataFrame(rows), asked))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("--zoo", type=Path, help="the folder sample_data")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--most", type=int, default=30, help="labelled photos of a class")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--zoo-epochs", type=int, default=10)
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


def measured(asked: argparse.Namespace, place: Path) -> list[dict[str, Any]]:
    """Make one library, and look for its hidden classes in every way."""
    *name, seed = place.name.split("-")
    if name == ["zoo"]:
        zoo(asked.zoo, place)
        roots = [asked.zoo / part for part in ("library", "staged", "synthetic", "pool")]
        truth, epochs = zoo_truth(asked.zoo), asked.zoo_epochs
    else:
        scanned(asked.photos, asked.work / "base")
        hide(asked.work / "base", place, int(seed), int(name[-1]), asked.most)
        roots, truth, epochs = [asked.photos], None, asked.epochs
    device = ["--device", asked.device]
    how = ["--size", str(asked.size), "--epochs", str(epochs), "--seed", seed, *device]
    identified(place, roots, asked.weights, device, how)
    photos = taken(place, truth)
    body = load(asked.weights, classes=asked.classes)
    at_size = Checkpoint(
        arch=body.arch,
        classes=body.classes,
        preprocessing=body.preprocessing.at_size(asked.size),
        weights={key: value.float() for key, value in body.weights.items()},
    )
    plain = Photos(
        photos.table, says(at_size, photos.table).features.astype(np.float16), photos.hidden
    )
    sharp = quality(place, photos.table["image_id"])
    return [
        {"features": features, **row}
        for features, of in (("trained", photos), ("as they are", plain))
        for row in compared(of, sharp)
    ]


def zoo_truth(sample_data: Path) -> pd.Series:
    """Give what each picture of the zoo shows, by path."""
    table = pd.read_csv(sample_data / "truth.csv", keep_default_na=False)
    shows = table["class"].where(table["junk"] == "", "junk " + table["junk"])
    return pd.Series(
        shows.to_numpy(), index=[str((sample_data / path).resolve()) for path in table["path"]]
    )


def quality(place: Path, image_ids: pd.Series) -> pd.Series:
    """Give the measure of quality that the scan took, in the order of the ids."""
    with opened(place) as library:
        looked = views.looked(library, "quality").set_index("image_id")["quality"]
    return looked.reindex(image_ids).reset_index(drop=True)


def compared(photos: Photos, sharp: pd.Series) -> list[dict[str, Any]]:
    """Look for the hidden classes by each method, one row each."""
    label = photos.table["label"]
    known = (label.notna() & (label != UNKNOWN)).to_numpy()
    pool = label.isna().to_numpy()
    truth = photos.table["truth"].to_numpy(object)[pool]
    hidden = [name for name in photos.hidden if (truth == name).sum() >= EACH]
    hidden = [name for name in hidden if not name.startswith("junk")]
    began = time.perf_counter()
    offered = clusters(
        photos.table["image_id"].to_numpy(object)[pool],
        photos.features[pool],
        label.to_numpy(object)[known],
        photos.features[known],
        good(sharp[pool], sharp[known]),
    )
    seconds = time.perf_counter() - began
    ids = pd.Index(photos.table["image_id"][pool])
    ours = [ids.get_indexer(group["image_id"]) for _, group in offered.groupby("cluster")]
    square = offered.groupby("cluster")["gain"].first() ** 2
    expected = (square / (square + EVEN_GAIN**2)).to_numpy()
    rows = [{"method": "new-class", "seconds": seconds, **scored(ours, truth, hidden, expected)}]
    unit = photos.features.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    far = 1 - (unit[pool] @ unit[known].T).max(axis=1)
    classes = label[known].nunique()
    given = classes + len(hidden)
    for method, numbers in (
        ("k-means, the right number of clusters", [given]),
        ("k-means, by silhouette", sorted({given // 4, given // 2, given, given * 3 // 2})),
    ):
        began = time.perf_counter()
        found = k_means(unit[pool], far, numbers)
        seconds = time.perf_counter() - began
        rows.append({"method": method, "seconds": seconds, **scored(found, truth, hidden)})
    return rows


def k_means(pool: NDArray[np.float32], far: NDArray[np.float32], numbers: Sequence[int]) -> Found:
    """Cluster by k-means, with that number of clusters which has the best silhouette."""
    tried = [KMeans(number, n_init=1, random_state=0).fit_predict(pool) for number in numbers]
    worth = [
        silhouette_score(pool, at, sample_size=1000, random_state=0) if len(tried) > 1 else 0
        for at in tried
    ]
    best = tried[int(np.argmax(worth))]
    groups = [np.flatnonzero(best == number) for number in np.unique(best)]
    groups = [group for group in groups if len(group) >= 3]
    return sorted(groups, key=lambda group: -float(far[group].mean()))


def scored(
    found: Found,
    truth: NDArray[Any],
    hidden: list[str],
    expected: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """Measure clusters, in their order, by what the photos show."""
    each = []
    for name in hidden:
        of = truth == name
        hits = np.array([of[group].sum() for group in found] or [0])
        sizes = np.array([len(group) for group in found] or [1])
        best = int((2 * hits / (sizes + of.sum())).argmax())
        each.append(
            (hits[best] / sizes[best], hits[best] / of.sum(), best + 1 if hits[best] else 0)
        )
    new = ~np.isin(truth, [name for name in set(truth) if name not in hidden])
    looks = np.concatenate([*found, np.empty(0, np.int64)]).astype(np.int64)
    said: dict[str, Any] = {
        "clusters": len(found),
        "found": sum(bool(purity >= 0.5 and share >= 0.25) for purity, share, _ in each),
        "asked": len(hidden),
        "purity": float(np.mean([purity for purity, _, _ in each])),
        "share": float(np.mean([share for _, share, _ in each])),
        "F1": float(np.mean([2 * p * s / max(p + s, 1e-9) for p, s, _ in each])),
        "ranks": [int(rank) for _, _, rank in each],
    }
    for number in LOOKS:
        said[f"new among {number}"] = float(new[looks[:number]].mean())
    if expected is not None:
        said["expected of 100"] = float(
            np.concatenate([np.full(len(g), e) for g, e in zip(found, expected, strict=True)])[
                :100
            ].mean()
        )
    return said


def report(rows: pd.DataFrame, asked: argparse.Namespace) -> str:
    """Write medians, and the lowest and the highest."""
    numbers = ("purity", "share", "F1", *(f"new among {number}" for number in LOOKS))
    columns = ("photos", "features", "method", "found", *numbers, "expected of 100", "seconds")
    lines = [
        f"At most {asked.most} labelled photos of a class, {asked.epochs} epochs at {asked.size} px"
        f" (zoo: {asked.zoo_epochs}), {asked.seeds} seeds. Medians (lowest to highest).",
        "",
        f"| {' | '.join(columns)} |",
        f"| {' | '.join('---' for _ in columns)} |",
    ]
    for (photos, features, method), some in rows.groupby(
        ["photos", "features", "method"], sort=False
    ):
        cells = [_spread(some[name]) for name in (*numbers, "expected of 100")]
        found = f"{some['found'].sum()} of {some['asked'].sum()}"
        text = " | ".join([str(photos), str(features), str(method), found, *cells])
        lines.append(f"| {text} | {some['seconds'].median():.1f} |")
    return "\n".join(lines) + "\n"


def _spread(values: pd.Series) -> str:
    if values.isna().all():
        return ""
    return f"{values.median():.2f} ({values.min():.2f} to {values.max():.2f})"


if __name__ == "__main__":
    main()
