"""Prepared pixels for training, in batches and in the order asked for, a few batches ahead."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core import chance, paths
from curate.core.errors import InputError
from curate.core.images import Pixels
from curate.engine import available_cores
from curate.engine.arena import Arena
from curate.models.preprocess import Preprocessing
from curate.train.examples import Examples
from curate.train.loading.changes import Change, augmentation
from curate.train.loading.loader import Order
from curate.train.loading.makers import IN_HAND, Made, Maker, Processes, Request, Threads
from curate.train.loading.memory import free_memory

__all__ = ["Batch", "Change", "PixelStore", "augmentation", "in_batches", "shuffled"]

CACHE_SHARE = 4
"""Prepared images are kept where all of them together take one part in so many of free memory."""

MANY = 5_000
"""Images from which on torch shrinks them, as in bulk identification. It goes by the images alone,
so that workers and memory decide nothing about the pixels."""

WORTH = 20_000
"""Images times passes from which on processes are started: a worker takes 2 s of a core to start,
and so many images take 20 s and more."""

_AHEAD = 3
"""Batches that are being made while the model is at work on one, at least."""

MAKERS: dict[str, type[Maker]] = {"threads": Threads, "processes": Processes}
"""Ways to make images; the same pixels by each."""


@dataclass(frozen=True)
class Batch:
    """Prepared pixels, uint8 (n, height, width, 3), and which examples they are."""

    pixels: Pixels
    positions: NDArray[np.int64]


class PixelStore:
    """Gives the prepared pixels of examples, in batches.

    Parameters
    ----------
    examples : Examples
        Whose images.
    preprocessing : Preprocessing
        Of the model.
    workers : int or None
        Threads or processes; None is one a core.
    cache_bytes : int or None
        Prepared images are kept in memory where all of them together take no more. None is a part
        of what is free (`CACHE_SHARE`).
    passes : int
        How often each image will be asked for, about.
    kind : str or None
        One of `MAKERS`; None chooses by how much there is to do.

    Attributes
    ----------
    cached : bool
        Whether prepared images are kept.
    kind : str
        Which of `MAKERS` it is.
    waited : float
        Seconds for which a batch was asked for and not there yet. Set it to 0 to count anew.
    """

    def __init__(
        self,
        examples: Examples,
        preprocessing: Preprocessing,
        workers: int | None = None,
        cache_bytes: int | None = None,
        *,
        passes: int = 1,
        kind: str | None = None,
    ) -> None:
        images = len(examples.ids)
        shape = (preprocessing.height, preprocessing.width, 3)
        self._examples = examples
        self._shape = shape
        self._workers = workers or available_cores()
        self.kind = kind or kind_for(images * passes, self._workers)
        if self.kind not in MAKERS:
            raise InputError(
                f"loading by {self.kind!r}", f"known are {', '.join(MAKERS)}", "Take one of these"
            )
        room = free_memory() // CACHE_SHARE if cache_bytes is None else cache_bytes
        self.cached = images * int(np.prod(shape)) <= room
        # Pages of it take no memory before the first image is written to them.
        self._arena = Arena(images, [shape]) if self.cached else None
        self._ready = np.zeros(images, bool)
        self._reasons: dict[int, str] = {}
        self.waited = 0.0
        made = Made(preprocessing, self._arena, images >= MANY)
        self._maker = MAKERS[self.kind](made, self._workers)

    def close(self) -> None:
        """Let the workers and the memory go."""
        self._maker.close()
        if self._arena is not None:
            self._arena.close()

    def usable(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Leave out the examples that are known not to open."""
        bad = np.fromiter(self._reasons, dtype=np.int64, count=len(self._reasons))
        return positions[~np.isin(positions, bad)]

    def leave_out(self, reasons: Mapping[str, str]) -> None:
        """Take images for such that do not open: their ids, and the reasons."""
        for at, name in enumerate(self._examples.ids):
            if name in reasons:
                self._reasons[at] = reasons[name]

    def failures(self) -> pd.DataFrame:
        """Give one row for each example that did not open: image_id, path, stage, reason."""
        rows = [
            (self._examples.ids[at], paths.to_text(self._examples.paths[at]), "train", reason)
            for at, reason in sorted(self._reasons.items())
        ]
        return pd.DataFrame(rows, columns=["image_id", "path", "stage", "reason"], dtype="str")

    def batches(
        self, groups: list[NDArray[np.int64]], change: Change | None = None
    ) -> Generator[Batch, None, None]:
        """Yield one batch for each group of positions, in order.

        Parameters
        ----------
        groups : list of ndarray of int64
            Positions of the examples of each batch.
        change : Change, optional
            The augmentation; None gives the pixels as they are.

        Yields
        ------
        Batch
            Without the examples that do not open; possibly empty. Its arrays are the caller's.
        """
        shown: Counter[int] = Counter()
        asked: deque[tuple[NDArray[np.int64], Request]] = deque()
        try:
            for group in groups:
                asked.append((group, self._ask(group, change, shown)))
                under_way = sum(len(positions) for positions, _ in asked) - len(asked[0][0])
                if len(asked) > _AHEAD and under_way >= IN_HAND * self._workers:
                    yield self._collect(*asked.popleft())
            while asked:
                yield self._collect(*asked.popleft())
        finally:
            for _, request in asked:
                request.given_up = True

    def _ask(self, group: NDArray[np.int64], change: Change | None, shown: Counter[int]) -> Request:
        examples = self._examples
        orders = []
        for at in map(int, group):
            draw = None if change is None else change.draw(int(examples.targets[at]), shown[at])
            shown[at] += 1
            orders.append(Order(at, examples.ids[at], bool(self._ready[at]), draw))
        pixels = np.empty((len(group), *self._shape), np.uint8)
        request = Request(orders, [examples.paths[order.at] for order in orders], pixels)
        self._maker.start(request)
        return request

    def _collect(self, group: NDArray[np.int64], request: Request) -> Batch:
        began = time.perf_counter()
        try:
            request.wait()
        finally:
            self.waited += time.perf_counter() - began
        well = np.array([not reason for reason in request.reasons], bool)
        if self.cached:
            self._ready[group[well]] = True
        if well.all():
            return Batch(request.pixels, group)
        for at, reason in zip(group, request.reasons, strict=True):
            if reason:
                self._reasons[int(at)] = reason
        return Batch(request.pixels[well], group[well])


def kind_for(images: int, workers: int) -> str:
    """Choose who makes so many images, counted each time: processes where it pays to start them."""
    return "processes" if workers > 1 and images >= WORTH else "threads"


def shuffled(
    examples: Examples, positions: NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Cut an epoch into batches of equal size (to within one image), in an order by chance.

    Equal sizes, because a last batch of one image has no variance for batch normalisation, and
    leaving it out would train some images less.
    """
    drawn = chance.fractions(seed, (examples.ids[at] for at in positions), f"order {epoch}")
    return in_batches(positions[np.argsort(drawn, kind="stable")], batch_size)


def in_batches(positions: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Cut positions, in their order, into batches of equal size to within one."""
    return np.array_split(positions, -(-len(positions) // batch_size)) if len(positions) else []
