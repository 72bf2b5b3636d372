"""Map in two steps: workers put pixels into shared memory, and threads compute on blocks of them.

Reading, decoding and computing overlap, and the pixels are never copied in between. What comes out
names its files itself, whatever order it comes in.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, Protocol

import numpy as np

from curate.core.chunks import batched
from curate.core.files import FileEntry
from curate.engine.arena import Arena, Bytes, Shape
from curate.engine.pool import AHEAD, CHUNK, Done, Pool, Task
from curate.engine.work import Limits, Outcome, Work, attempt

Compute = Callable[[list[Bytes]], Any]
"""Gets one array (N, *shape) for each shape; called by several threads at the same time. What it
gives must not be a view of them."""


@dataclass(frozen=True)
class Form:
    """How the second step takes its pixels.

    Attributes
    ----------
    shapes : tuple of tuple of int
        The arrays of bytes that the first step fills for one file.
    size : int
        Files in a block, at most.
    streams : int
        Blocks that are computed at the same time.
    """

    shapes: tuple[Shape, ...]
    size: int
    streams: int = 1


@dataclass
class Computed:
    """A block of files and what came of them.

    Attributes
    ----------
    outcomes : list of Outcome
        What the first step gave for each file, or why there is nothing.
    result : object
        What the second step gave for those that have a value, in their order; None where no file
        has one.
    """

    outcomes: list[Outcome]
    result: Any = None


class Stream(Protocol):
    """Maps work over files and computes on what it gives; a context manager."""

    def __init__(
        self, work: Work, compute: Compute, form: Form, workers: int, limits: Limits
    ) -> None: ...

    def run(self, entries: Iterable[FileEntry]) -> Generator[Computed, None, None]:
        """Give every file in one block, in any order. Call it again when it is through."""
        ...

    def __enter__(self) -> Stream: ...

    def __exit__(self, *_: object) -> None: ...


class Serial:
    """Both steps in this process, in order. Workers, limits and streams do not apply."""

    def __init__(
        self, work: Work, compute: Compute, form: Form, workers: int, limits: Limits
    ) -> None:
        self._work, self._compute, self._form = work, compute, form

    def run(self, entries: Iterable[FileEntry]) -> Generator[Computed, None, None]:
        """See `Stream`."""
        function, arguments = self._work.resolve(), self._work.arguments
        for chunk in batched(entries, self._form.size):
            arrays = [np.empty((len(chunk), *shape), np.uint8) for shape in self._form.shapes]
            outcomes = [
                Outcome(entry, *attempt(function, entry.path, [a[at] for a in arrays], **arguments))
                for at, entry in enumerate(chunk)
            ]
            yield _computed(outcomes, arrays, self._compute)

    def __enter__(self) -> Serial:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Processes:
    """The first step in processes, the second one in threads of this one."""

    def __init__(
        self, work: Work, compute: Compute, form: Form, workers: int, limits: Limits
    ) -> None:
        with ExitStack() as opened:
            self._blocks = _Blocks(form, workers)
            opened.callback(self._blocks.arena.close)
            self._pool = Pool(work, workers, limits, self._blocks.arena)
            opened.callback(self._pool.close)
            self._computing = _Computing(compute, self._blocks.arena, form.streams)
            opened.callback(self._computing.close)
            self._opened = opened.pop_all()

    def run(self, entries: Iterable[FileEntry]) -> Generator[Computed, None, None]:
        """See `Stream`. Where it is closed before its end, so is the whole."""
        pool, blocks, computing = self._pool, self._blocks, self._computing
        todo = iter(entries)
        taken = list(islice(todo, pool.chunk))
        with ExitStack() as unless_done:
            unless_done.callback(self._opened.close)
            while taken or pool.busy or computing.busy:
                while taken and pool.room and blocks.room >= len(taken):
                    pool.give([Task(entry, blocks.place()) for entry in taken])
                    taken = list(islice(todo, pool.chunk))
                if not taken:
                    blocks.seal()
                blocks.file(pool.collect([computing.bell]))
                for block in blocks.complete():
                    computing.start(block)
                for block, computed in computing.done():
                    blocks.free(block)
                    yield computed
            unless_done.pop_all()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


STREAMS: dict[str, type[Stream]] = {"processes": Processes, "serial": Serial}
"""Ways to map in two steps; the same blocks' worth of results by each."""


@dataclass
class _Block:
    """Some neighbouring places of the arena: how many were given out, and what came of them."""

    start: int
    given: int = 0
    sealed: bool = False
    outcomes: dict[int, Outcome] = field(default_factory=dict)


class _Blocks:
    """Which places of the arena are taken, and by what."""

    def __init__(self, form: Form, workers: int) -> None:
        self._size = form.size
        # Those that are computed, one that is ready for each, and those that are being filled.
        filled = -(-workers * AHEAD * CHUNK // form.size) + 1
        self._blocks = [_Block(at * form.size) for at in range(2 * form.streams + filled)]
        self.arena = Arena(len(self._blocks) * form.size, form.shapes)
        self._free = deque(self._blocks)
        self._open: _Block | None = None

    @property
    def room(self) -> int:
        """How many places can be given out now."""
        rest = self._size - self._open.given if self._open is not None else 0
        return rest + self._size * len(self._free)

    def place(self) -> int:
        """Give out the next place."""
        block = self._open = self._open or self._free.popleft()
        block.given += 1
        if block.given == self._size:
            self.seal()
        return block.start + block.given - 1

    def seal(self) -> None:
        """Say that the block that is being given out gets no more files."""
        if self._open is not None:
            self._open.sealed = True
            self._open = None

    def file(self, done: Iterable[Done]) -> None:
        """Put outcomes into their blocks."""
        for task, outcome in done:
            block = self._blocks[task.place // self._size]
            block.outcomes[task.place - block.start] = outcome

    def complete(self) -> Iterator[_Block]:
        """Give the blocks of which every file is done, each once."""
        for block in self._blocks:
            if block.sealed and len(block.outcomes) == block.given:
                block.sealed = False
                yield block

    def free(self, block: _Block) -> None:
        """Take places back."""
        block.given, block.outcomes = 0, {}
        self._free.append(block)


class _Computing:
    """Threads that compute on blocks, and a bell that says when one is done."""

    def __init__(self, compute: Compute, arena: Arena, streams: int) -> None:
        self._compute = compute
        self._arena = arena
        self._threads = ThreadPoolExecutor(streams, "compute")
        self._futures: dict[Future[Computed], _Block] = {}
        self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    @property
    def busy(self) -> bool:
        """Whether anything that was started has not been given out."""
        return bool(self._futures)

    def start(self, block: _Block) -> None:
        """Compute on a block of which every file is done."""
        arrays = [array[block.start : block.start + block.given] for array in self._arena.arrays]
        outcomes = [outcome for _, outcome in sorted(block.outcomes.items(), key=itemgetter(0))]
        future = self._threads.submit(_computed, outcomes, arrays, self._compute)
        self._futures[future] = block
        future.add_done_callback(lambda _: os.eventfd_write(self.bell, 1))

    def done(self) -> Iterator[tuple[_Block, Computed]]:
        """Give what has been computed; an error of the second step is raised here."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.bell)
        for future in [future for future in self._futures if future.done()]:
            yield self._futures.pop(future), future.result()

    def close(self) -> None:
        """End the threads, when they have done what they are at."""
        self._threads.shutdown(cancel_futures=True)
        os.close(self.bell)


def _computed(outcomes: Sequence[Outcome], arrays: list[Bytes], compute: Compute) -> Computed:
    well = [at for at, outcome in enumerate(outcomes) if not outcome.reason]
    if not well:
        return Computed(list(outcomes))
    # All of a block is a view of it; only where files failed are the others copied together.
    whole = len(well) == len(outcomes)
    return Computed(list(outcomes), compute([a if whole else a[well] for a in arrays]))
