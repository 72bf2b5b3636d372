"""What each recipe of a queue gives, on real photos whose truth is known.

    python -m benchmarks.queues PHOTOS WEIGHTS --junk OTHER --work DIR -o REPORT.md

PHOTOS is a folder of classes, WEIGHTS a checkpoint from elsewhere, OTHER a folder of photos that
nobody wants. For each seed a library is made in DIR/SEED with the commands that a user types. By
chance, some classes are hidden (nobody ever labelled one of their photos), some are thinned to just
below the cutoff, and some live on photos that are called staged. Of each other class at most
`--most` photos are labelled, `--wrong` of them wrongly; all the rest is the pool. Some of the pool,
half of them of hidden classes, are labelled *unknown*. A throw-away model and another one, trained
for one epoch less, say what they see, and every recipe is asked for its queue.

A look is a hit when it gives what the recipe promises, as
`curate.queues.expectations.outcomes` counts it.
Beside each queue, over the same photos: looks by chance, and the obvious one-liner. That is, for
recipes that promise a class, what is predicted as these classes, the surest first; for all others,
the lowest scores first. Random looks hit when the photo shows any of the classes that the queue is
about. Then 100 answers to a random queue are imported, and all queues are asked once more.

What came of a seed lies in DIR/SEED/found.json, and is not measured again without `--again`, which
asks the same libraries; all asking is done on a copy of the library.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import discovery_data, throw_away
from benchmarks.queues_score import AFTER, Found, Numbers, counted, hits, shares, topics_of, write
from benchmarks.throw_away import LOWERED, MIN_COUNT, chosen, curate, scanned, trained
from curate import queues
from curate.core import chance
from curate.core.errors import CurateError
from curate.core.identity import file_id
from curate.core.names import REJECTED, UNKNOWN
from curate.queues.recipes.featured import FEWEST
from curate.store import facts, views
from curate.store.library import opened

LOOKS = max(AFTER)
MADE = "made"
"""This file lies where a library is complete."""
TO_A_CLASS = ("low-count", "staged", "look-alike", "unknown")
"""Recipes that promise a class: their topics are classes."""


def main() -> None:
    """Measure every seed that was not, and write the report."""
    asked = arguments()
    found = []
    for seed in range(asked.seeds):
        note = asked.work / str(seed) / "found.json"
        if asked.again or not note.exists():
            note.write_text(json.dumps(asdict(measured(asked, seed, note.parent))))
        found.append(Found(**json.loads(note.read_text())))
    about = (
        ""
        if asked.zoo
        else f"{asked.hidden} hidden, {asked.thinned} thinned to {LOWERED}–{MIN_COUNT - 1} photos, "
        f"{asked.staged} staged, at most {asked.most} labelled of each other, {asked.wrong:.0%} of "
        f"the labels wrong; "
    )
    told = [
        f"{asked.photos.name}: of {found[0].facts['classes']:.0f} classes {about}{asked.epochs} "
        f"epochs at {asked.size} px; {asked.seeds} seeds. Medians (and ranges). "
        f"{platform.processor() or platform.machine()}."
    ]
    write(asked.out, told, found)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--junk", type=Path, nargs="*", default=[])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--zoo", action="store_true", help="PHOTOS is the folder sample_data")
    parser.add_argument("--again", action="store_true", help="ask made libraries once more")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=3, help="classes without any label")
    parser.add_argument("--thinned", type=int, default=5, help="classes that just miss the cutoff")
    parser.add_argument("--staged", type=int, default=3, help="classes that live on staged photos")
    parser.add_argument("--unknown", type=int, default=60, help="photos labelled unknown")
    parser.add_argument("--wrong", type=float, default=0.02, help="share of labels that are wrong")
    parser.add_argument("--most", type=int, default=50, help="labelled photos of another class")
    parser.add_argument("--every", type=int, default=1, help="take every n-th class")
    parser.add_argument("--spare", type=int, default=15, help="pool photos of a thinned class")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


def measured(asked: argparse.Namespace, seed: int, place: Path) -> Found:
    """Make one library, unless it was made before, and ask all recipes for their queues."""
    making = made_of_zoo if asked.zoo else made
    if not (place / MADE).exists():
        making(asked, seed, place)
        (place / MADE).touch()
    # Asking leaves traces, and answers more, so it is done on a copy.
    here = place / "asked"
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(place, here, ignore=shutil.ignore_patterns(here.name, "*.state"))
    if asked.zoo:
        return answers_of(here, seed, *of_zoo(asked.photos, here))
    photos = known(asked, here)
    short = given(asked, seed, photos)[1]
    return answers_of(here, seed, photos.set_index("image_id")["label"], short)


def made_of_zoo(asked: argparse.Namespace, seed: int, place: Path) -> None:
    """Make the library of the zoo, with predictions of two models."""
    discovery_data.zoo(asked.photos, place)
    (place / "curate.toml").write_text(throw_away.SETTINGS)
    curate("split", "--library", str(place))
    with opened(place) as library, library.reading() as connection:
        photos = facts.images(connection)
    identified(asked, seed, photos, place)


def of_zoo(sample_data: Path, place: Path) -> tuple[pd.Series, dict[str, int]]:
    """Give what the pictures of the zoo show, by image id, and what classes lack (see `given`)."""
    shows = pd.read_csv(sample_data / "truth.csv", keep_default_na=False).set_index("path")
    with opened(place) as library, library.reading() as connection:
        images = facts.images(connection).dropna(subset="path")
        counts = facts.class_counts(facts.images(connection), "images").set_index("label")["real"]
    inside = [str(Path(path).relative_to(sample_data.resolve())) for path in images["path"]]
    rows = shows.loc[inside]
    truth = rows["class"].where(rows["junk"] == "", REJECTED).set_axis(images["image_id"])
    return truth, {str(name): MIN_COUNT - n for name, n in counts.items() if n < MIN_COUNT}


def made(asked: argparse.Namespace, seed: int, place: Path) -> None:
    """Make a library with predictions of two models."""
    scanned(asked, place)
    photos = known(asked, place)
    labelled(asked, seed, photos, place)
    identified(asked, seed, photos, place)


def known(asked: argparse.Namespace, place: Path) -> pd.DataFrame:
    """Give the photos of a library as `throw_away.known` does."""
    return throw_away.known(place, asked.photos, asked.every)


def answers_of(place: Path, seed: int, truth: pd.Series, short: dict[str, int]) -> Found:
    """Ask all recipes for their queues, answer some images by chance, and ask again.

    Parameters
    ----------
    place : Path
        A library with predictions.
    seed : int
        Of the looks by chance.
    truth : Series of str
        What each image shows, by its id.
    short : dict of str to int
        By class below the cutoff: how many real images it lacks.
    """
    said = predictions(place, truth)
    recipes: dict[str, dict[str, Numbers]] = {}
    failed: dict[str, str] = {}
    for recipe in queues.RECIPES:
        try:
            table = asked_for(recipe, place)
        except CurateError as error:
            failed[recipe] = str(error)
            continue
        recipes[recipe] = compared(recipe, table, said, short, seed)
    pool = said[said["was"] == ""]
    answered(place, truth)
    said = predictions(place, truth)
    for recipe, ways in recipes.items():
        table = with_truth(asked_for(recipe, place), said)
        hit = hits(recipe, table)
        ways["queue"]["later"] = [shares(table["expected"], number) for number in AFTER]
        ways["queue"]["later_looks"] = [float(len(table))]
        ways["queue"]["later_hits"] = [shares(hit, number) for number in AFTER]
    return Found(
        recipes,
        {
            "classes": truth[truth != REJECTED].nunique(),
            "labelled photos": int((~said["was"].isin(["", UNKNOWN])).sum()),
            "photos of the pool": len(pool),
            "junk in the pool": int((pool["answer"] == REJECTED).sum()),
            "classes below the cutoff": len(short),
            "pool photos that the model names": float((pool["answer"] == pool["predicted"]).mean()),
        },
        failed,
    )


def given(
    asked: argparse.Namespace, seed: int, photos: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Draw what is labelled, and how, as the module says.

    Returns
    -------
    DataFrame
        path, label and origin.
    dict of str to int
        By class below the cutoff: how many real photos it lacks.
    """
    names = sorted(set(photos["label"]) - {REJECTED})
    hidden = drawn(seed, names, "hidden")[: asked.hidden]
    shown = photos[~photos["label"].isin(hidden)]
    some, _ = chosen(shown, seed, asked.thinned, asked.most, asked.spare)
    table = shown.loc[some, ["image_id", "path", "label"]].assign(origin="real")
    counts = table["label"].value_counts()
    common = [name for name in counts.index if counts[name] >= MIN_COUNT]
    for name in drawn(seed, sorted(common), "staged")[: asked.staged]:
        ids = table.loc[table["label"] == name, "image_id"]
        # A third of them stay real: what is left is below the cutoff.
        arranged = drawn(seed, list(ids), "arranged")[len(ids) // 3 :]
        table.loc[table["image_id"].isin(arranged), "origin"] = "staged"
    real = table.loc[table["origin"] == "real", "label"].value_counts().reindex(names).fillna(0)
    short = {name: MIN_COUNT - int(real[name]) for name in names if real[name] < MIN_COUNT}
    wrong = drawn(seed, list(table["image_id"]), "wrong")[: round(asked.wrong * len(table))]
    table["label"] = [
        other_than(label, names_of(table), seed, image_id) if image_id in set(wrong) else label
        for image_id, label in zip(table["image_id"], table["label"], strict=True)
    ]
    left = photos[~photos["image_id"].isin(table["image_id"]) & (photos["label"] != REJECTED)]
    half = asked.unknown // 2
    aside = [
        image_id
        for part in (left[left["label"].isin(hidden)], left[~left["label"].isin(hidden)])
        for image_id in drawn(seed, list(part["image_id"]), "unknown")[:half]
    ]
    laid = left[left["image_id"].isin(aside)].assign(label=UNKNOWN, origin="real")
    return pd.concat([table, laid[table.columns]])[["path", "label", "origin"]], short


def labelled(asked: argparse.Namespace, seed: int, photos: pd.DataFrame, place: Path) -> None:
    """Label photos with the commands that a user types."""
    given(asked, seed, photos)[0].to_csv(place / "manifest.csv", index=False)
    at = ["--library", str(place)]
    curate("scan", str(asked.photos), "--labels", str(place / "manifest.csv"), *at)
    curate("split", *at)


def drawn(seed: int, names: list[str], what: str) -> list[str]:
    """Put names into an order by chance."""
    order = np.argsort(chance.fractions(seed, names, what), kind="stable")
    return [names[at] for at in order]


def names_of(table: pd.DataFrame) -> list[str]:
    """Give the classes of a table."""
    return sorted(set(table["label"]))


def other_than(label: str, names: list[str], seed: int, image_id: str) -> str:
    """Draw another class."""
    others = [name for name in names if name != label]
    return others[int(chance.fraction(seed, image_id, "other") * len(others))]


def identified(asked: argparse.Namespace, seed: int, photos: pd.DataFrame, place: Path) -> None:
    """Train two models, and let both say what all photos show; the better one comes last."""
    photos[["path"]].to_csv(place / "all.csv", index=False)
    at = ["--library", str(place)]
    lowered = [*at, "--throw-away", "--min-count", str(LOWERED)]
    earlier = argparse.Namespace(**{**vars(asked), "epochs": max(1, asked.epochs - 1)})
    for model, how in (("other", earlier), ("model", asked)):
        checkpoint = place / f"{model}.safetensors"
        trained(how, checkpoint, seed + (model == "other") * 1000, lowered)
        curate("bulk-id", str(place / "all.csv"), "--model", str(checkpoint), "--embeddings",
               "--device", asked.device, *at)  # fmt: skip


def predictions(place: Path, truth: pd.Series) -> pd.DataFrame:
    """Give what the last model says of all photos, with what holds of them.

    Returns
    -------
    DataFrame
        By image id: predicted, score, was (the label, or ''), answer (what the photo shows), since
        (1 where this is of a class with next to no labels, else -1).
    """
    query = """
        SELECT DISTINCT ON (image_id) image_id, predicted, score
        FROM predictions WHERE status = 'ok' ORDER BY image_id, run_id DESC
    """
    with opened(place) as library:
        with views.asked(library, "predictions") as answering:
            said = answering.execute(query).df().set_index("image_id").sort_index()
        with library.reading() as connection:
            known = facts.images(connection).set_index("image_id")["label"]
    said = said[said.index.isin(truth.index)]
    was = known.reindex(said.index).fillna("").astype(object)
    answer = truth.reindex(said.index).astype(object)
    counted = was.value_counts()
    there = counted.index[counted >= FEWEST]
    return said.assign(was=was, answer=answer, since=np.where(answer.isin(there), -1, 1))


def asked_for(recipe: str, place: Path) -> pd.DataFrame:
    """Ask for a queue."""
    filters = queues.Filters(limit=LOOKS)
    against = file_id(place / "other.safetensors") if recipe == "disagree" else None
    with opened(place) as library:
        return queues.queue(
            library, recipe, filters, min_count=MIN_COUNT, count="images", against=against
        )


def with_truth(table: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Say of each image of a queue what it was and what it shows."""
    texts = table.astype({"topic": object, "predicted": object})
    return texts.join(said[["was", "answer", "since"]], on="image_id")


def compared(
    recipe: str, table: pd.DataFrame, said: pd.DataFrame, short: dict[str, int], seed: int
) -> dict[str, Numbers]:
    """Count what a queue gives, beside the obvious one-liner and looks by chance."""
    looks = with_truth(table, said)
    queue = counted(recipe, looks, short)
    queue["expected"] = [shares(looks["expected"], number) for number in AFTER]
    topics = list(dict.fromkeys(looks["topic"]))
    # The same photos that the recipe may choose from.
    labels = {"wrong-label": ~said["was"].isin(["", UNKNOWN]), "unknown": said["was"] == UNKNOWN}
    pool = said[labels.get(recipe, said["was"] == "")]
    by_score = pool.sort_values("score", ascending=recipe not in TO_A_CLASS, kind="stable")
    by_chance = pool.loc[drawn(seed, list(pool.index), "looks")]
    if recipe in TO_A_CLASS:
        by_score = by_score.assign(topic=topics_of(by_score["predicted"], topics))
        by_score = by_score[by_score["topic"] != ""]
        by_chance = by_chance.assign(topic=topics_of(by_chance["answer"], topics))
    return {
        "queue": queue,
        "score": counted(recipe, by_score.assign(**_no_topic(by_score)).head(LOOKS), short),
        "random": counted(recipe, by_chance.assign(**_no_topic(by_chance)).head(LOOKS), short),
    }


def _no_topic(looks: pd.DataFrame) -> dict[str, str]:
    """All looks are for the same thing, where they are for nothing else."""
    return {} if "topic" in looks else {"topic": ""}


def answered(place: Path, truth: pd.Series) -> None:
    """Look at 100 photos of a random queue, and import the answers."""
    filters = queues.Filters(limit=100)
    with opened(place) as library:
        some = queues.queue(library, "random", filters, min_count=MIN_COUNT, count="images")
        with library.reading() as connection:
            known = set(facts.images(connection)["label"].dropna())
    answers = some.assign(label=truth[some["image_id"]].to_numpy())
    answers.to_csv(place / "answers.csv", index=False)
    new = sorted(set(answers["label"]) - known - {REJECTED})
    named = [word for name in new for word in ("--new-class", name)]
    curate("label", "import", str(place / "answers.csv"), "--library", str(place), *named)


if __name__ == "__main__":
    main()
