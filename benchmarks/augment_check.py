"""How well `curate augment check` finds what was planted.

    python benchmarks/augment_check.py PHOTOS WEIGHTS CLASSES
    python benchmarks/augment_check.py PHOTOS WEIGHTS CLASSES --each 60 --seeds 0 1 2

PHOTOS holds `grocery/CLASS/` and `trashnet/CLASS/`; WEIGHTS and CLASSES are timm weights of
`mobilenetv2_100` and their class names. Planted are

- photos turned by 90, 180 and 270 degrees, among the others of their class. Classes that were
  photographed from any side have no up, and no truth either: both the classes with an up
  (`UPRIGHT`, cartons on a shelf) and those without (trashnet) are counted, apart. The thresholds
  were chosen on every other carton; the others are held out;
- subjects, cut out of one photo, on a background (`KINDS`, and those that nothing was chosen on,
  `HELD_OUT`): small (25–35 % of the frame's side), large enough (50–75 %), and cut by one side of
  the frame;
- whole photos shrunken to 25–35 % on such a background, beside the photos as they are;
- drawn classes, told apart by a small network that is trained here without augmentation: arrows to
  the left and right, up and down, the digits 6 and 9, letters b and d, and controls that a flip
  leaves what they are (ball, square, tree, the digit 8). Then the same, trained with flips: it must
  call nothing safe under a flip;
- real classes, told apart by a head on known features: none of them is spoiled by the usual recipe.

Reported are precision and recall by case.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from curate.augment.check import check, taught_by
from curate.augment.checks.classes import Taught
from curate.augment.checks.looking import Looked, look
from curate.augment.checks.transforms import TURNS, transforms_of
from curate.augment.policy import DEFAULT
from curate.core import chance, paths
from curate.core.identity import image_id
from curate.core.images import Pixels, open_picture
from curate.models import checkpoint as checkpoints
from curate.models.checkpoint import Checkpoint
from curate.models.runner import Plan, Runner
from curate.train import TrainSettings, train

UPRIGHT = ("Alpro-*", "Arla-*", "Bravo-*", "Garant-*", "God-Morgon-*", "Oatly-*", "Tropicana-*")
"""Cartons: photographed as they stand on the shelf."""

NAMES = (
    "arrow left", "arrow right", "arrow up", "arrow down", "six", "nine", "b", "d",
    "ball", "square", "tree", "eight",
)  # fmt: skip

TRUE_FLIPS = {"arrow left", "arrow right", "b", "d"}
"""Classes that a left-right flip turns into another one of `NAMES`."""

TRUE_HALF_TURNS = {"arrow left", "arrow right", "arrow up", "arrow down", "six", "nine"}
"""Classes that half a turn turns into another one."""

NO_SIGNS = {"flip": {"six", "nine"}, "turn 180": {"b", "d"}}
"""Classes that come to be none of `NAMES` and not themselves either: a mirrored 6 is no digit, and
b upside down is q. To call them unsafe is no false alarm, and not to call them no miss: they are
counted apart."""

SIZE = (192, 256)
Row = tuple[str, str, int, int, int]
"""Case, of what, found, true, both."""


def photos(folder: Path, most: int, seed: int) -> list[Path]:
    """Choose some photos of a folder, by chance."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    drawn = chance.fractions(seed, [path.name for path in found], "photos")
    return [found[place] for place in np.argsort(drawn)[:most]]


def opened(path: Path) -> Pixels:
    return open_picture(path.read_bytes(), 256).pixels


def written(folder: Path, images: Sequence[tuple[str, Pixels]]) -> pd.DataFrame:
    """Write images as PNG, and give the table that `look` takes."""
    rows = []
    for number, (name, pixels) in enumerate(images):
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        rows.append((image_id(path.read_bytes()), paths.to_text(bytes(path)), name, ""))
    return pd.DataFrame(rows, columns=["image_id", "path", "class", "bbox"])


def scored(case: str, what: str, found: set[str], true: set[str]) -> Row:
    return case, what, len(found), len(true), len(found & true)


# Turned photos


def turned(folder: Path, work: Path, model: Checkpoint, each: int, seed: int) -> Iterator[Row]:
    """Turn a tenth of the photos; ask which are turned."""
    cartons = [path for pattern in UPRIGHT for path in sorted((folder / "grocery").glob(pattern))]
    others = sorted((folder / "trashnet").iterdir())
    images, turns = [], []
    for place in [*cartons, *others]:
        for path in photos(place, each, seed):
            drawn = chance.fraction(seed, f"{place.name}/{path.name}", "turn")
            turns.append(int(drawn * 30) + 1 if drawn < 0.1 else 0)
            images.append((place.name, np.rot90(opened(path), -turns[-1])))
    table = written(work, images)
    seen = looked(table, "", model, TURNS)
    verdicts = check("", seen.subjects, None, seen.features)
    right = dict(zip(table["image_id"], turns, strict=True))
    found = {
        one["image_id"]: int(one["transform"].split()[-1]) // 90
        for one in verdicts.to_dict("records")
    }
    fine = {image_id for image_id, back in found.items() if (right[image_id] + back) % 4 == 0}
    kinds = (
        ("cartons", cartons[::2]),
        ("cartons, held out", cartons[1::2]),
        ("no up: trashnet", others),
    )
    for what, names in kinds:
        group = set(table.loc[table["class"].isin([place.name for place in names]), "image_id"])
        true = {image_id for image_id in group if right[image_id]}
        called = group & set(found)
        yield "turned by 90, 180, 270", what, len(called), len(true), len(called & true & fine)


# Subjects


def background(kind: str, path: Path, random: np.random.Generator) -> Pixels:
    """Draw a background; the photo is used where the kind needs one."""
    photo = np.asarray(cv2.resize(opened(path), SIZE[::-1]), np.uint8)
    if kind.endswith("out of focus"):
        return np.asarray(cv2.GaussianBlur(photo, (0, 0), 12 if kind == KINDS[2] else 6), np.uint8)
    if kind == "a texture":
        patch = photo[60:84, 60:84]
        patch = np.hstack([patch, patch[:, ::-1]])
        patch = np.vstack([patch, patch[::-1]])
        return np.asarray(np.tile(patch, (4, 6, 1))[: SIZE[0], : SIZE[1]], np.uint8)
    if kind == "a gradient":
        ends = random.integers(0, 256, (2, 3))
        along = np.linspace(0, 1, SIZE[1])[np.newaxis, :, np.newaxis]
        noise = random.normal(0, 4, (*SIZE, 3))
        ground = ends[0] * (1 - along) + ends[1] * along + noise
        return np.asarray(ground.clip(0, 255), np.uint8)
    colour = random.integers(0, 256, 3)
    noise = random.normal(0, 15 if kind == "noise" else 0, (*SIZE, 3))
    return (colour + noise).clip(0, 255).astype(np.uint8)


def outline(side: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the mask of a subject of this part of the frame's side: box, ellipse or polygon."""
    height, width = (round(side * part) for part in SIZE)
    mask = np.zeros((height, width), np.uint8)
    middle = (width // 2, height // 2)
    match random.integers(3):
        case 0:
            mask[:] = 1
        case 1:
            cv2.ellipse(mask, middle, middle, 0, 0, 360, 1, -1)
        case _:
            angles = np.sort(random.uniform(0, 2 * np.pi, 9))
            ends = np.stack([np.cos(angles), np.sin(angles)], 1) * random.uniform(0.85, 1, (9, 1))
            cv2.fillPoly(mask, [((ends + 1) / 2 * (width, height)).astype(np.int32)], 1)
    return mask


def pasted(ground: Pixels, photo: Pixels, mask: NDArray[np.uint8], top: int, left: int) -> Pixels:
    """Lay a subject on a ground, its upper left corner here; what lies outside is cut off."""
    height, width = mask.shape
    rows = slice(max(0, top), min(SIZE[0], top + height))
    columns = slice(max(0, left), min(SIZE[1], left + width))
    inner = (
        slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    )  # fmt: skip
    texture = np.asarray(cv2.resize(photo, (width, height)))
    made = ground.copy()
    made[rows, columns] = np.where(
        mask[inner][..., np.newaxis] > 0, texture[inner], ground[rows, columns]
    )
    return made


KINDS = ("one colour", "noise", "out of focus")
HELD_OUT = ("a gradient", "a texture", "slightly out of focus")


def subjects(folder: Path, work: Path, each: int, seed: int) -> Iterator[Row]:
    """Plant small, cut and harmless subjects on each kind of background."""
    random = np.random.default_rng(seed)
    pool = [path for place in sorted(folder.glob("*/*/")) for path in photos(place, 8, seed)]
    images, cases = [], []
    for kind in KINDS + HELD_OUT:
        for number in range(4 * each):
            paths_drawn = [pool[place] for place in random.integers(0, len(pool), 2)]
            case = ("small", "large", "cut", "large")[number % 4]
            side = random.uniform(0.25, 0.35) if case == "small" else random.uniform(0.5, 0.75)
            mask = outline(side, random)
            room = np.array(SIZE) - mask.shape
            corner = (room * random.uniform(0.2, 0.8, 2)).astype(int)
            if case == "cut":
                # A third to a half of it lies outside, on one side.
                axis, low = random.integers(2), random.integers(2)
                out = int(mask.shape[axis] * random.uniform(0.33, 0.5))
                corner[axis] = -out if low else room[axis] + out
            ground = background(kind, paths_drawn[0], random)
            images.append((kind, pasted(ground, opened(paths_drawn[1]), mask, *map(int, corner))))
            cases.append(case)
    yield from subject_rows(written(work, images), cases, "subject")


def shrunken(folder: Path, work: Path, each: int, seed: int) -> Iterator[Row]:
    """Shrink whole photos onto a background; photos as they are must not be called small."""
    random = np.random.default_rng(seed)
    pool = [path for place in sorted(folder.glob("*/*/")) for path in photos(place, 8, seed + 1)]
    images, cases = [], []
    for kind in KINDS + HELD_OUT:
        for number in range(2 * each):
            first, second = (pool[place] for place in random.integers(0, len(pool), 2))
            photo = np.asarray(cv2.resize(opened(first), SIZE[::-1]), np.uint8)
            if number % 2:
                mask = np.ones(
                    [round(random.uniform(0.25, 0.35) * part) for part in SIZE], np.uint8
                )
                corner = (np.array(SIZE) - mask.shape) * random.uniform(0.2, 0.8, 2)
                ground = background(kind, second, random)
                photo = pasted(ground, photo, mask, *map(int, corner))
            images.append((kind, photo))
            cases.append("small" if number % 2 else "large")
    yield from subject_rows(written(work, images), cases, "whole photo")


def subject_rows(table: pd.DataFrame, cases: list[str], what: str) -> Iterator[Row]:
    seen = looked(table, DEFAULT, None)
    verdicts = check(DEFAULT, seen.subjects)
    case = dict(zip(table["image_id"], cases, strict=True))
    for name, transform in (("small", "zoom out"), ("cut", "zoom in")):
        if name in cases:
            for kind in KINDS + HELD_OUT:
                group = set(table.loc[table["class"] == kind, "image_id"])
                called = set(verdicts.loc[verdicts["transform"] == transform, "image_id"])
                true = {image_id for image_id in group if case[image_id] == name}
                yield scored(f"{what} {name}", f"on {kind}", called & group, true)


# Drawn classes


def drawing(name: str, random: np.random.Generator) -> Pixels:
    """Draw one picture of a class, 64 pixels wide, with chance in all that is not the class."""
    side = 128
    ground, ink = random.integers(0, 110, 3), random.integers(145, 256, 3)
    if random.random() < 0.5:
        ground, ink = ink, ground
    picture = Image.new("RGB", (side, side), tuple(map(int, ground)))
    draw = ImageDraw.Draw(picture)
    colour = tuple(map(int, ink))
    size = random.uniform(0.55, 0.85) * side
    x, y = side / 2 + random.uniform(-12, 12, 2)
    width = int(random.integers(6, 16))
    if name.startswith("arrow"):
        quarters = ("right", "down", "left", "up").index(name.split()[1])
        arrow(draw, (x, y), size, quarters, width, colour)
    elif name in ("six", "nine", "eight", "b", "d"):
        sign = {"six": "6", "nine": "9", "eight": "8"}.get(name, name)
        letter(picture, sign, (x, y), size, colour, random)
    elif name == "ball":
        draw.ellipse((x - size / 2, y - size / 2, x + size / 2, y + size / 2), colour)
    elif name == "square":
        draw.rectangle((x - size / 3, y - size / 3, x + size / 3, y + size / 3), colour)
    else:
        draw.polygon(
            [(x, y - size / 2), (x - size / 2, y + size / 4), (x + size / 2, y + size / 4)], colour
        )
        draw.rectangle((x - width, y + size / 4, x + width, y + size / 2), colour)
    turned_by = picture.rotate(
        random.uniform(-8, 8), Image.Resampling.BILINEAR, fillcolor=tuple(map(int, ground))
    )
    pixels = np.asarray(turned_by.resize((64, 64), Image.Resampling.BOX), np.float32)
    return (
        (pixels + random.normal(0, random.uniform(2, 14), pixels.shape))
        .clip(0, 255)
        .astype(np.uint8)
    )


def arrow(
    draw: ImageDraw.ImageDraw,
    middle: tuple[float, float],
    size: float,
    quarters: int,
    width: int,
    colour: tuple[int, ...],
) -> None:
    """Draw an arrow that points to the right, turned clockwise by quarters."""
    head = size / 3
    shaft = [(-size / 2, -width / 2), (size / 2 - head, -width / 2),
             (size / 2 - head, -head), (size / 2, 0), (size / 2 - head, head),
             (size / 2 - head, width / 2), (-size / 2, width / 2)]  # fmt: skip
    for _ in range(quarters):
        shaft = [(-y, x) for x, y in shaft]
    draw.polygon([(middle[0] + x, middle[1] + y) for x, y in shaft], colour)


def letter(
    picture: Image.Image,
    sign: str,
    middle: tuple[float, float],
    size: float,
    colour: tuple[int, ...],
    random: np.random.Generator,
) -> None:
    """Write a sign in Pillow's own font or one of OpenCV's."""
    faces = (None, cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)
    face = faces[random.integers(len(faces))]
    if face is None:
        font = ImageFont.load_default(size)
        ImageDraw.Draw(picture).text(middle, sign, colour, font, anchor="mm")
        return
    thick = int(random.integers(4, 10))
    scale = cv2.getFontScaleFromHeight(face, int(size * 0.7), thick)
    (across, down), _ = cv2.getTextSize(sign, face, scale, thick)
    pixels = np.array(picture)
    corner = (int(middle[0] - across / 2), int(middle[1] + down / 2))
    cv2.putText(pixels, sign, corner, face, scale, colour, thick, cv2.LINE_AA)
    picture.paste(Image.fromarray(pixels))


def drawn(work: Path, each: int, seed: int, epochs: int) -> Iterator[Row]:
    """Train on the drawings and check the classes, once without flips and once with them."""
    random = np.random.default_rng(seed)
    table = written(work, [(name, drawing(name, random)) for name in NAMES for _ in range(each)])
    split = ["train" if place % each < 0.7 * each else "val" for place in range(len(table))]
    examples = table.rename(columns={"class": "label"}).assign(split=split)
    for how, augment in (("trained without augmentation", ""), ("trained with it", DEFAULT)):
        settings = TrainSettings(
            epochs=epochs, size=64, lr=2e-3, augment=augment, device="cpu", seed=seed
        )
        made = train(examples, "test_resnet", work / f"{len(augment)}.pt", settings)
        model = made.checkpoint
        print(f"{how}: val {made.history['val_accuracy'].max():.3f}", flush=True)
        verdicts = verdicts_of(table, model, taught_by(model.settings))
        for transform, true in (("flip", TRUE_FLIPS), ("turn 180", TRUE_HALF_TURNS)):
            rows = verdicts[(verdicts["scope"] == "class") & (verdicts["transform"] == transform)]
            unsafe = set(rows.loc[rows["verdict"] == "unsafe", "class"])
            neither = NO_SIGNS[transform]
            if not augment:
                yield scored(f"become another under {transform}", how, unsafe - neither, true)
                yield scored(f"no sign under {transform}", how, unsafe & neither, neither)
            if transform == "flip":
                safe = set(rows.loc[rows["verdict"] == "safe", "class"])
                harmless = set(NAMES) - true - neither if not augment else set()
                yield scored("called safe under flip", how, safe - neither, harmless)
                print(f"{how}: {dict(rows['verdict'].value_counts())} under flip", flush=True)
                print(rows[["class", "verdict", "reason"]].to_string(index=False), flush=True)


def real(folder: Path, work: Path, model: Checkpoint, each: int, seed: int) -> Iterator[Row]:
    """Check real classes, on which the head of a network with known features is trained: none of
    them is spoiled by the usual recipe."""
    places = [
        *sorted((folder / "grocery").iterdir())[::8],
        *sorted((folder / "trashnet").iterdir()),
    ]
    images = [(place.name, opened(path)) for place in places for path in photos(place, each, seed)]
    table = written(work, images)
    split = ["train" if place % 4 else "val" for place in range(len(table))]
    examples = table.rename(columns={"class": "label"}).assign(split=split)
    settings = TrainSettings(epochs=4, augment="", device="cpu", seed=seed, freeze=0)
    made = train(examples, None, work / "real.pt", settings, initial=model)
    print(f"real photos: val {made.history['val_accuracy'].max():.3f}", flush=True)
    verdicts = verdicts_of(table, made.checkpoint, taught_by(made.checkpoint.settings))
    classes = verdicts[verdicts["scope"] == "class"]
    for transform in ("flip", "rotate left", "zoom out", "dark"):
        rows = classes[classes["transform"] == transform]
        counts = rows["verdict"].value_counts()
        print(f"real classes, {transform}: {dict(counts)}", flush=True)
    unsafe = set(classes.loc[classes["verdict"] == "unsafe", "class"])
    yield scored("real classes called unsafe", "any transform", unsafe, set())


def verdicts_of(table: pd.DataFrame, model: Checkpoint, taught: Taught) -> pd.DataFrame:
    seen = looked(table, DEFAULT, model)
    return check(DEFAULT, seen.subjects, seen.seen, seen.features, taught)


def looked(
    table: pd.DataFrame, recipe: str, model: Checkpoint | None, only: Sequence[str] = ()
) -> Looked:
    """Look at images under the transforms of a recipe, or only under some of these."""
    transforms = transforms_of(recipe)
    runner = Runner(model, Plan(batch_size=32, threads=2), features=True) if model else None
    seen = look(table, {name: transforms[name] for name in only or transforms}, runner, 2)
    assert seen.failures.empty, seen.failures
    return seen


def report(rows: list[Row]) -> None:
    """Print precision and recall by case, all seeds together."""
    table = pd.DataFrame(rows, columns=["case", "what", "found", "true", "both"])
    print("\n| case | of what | true | found | precision | recall |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (case, what), part in table.groupby(["case", "what"], sort=False):
        found, true, both = (int(part[name].sum()) for name in ("found", "true", "both"))
        precision = f"{both / found:.2f}" if found else "–"
        recall = f"{both / true:.2f}" if true else "–"
        print(f"| {case} | {what} | {true} | {found} | {precision} | {recall} |")


def main() -> None:
    """Plant, check and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("--each", type=int, default=40, help="photos of a class or case")
    parser.add_argument("--drawn", type=int, default=60, help="drawings of a class")
    parser.add_argument("--epochs", type=int, default=16, help="of the drawings' network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="*", default=["turned", "subjects", "drawn", "real"])
    asked = parser.parse_args()
    arch = 'mobilenetv2_100(pad_type="same")'
    model = checkpoints.load(asked.weights, arch=arch, classes=asked.classes)
    small = replace(model, preprocessing=model.preprocessing.at_size(128))
    rows: list[Row] = []
    for seed in asked.seeds:
        with tempfile.TemporaryDirectory() as folder:
            work = [Path(folder) / str(number) for number in range(5)]
            for place in work:
                place.mkdir()
            if "turned" in asked.only:
                rows += turned(asked.photos, work[0], small, asked.each, seed)
            if "subjects" in asked.only:
                rows += subjects(asked.photos, work[1], asked.each, seed)
                rows += shrunken(asked.photos, work[2], asked.each, seed)
            if "drawn" in asked.only:
                rows += drawn(work[3], asked.drawn, seed, asked.epochs)
            if "real" in asked.only:
                rows += real(asked.photos, work[4], small, asked.each, seed)
    report(rows)


if __name__ == "__main__":
    main()
