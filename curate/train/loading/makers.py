"""Who makes the images of a training: threads of this process, or processes of their own."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Protocol

from curate.core.files import FileEntry
from curate.core.images import Pixels
from curate.engine import Limits, Work
from curate.engine.arena import Arena
from curate.engine.pool import Done, Pool, Task
from curate.engine.work import attempt
from curate.models.preprocess import Preprocessing
from curate.train.loading.loader import ORDER_BYTES, Memory, Order, make

IN_HAND = 16
"""Images that a process has been given and has not answered: 30 ms of work and more."""

_CHUNK = 8

LOAD = "curate.train.loading.loader:load"


@dataclass(frozen=True)
class Made:
    """What all images have in common.

    Attributes
    ----------
    preprocessing : Preprocessing
        Of the model.
    prepared : Arena or None
        Memory of the prepared pixels of all images, one place each; None keeps none.
    by_torch : bool
        Whether torch shrinks, and not Pillow.
    """

    preprocessing: Preprocessing
    prepared: Arena | None
    by_torch: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image's pixels."""
        return (self.preprocessing.height, self.preprocessing.width, 3)


class Request:
    """Images that are asked for together, and what has become of them.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, height, width, 3)
        Rows of images that failed hold anything.
    reasons : list of str
        Why there are no pixels; '' where there are.
    given_up : bool
        Whether nobody waits for them any more.
    """

    def __init__(self, orders: Sequence[Order], paths: Sequence[bytes], pixels: Pixels) -> None:
        self.orders, self.paths, self.pixels = orders, paths, pixels
        self.reasons = [""] * len(orders)
        self.given_up = False
        self._left = len(orders)
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._error: BaseException | None = None
        if not orders:
            self._done.set()

    def note(self, index: int, reason: str) -> None:
        """Say that an image is done."""
        self.reasons[index] = reason
        with self._lock:
            self._left -= 1
            if not self._left:
                self._done.set()

    def fail(self, error: BaseException) -> None:
        """Say that no image will be done any more."""
        self._error = error
        self._done.set()

    def wait(self) -> None:
        """Wait for all images."""
        self._done.wait()
        if self._error is not None:
            raise RuntimeError("images could not be loaded") from self._error


class Maker(Protocol):
    """Makes images, those first that were asked for first."""

    def __init__(self, made: Made, workers: int) -> None: ...

    def start(self, request: Request) -> None:
        """Have the images of a request made; this does not wait for them."""
        ...

    def close(self) -> None:
        """Stop, whatever is not done."""
        ...


class Threads:
    """Threads of this process: at work at once, but the interpreter runs one at a time."""

    def __init__(self, made: Made, workers: int) -> None:
        self._made = made
        self._pool = ThreadPoolExecutor(workers, "curate-pixels")

    def start(self, request: Request) -> None:
        """See `Maker`."""
        for index in range(len(request.orders)):
            self._pool.submit(self._one, request, index)

    def _one(self, request: Request, index: int) -> None:
        order, reason = request.orders[index], ""
        if not request.given_up:
            arena = self._made.prepared
            _, reason = attempt(
                make,
                order,
                request.paths[index],
                request.pixels[index],
                arena.arrays[0][order.at] if arena is not None else None,
                self._made.preprocessing,
                self._made.by_torch,
            )
        request.note(index, reason)

    def close(self) -> None:
        """See `Maker`."""
        self._pool.shutdown(cancel_futures=True)


class Processes:
    """Worker processes of the engine, and a thread here that hands out orders and takes pixels.

    Each image has a place in memory that is shared: its order is written there, and its pixels
    come there. They are copied out once, into the batch, by the thread: a batch is its owner's for
    good, a batch may have any size, and copying an image of 224 px takes a hundredth of making it.
    """

    def __init__(self, made: Made, workers: int) -> None:
        self._made, self._workers = made, workers
        self._todo: deque[tuple[Request, int]] = deque()
        self._given: dict[int, tuple[Request, int]] = {}
        self._closing = False
        self._error: BaseException | None = None
        self._starting = threading.Lock()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # The processes end with the thread that started them, so it lives as long as they do.
        self._thread = threading.Thread(target=self._serve, name="curate-pixels", daemon=True)
        self._thread.start()

    def start(self, request: Request) -> None:
        """See `Maker`."""
        with self._starting:
            if self._error is not None:
                request.fail(self._error)
                return
            self._todo.extend((request, index) for index in range(len(request.orders)))
            os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """See `Maker`."""
        if not self._closing:
            self._closing = True
            os.eventfd_write(self._bell, 1)
            self._thread.join()
            os.close(self._bell)

    def _work(self) -> tuple[Work, Limits]:
        arena, usual = self._made.prepared, Limits()
        memory, extra = None, 0
        if arena is not None:
            memory = Memory(os.getpid(), arena.descriptor, arena.places)
            extra = arena.arrays[0].nbytes
        arguments = {
            "preprocessing": self._made.preprocessing,
            "memory": memory,
            "by_torch": self._made.by_torch,
        }
        work = Work(LOAD, arguments)
        # A worker maps all prepared pixels, and that is no image's fault.
        return work, Limits(usual.memory + extra, usual.seconds)

    def _serve(self) -> None:
        places = IN_HAND * self._workers
        try:
            work, limits = self._work()
            with (
                closing(Arena(places, [self._made.shape, (ORDER_BYTES,)])) as arena,
                closing(Pool(work, self._workers, limits, arena)) as pool,
            ):
                free = list(range(places))
                while not self._closing:
                    self._hand_out(pool, arena, free)
                    done = pool.collect([self._bell])
                    with suppress(BlockingIOError):
                        os.eventfd_read(self._bell)
                    self._take(done, arena, free)
            self._end(RuntimeError("it was closed"))
        except BaseException as error:  # handed to whoever waits, whatever it is
            self._end(error)

    def _hand_out(self, pool: Pool, arena: Arena, free: list[int]) -> None:
        while self._todo and free and pool.room:
            # Few at a time where few are left, so that no process waits for another one's.
            size = max(1, min(_CHUNK, len(free), len(self._todo) // self._workers))
            tasks = []
            for request, index in self._next(size):
                place = free.pop()
                self._given[place] = (request, index)
                order = request.orders[index]
                order.pack(arena.arrays[1][place])
                # What is ready is not read again: nothing of it may be fetched ahead.
                path = order.image_id.encode() if order.ready else request.paths[index]
                tasks.append(Task(FileEntry(path, 0, 0, 0), place))
            if tasks:
                pool.give(tasks)

    def _next(self, size: int) -> Iterator[tuple[Request, int]]:
        """Take what is to be made; what is wanted as it lies in memory is copied at once."""
        arena = self._made.prepared
        while size and self._todo:
            request, index = self._todo.popleft()
            order = request.orders[index]
            if arena is not None and order.ready and order.draw is None:
                request.pixels[index] = arena.arrays[0][order.at]
                request.note(index, "")
            elif not request.given_up:
                size -= 1
                yield request, index

    def _take(self, done: Sequence[Done], arena: Arena, free: list[int]) -> None:
        for task, outcome in done:
            request, index = self._given.pop(task.place)
            if not outcome.reason:
                request.pixels[index] = arena.arrays[0][task.place]
            free.append(task.place)
            request.note(index, outcome.reason)

    def _end(self, error: BaseException) -> None:
        with self._starting:
            self._error = error
        for request, _ in [*self._given.values(), *self._todo]:
            request.fail(error)
