"""Prepared pixels for training: decoded by threads, once where they fit into memory.

Threads and not processes: reading, decoding, resizing and warping all let the interpreter go, no
pixels are copied between processes, and a script needs no ``__main__`` guard.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.augment.policy import Policy, compile_policy
from curate.core import chance, paths
from curate.core.files import NotReadable
from curate.core.images import NotAnImage, Pixels
from curate.models.preprocess import Preprocessing
from curate.models.reading import read_prepared
from curate.train.examples import Examples

CACHE_BYTES = 2 * 1000**3
"""Prepared images are kept in memory where all of them together take no more than this."""

_AHEAD = 3
"""Batches that are being made while the model is at work on one."""


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
        Threads; None is one a core.
    cache_bytes : int
        See `CACHE_BYTES`.
    """

    def __init__(
        self,
        examples: Examples,
        preprocessing: Preprocessing,
        workers: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._examples = examples
        self._preprocessing = preprocessing
        shape = (len(examples.ids), preprocessing.height, preprocessing.width, 3)
        self.cached = int(np.prod(shape)) <= cache_bytes
        # Pages of an empty array take no memory before the first image is written to them.
        self._cache = np.empty(shape if self.cached else (0,), np.uint8)
        self._ready = np.zeros(len(examples.ids), bool)
        self._reasons: dict[int, str] = {}
        self._pool = ThreadPoolExecutor(workers or os.cpu_count() or 1, "curate-pixels")

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(cancel_futures=True)

    def usable(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Leave out the examples that are known not to open."""
        bad = np.fromiter(self._reasons, dtype=np.int64, count=len(self._reasons))
        return positions[~np.isin(positions, bad)]

    def failures(self) -> pd.DataFrame:
        """Give one row for each example that did not open: image_id, path, stage, reason."""
        rows = [
            (self._examples.ids[at], paths.to_text(self._examples.paths[at]), "train", reason)
            for at, reason in sorted(self._reasons.items())
        ]
        return pd.DataFrame(rows, columns=["image_id", "path", "stage", "reason"], dtype="str")

    def batches(
        self,
        groups: list[NDArray[np.int64]],
        change: Callable[[int, Pixels], Pixels] | None = None,
    ) -> Iterator[Batch]:
        """Yield one batch for each group of positions, in order.

        Parameters
        ----------
        groups : list of ndarray of int64
            Positions of the examples of each batch.
        change : callable, optional
            Applied to the pixels of each position, in a thread.

        Yields
        ------
        Batch
            Without the examples that do not open; possibly empty.
        """
        pending: deque[tuple[NDArray[np.int64], list[Future[Pixels | None]]]] = deque()
        for group in groups:
            made = [self._pool.submit(self._one, int(at), change) for at in group]
            pending.append((group, made))
            if len(pending) > _AHEAD:
                yield self._collect(*pending.popleft())
        while pending:
            yield self._collect(*pending.popleft())

    def _one(self, at: int, change: Callable[[int, Pixels], Pixels] | None) -> Pixels | None:
        pixels = self._prepared(at)
        return change(at, pixels) if change is not None and pixels is not None else pixels

    def _prepared(self, at: int) -> Pixels | None:
        if self._ready[at]:
            return np.asarray(self._cache[at])
        try:
            content, pixels = read_prepared(self._examples.paths[at], self._preprocessing)
        except (NotReadable, NotAnImage) as error:
            self._reasons[at] = str(error)
            return None
        except MemoryError:
            self._reasons[at] = "not enough memory to open it"
            return None
        if content.image_id != self._examples.ids[at]:
            self._reasons[at] = f"changed since it was scanned (it is {content.image_id} now)"
            return None
        if self.cached:
            self._cache[at] = pixels
            self._ready[at] = True
        return pixels

    def _collect(self, group: NDArray[np.int64], made: list[Future[Pixels | None]]) -> Batch:
        found = [future.result() for future in made]
        kept = [at for at, pixels in enumerate(found) if pixels is not None]
        side = (self._preprocessing.height, self._preprocessing.width, 3)
        pixels = [pixels for pixels in found if pixels is not None]
        stacked = np.stack(pixels) if pixels else np.empty((0, *side), np.uint8)
        return Batch(stacked, group[kept])


def augmentation(
    recipe: str, examples: Examples, seed: int, epoch: int
) -> Callable[[int, Pixels], Pixels]:
    """Give the change that an epoch makes to each example: a function of seed, epoch and id.

    It does not depend on the order of the images or on how many threads there are.
    """
    mine = threading.local()

    def change(at: int, pixels: Pixels) -> Pixels:
        # A compiled policy serves one thread at a time.
        if not hasattr(mine, "policy"):
            mine.policy = compile_policy(recipe)
        policy: Policy = mine.policy
        return policy(pixels, chance.generator(seed, examples.ids[at], f"augment {epoch}"))

    return change


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
