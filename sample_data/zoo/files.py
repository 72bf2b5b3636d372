"""Writing the zoo: pictures as JPEG bytes, copies, junk, broken files, and ``truth.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from zoo.chance import generator
from zoo.picture import draw_shot
from zoo.plan import Entry

FOLDERS = ("library", "staged", "synthetic", "pool")
COLUMNS = ("path", "class", "sub_class", "origin", "folder_label", "burst", "duplicate_of", "junk")
HTML = b"<!doctype html>\n<html><body><h1>404</h1><p>No such picture.</p></body></html>\n"
NOTES = b"Day 5: lens cleaned. The gate camera was off until ten.\n"


def encode(picture: Image.Image, quality: int) -> bytes:
    """Give the JPEG bytes of a picture."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def _blank(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    level = rng.choice([6.0, 128.0, 250.0]) + rng.normal(0, 3, 3)
    slope = np.linspace(-1, 1, size[1])[:, None, None] * rng.uniform(0, 6)
    noise = rng.normal(0, 1.2, (size[1], size[0], 1))
    return Image.fromarray(np.clip(level + slope + noise, 0, 255).astype(np.uint8))


def _junk(picture: Image.Image, made: str, rng: np.random.Generator) -> Image.Image:
    if made == "blank":
        return _blank(picture.size, rng)
    if made == "dark":
        dim = np.asarray(picture, dtype=float) * rng.uniform(0.02, 0.07)
        dim += np.abs(rng.normal(0, 2.5, dim.shape[:2]))[..., None]
        return Image.fromarray(np.clip(dim, 0, 255).astype(np.uint8))
    if made == "blurred":
        return picture.filter(ImageFilter.GaussianBlur(rng.uniform(9, 15)))
    return picture


def _broken(data: bytes, made: str, rng: np.random.Generator) -> bytes:
    if made == "cut":
        return data[: int(len(data) * rng.uniform(0.4, 0.7))]
    kinds = {"head": data[:24], "nothing": b"", "html": HTML, "text": NOTES}
    return kinds[made] if made in kinds else rng.bytes(2000)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.quantize(64).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def draw_entry(entry: Entry, seed: int) -> bytes:
    """Draw one file that is not made from another.

    Parameters
    ----------
    entry : Entry
        What to draw; ``made`` is not ``copy``, ``recode``, ``resize`` or ``crop``.
    seed : int
        The seed of the zoo.

    Returns
    -------
    bytes
        The content of the file. The same entry and seed give the same bytes.
    """
    assert entry.shot is not None
    rng = generator(seed, entry.shot.scene, f"file {entry.shot.frame}")
    picture = draw_shot(entry.shot, seed)
    if entry.made in ("png", "cut_png"):
        data = _png(picture)
        return data if entry.made == "png" else data[: len(data) // 2]
    if entry.junk and entry.junk != "broken":
        picture = _junk(picture, entry.made, rng)
    data = encode(picture, int(rng.integers(80, 88)))
    return _broken(data, entry.made, rng) if entry.junk == "broken" else data


def derive(original: bytes, entry: Entry, seed: int) -> bytes:
    """Make a copy of another file: of the same bytes, or encoded, sized or cropped anew."""
    if entry.made == "copy":
        return original
    rng = generator(seed, "derive", entry.path)
    picture = Image.open(io.BytesIO(original)).convert("RGB")
    w, h = picture.size
    if entry.made == "resize":
        by = rng.uniform(0.72, 0.88)
        picture = picture.resize((round(w * by), round(h * by)), Image.Resampling.LANCZOS)
    if entry.made == "crop":
        left, top, right, bottom = rng.uniform(0.01, 0.05, 4)
        box = (round(w * left), round(h * top), round(w * (1 - right)), round(h * (1 - bottom)))
        picture = picture.crop(box)
    return encode(picture, int(rng.integers(60, 76)))


def contents(entries: list[Entry], seed: int, workers: int) -> Iterator[tuple[Entry, bytes]]:
    """Give every entry with the content of its file.

    Parameters
    ----------
    entries : list of Entry
        What to make; what is copied must be among them.
    seed : int
        The seed of the zoo.
    workers : int
        Processes that draw; 1 draws in this one.

    Yields
    ------
    tuple of (Entry, bytes)
        Drawn files first, then those made from them.
    """
    drawn = [e for e in entries if not e.duplicate_of]
    draw = partial(draw_entry, seed=seed)
    originals: dict[str, bytes] = {}
    if workers == 1:
        made = map(draw, drawn)
        for entry, data in zip(drawn, made, strict=True):
            originals[entry.path] = data
            yield entry, data
    else:
        with ProcessPoolExecutor(workers) as pool:
            for entry, data in zip(drawn, pool.map(draw, drawn, chunksize=16), strict=True):
                originals[entry.path] = data
                yield entry, data
    for entry in entries:
        if entry.duplicate_of:
            yield entry, derive(originals[entry.duplicate_of], entry, seed)


def row(entry: Entry) -> tuple[str, ...]:
    """Give an entry's row of ``truth.csv``."""
    return (
        entry.path,
        entry.class_,
        entry.sub_class,
        entry.origin,
        entry.folder_label,
        entry.burst,
        entry.duplicate_of,
        entry.junk,
    )


def write(entries: list[Entry], out: Path, seed: int, workers: int = 1) -> None:
    """Write files and ``truth.csv``.

    Parameters
    ----------
    entries : list of Entry
        What to write.
    out : Path
        The folder; it must not hold any of ``FOLDERS`` yet.
    seed : int
        The seed of the zoo.
    workers : int
        Processes that draw.

    Raises
    ------
    FileExistsError
        When a zoo lies there already.
    """
    for folder in FOLDERS:
        if (out / folder).exists():
            raise FileExistsError(
                f"{out / folder} exists; a zoo is only drawn into a place that holds none, so that "
                "no old picture stays behind; move it away or name another folder"
            )
    for entry, data in contents(entries, seed, workers):
        place = out / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    with (out / "truth.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(row(entry) for entry in sorted(entries, key=lambda e: e.path))
