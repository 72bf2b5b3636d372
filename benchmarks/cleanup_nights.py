"""What the default policy of cleanup takes of photos that came after anybody looked.

    python -m benchmarks.cleanup_nights LIBRARY… --photos DIR --model FILE --arch NAME \\
        --classes FILE --work WORK -o REPORT.md

The libraries are those of `benchmarks.cleanup_junk`. Half of a pool, by whole groups of
near-duplicates, came yesterday, the other half tonight. A model from elsewhere keeps the features
of what is labelled and of yesterday's photos, and a person looks at these as in `cleanup_junk`.
After some sittings tonight's photos are identified (in a copy) and the default policy plans: what
it takes of tonight's photos, nobody looked at.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.cleanup_junk import Truth, of_folders, sat
from benchmarks.throw_away import curate
from curate.cli.cleanup_rules import plan_cleanup
from curate.core import chance
from curate.core.names import REJECTED
from curate.store import facts
from curate.store.library import opened

PLANNED = (2, 3, 4)
"""Sittings after which the policy plans."""


def main() -> None:
    """Measure every library, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("libraries", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, default=Path("photos"), help="wanted, by class")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--arch", required=True)
    parser.add_argument("--classes", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    asked = parser.parse_args()
    truth = of_folders(asked.photos.resolve())
    table = pd.DataFrame(
        [row for place in asked.libraries for row in measured(asked, place, truth)]
    )
    lines = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    told = [f"At the defaults. {platform.processor() or platform.machine()}.", ""]
    asked.out.write_text("\n".join([*told, *(f"| {' | '.join(line)} |" for line in lines), ""]))


def measured(asked: argparse.Namespace, made: Path, truth: Truth) -> list[dict[str, Any]]:
    """Let a person look at yesterday's photos, and count what would go of tonight's."""
    place = asked.work / made.name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(made, place)
    (place / "curate.toml").write_text((made / "curate.toml").read_text())
    with opened(place) as library, library.reading() as connection:
        images = facts.images(connection)
    shown = pd.Series([truth(path) for path in images["path"]], images["image_id"])
    group = images["group_duplicates"].fillna(images["image_id"]).astype(str)
    late = images["label"].isna() & (chance.fractions(0, group, "tonight") < 0.5)
    tonight = shown[late.to_numpy()]
    identified(asked, place, images.loc[~late, "path"])
    rows, looks = [], 0
    for sitting in range(1, max(PLANNED) + 1):
        looks += sat(place, truth)
        if sitting in PLANNED:
            later = asked.work / f"{made.name}-tonight"
            shutil.rmtree(later, ignore_errors=True)
            shutil.copytree(place, later)
            identified(asked, later, images.loc[late, "path"])
            rows.append({"library": made.name, "looks": looks} | counted(later, shown, tonight))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def identified(asked: argparse.Namespace, place: Path, paths: pd.Series) -> None:
    """Let the model from elsewhere look at photos, and keep their features."""
    table = place / "photos.csv"
    paths.to_frame("path").to_csv(table, index=False)
    curate("bulk-id", str(table), "--model", str(asked.model), "--arch", asked.arch,
           "--classes", str(asked.classes), "--other-classes", "--embeddings",
           "--library", str(place))  # fmt: skip


def counted(place: Path, shown: pd.Series, tonight: pd.Series) -> dict[str, Any]:
    """Plan by the default policy, and count what would go of tonight's photos and of all."""
    with opened(place) as library:
        made = plan_cleanup(library, agree=lambda found: True)
    moved = set(made.table.loc[made.table["action"] == "quarantine", "image_id"])
    new = tonight[tonight.index.isin(moved)]
    every = shown[shown.index.isin(moved)]
    junk = int((tonight == REJECTED).sum())
    return {
        "tonight": len(tonight),
        "junk": junk,
        "removed": f"{(new == REJECTED).sum() / junk:.1%}",
        "wanted moved": int((new != REJECTED).sum()),
        "wanted moved of all": int((every != REJECTED).sum()),
        "notes": "; ".join(note for note in made.rules["note"] if note),
    }


if __name__ == "__main__":
    main()
