"""Run one duplicate finder of somebody else on a folder; run by that tool's own Python.

    python duplicates_peer.py TOOL FOLDER OUT.csv [RADIUS]

It imports nothing of ours. The last line of stdout is JSON: `version`, `rows`.
OUT.csv holds either `file,hash` (no RADIUS given: only hash) or `a,b,distance`.
Modules are imported by name: none of them is installed where this repository is checked.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module, metadata
from itertools import combinations
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]


def imagededup(method: str) -> Callable[[Path, int | None], Iterator[Row]]:
    """Give a runner of one of imagededup's hashes: all pairs within the radius."""

    def run(folder: Path, radius: int | None) -> Iterator[Row]:
        tool = getattr(import_module("imagededup.methods"), method)(verbose=False)
        hashes = tool.encode_images(image_dir=str(folder))
        if radius is None:
            yield from hashes.items()
            return
        found = tool.find_duplicates(
            encoding_map=hashes, max_distance_threshold=radius, scores=True
        )
        for a, others in found.items():
            yield from ((a, b, distance) for b, distance in others)

    return run


def imagededup_cnn(folder: Path, radius: int | None) -> Iterator[Row]:
    """Run imagededup's CNN at its default similarity, if its weights are on this machine."""
    hub = Path(import_module("torch").hub.get_dir()) / "checkpoints"
    if not list(hub.glob("mobilenet_v3_small*")):
        raise SystemExit(f"the weights are not in {hub.name}/ of the torch cache; nothing fetched")
    found = (
        import_module("imagededup.methods")
        .CNN(verbose=False)
        .find_duplicates(image_dir=str(folder), scores=True)
    )
    for a, others in found.items():
        yield from ((a, b, 1 - similarity) for b, similarity in others)


def imagehash(name: str) -> Callable[[Path, int | None], Iterator[Row]]:
    """Give a runner of imagehash with the loop that its users write: every pair compared."""

    def run(folder: Path, radius: int | None) -> Iterator[Row]:
        image, take = import_module("PIL.Image"), getattr(import_module("imagehash"), name)
        hashes = {path.name: take(image.open(path)) for path in sorted(folder.iterdir())}
        if radius is None:
            yield from ((file, str(value)) for file, value in hashes.items())
            return
        # Compared as numbers: imagehash's own minus would take minutes, and be no fairer.
        numbers = [(file, int(str(value), 16)) for file, value in hashes.items()]
        for (a, x), (b, y) in combinations(numbers, 2):
            distance = (x ^ y).bit_count()
            if distance <= radius:
                yield a, b, distance

    return run


def cleanvision(folder: Path, radius: int | None) -> Iterator[Row]:
    """Run CleanVision's exact and near duplicates at its defaults; pairs inside its sets."""
    lab = import_module("cleanvision").Imagelab(data_path=str(folder), verbose=False)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
    for kind in ("exact_duplicates", "near_duplicates"):
        for group in lab.info[kind]["sets"]:
            for a, b in combinations(sorted(group), 2):
                yield Path(a).name, Path(b).name, 0


def fastdup(groups: bool) -> Callable[[Path, int | None], Iterator[Row]]:
    """Give a runner of fastdup: its components at its defaults, or its pairs, 30 nearest."""

    def run(folder: Path, radius: int | None) -> Iterator[Row]:
        os.environ["SENTRY_OPT_OUT"] = "1"
        module = import_module("fastdup")
        with tempfile.TemporaryDirectory() as work:
            tool = module.create(work_dir=work, input_dir=str(folder))
            if groups:
                tool.run(overwrite=True, print_summary=False)
                yield from _inside(tool.connected_components()[0])
            else:
                tool.run(overwrite=True, print_summary=False, nearest_neighbors_k=30, threshold=0.8)
                table = tool.similarity(data=True)
                files = table["filename_from"], table["filename_to"], table["distance"]
                for a, b, similarity in zip(*files, strict=True):
                    yield Path(a).name, Path(b).name, round(1 - similarity, 6)

    return run


def _inside(components: Any) -> Iterator[Row]:
    for _, members in components.groupby("component_id")["filename"]:
        for a, b in combinations(sorted(Path(name).name for name in members), 2):
            yield a, b, 0


TOOLS: dict[str, tuple[str, Callable[[Path, int | None], Iterable[Row]]]] = {
    "imagededup PHash": ("imagededup", imagededup("PHash")),
    "imagededup DHash": ("imagededup", imagededup("DHash")),
    "imagededup WHash": ("imagededup", imagededup("WHash")),
    "imagededup AHash": ("imagededup", imagededup("AHash")),
    "imagededup CNN": ("imagededup", imagededup_cnn),
    "CleanVision": ("cleanvision", cleanvision),
    "fastdup components": ("fastdup", fastdup(True)),
    "fastdup pairs": ("fastdup", fastdup(False)),
    "imagehash phash": ("imagehash", imagehash("phash")),
}


def main(arguments: list[str]) -> None:
    """Run the tool that the arguments name, and write its rows."""
    name, folder, out = arguments[0], Path(arguments[1]), Path(arguments[2])
    radius = int(arguments[3]) if len(arguments) > 3 else None
    package, run = TOOLS[name]
    rows = list(run(folder, radius))
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "hash"] if rows and len(rows[0]) == 2 else ["a", "b", "distance"])
        writer.writerows(rows)
    print(json.dumps({"version": metadata.version(package), "rows": len(rows)}))


if __name__ == "__main__":
    main(sys.argv[1:])
