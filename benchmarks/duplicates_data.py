"""Build the folder that duplicate finders are judged on, and the truth about it.

Sources are photos; edits are made of them (`benchmarks.edits`); negatives are other photos of the
same class, the most alike first, so that photos of one burst and one shelf are among them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from benchmarks import edits, scenes
from curate.core import chance

TRUTH = ["file", "origin_path", "source", "kind", "strength", "family", "burst", "on_request"]
SOURCE, NEGATIVE = "source", "negative"


@dataclass(frozen=True)
class Plan:
    """What to build.

    Attributes
    ----------
    sources : mapping
        How many sources to take from each folder below the photos, by the folder's name.
    strengths : int
        Of three: how many strengths of each kind every source gets, in turn.
    alike, others : int
        Negatives for each source: the most alike of its class, and any of its class.
    side : int or None
        Shrink every file to a square of so many pixels (a PNG, as small images come).
    seed : int
        Of every choice.
    """

    sources: Mapping[str, int]
    strengths: int = 1
    alike: int = 4
    others: int = 2
    side: int | None = None
    seed: int = 1


def build(photos: Path, out: Path, plan: Plan) -> None:
    """Write `out/images/`, `out/truth.csv` and `out/bursts.csv`.

    `truth.csv` has one row a file: `file`, `origin_path` (the photo it was made from, below
    `photos`), `source` (the file of its source, empty for sources and negatives), `kind`,
    `strength`, `family` (files of one photo), `burst` (families tied by scenes, empty when alone)
    and `on_request`. `bursts.csv` has one row a pair of families that show one scene: the columns
    of `scenes.burst_pairs`, `a` and `b` being families.
    """
    images = out / "images"
    images.mkdir(parents=True)
    chosen = choose(photos, plan)
    truth = pd.DataFrame(
        [row for name, of in chosen for row in _write(photos / name, name, of, images, plan)]
    )
    truth["family"] = pd.factorize(truth["origin_path"])[0]
    bursts = scenes.burst_pairs([photos / name for name in truth["origin_path"].unique()])
    names = _components(bursts, int(truth["family"].max()) + 1)
    truth["burst"] = truth["family"].map(lambda family: names.get(family, ""))
    truth[TRUTH].to_csv(out / "truth.csv", index=False)
    bursts.to_csv(out / "bursts.csv", index=False)


def choose(photos: Path, plan: Plan) -> list[tuple[str, str]]:
    """Choose the photos: (path below `photos`, "source" or "negative"), each photo once."""
    roles: dict[str, str] = {}
    for folder, count in plan.sources.items():
        classes = sorted(path for path in (photos / folder).iterdir() if path.is_dir())
        drawn = chance.fractions(plan.seed, [path.name for path in classes], "classes")
        order = np.argsort(drawn).tolist()[:count]
        found = [_Class(photos, classes[k], plan.seed) for k in order]
        # A class in turn, so that no class fills the set with its own shelves.
        for turn in range(count):
            of = found[turn % len(found)]
            source = of.next_source()
            if source is not None:
                roles[source] = SOURCE
                for name in of.negatives(source, plan):
                    roles.setdefault(name, NEGATIVE)
    return sorted(roles.items())


class _Class:
    """The photos of one class, and how alike they are."""

    def __init__(self, photos: Path, folder: Path, seed: int) -> None:
        self.photos, self.seed = photos, seed
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".jpg")
        self.names = [path.relative_to(photos).as_posix() for path in paths]
        self.alike = scenes.shifted_correlation(paths)
        drawn = chance.fractions(seed, self.names, "sources")
        self.order: list[int] = np.argsort(drawn).tolist()
        self.taken: list[int] = []

    def next_source(self) -> str | None:
        """Give a photo of another scene than the sources taken before, or None."""
        for k in self.order:
            others = [self.photos / self.names[i] for i in (*self.taken, k)]
            if k not in self.taken and not len(scenes.burst_pairs(others)):
                self.taken.append(k)
                return self.names[k]
        return None

    def negatives(self, source: str, plan: Plan) -> list[str]:
        """Give the most alike photos and some others of the class."""
        k = self.names.index(source)
        rank = [i for i in np.argsort(-self.alike[k], kind="stable").tolist() if i != k]
        rest = rank[plan.alike :]
        drawn = np.argsort(chance.fractions(self.seed, [self.names[i] for i in rest], source))
        return [self.names[i] for i in rank[: plan.alike]] + [
            self.names[rest[i]] for i in drawn[: plan.others]
        ]


def _write(path: Path, name: str, role: str, images: Path, plan: Plan) -> Iterator[dict[str, str]]:
    """Write one photo and, of a source, its edits; give their rows of the truth."""
    stem = hashlib.sha256(name.encode()).hexdigest()[:10]
    original = path.read_bytes()
    seen: set[str] = set()

    def put(kind: str, strength: str, encoded: edits.Encoded) -> Iterator[dict[str, str]]:
        data = encoded if plan.side is None else _square(encoded, plan.side)
        digest = hashlib.sha256(data.data).hexdigest()
        # Shrunk far enough, two edits can be equal byte for byte: that is a copy, not a test.
        if digest in seen:
            return
        seen.add(digest)
        # The digest leads, so that no tool sees a family in the order of its names.
        file = f"{digest[:12]}{data.suffix}"
        (images / file).write_bytes(data.data)
        yield {"file": file, "origin_path": name, "kind": kind, "strength": strength}

    first = {"source": "", "on_request": "False"}
    rows = list(put(role, "", edits.Encoded(path.suffix.lower(), original)))
    yield from (row | first for row in rows)
    if role == SOURCE:
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(original))).convert("RGB")
        for kind, strength in _wanted(stem, plan):
            rng = chance.generator(plan.seed, f"{name}/{kind}/{strength}", "edits")
            encoded = edits.apply(kind, picture, strength, rng)
            extra = {"source": rows[0]["file"], "on_request": str(kind in edits.ON_REQUEST)}
            yield from (row | extra for row in put(kind, edits.STRENGTHS[strength], encoded))


def _wanted(stem: str, plan: Plan) -> Iterator[tuple[str, int]]:
    """Give every kind, in so many strengths, starting with another one each time."""
    start = int(stem, 16)
    for position, kind in enumerate((*edits.EDITS, *edits.ON_REQUEST)):
        count = 1 if kind in edits.ON_REQUEST else plan.strengths
        for step in range(count):
            yield kind, (start + position + step) % 3


def _square(encoded: edits.Encoded, side: int) -> edits.Encoded:
    picture = Image.open(io.BytesIO(encoded.data)).convert("RGB")
    out = io.BytesIO()
    picture.resize((side, side), Image.Resampling.BOX).save(out, "PNG")
    return edits.Encoded(".png", out.getvalue())


def _components(pairs: pd.DataFrame, families: int) -> dict[int, str]:
    """Name the runs of photos that scenes tie: family -> the name of its burst."""
    least = list(range(families))

    def root(k: int) -> int:
        while least[k] != k:
            k = least[k]
        return k

    for a, b in zip(pairs["a"], pairs["b"], strict=True):
        low, high = sorted((root(a), root(b)))
        least[high] = low
    return {k: f"burst-{root(k)}" for k in {*pairs["a"], *pairs["b"]}}
