"""What the check sees: every image once from its file, and under every transform by a model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.augment.checks.exif import turned_twice
from curate.augment.checks.subjects import boxed
from curate.augment.checks.transforms import TURNS, Transform
from curate.augment.saliency import NOBODY, SIDE, Subject, subject_of
from curate.core import files, identity, paths
from curate.core.chunks import batched
from curate.core.images import NotAnImage, Pixels, open_picture
from curate.models.preprocess import Preprocessing, decode_side, prepare
from curate.models.runner import Runner
from curate.models.scores import log_softmax

CHUNK = 64
"""Images that are held at once; the next as many are being read meanwhile."""


@dataclass(frozen=True)
class Looked:
    """What was seen.

    Attributes
    ----------
    subjects : DataFrame
        One row an image that opened: image_id, class, side, contact, source, twice (the turn that
        sets an image upright that EXIF turns twice, or '').
    seen : DataFrame or None
        One row an image and transform, of the classes that the model knows: image_id, class,
        transform, own, predicted, score. None without a model.
    features : ndarray of float16, shape (n, 4, D), or None
        Of the images of `subjects`, in their order.
    failures : DataFrame
        image_id, path, stage, reason.
    """

    subjects: pd.DataFrame
    seen: pd.DataFrame | None
    features: NDArray[np.float16] | None
    failures: pd.DataFrame


@dataclass(frozen=True)
class _Opened:
    subject: Subject
    source: str
    twice: str
    prepared: Pixels | None


def look(
    images: pd.DataFrame,
    transforms: Mapping[str, Transform],
    runner: Runner | None,
    threads: int,
    advance: Callable[[int], None] = lambda done: None,
) -> Looked:
    """Open images, find their subjects, and ask a model about them under every transform.

    Parameters
    ----------
    images : DataFrame
        image_id, path (text), class, bbox (text, '' for none).
    transforms : mapping of str to Transform
        From `transforms_of`.
    runner : Runner, optional
        A model that gives features.
    threads : int
        That read and decode.
    advance : callable
        Told how many images more are done.
    """
    made = _Tables(runner, transforms, len(images))
    with ThreadPoolExecutor(threads, "curate-check") as pool:
        for chunk in _ahead(_rows(images), runner, pool):
            fine = [(row, one) for row, one in chunk if isinstance(one, _Opened)]
            made.fail([(row, one) for row, one in chunk if isinstance(one, str)])
            if runner is None:
                made.add(fine)
            elif fine:
                made.ask(fine, runner, pool)
            advance(len(chunk))
    return made.looked()


class _Tables:
    """What is seen, gathered chunk by chunk."""

    def __init__(
        self, runner: Runner | None, transforms: Mapping[str, Transform], most: int
    ) -> None:
        self._transforms = transforms
        self._place = {
            name: n for n, name in enumerate(runner.checkpoint.classes if runner else [])
        }
        self._subjects: list[tuple[object, ...]] = []
        self._failures: list[tuple[str, str, str, str]] = []
        self._seen: list[pd.DataFrame] = []
        # Of all images in one piece: put together at the end it would be there twice.
        self._features: NDArray[np.float16] | None = None
        self._most = most
        self._asked = runner is not None

    def fail(self, failed: list[tuple[dict[str, str], str]]) -> None:
        self._failures += [
            (row["image_id"], row["path"], "augment check", reason) for row, reason in failed
        ]

    def add(self, fine: list[tuple[dict[str, str], _Opened]]) -> None:
        for row, one in fine:
            found = one.subject
            self._subjects.append(
                (row["image_id"], row["class"], found.side, found.contact, one.source, one.twice)
            )

    def ask(
        self,
        fine: list[tuple[dict[str, str], _Opened]],
        runner: Runner,
        pool: ThreadPoolExecutor,
    ) -> None:
        """Show the model every image under every transform; numbers that are none are failures."""
        pixels = [one.prepared for _, one in fine if one.prepared is not None]
        logits, features = {}, {}
        for name, transform in self._transforms.items():
            said = runner.run(np.stack(list(pool.map(transform.change, pixels))))
            logits[name] = said.logits
            if name in TURNS and said.features is not None:
                features[name] = said.features
        views = np.stack([features[name] for name in TURNS], axis=1)
        finite = np.isfinite(np.stack(list(logits.values()))).all(axis=(0, 2))
        whole = np.asarray(finite & np.isfinite(views).all(axis=(1, 2)))
        pairs = list(zip(fine, whole, strict=True))
        self.fail([(row, "the model's answer is no number") for (row, _), ok in pairs if not ok])
        if self._features is None:
            self._features = np.empty((self._most, *views.shape[1:]), np.float16)
        start = len(self._subjects)
        self._features[start : start + whole.sum()] = views[whole]
        self.add([pair for pair, ok in pairs if ok])
        known = whole & np.array([row["class"] in self._place for row, _ in fine])
        rows = [row for (row, _), ok in zip(fine, known, strict=True) if ok]
        for name in self._transforms:
            self._seen.append(self._said(rows, name, logits[name][known], runner))

    def _said(
        self, rows: list[dict[str, str]], name: str, logits: NDArray[np.float32], runner: Runner
    ) -> pd.DataFrame:
        scores = np.exp(log_softmax(logits, runner.checkpoint.temperature))
        own = [self._place[row["class"]] for row in rows]
        best = scores.argmax(axis=1)
        return pd.DataFrame(
            {
                "image_id": [row["image_id"] for row in rows],
                "class": [row["class"] for row in rows],
                "transform": name,
                "own": scores[np.arange(len(rows)), own],
                "predicted": [runner.checkpoint.classes[place] for place in best],
                "score": scores[np.arange(len(rows)), best],
            }
        )

    def looked(self) -> Looked:
        columns = ["image_id", "class", "side", "contact", "source", "twice"]
        seen = pd.concat(self._seen, ignore_index=True) if self._seen else _nothing_seen()
        return Looked(
            pd.DataFrame(self._subjects, columns=columns),
            seen if self._asked else None,
            None if self._features is None else self._features[: len(self._subjects)],
            pd.DataFrame(self._failures, columns=["image_id", "path", "stage", "reason"]),
        )


def _nothing_seen() -> pd.DataFrame:
    columns = ["image_id", "class", "transform", "own", "predicted", "score"]
    return pd.DataFrame([], columns=columns)


def _rows(images: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {name: str(row[name]) for name in ("image_id", "path", "class", "bbox")}
        for row in images.to_dict("records")
    ]


def _ahead(
    rows: list[dict[str, str]], runner: Runner | None, pool: ThreadPoolExecutor
) -> Iterator[list[tuple[dict[str, str], _Opened | str]]]:
    """Open images chunk by chunk, the next chunk while the last one is worked on."""
    preprocessing = runner.checkpoint.preprocessing if runner else None
    pending: deque[tuple[list[dict[str, str]], Iterator[_Opened | str]]] = deque()
    for chunk in batched(rows, CHUNK):
        # `map` begins at once; only its results are waited for.
        pending.append((list(chunk), pool.map(lambda row: _opened(row, preprocessing), chunk)))
        if len(pending) > 1:
            before, opened = pending.popleft()
            yield list(zip(before, opened, strict=True))
    for before, opened in pending:
        yield list(zip(before, opened, strict=True))


def _opened(row: dict[str, str], preprocessing: Preprocessing | None) -> _Opened | str:
    """Open one image; a text says why it could not be."""
    wanted = SIDE if preprocessing is None else max(SIDE, decode_side(preprocessing))
    try:
        data = files.read(paths.from_text(row["path"]))
        if identity.image_id(data) != row["image_id"]:
            return "changed since it was scanned"
        picture = open_picture(data, wanted)
    except (files.NotReadable, NotAnImage) as error:
        return str(error)
    except MemoryError:
        return "not enough memory to open it"
    found, source = NOBODY, "box"
    if row["bbox"]:
        found = boxed(row["bbox"], picture.width, picture.height)
    if found is NOBODY:
        found, source = subject_of(picture.pixels), "saliency"
    prepared = None if preprocessing is None else prepare(picture.pixels, preprocessing)
    return _Opened(found, source, turned_twice(data, picture.width, picture.height), prepared)
