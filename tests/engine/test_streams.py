"""Two steps: every file is in one block, and its result is that of its own pixels."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import engine
from curate.core.files import FileEntry
from curate.engine import Computed, Form, Limits, Work
from curate.engine.arena import Arena, Bytes
from curate.engine.streams import Compute
from tests.engine.test_each import children

pytestmark = pytest.mark.timeout(60)

NUMBERED = Work("tests.engine.poison:numbered")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before
    assert not [t for t in threading.enumerate() if t.name.startswith("compute")]


def entries(*names: str) -> list[FileEntry]:
    return [FileEntry(f"/nowhere/{name}".encode(), 1, 1, n) for n, name in enumerate(names)]


def streamed(
    kind: str, todo: Iterable[FileEntry], compute: Compute, form: Form
) -> Generator[Computed, None, None]:
    with engine.STREAMS[kind](NUMBERED, compute, form, 2, Limits()) as stream:
        yield from stream.run(todo)


def totals(arrays: list[Bytes]) -> Any:
    """Read the number that the first step wrote all over its two arrays."""
    first, second = (a.reshape(len(a), -1).astype(np.int64) for a in arrays)
    assert (first == first[:, :1]).all()
    assert (second == second[:, :1]).all()
    return first[:, 0] + 256 * second[:, 0]


def results(blocks: Iterator[Computed]) -> dict[str, Any]:
    """Pair each file with its result or its reason; a second one for a file is an error."""
    found: dict[str, Any] = {}
    for block in blocks:
        numbers = iter(() if block.result is None else block.result)
        for outcome in block.outcomes:
            name = os.path.basename(outcome.entry.path).decode()
            assert name not in found
            found[name] = outcome.reason or next(numbers)
        assert next(numbers, None) is None
    return found


@pytest.mark.parametrize("stream", engine.STREAMS)
@pytest.mark.parametrize(("size", "streams"), [(1, 1), (7, 2), (64, 3)])
def test_a_result_is_that_of_its_own_pixels(stream: str, size: int, streams: int) -> None:
    names = [f"{number}" for number in range(300)]
    form = Form(((5, 4, 3), (2,)), size, streams)
    handles = len(os.listdir("/proc/self/fd"))
    found = results(streamed(stream, entries(*names), totals, form))
    assert found == {name: int(name) for name in names}
    assert len(os.listdir("/proc/self/fd")) == handles


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.sampled_from(["", "", "", ".refuse", ".exit", ".once"]), max_size=60),
    st.integers(1, 20),
)
def test_failures_and_dead_workers_misalign_nothing(ways: list[str], size: int) -> None:
    # A retry, a crash and a refusal leave holes in blocks; what is around them stays where it is.
    for marker in Path("/tmp").glob("curate-once-*.tried"):
        marker.unlink()
    ways = [way for at, way in enumerate(ways) if way != ".exit" or at % 5 == 0]
    names = [f"{number}{way}" for number, way in enumerate(ways)]
    form = Form(((5, 4, 3), (2,)), size, 2)
    found = results(streamed("processes", entries(*names), totals, form))
    assert found.keys() == set(names)
    for name, result in found.items():
        number, _, way = name.partition(".")
        if way == "refuse":
            assert result == "decode: refused"
        elif way == "exit":
            assert result == "crash: the decoder died (exit 3)"
        else:
            assert result == int(number)


@pytest.mark.parametrize("stream", engine.STREAMS)
def test_nothing_to_do(stream: str) -> None:
    form = Form(((2,),), 4)
    assert list(streamed(stream, [], totals, form)) == []


@pytest.mark.parametrize("stream", engine.STREAMS)
def test_blocks_without_a_good_file_are_not_computed(stream: str) -> None:
    def never(_: list[Bytes]) -> Any:
        raise AssertionError

    form = Form(((5, 4, 3), (2,)), 4)
    todo = entries(*(f"{n}.refuse" for n in range(10)))
    found = results(streamed(stream, todo, never, form))
    assert set(found.values()) == {"decode: refused"}


@pytest.mark.parametrize("stream", engine.STREAMS)
def test_an_error_of_the_second_step_is_raised(stream: str) -> None:
    def fails(_: list[Bytes]) -> Any:
        raise ZeroDivisionError

    form = Form(((5, 4, 3), (2,)), 4)
    with pytest.raises(ZeroDivisionError):
        list(streamed(stream, entries("1", "2"), fails, form))


def test_memory_does_not_grow_with_the_files() -> None:
    # The second step is slow: the first must wait for places, not take the whole source.
    taken = 0

    def source() -> Iterator[FileEntry]:
        nonlocal taken
        for entry in entries(*map(str, range(2000))):
            taken += 1
            yield entry

    def slow(arrays: list[Bytes]) -> Any:
        time.sleep(0.02)
        return totals(arrays)

    form = Form(((5, 4, 3), (2,)), 8, 2)
    blocks = streamed("processes", source(), slow, form)
    next(blocks)
    time.sleep(0.3)
    next(blocks)
    assert taken < 400
    blocks.close()


def test_blocks_are_computed_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=20)

    def wait(arrays: list[Bytes]) -> Any:
        together.wait()
        return totals(arrays)

    form = Form(((5, 4, 3), (2,)), 4, 3)
    todo = entries(*map(str, range(12)))
    found = results(streamed("processes", todo, wait, form))
    assert found == {str(number): number for number in range(12)}


def test_results_do_not_depend_on_the_order_in_which_blocks_are_done() -> None:
    chance = random.Random(4)

    def uneven(arrays: list[Bytes]) -> Any:
        time.sleep(chance.random() * 0.02)
        return totals(arrays)

    form = Form(((5, 4, 3), (2,)), 5, 4)
    todo = entries(*map(str, range(200)))
    found = results(streamed("processes", todo, uneven, form))
    assert found == {str(number): number for number in range(200)}


def test_it_may_be_run_again_and_keeps_its_processes() -> None:
    form = Form(((5, 4, 3), (2,)), 16, 2)
    with engine.STREAMS["processes"](NUMBERED, totals, form, 2, Limits()) as stream:
        before = children()
        for first in range(0, 90, 30):
            names = [str(number) for number in range(first, first + 30)]
            assert results(stream.run(entries(*names))) == {name: int(name) for name in names}
        assert list(stream.run([])) == []
        assert children() == before


def test_an_arena_is_seen_by_whoever_has_its_descriptor() -> None:
    arena = Arena(3, [(2, 2), (5,)])
    again = Arena(3, [(2, 2), (5,)], os.dup(arena.descriptor))
    for place in range(3):
        for value, array in enumerate(arena.at(place)):
            array[...] = 10 * place + value
    seen = [[int(array.max()) for array in again.at(place)] for place in range(3)]
    assert seen == [[0, 1], [10, 11], [20, 21]]
    for one in (arena, again):
        one.close()
    assert engine.STREAMS.keys() == engine.BACKENDS.keys()
