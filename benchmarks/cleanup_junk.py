"""How much junk the default policy of cleanup takes out of a pool, and how much that is wanted.

    python -m benchmarks.cleanup_junk LIBRARY… --photos DIR [--more] --work WORK -o REPORT.md

Each LIBRARY is one that `benchmarks.queues` made, before its answers were imported: labelled
photos, a pool of which some classes have no label at all, photos that nobody wants, and what a
model said of them all. A photo is wanted when it lies below DIR, in a folder of its class; in a zoo
`--truth` tells, a table with path, class and junk. Nothing is moved: plans are made on a copy.

A person looks at `SITTING` images at a time, says what each is, and imports the answers: half of
them from the queue of the lowest scores, a quarter by chance, a quarter from groups that may be new
classes; as soon as `like-rejected` knows enough, three quarters from it and a quarter by chance.
After some sittings the default policy plans.

With `--more`, other junk is put into the pool first: blank frames, blurred photos, photos encoded
again and drawings that look like screenshots.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cleanup_junk_more import drawn
from benchmarks.throw_away import curate
from curate import queues
from curate.cli.cleanup_rules import plan_cleanup
from curate.core.errors import CurateError
from curate.core.names import REJECTED
from curate.store import facts
from curate.store.library import Library, opened

SITTING = 100
SHARES = {"low-score": 50, "random": 25, "new-class": 25}
BORDER = {"like-rejected": 75, "random": 25}
PLANNED = (1, 2, 4, 6, 8)
"""Sittings after which the policy plans."""

Truth = Callable[[str], str]


def main() -> None:
    """Measure every library, and write the report."""
    asked = arguments()
    truth = of_table(asked.truth) if asked.truth else of_folders(asked.photos.resolve())
    rows = []
    for place in asked.libraries:
        rows += measured(asked, place, truth)
    table = pd.DataFrame(rows)
    lines = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    told = [
        f"At the defaults; junk + wanted by rule. {platform.processor() or platform.machine()}."
    ]
    told += ["", *(f"| {' | '.join(line)} |" for line in lines), ""]
    asked.out.write_text("\n".join(told))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("libraries", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, default=Path("photos"), help="wanted, by class")
    parser.add_argument("--truth", type=Path, help="a table that tells, instead of folders")
    parser.add_argument("--more", action="store_true", help="put other junk into the pool first")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


def of_folders(photos: Path) -> Truth:
    """Tell what a photo shows by the folder that it lies in."""

    def truth(path: str) -> str:
        return Path(path).parent.name if photos in Path(path).parents else REJECTED

    return truth


def of_table(file: Path) -> Truth:
    """Tell what a picture shows by a table with path, class and junk."""
    table = pd.read_csv(file, keep_default_na=False)
    said = {
        str((file.parent / row["path"]).resolve()): REJECTED if row["junk"] else row["class"]
        for row in table.to_dict("records")
    }
    return lambda path: said.get(path, REJECTED)


def measured(asked: argparse.Namespace, made: Path, truth: Truth) -> list[dict[str, Any]]:
    """Let a person answer, sitting after sitting, and count what would go."""
    place = asked.work / made.name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(made, place)
    (place / "curate.toml").write_text((made / "curate.toml").read_text())
    if asked.more:
        more(place, asked.work / f"{made.name}-more", truth)
    with opened(place) as library:
        pool = pool_of(library, truth)
    rows, looks = [], 0
    for sitting in range(1, max(PLANNED) + 1):
        looks += sat(place, truth)
        if sitting in PLANNED:
            rows.append({"library": made.name, "looks": looks} | planned(place, pool))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def pool_of(library: Library, truth: Truth) -> pd.Series:
    """Give what the images of the pool show, by image id."""
    with library.reading() as connection:
        images = facts.images(connection)
    pool = images[images["label"].isna()]
    return pd.Series([truth(path) for path in pool["path"]], pd.Index(pool["image_id"]))


def sat(place: Path, truth: Truth) -> int:
    """Look at a sitting of images; give how many they were."""
    first, looks = next(iter(BORDER.items()))
    found = answered(place, truth, first, looks)
    if found is None:
        return sum(answered(place, truth, *some) or 0 for some in SHARES.items())
    rest = list(BORDER.items())[1:]
    return found + sum(answered(place, truth, *some) or 0 for some in rest)


def answered(place: Path, truth: Truth, recipe: str, looks: int) -> int | None:
    """Look at the first images of a queue, and import what they are; None where it has none."""
    with opened(place) as library:
        with library.reading() as connection:
            known = set(facts.images(connection)["label"].dropna())
        try:
            table = queues.queue(library, recipe, queues.Filters(limit=looks), min_count=2)
        except CurateError as error:
            print(f"{recipe}: {error}")
            return None
    answers = table.assign(label=[truth(path) for path in table["path"]])
    answers.to_csv(place / "answers.csv", index=False)
    new = sorted(set(answers["label"]) - known - {REJECTED})
    named = [word for name in new for word in ("--new-class", name)]
    curate("label", "import", str(place / "answers.csv"), "--library", str(place), *named)
    return len(answers)


def planned(place: Path, pool: pd.Series) -> dict[str, Any]:
    """Plan by the default policy, and count junk and wanted images among what would go."""
    with opened(place) as library:
        made = plan_cleanup(library, agree=lambda found: True)
    # An image that was rejected has no label, and is of the pool still; a labelled one never goes.
    going = made.table.drop_duplicates("image_id")
    going = going.assign(junk=going["image_id"].map(pool) == REJECTED)
    moved = going[going["action"] == "quarantine"]
    junk = int((pool == REJECTED).sum())
    found: dict[str, Any] = {
        "pool": len(pool),
        "junk": junk,
        "removed": f"{moved['junk'].sum() / junk:.1%}",
        "wanted moved": int((~moved["junk"]).sum()),
    }
    for rule in made.rules["rule"]:
        some = going[going["rule"] == rule]
        found[rule] = f"{int(some['junk'].sum())} + {int((~some['junk']).sum())}"
    found["notes"] = "; ".join(note for note in made.rules["note"] if note)
    return found


def more(place: Path, folder: Path, truth: Truth) -> None:
    """Put other junk into the pool of a library: scan it, and let its model look at it."""
    with opened(place) as library, library.reading() as connection:
        images = facts.images(connection)
    free = images[images["label"].isna()]
    wanted = [path for path in sorted(free["path"]) if truth(path) != REJECTED]
    chosen = np.random.default_rng(0).permutation(wanted)
    drawn(folder, [Path(path) for path in chosen])
    at = ["--library", str(place)]
    curate("scan", str(folder), *at)
    curate("duplicates", *at)
    model = str(place / "model.safetensors")
    curate("bulk-id", str(folder), "--model", model, "--embeddings", *at)


if __name__ == "__main__":
    main()
