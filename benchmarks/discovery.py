"""New classes found among unlabelled photos: `queue new-class` beside k-means over embeddings.

    python -m benchmarks.discovery PHOTOS WEIGHTS CLASSES --rubbish OTHER --work DIR -o REPORT.md

PHOTOS is a folder of classes, WEIGHTS a checkpoint from elsewhere with its class names. For each
seed and number of hidden classes a library is made in DIR with the commands that a user types: some
classes have no label at all, of the others at most `--most` photos have one (whole groups of
near-duplicates), and the rest is the pool. A model is trained on what is labelled, and
`bulk-id --embeddings` keeps its features of all photos. With `--zoo` the pictures of `sample_data`
are taken too. Photos of OTHER, which nobody wants, join the pool only for what `discovery_looks`
counts. Beside it, without them:

- k-means (scikit-learn) over the features of the pool, of length 1, with as many clusters as there
  are classes and hidden ones (which nobody would know);
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
from benchmarks.discovery_looks import AFTER, SHARES, looked, mixed
from benchmarks.novelty import says
from curate.core.names import REJECTED, UNKNOWN
from curate.models.checkpoint import Checkpoint, load
from curate.queues.recipes.groups import clusters
from curate.queues.recipes.new_class import good

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
    table = pd.DataFrame(rows)
    away = table["way"].isna()
    text = report(table[away], asked) + "\n" + looks_report(table[~away])
    asked.out.write_text(text)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("--zoo", type=Path, help="the folder sample_data")
    parser.add_argument("--rubbish", type=Path, help="a folder of photos that nobody wants")
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
        roots = [asked.photos, *([asked.rubbish] if asked.rubbish else [])]
        scanned(roots, asked.work / "base")
        hide(asked.work / "base", place, asked.photos, int(seed), int(name[-1]), asked.most)
        truth, epochs = None, asked.epochs
    device = ["--device", asked.device]
    how = ["--size", str(asked.size), "--epochs", str(epochs), "--seed", seed, *device]
    identified(place, roots, asked.weights, device, how)
    whole = taken(place, asked.rubbish, truth)
    # The junk of the zoo belongs to its pool.
    shares = (None,) if truth is not None else SHARES if asked.rubbish else (0.0,)
    looks = [
        {"rubbish": share, **row}
        for share in shares
        for row in looked(whole if share is None else mixed(whole, share, int(seed)), int(seed))
    ]
    photos = whole if truth is not None else mixed(whole, 0.0, int(seed))
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
    return looks + [
        {"features": features, **row}
        for features, of in (("trained", photos), ("as they are", plain))
        for row in compared(of)
    ]


def zoo_truth(sample_data: Path) -> pd.Series:
    """Give what each picture of the zoo shows, by path."""
    table = pd.read_csv(sample_data / "truth.csv", keep_default_na=False)
    shows = table["class"].where(table["junk"] == "", REJECTED)
    return pd.Series(
        shows.to_numpy(), index=[str((sample_data / path).resolve()) for path in table["path"]]
    )


def compared(photos: Photos) -> list[dict[str, Any]]:
    """Look for the hidden classes by each method, one row each."""
    label = photos.table["label"]
    known = (label.notna() & (label != UNKNOWN)).to_numpy()
    pool = label.isna().to_numpy()
    truth = photos.table["truth"].to_numpy(object)[pool]
    hidden, sharp = photos.hidden, photos.table["quality"]
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
    rows = [{"method": "new-class", "seconds": seconds, **scored(ours, truth, hidden)}]
    unit = photos.features.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    classes = label[known].nunique()
    given = classes + len(hidden)
    for method, numbers in (
        ("k-means, the right number of clusters", [given]),
        ("k-means, by silhouette", sorted({given // 4, given // 2, given, given * 3 // 2})),
    ):
        began = time.perf_counter()
        found = k_means(unit[pool], numbers)
        seconds = time.perf_counter() - began
        rows.append({"method": method, "seconds": seconds, **scored(found, truth, hidden)})
    return rows


def k_means(pool: NDArray[np.float32], numbers: Sequence[int]) -> Found:
    """Cluster by k-means, with that number of clusters which has the best silhouette."""
    tried = [KMeans(number, n_init=1, random_state=0).fit_predict(pool) for number in numbers]
    worth = [
        silhouette_score(pool, at, sample_size=1000, random_state=0) if len(tried) > 1 else 0
        for at in tried
    ]
    best = tried[int(np.argmax(worth))]
    groups = [np.flatnonzero(best == number) for number in np.unique(best)]
    return [group for group in groups if len(group) >= 3]


def scored(found: Found, truth: NDArray[Any], hidden: list[str]) -> dict[str, Any]:
    """Measure clusters by what the photos show."""
    each = []
    for name in hidden:
        of = truth == name
        hits = np.array([of[group].sum() for group in found] or [0])
        sizes = np.array([len(group) for group in found] or [1])
        best = int((2 * hits / (sizes + of.sum())).argmax())
        each.append((hits[best] / sizes[best], hits[best] / of.sum()))
    return {
        "clusters": len(found),
        "found": sum(bool(purity >= 0.5 and share >= 0.25) for purity, share in each),
        "asked": len(hidden),
        "purity": float(np.mean([purity for purity, _ in each])),
        "share": float(np.mean([share for _, share in each])),
        "F1": float(np.mean([2 * p * s / max(p + s, 1e-9) for p, s in each])),
    }


def report(rows: pd.DataFrame, asked: argparse.Namespace) -> str:
    """Write medians, and the lowest and the highest."""
    numbers = ("purity", "share", "F1")
    columns = ("photos", "features", "method", "found", *numbers, "seconds")
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
        cells = [_spread(some[name]) for name in numbers]
        found = f"{some['found'].sum()} of {some['asked'].sum()}"
        text = " | ".join([str(photos), str(features), str(method), found, *cells])
        lines.append(f"| {text} | {some['seconds'].median():.1f} |")
    return "\n".join(lines) + "\n"


def looks_report(rows: pd.DataFrame) -> str:
    """Write what the first looks showed: sums of classes seen, and medians of shares."""
    head = ["photos", "rubbish", "way", *(f"seen, {number}" for number in AFTER)]
    head += [f"new, {number}" for number in AFTER] + [f"expected, {number}" for number in AFTER]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    told = rows["rubbish"].map("{:.0%}".format, na_action="ignore").fillna("its own")
    by = ["photos", "rubbish", "way"]
    for (photos, share, way), some in rows.assign(rubbish=told).groupby(by, sort=False):
        seen = [f"{some[f'seen {n}'].sum():.0f} of {some['hidden'].sum():.0f}" for n in AFTER]
        shares = [_spread(some[f"{what} {n}"]) for what in ("new", "expected") for n in AFTER]
        lines.append(f"| {' | '.join([str(photos), str(share), str(way), *seen, *shares])} |")
    return "\n".join(lines) + "\n"


def _spread(values: pd.Series) -> str:
    if values.isna().all():
        return ""
    return f"{values.median():.2f} ({values.min():.2f} to {values.max():.2f})"


if __name__ == "__main__":
    main()
