"""What the zoo holds: one entry a file, with the truth about it. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from zoo.chance import generator
from zoo.picture import Shot

FULL: dict[str, dict[str, int]] = {
    "antelope": {"": 62},
    "bear": {"black": 20, "brown": 26, "polar": 14},
    "elephant": {"african": 30, "asian": 24},
    "flamingo": {"": 48},
    "giraffe": {"": 52},
    "kangaroo": {"adult": 42, "joey": 22},
    "leopard": {"black": 12, "spotted": 44},
    "lion": {"female": 26, "male": 30},
    "zebra": {"": 58},
}
THIN: dict[str, dict[str, int]] = {
    "cheetah": {"": 35},
    "gazelle": {"": 38},
    "wallaby": {"": 36},
}
FEW: dict[str, dict[str, int]] = {"crocodile": {"": 11}, "penguin": {"": 9}, "tortoise": {"": 12}}
UNKNOWN = {"camel": 3, "donkey": 2, "okapi": 4, "red_panda": 3, "stork": 1, "tapir": 2}
STAGED = {"bear/brown": 8, "elephant/african": 8, "lion/male": 8, "penguin": 40}
SYNTHETIC = {"crocodile": 32, "giraffe": 8, "kangaroo/adult": 6, "zebra": 6}
MISSING = {"ostrich/cock": 12, "ostrich/hen": 8, "rhinoceros": 20}
POOL = {
    "antelope": 28,
    "bear/black": 6,
    "bear/brown": 9,
    "bear/polar": 5,
    "cheetah": 27,
    "crocodile": 12,
    "elephant/african": 10,
    "elephant/asian": 8,
    "flamingo": 12,
    "gazelle": 30,
    "giraffe": 14,
    "kangaroo/adult": 18,
    "kangaroo/joey": 12,
    "leopard/black": 5,
    "leopard/spotted": 19,
    "lion/female": 10,
    "lion/male": 12,
    "penguin": 12,
    "penguin/chick": 2,
    "tortoise": 10,
    "wallaby": 28,
    "zebra": 16,
    **MISSING,
    "camel": 4,
    "donkey": 3,
    "okapi": 4,
    "red_panda": 4,
    "stork": 3,
    "tapir": 3,
}
# What lies in a folder -> what it really is. The wrong ones count among the folder's images.
WRONG: tuple[tuple[str, str], ...] = (
    ("antelope", "gazelle"),
    ("antelope", "gazelle"),
    ("gazelle", "antelope"),
    ("kangaroo/adult", "wallaby"),
    ("kangaroo/adult", "wallaby"),
    ("wallaby", "kangaroo/joey"),
    ("leopard/spotted", "cheetah"),
)
BURSTS: tuple[tuple[str, int], ...] = (
    ("antelope", 3),
    ("bear/brown", 4),
    ("elephant/african", 2),
    ("flamingo", 3),
    ("gazelle", 2),
    ("giraffe", 2),
    ("kangaroo/adult", 4),
    ("kangaroo/joey", 2),
    ("leopard/spotted", 3),
    ("lion/male", 3),
    ("zebra", 3),
    ("zebra", 2),
)
POOL_BURSTS = (("cheetah", 3), ("rhinoceros", 3), ("wallaby", 2), ("lion/female", 3))
JUNK = {"blank": 12, "dark": 12, "blurred": 16, "empty": 20}
BROKEN = ("cut", "cut", "head", "nothing", "html", "text", "random", "cut_png")
SAME_FOLDER_COPIES = ("bear/polar", "giraffe", "lion/male", "zebra")
DAYS = ("2026-03-01", "2026-03-02", "2026-03-05", "2026-03-08", "2026-03-09", "2026-03-14")
ODD_NAMES = ("-0417.jpg", "IMG 0418 (1).jpg", "зоо_熊_0419.jpg")


@dataclass(frozen=True)
class Entry:
    """One file of the zoo: the truth about it, and how it is made.

    ``made`` is ``shot`` (drawn), one of the junk or broken makers, or ``copy``, ``recode``,
    ``resize``, ``crop`` of ``duplicate_of``. The other fields are the columns of ``truth.csv``.
    """

    path: str
    animal: str
    origin: str
    folder_label: str
    shot: Shot | None
    made: str = "shot"
    burst: str = ""
    duplicate_of: str = ""
    junk: str = ""

    @property
    def class_(self) -> str:
        """What the file really shows; empty for junk."""
        return "" if self.junk else self.animal.split("/")[0]

    @property
    def sub_class(self) -> str:
        """The sub-class of what it shows, where there is one."""
        return "" if self.junk else self.animal.partition("/")[2]


def _shots(
    purpose: str, animal: str, origin: str, count: int, bursts: Iterable[int] = ()
) -> list[list[Entry]]:
    """Give ``count`` entries with no path yet, as units that stay together."""
    units = []
    for k, size in enumerate(bursts):
        scene = f"{purpose}/{animal}/burst {k}"
        name = f"{purpose}-{animal.replace('/', '-')}-{k + 1}"
        units.append(
            [
                Entry("", animal, origin, "", Shot(animal, origin, scene, frame), burst=name)
                for frame in range(size)
            ]
        )
        count -= size
    units += [
        [Entry("", animal, origin, "", Shot(animal, origin, f"{purpose}/{animal}/{k}"))]
        for k in range(count)
    ]
    return units


def _number(
    units: list[list[Entry]], folder: str, label: str, rng: np.random.Generator
) -> list[Entry]:
    """Shuffle units and name their files after the folder's label."""
    order = [units[int(k)] for k in rng.permutation(len(units))]
    flat = [entry for unit in order for entry in unit]
    return [
        replace(entry, path=f"{folder}/{label}-{k:03d}.jpg", folder_label=label)
        for k, entry in enumerate(flat, 1)
    ]


def library(seed: int) -> list[Entry]:
    """Plan the labelled folders: library, staged and synthetic.

    Parameters
    ----------
    seed : int
        The seed of the zoo; it decides the order of the files in a folder.

    Returns
    -------
    list of Entry
    """
    entries: list[Entry] = []
    for name, parts in {**FULL, **THIN, **FEW}.items():
        for sub, count in parts.items():
            place = f"{name}/{sub}" if sub else name
            wrong = [real for folder, real in WRONG if folder == place]
            bursts = [size for burst, size in BURSTS if burst == place]
            units = _shots("library", place, "real", count - len(wrong), bursts)
            for k, real in enumerate(wrong):
                units += _shots(f"misfiled {k} in {place}", real, "real", 1)
            entries += _number(units, f"library/{place}", name, generator(seed, "order", place))
    strangers = [
        unit for name, count in UNKNOWN.items() for unit in _shots("library", name, "real", count)
    ]
    entries += _number(strangers, "library/unknown", "unknown", generator(seed, "order", "unknown"))
    entries += _copies(entries, seed)
    for origin, kinds in (("staged", STAGED), ("synthetic", SYNTHETIC)):
        for animal, count in kinds.items():
            label = animal.split("/")[0]
            entries += _number(
                _shots(origin, animal, origin, count),
                f"{origin}/{label}",
                label,
                generator(seed, "order", origin, animal),
            )
    return entries


def _copies(entries: list[Entry], seed: int) -> list[Entry]:
    """Copy four files inside their folders, and one zebra into the giraffe's."""
    rng = generator(seed, "copies")
    copies = []
    for place in (*SAME_FOLDER_COPIES, "zebra"):
        folder = f"library/{place}/"
        clean = [
            e for e in entries if e.path.startswith(folder) and not e.burst and e.animal == place
        ]
        source = clean[int(rng.integers(len(clean)))]
        stem = source.path.removesuffix(".jpg")
        copy = replace(source, path=f"{stem}-copy.jpg", made="copy", duplicate_of=source.path)
        copies.append(copy)
    last = copies[-1]
    copies[-1] = replace(last, path="library/giraffe/giraffe-053.jpg", folder_label="giraffe")
    return copies


def _near(source: Entry, made: str, k: int) -> Entry:
    """Plan a changed copy of a library image; it joins the family of its original."""
    return replace(
        source,
        folder_label="",
        made=made,
        duplicate_of=source.path,
        burst=source.burst or f"near-{k + 1:02d}",
    )


def _pool_units(originals: list[Entry], rng: np.random.Generator) -> list[list[Entry]]:
    units: list[list[Entry]] = []
    for animal, count in POOL.items():
        bursts = [size for name, size in POOL_BURSTS if name == animal]
        units += _shots("pool", animal, "real", count, bursts)
    animals = list(POOL)
    for junk, count in JUNK.items():
        for k in range(count):
            shown = "" if junk == "empty" else animals[int(rng.integers(len(animals)))]
            shot = Shot(shown, "real", f"pool/{junk}/{k}")
            units.append([Entry("", shown, "real", "", shot, made=junk, junk=junk)])
    for k, made in enumerate(BROKEN):
        shot = Shot("antelope", "real", f"pool/broken/{k}")
        units.append([Entry("", "", "real", "", shot, made=made, junk="broken")])
    units.append([Entry("", "zebra", "real", "", Shot("zebra", "real", "pool/png"), made="png")])
    chosen = [originals[int(k)] for k in rng.choice(len(originals), 20, replace=False)]
    units += [[replace(e, folder_label="", made="copy", duplicate_of=e.path)] for e in chosen[:8]]
    for k, source in enumerate(chosen[8:]):
        units.append([_near(source, ("recode", "resize", "crop")[k % 3], k)])
    return units


def pool(labelled: list[Entry], seed: int) -> list[Entry]:
    """Plan the pool: shuffled, in day folders, under names that say nothing.

    Parameters
    ----------
    labelled : list of Entry
        What ``library`` planned; some of it comes again in the pool.
    seed : int
        The seed of the zoo.

    Returns
    -------
    list of Entry
    """
    rng = generator(seed, "pool")
    real = [
        e
        for e in labelled
        if e.origin == "real" and e.made == "shot" and not e.burst and e.folder_label == e.class_
    ]
    units = _pool_units(real, rng)
    order = [units[int(k)] for k in rng.permutation(len(units))]
    flat = [entry for unit in order for entry in unit]
    odd = [k for k, e in enumerate(flat) if e.made == "shot" and not e.burst][40:400:120]
    entries, number = [], 211
    for k, entry in enumerate(flat):
        # Cameras skip numbers where somebody deleted a picture.
        number += 1 + int(rng.random() < 0.12) * int(rng.integers(1, 6))
        day = DAYS[min(k * len(DAYS) // len(flat), len(DAYS) - 1)]
        name = ODD_NAMES[odd.index(k)] if k in odd else f"IMG_{number:04d}.jpg"
        if entry.made == "text":
            name = "notes.txt"
        entries.append(replace(entry, path=f"pool/{day}/{name}"))
    return entries


def plan(seed: int) -> list[Entry]:
    """Plan the whole zoo.

    Parameters
    ----------
    seed : int
        The seed of the zoo.

    Returns
    -------
    list of Entry
        Sorted by path. An original of a near copy in the pool carries the family of the copy.
    """
    labelled = library(seed)
    entries = labelled + pool(labelled, seed)
    family = {e.duplicate_of: e.burst for e in entries if e.duplicate_of and e.burst}
    whole = [replace(e, burst=family.get(e.path, e.burst)) for e in entries]
    return sorted(whole, key=lambda e: e.path)
