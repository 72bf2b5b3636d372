"""Every file has exactly one outcome, whatever it does to its worker, and by every backend."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from curate import engine
from curate.core.files import FileEntry
from curate.engine import BACKENDS, Limits, Outcome, Work

pytestmark = pytest.mark.timeout(60)

BEHAVE = Work("tests.engine.poison:behave")
Make = Callable[..., list[FileEntry]]


@pytest.fixture
def entries(tmp_path: Path) -> Make:
    """Make files of some names, their content being their name, and give their entries."""

    def make(*names: str) -> list[FileEntry]:
        found = []
        for number, name in enumerate(names):
            path = os.fsencode(tmp_path / name)
            Path(os.fsdecode(path)).write_bytes(path)
            found.append(FileEntry(path, len(path), number, number))
        return found

    return make


def by_entry(outcomes: Iterator[Outcome]) -> dict[FileEntry, Outcome]:
    """Collect outcomes; a second one for a file is an error."""
    found: dict[FileEntry, Outcome] = {}
    for outcome in outcomes:
        assert outcome.entry not in found
        found[outcome.entry] = outcome
    return found


def children() -> set[int]:
    """Living processes that this one started."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        # A thread or a process may end while we look.
        with suppress(FileNotFoundError):
            for pid in (task / "children").read_text().split():
                if b"curate.engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.add(int(pid))
    return found


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("workers", [1, 3])
def test_one_outcome_a_file_and_the_right_one(entries: Make, backend: str, workers: int) -> None:
    names = [f"{n:03}" for n in range(70)]
    for at, way in ((3, "refuse"), (20, "memory"), (40, "recurse"), (69, "assert")):
        names[at] += f".{way}"
    todo = entries(*names, "gone", "\udcff\n")
    os.unlink(todo[70].path)
    found = by_entry(BACKENDS[backend](iter(todo), BEHAVE, workers, Limits()))
    assert found.keys() == set(todo)
    reasons = {e.path.rpartition(b"/")[2]: o.reason for e, o in found.items() if o.reason}
    assert reasons.pop(b"020.memory").startswith("memory: ")
    assert reasons.pop(b"040.recurse").startswith("error: RecursionError: ")
    assert reasons == {
        b"003.refuse": f"decode: no image: {todo[3].path[-20:]!r}",
        b"069.assert": "error: AssertionError: ",
        b"gone": "read: no such file or directory",
    }
    for entry, outcome in found.items():
        assert outcome.value == (None if outcome.reason else entry.path)


@pytest.mark.parametrize("way", ["unspeakable", "surrogates", "long"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_odd_error_is_a_reason_that_can_be_stored(entries: Make, backend: str, way: str) -> None:
    (outcome,) = BACKENDS[backend](entries(f"a.{way}"), BEHAVE, 1, Limits())
    assert outcome.value is None
    assert outcome.reason.startswith("error: ")
    outcome.reason.encode("utf-8")


@pytest.mark.parametrize("backend", BACKENDS)
def test_arguments_are_passed_on(entries: Make, backend: str) -> None:
    work = Work("tests.engine.poison:behave", {"repeat": 2})
    todo = entries("a")
    (outcome,) = BACKENDS[backend](todo, work, 1, Limits())
    assert outcome.value == todo[0].path * 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_to_do(backend: str) -> None:
    assert list(BACKENDS[backend]([], BEHAVE, 0, Limits())) == []
    assert list(BACKENDS[backend]([], BEHAVE, 2, Limits())) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_big_arrays_travel_with_their_ids(entries: Make, backend: str) -> None:
    todo = entries(*(str(n) for n in range(20)))
    for outcome in BACKENDS[backend](todo, Work("tests.engine.poison:big"), 2, Limits()):
        assert outcome.value.shape == (2000, 1000, 3)
        assert int(outcome.value[0, 0, 0]) == int(os.path.basename(outcome.entry.path))
        assert outcome.value[-1, -1, -1] == 7


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_function_that_is_not_there_is_a_bug_and_no_files_fault(
    entries: Make, backend: str
) -> None:
    work = Work("tests.engine.poison:missing")
    with pytest.raises((AttributeError, RuntimeError)):
        list(BACKENDS[backend](entries("a"), work, 1, Limits()))


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("exit", "crash: the decoder died (exit 3)"),
        ("sys_exit", "crash: the decoder died (exit 4)"),
        ("segfault", "crash: the decoder died (signal 11)"),
        ("kill", "crash: the decoder died (signal 9)"),
        (
            "unpicklable",
            "error: AttributeError: Can't pickle local object '_unpicklable.<locals>.<lambda>'",
        ),
    ],
)
def test_a_file_that_ends_its_worker_is_marked_and_costs_no_other(
    entries: Make, way: str, reason: str
) -> None:
    names = [f"{n:03}" for n in range(40)]
    names[17] += f".{way}"
    todo = entries(*names)
    found = by_entry(BACKENDS["processes"](todo, BEHAVE, 2, Limits()))
    assert {o.entry.path: o.reason for o in found.values() if o.reason} == {todo[17].path: reason}
    assert [found[entry].value for entry in todo if entry != todo[17]] == [
        entry.path for entry in todo if entry != todo[17]
    ]


def test_files_that_end_their_workers_next_to_each_other(entries: Make) -> None:
    names = ["1.exit", "2.kill", "good", "a.refuse"]
    found = by_entry(BACKENDS["processes"](entries(*names), BEHAVE, 2, Limits()))
    kinds = Counter(outcome.reason.partition(":")[0] for outcome in found.values())
    assert kinds == {"crash": 2, "": 1, "decode": 1}


def test_a_worker_that_died_for_another_reason_gets_its_file_done(entries: Make) -> None:
    todo = entries("a", "b.once", "c")
    found = by_entry(BACKENDS["processes"](todo, BEHAVE, 1, Limits()))
    assert [found[entry].reason for entry in todo] == ["", "", ""]
    assert found[todo[1]].value == "second try"


def test_a_file_that_hangs_is_marked(entries: Make) -> None:
    todo = entries("a", "b.hang", "c", "d")
    start = time.monotonic()
    found = by_entry(BACKENDS["processes"](todo, BEHAVE, 1, Limits(seconds=0.5)))
    assert time.monotonic() - start < 20
    assert found[todo[1]].reason == "time: over 0.5 s"
    assert [found[entry].value for entry in (todo[0], *todo[2:])] == [
        entry.path for entry in (todo[0], *todo[2:])
    ]


def test_a_slow_consumer_makes_no_file_late(entries: Make) -> None:
    # Both workers answer while we sleep; neither answer may be taken for a hang.
    found = {}
    for outcome in BACKENDS["processes"](
        entries(*map(str, range(34))), BEHAVE, 2, Limits(seconds=0.2)
    ):
        found[outcome.entry] = outcome.reason
        if len(found) in (1, 17, 18):
            time.sleep(0.6)
    assert len(found) == 34
    assert set(found.values()) == {""}


def test_a_file_that_takes_all_memory_is_marked(entries: Make) -> None:
    todo = entries("a", "b.greedy", "c")
    found = by_entry(BACKENDS["processes"](todo, BEHAVE, 1, Limits(memory=256 << 20)))
    assert found[todo[1]].reason.startswith("memory: ")
    assert found[todo[2]].value == todo[2].path


def test_memory_counts_for_one_worker_and_not_for_us(entries: Make) -> None:
    list(BACKENDS["processes"](entries("a"), BEHAVE, 1, Limits(memory=64 << 20)))
    assert len(bytearray(256 << 20)) == 256 << 20


def test_what_a_decoder_prints_is_nobodys_business(
    entries: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    (outcome,) = BACKENDS["processes"](entries("a.print"), BEHAVE, 1, Limits())
    assert outcome.value == "quiet"
    assert capfd.readouterr() == ("", "")


def test_closing_the_iterator_ends_the_processes_at_once(entries: Make) -> None:
    outcomes = BACKENDS["processes"](entries("a", "b.hang", "c.hang"), BEHAVE, 2, Limits())
    assert next(outcomes).value
    assert len(children()) == 2
    start = time.monotonic()
    outcomes.close()  # type: ignore[attr-defined]  # a generator, which the protocol does not say
    assert time.monotonic() - start < 5
    assert children() == set()


def test_an_error_of_the_consumer_ends_the_processes(entries: Make) -> None:
    def consume() -> None:
        for _ in BACKENDS["processes"](entries("a", "b", "c"), BEHAVE, 2, Limits()):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert children() == set()


def test_an_error_of_the_source_is_raised_and_ends_the_processes(entries: Make) -> None:
    def source() -> Iterator[FileEntry]:
        yield from entries("a", "b")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(BACKENDS["processes"](source(), BEHAVE, 1, Limits()))


def test_files_are_taken_from_the_source_as_they_are_needed(entries: Make) -> None:
    todo = entries(*map(str, range(200)))
    taken: list[FileEntry] = []

    def source() -> Iterator[FileEntry]:
        for entry in todo:
            taken.append(entry)
            yield entry

    outcomes = BACKENDS["processes"](source(), BEHAVE, 1, Limits())
    next(outcomes)
    assert len(taken) <= 3 * engine.pool.CHUNK
    assert len(list(outcomes)) == 199


def test_workers_have_one_thread_each_and_are_other_processes(entries: Make) -> None:
    (outcome,) = BACKENDS["processes"](entries("a.environment"), BEHAVE, 1, Limits())
    assert outcome.value["threads"] == "1"
    assert outcome.value["pid"] != os.getpid()


def test_workers_import_nothing_heavy(entries: Make) -> None:
    (outcome,) = BACKENDS["processes"](
        entries("a"), Work("tests.engine.poison:modules"), 1, Limits()
    )
    assert not {"torch", "pandas", "duckdb", "sqlalchemy", "pyarrow"} & set(outcome.value)


def test_files_in_the_working_directory_are_not_our_modules(entries: Make) -> None:
    # A folder of photos may come from anywhere; nothing in it is ever executed.
    for name in ("numpy", "PIL", "types", "signal", "sitecustomize"):
        Path(f"{name}.py").write_text("import os; os.write(os.open('executed', os.O_CREAT), b'')")
    code = (
        "import sys; from curate.engine import BACKENDS, Limits, Work\n"
        "from curate.core.files import FileEntry\n"
        "found = list(BACKENDS['processes']([FileEntry(sys.argv[1].encode(), 1, 1, 1)],\n"
        "    Work('curate.core.files:read'), 1, Limits()))\n"
        "print(found[0].value)"
    )
    (entry,) = entries("a")
    root = str(Path(__file__).parents[2])
    told = subprocess.run(
        [sys.executable, "-P", "-c", code, os.fsdecode(entry.path)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.strip() == repr(entry.path), told.stderr
    assert not Path("executed").exists()


def test_a_killed_parent_leaves_no_process(entries: Make, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, time; from curate.engine import BACKENDS, Limits, Work\n"
        "from curate.core.files import FileEntry\n"
        "todo = [FileEntry(n.encode(), 1, 1, 1) for n in sys.argv[1:]]\n"
        "work = Work('tests.engine.poison:behave')\n"
        "value = next(iter(BACKENDS['processes'](todo, work, 1, Limits()))).value\n"
        "print(value['pid'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    names = [os.fsdecode(entry.path) for entry in entries("a.environment", "b", "c")]
    told = subprocess.run(
        [sys.executable, "-c", code, *names],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    worker = Path(f"/proc/{int(told.stdout)}/cmdline")
    deadline = time.monotonic() + 10
    while worker.exists() and b"curate" in worker.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists() or b"curate" not in worker.read_bytes()


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        ("read: permission denied", True),
        ("decode: broken PNG", False),
        ("memory: too much", True),
        ("time: over 30 s", True),
        ("crash: the decoder died", True),
        ("error: KeyError: 1", True),
    ],
)
def test_only_what_lies_with_the_system_is_tried_again(reason: str, again: bool) -> None:
    assert engine.may_pass_later(reason) == again


def test_the_cores_are_those_we_may_use() -> None:
    assert 1 <= engine.available_cores() <= (os.cpu_count() or 1)
