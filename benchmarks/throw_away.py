"""What a throw-away model is worth: classes that pass the cutoff, by photos that a person looks at.

    python -m benchmarks.throw_away PHOTOS WEIGHTS --junk OTHER --work DIR -o REPORT.md

PHOTOS is a folder of classes, WEIGHTS a checkpoint from elsewhere, OTHER a folder of photos that
nobody wants. For each seed a library is made in DIR/SEED with the commands that a user types: scan,
duplicates, labels for some, split. Some classes, drawn by chance, are thinned to 35–39 labelled
photos, by whole groups of near-duplicates; of the others at most `--most` are labelled; all the
rest is the pool. Then come `train --throw-away`, `bulk-id` and `queue low-count`. A look is one
photo shown to a person, who says what it is; after every sitting the answers are imported, and the
classes are split and queued again. Beside it, over the same pool:

- random looks;
- the throw-away model's predictions of these classes, sorted by score, and the same past the
  photos of classes that pass by then;
- the lowest scores of a permanent model, which does not know these classes.

What came of a seed lies in DIR/SEED/found.json, and is not measured again.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.throw_away_report import Found, by_score, while_short, write
from curate.cli.main import answer
from curate.core import chance
from curate.core.names import REJECTED
from curate.store import facts, views
from curate.store.library import opened

MIN_COUNT = 40
LOWERED = 35

SETTINGS = f"""[split]
min_count = {MIN_COUNT}
count = "images"
"""
"""Images count, so that a class lacks exactly what it was thinned by."""


def main() -> None:
    """Measure every seed that was not, and write the report."""
    asked = arguments()
    found = []
    for seed in range(asked.seeds):
        note = asked.work / str(seed) / "found.json"
        if not note.exists():
            note.write_text(json.dumps(asdict(measured(asked, seed, note.parent))))
        found.append(Found(**json.loads(note.read_text())))
    told = [
        f"{asked.photos.name}: {asked.thinned} classes thinned to {LOWERED}–{MIN_COUNT - 1} photos "
        f"in a library of {found[0].facts['classes']:.0f}, at most {asked.most} labelled of each "
        f"other; {asked.epochs} epochs at {asked.size} px; sittings of {asked.sitting} looks; "
        f"{asked.seeds} seeds, {asked.draws} random orders each. Medians (and ranges). "
        f"{platform.processor() or platform.machine()}."
    ]
    write(asked.out, told, found, asked.draws)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--junk", type=Path, nargs="*", default=[])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--thinned", type=int, default=12, help="classes that just miss the cutoff")
    parser.add_argument("--most", type=int, default=50, help="labelled photos of another class")
    parser.add_argument("--every", type=int, default=1, help="take every n-th class")
    parser.add_argument("--spare", type=int, default=15, help="pool photos of a thinned class")
    parser.add_argument("--sitting", type=int, default=20, help="looks between two splits")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--draws", type=int, default=20, help="random orders of a pool")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


def measured(asked: argparse.Namespace, seed: int, place: Path) -> Found:
    """Make one library, and go all ways to look through its pool."""
    photos = scanned(asked, place)
    labelled, thin = chosen(photos, seed, asked.thinned, asked.most, asked.spare)
    photos[labelled][["image_id", "label"]].to_csv(place / "labels.csv", index=False)
    at = ["--library", str(place)]
    curate("label", "import", str(place / "labels.csv"), *at)
    curate("split", *at)
    have = photos[labelled]["label"].value_counts()
    short = {name: MIN_COUNT - int(have[name]) for name in thin}
    pool = photos[~labelled]
    truth = pool.set_index("image_id")["label"]
    pool[["path"]].to_csv(place / "pool.csv", index=False)

    permanent, throw_away = place / "permanent.safetensors", place / "throw-away.safetensors"
    started = time.perf_counter()
    trained(asked, permanent, seed, at)
    trained(asked, throw_away, seed, [*at, "--throw-away", "--min-count", str(LOWERED)])
    seconds = time.perf_counter() - started
    # The throw-away model comes last: a queue goes by the last predictions.
    for model in (permanent, throw_away):
        curate("bulk-id", str(place / "pool.csv"), "--model", str(model), "--device",
               asked.device, *at)  # fmt: skip
    said = by_score(predictions(place), thin)
    lowest = queued("low-score", place, len(pool), ["--model", str(permanent)])
    ways = {
        "queue low-count": [],
        "top score": truth[said["image_id"]].tolist(),
        "top score, short classes": while_short(
            said["predicted"].tolist(), truth[said["image_id"]].tolist(), short, asked.sitting
        ),
        "permanent model's low scores": truth[lowest["image_id"]].tolist(),
    }
    ways["queue low-count"] = sat_down(place, truth, asked.sitting, thin)
    of_thin = truth[truth.isin(thin)]
    right = predictions(place).set_index("image_id")["predicted"].reindex(of_thin.index) == of_thin
    return Found(
        short,
        pool["label"].tolist(),
        ways,
        {
            "classes": have.size,
            "labelled photos": int(labelled.sum()),
            "photos of the pool": len(pool),
            "photos of the pool that show a thinned class": len(of_thin),
            "thinned classes in the split at the end": in_split(place, thin),
            "thinned photos of the pool that the model names": float(right.mean()),
            "seconds of both trainings": seconds,
        },
    )


def curate(*arguments: str) -> None:
    """Run a command; it must work."""
    if answer(list(arguments)) != 0:
        raise SystemExit(f"curate {' '.join(arguments)} failed")


def scanned(asked: argparse.Namespace, place: Path) -> pd.DataFrame:
    """Scan all photos without labels and group them.

    Returns
    -------
    DataFrame
        One row a photo, in the order of their ids: image_id, path, label (what it shows; junk is
        *rejected*), group (of near-duplicates; its own id where it has none).
    """
    place.mkdir(parents=True, exist_ok=True)
    (place / "curate.toml").write_text(SETTINGS)
    for folder in (asked.photos, *asked.junk):
        curate("scan", str(folder), "--library", str(place))
    curate("duplicates", "--library", str(place))
    return known(place, asked.photos, asked.every)


def known(place: Path, photos: Path, every: int) -> pd.DataFrame:
    """Give the scanned photos as `scanned` does, of every n-th class of the folder `photos`."""
    with opened(place) as library, library.reading() as connection:
        table = facts.images(connection)
    inside = [Path(path).parent for path in table["path"]]
    root = photos.resolve()
    table["label"] = [path.name if path.parent == root else REJECTED for path in inside]
    classes = sorted(set(table["label"]) - {REJECTED})[::every]
    table = table[table["label"].isin([*classes, REJECTED])].reset_index(drop=True)
    alike = table["group_duplicates"].fillna(table["image_id"])
    return table[["image_id", "path", "label"]].assign(group=alike)


def chosen(
    photos: pd.DataFrame, seed: int, thinned: int, most: int, spare: int
) -> tuple[pd.Series, list[str]]:
    """Choose the photos that have a label, and the classes that just miss the cutoff.

    Parameters
    ----------
    photos : DataFrame
        As `scanned` gives it.
    seed : int
        Of all that is drawn.
    thinned : int
        How many classes are thinned to `LOWERED` … `MIN_COUNT` - 1 photos.
    most : int
        Labelled photos of each other class.
    spare : int
        Photos that a thinned class leaves to the pool at least.

    Returns
    -------
    labelled : Series of bool
        By the index of `photos`.
    thin : list of str
        The thinned classes.
    """
    real = photos[photos["label"] != REJECTED]
    counts = real["label"].value_counts()
    able = sorted(counts.index[counts >= MIN_COUNT - 1 + spare])
    if len(able) < thinned:
        raise SystemExit(f"{len(able)} classes have enough photos to be thinned, not {thinned}")
    order = np.argsort(chance.fractions(seed, able, "thinned"), kind="stable")
    thin = sorted(able[at] for at in order[:thinned])
    labelled = pd.Series(False, index=photos.index)
    for name, some in real.groupby("label"):
        drawn = LOWERED + int((MIN_COUNT - LOWERED) * chance.fraction(seed, str(name), "count"))
        labelled[filled(some["group"], drawn if name in thin else most, seed)] = True
    return labelled, thin


def filled(groups: pd.Series, number: int, seed: int) -> list[int]:
    """Draw so many rows, of whole groups as far as they fit.

    Parameters
    ----------
    groups : Series of str
        The group of each row.
    number : int
        How many rows; all where there are fewer.
    seed : int
        Decides which groups come first.
    """
    rows = {str(name): sorted(some.index) for name, some in groups.groupby(groups)}
    names = sorted(rows)
    order = [names[at] for at in np.argsort(chance.fractions(seed, names, "fill"), kind="stable")]
    taken: list[int] = []
    left: list[int] = []
    for name in order:
        fits = len(taken) + len(rows[name]) <= number
        (taken if fits else left).extend(rows[name])
    return sorted(taken + left[: max(0, number - len(taken))])


def trained(asked: argparse.Namespace, out: Path, seed: int, more: Sequence[str]) -> None:
    """Train on the split, or with a lowered cutoff; unless it was done before."""
    if not out.exists():
        curate("train", "--from", str(asked.weights), "--size", str(asked.size), "--epochs",
               str(asked.epochs), "--seed", str(seed), "--device", asked.device, "-o", str(out),
               *more)  # fmt: skip


def predictions(place: Path) -> pd.DataFrame:
    """Give what the model that predicted last says of the pool: image_id, predicted, score."""
    query = """
        SELECT DISTINCT ON (image_id) image_id, predicted, score
        FROM predictions WHERE status = 'ok' ORDER BY image_id, run_id DESC
    """
    with opened(place) as library, views.asked(library, "predictions") as answering:
        return answering.execute(query).df()


def queued(recipe: str, place: Path, limit: int, more: Sequence[str] = ()) -> pd.DataFrame:
    """Ask for a queue, as a table."""
    file = place / f"{recipe}.csv"
    curate("queue", recipe, "--limit", str(limit), "--csv", str(file), "--library", str(place),
           *more)  # fmt: skip
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def sat_down(place: Path, truth: pd.Series, sitting: int, thin: Sequence[str]) -> list[str]:
    """Label what the queue offers, sitting after sitting, until all pass or nothing is left."""
    looks: list[str] = []
    while in_split(place, thin) < len(thin):
        some = queued("low-count", place, sitting)
        if some.empty:
            break
        some["label"] = truth[some["image_id"]].to_numpy()
        looks += some["label"].tolist()
        some.to_csv(place / "answers.csv", index=False)
        curate("label", "import", str(place / "answers.csv"), "--library", str(place))
        curate("split", "--library", str(place))
    return looks


def in_split(place: Path, names: Sequence[str]) -> int:
    """Count those of some classes that the permanent split trains on."""
    with opened(place) as library, library.reading() as connection:
        table = facts.images(connection)
    return len(set(table.loc[table["split"] == "train", "label"]) & set(names))


if __name__ == "__main__":
    main()
