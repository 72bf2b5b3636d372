"""Two Ray nodes on this machine, in processes of their own, and what happens when some of it ends.

The names of the files say what they do; see `chunk_work`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from curate.core.chunks import batched
from curate.core.errors import CheckpointError, ClusterError, InputError
from curate.core.files import FileEntry
from curate.engine import cluster as engine
from curate.engine.cluster import Cluster, Crash, each_chunk
from curate.engine.work import Work

if find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install 'curate[ray]'", allow_module_level=True)

HERE = "tests.engine.chunk_work"


class Nodes:
    """A cluster of raylets; each is a process of its own with its own workers."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as Raylets

        self.raylets: Any = Raylets(initialize_head=True, head_node_args=_arguments(1))

    @property
    def address(self) -> str:
        return str(self.raylets.address)

    def add(self) -> Any:
        with engine._environment():
            return self.raylets.add_node(**_arguments(1))

    def kill(self, node: Any) -> None:
        """End a node as a power cut does: nobody says goodbye."""
        if node in self.raylets.worker_nodes:
            self.raylets.remove_node(node, allow_graceful=False)

    def stop(self) -> None:
        self.raylets.shutdown()


def _arguments(cpus: int) -> dict[str, Any]:
    return {"num_cpus": cpus, "object_store_memory": 100 << 20, "include_dashboard": False}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with engine._environment():  # the nodes find this checkout by it, as they find an installed one
        engine._imported()
        started = Nodes()
    yield started
    started.stop()


@pytest.fixture
def second(nodes: Nodes) -> Iterator[Any]:
    node = nodes.add()
    yield node
    nodes.kill(node)


def entry(name: object) -> FileEntry:
    return FileEntry(f"/pool/{name}".encode(), 1, 0, 0)


def chunks(count: int, size: int, *extra: str) -> list[list[FileEntry]]:
    return list(map(list, batched([entry(name) for name in (*range(count), *extra)], size)))


def serial(chunk_list: list[list[FileEntry]]) -> dict[bytes, int]:
    """What the rows must be, by mapping here."""
    function = Work(f"{HERE}:doubler").resolve()()
    return dict(row for chunk in chunk_list for row in function(chunk))


def gathered(answers: Iterator[tuple[list[FileEntry], Any]]) -> tuple[dict[bytes, Any], list[str]]:
    """Rows by path and the names given up; a file that comes twice, or under another, fails."""
    rows: dict[bytes, Any] = {}
    crashed = []
    for chunk, result in answers:
        if isinstance(result, Crash):
            assert result.reason.startswith("crash: ")
            crashed += [os.path.basename(one.path).decode() for one in chunk]
            continue
        assert [path for path, _ in result] == [one.path for one in chunk]
        assert not rows.keys() & dict(result).keys()
        rows |= dict(result)
    return rows, sorted(crashed)


def doubler(**arguments: Any) -> Work:
    return Work(f"{HERE}:doubler", arguments)


def pids(log: Path) -> set[int]:
    """Actors that have opened files so far."""
    return {int(path.name) for path in log.iterdir() if path.name.isdigit()}


def test_two_nodes_give_the_rows_of_one_process(nodes: Nodes, second: Any, tmp_path: Path) -> None:
    todo = chunks(60, 5)
    work = doubler(seconds=0.05, log=str(tmp_path))
    rows, crashed = gathered(each_chunk(todo, work, Cluster(nodes.address)))
    assert rows == serial(todo)
    assert crashed == []
    assert len(pids(tmp_path)) == 2


def test_a_node_killed_midway_costs_no_row(nodes: Nodes, second: Any, tmp_path: Path) -> None:
    todo = chunks(200, 5)
    answers = each_chunk(todo, doubler(seconds=0.1, log=str(tmp_path)), Cluster(nodes.address))
    first: list[tuple[list[FileEntry], Any]] = []
    while len(pids(tmp_path)) < 2 or len(first) < 4:
        first.append(next(answers))
    assert len(first) < 30, "both nodes are at work long before the end"
    nodes.kill(second)
    rows, crashed = gathered(iter([*first, *answers]))
    assert rows == serial(todo)
    assert crashed == []


def test_a_node_that_joins_midway_gets_work(nodes: Nodes, tmp_path: Path) -> None:
    todo = chunks(300, 5)
    answers = each_chunk(todo, doubler(seconds=0.2, log=str(tmp_path)), Cluster(nodes.address))
    # A node whose programs nobody has read yet may take half a minute to begin.
    first = [next(answers)]
    assert len(pids(tmp_path)) == 1
    node = nodes.add()
    try:
        for answer in answers:
            first.append(answer)
            if len(pids(tmp_path)) == 2:
                break
        assert len(pids(tmp_path)) == 2
        rows, _ = gathered(iter([*first, *answers]))
        assert rows == serial(todo)
    finally:
        nodes.kill(node)


def test_a_killed_actor_is_replaced(nodes: Nodes, tmp_path: Path) -> None:
    todo = chunks(60, 3)
    answers = each_chunk(todo, doubler(seconds=0.05, log=str(tmp_path)), Cluster(nodes.address))
    first = [next(answers)]
    (pid,) = pids(tmp_path)
    os.kill(pid, signal.SIGKILL)
    rows, crashed = gathered(iter([*first, *answers]))
    assert rows == serial(todo)
    assert crashed == []
    assert len(pids(tmp_path)) == 2


def test_a_poison_file_is_found_and_the_others_kept(
    nodes: Nodes, second: Any, tmp_path: Path
) -> None:
    good = chunks(30, 6)
    # 51 ends one actor and then behaves: it is not given up for that.
    todo = [*good, [entry("50"), entry("60.exit"), entry("51.once"), entry("52")]]
    rows, crashed = gathered(
        each_chunk(todo, doubler(log=str(tmp_path)), Cluster(nodes.address, cpus=1))
    )
    assert crashed == ["60.exit"]
    expected = {"/pool/50": 100, "/pool/51.once": 102, "/pool/52": 104}
    assert rows == {**serial(good), **{path.encode(): n for path, n in expected.items()}}


def test_errors_come_out_as_themselves_and_at_once(nodes: Nodes) -> None:
    where = Cluster(nodes.address)
    with pytest.raises(CheckpointError, match=r"^x.pt: it holds no weights") as caught:
        list(each_chunk(chunks(9, 3), Work(f"{HERE}:no_model", {"name": "x.pt"}), where))
    assert "no_model" in caught.value.__notes__[0]
    with pytest.raises(InputError, match=r"7.raise: cannot be. Be other"):
        list(each_chunk([[entry("7.raise")]], doubler(), where))
    with pytest.raises(RuntimeError, match="Local: far away"):
        list(each_chunk([[entry("7.raise")]], Work(f"{HERE}:unfit"), where))
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        list(each_chunk(chunks(1, 1), Work(f"{HERE}:unfit"), where))


def test_the_arguments_reach_every_actor_and_threads_are_its_cores(
    nodes: Nodes, second: Any
) -> None:
    work = Work(f"{HERE}:weigher", {"weights": bytes(20 << 20)})
    answers = each_chunk(chunks(8, 1), work, Cluster(nodes.address, cpus=1))
    assert {result for _, result in answers} == {(20 << 20, "1")}


def test_a_node_without_our_version_is_refused(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_versions", lambda: {"python": "3.11", "curate": "99.0"})
    with pytest.raises(InputError, match=r"^curate .* on node .*: here it is 99.0"):
        list(each_chunk(chunks(1, 1), doubler(), Cluster(nodes.address)))


def test_a_cluster_on_which_everything_ends_is_an_error(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HOPELESS", 1)
    with pytest.raises(ClusterError, match=r"\d actors ended one after another"):
        list(each_chunk(chunks(4, 2), Work(f"{HERE}:no_process"), Cluster(nodes.address)))


def test_no_room_is_an_error_that_says_what_there_is(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.5)
    with pytest.raises(ClusterError, match="no node had room for an actor of 1 CPU and 2 GPU"):
        list(each_chunk(chunks(4, 2), doubler(), Cluster(nodes.address, gpus=2)))


def test_a_session_that_was_there_is_left_as_it_was(nodes: Nodes) -> None:
    ray = engine._imported()
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    try:
        rows, _ = gathered(each_chunk(chunks(4, 2), doubler(), Cluster()))
        assert len(rows) == 4
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def descendants() -> dict[int, str]:
    """Processes below this one, by id."""
    found = {}
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int(
                    (folder / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    for pid in parents:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and pid != os.getpid():
            with_name = Path(f"/proc/{pid}/comm")
            found[pid] = with_name.read_text().strip() if with_name.exists() else ""
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_closing_early_leaves_nothing_and_says_nothing(
    nodes: Nodes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = descendants()
    environment = set_by_us()
    terminated = signal.getsignal(signal.SIGTERM)
    todo = [[entry("1.exit"), entry("2")], *chunks(40, 2)]
    answers = each_chunk(todo, doubler(seconds=0.05, log=str(tmp_path)), Cluster(cpus=1))
    next(answers)
    actors = pids(tmp_path)
    assert actors
    assert set_by_us() == environment
    assert signal.getsignal(signal.SIGTERM) == terminated
    answers.close()
    deadline = time.monotonic() + 10
    while (descendants().keys() - before.keys() or alive(actors)) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = {pid: name for pid, name in descendants().items() if pid not in before}
    assert left == {}
    assert not alive(actors)
    assert not engine._imported().is_initialized()
    assert capfd.readouterr() == ("", "")


def set_by_us() -> dict[str, str]:
    """The environment, but for the mode of authentication, which Ray sets in every driver."""
    return {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}


def alive(processes: set[int]) -> set[int]:
    return {pid for pid in processes if Path(f"/proc/{pid}").exists()}
