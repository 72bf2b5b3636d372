"""Map a function over chunks of files by actors on the machines of a Ray cluster.

This process alone hands out chunks and takes their results; an actor holds what is slow to build (a
model) and maps one chunk at a time. Only the first unanswered chunk of an actor can have ended it,
and a result is taken only from the actor that has the chunk now, so a chunk comes back once however
often it was given away.

Ray is imported here and nowhere else, and only when chunks are mapped.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from tempfile import TemporaryDirectory
from typing import Any

from curate.core.errors import ClusterError, InputError
from curate.core.files import FileEntry
from curate.engine.trials import Trial, Trials
from curate.engine.work import Work, available_cores

IN_FLIGHT = 2
"""Chunks that one actor has: the one it maps, and the one it maps next."""

HOPELESS = 8
"""Ends per actor in a row, and no chunk finished between, after which the cluster is at fault."""

PATIENCE = 120.0
"""Seconds to wait for a place for the first actor."""

STORE = 200 << 20
"""Bytes of shared memory that Ray takes on this machine, beside the arguments of the work."""

LOOK = 2.0
"""Seconds between two looks for nodes that have joined."""


@dataclass(frozen=True)
class Cluster:
    """Where the actors run, and what each of them takes.

    Attributes
    ----------
    address : str
        ``""`` starts Ray on this machine and ends it afterwards; ``"auto"`` finds the one that runs
        here; ``"host:6379"`` is a cluster that this machine is part of; ``"ray://host:10001"`` one
        that it is not part of.
    actors : int
        At most so many; 0 for as many as there is room for.
    gpus, cpus : float
        What one actor takes. 0 chooses: one GPU and its share of the node's cores where the cluster
        has GPUs, and two cores where it has none.
    """

    address: str = ""
    actors: int = 0
    gpus: float = 0
    cpus: float = 0


@dataclass(frozen=True)
class Crash:
    """In place of a result: the one file of this chunk ended every actor that took it."""

    reason: str


@dataclass(frozen=True)
class _Raised:
    """An exception on its way from an actor to the driver."""

    error: Exception


@dataclass(frozen=True)
class _Needs:
    """What one actor takes of a node."""

    cpus: float
    gpus: float

    def room(self, node: dict[str, float]) -> int:
        """Actors that a node has room for when it does nothing else."""
        places = node.get("CPU", 0.0) // self.cpus
        if self.gpus:
            places = min(places, node.get("GPU", 0.0) // self.gpus)
        return int(places)

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")


@dataclass
class _Actor:
    """A process of the cluster and what it was asked and has not answered, in order."""

    handle: Any
    asked: deque[tuple[Any, Trial | None]] = field(default_factory=deque)
    node: str = ""
    ready: bool = False

    def given(self) -> int:
        """How many chunks it has."""
        return sum(trial is not None for _, trial in self.asked)


class _Mapper:
    """What runs inside an actor. Exceptions are answers, so that they come out as themselves."""

    _function: Callable[[list[FileEntry]], Any]

    def about(self) -> tuple[str, str, dict[str, str]]:
        """Give the node, the machine's name, and the versions that must be the driver's."""
        import ray

        return ray.get_runtime_context().get_node_id(), platform.node(), _versions()

    def build(self, pickled: bytes) -> Any:
        """Call the factory; what it gives maps the chunks."""
        try:
            work: Work = pickle.loads(pickled)
            self._function = work.resolve()(**work.arguments)
        except Exception as error:  # it is raised again by the driver
            return _Raised(_portable(error))
        return None

    def map(self, chunk: list[FileEntry]) -> Any:
        """Map one chunk."""
        try:
            # Here, so that a result that does not pickle is an error like any other.
            return pickle.dumps(self._function(chunk), protocol=5)
        except Exception as error:  # it is raised again by the driver
            return _Raised(_portable(error))


def each_chunk(
    chunks: Iterable[list[FileEntry]], work: Work, cluster: Cluster
) -> Generator[tuple[list[FileEntry], Any], None, None]:
    """Map chunks of files on a Ray cluster, in the order in which results come.

    Every file comes back exactly once, whatever becomes of the actors and nodes. An actor that ends
    is replaced, and nodes that join get actors. A chunk that ends several actors comes back in
    parts; the one file at fault comes back alone with a `Crash`. Closing the iterator ends the
    actors, and Ray too where it was started for them.

    Parameters
    ----------
    chunks : iterable of lists of FileEntry
        Read as the actors ask for them.
    work : Work
        A factory: called once in each actor with its arguments, it gives the function that takes a
        chunk and gives a result. Both travel by `pickle`.
    cluster : Cluster
        Where.

    Yields
    ------
    (list of FileEntry, result or Crash)

    Raises
    ------
    InputError
        Ray is missing, the address leads nowhere, or a node has another Python or `curate`.
    ClusterError
        No node has room for an actor, or actors end one after another and nothing gets done.
    Exception
        Whatever the factory or the function raises, as itself.
    """
    trials = Trials(chunks)
    if not trials.ahead(1):
        return
    pickled = pickle.dumps(work, protocol=5)
    with _connected(cluster.address, len(pickled)) as ray:
        driver = _Driver(ray, cluster, pickled, trials)
        try:
            yield from driver.results()
        except ray.exceptions.RayError as error:
            raise ClusterError(
                _named(cluster.address),
                f"it fails: {_last_line(error)}",
                "`ray status` says whether it runs; what is finished is kept, and the same command "
                "goes on from there",
            ) from error
        finally:
            for actor in driver.actors:
                driver.end(actor)


class _Driver:
    """Hands chunks to actors and takes their results, until there is nothing left."""

    def __init__(self, ray: Any, cluster: Cluster, pickled: bytes, trials: Trials) -> None:
        self.ray = ray
        self.cluster = cluster
        self.work = ray.put(pickled)  # once, however many actors read it
        self.trials = trials
        self.actors: list[_Actor] = []
        self.needs = _needs(cluster, _alive(ray))
        self.most = 1  # actors that there has been room for
        self.next_look = 0.0
        self.placed = time.monotonic()  # when an actor was last seen in its place

    def results(self) -> Iterator[tuple[list[FileEntry], Any]]:
        """Yield chunks and their results."""
        while self.trials.ahead(1) or any(actor.given() for actor in self.actors):
            self._place()
            self._hand_out()
            asked = {actor.asked[0][0]: actor for actor in self.actors if actor.asked}
            answered, _ = self.ray.wait(list(asked), num_returns=1, timeout=1.0)
            for reference in answered:
                yield from self._take(asked[reference])

    def end(self, actor: _Actor) -> None:
        """Kill an actor, whatever it does."""
        with suppress(Exception):  # it may be gone, and its node, and the cluster
            self.ray.kill(actor.handle)

    def _place(self) -> None:
        """Start actors where there is room for them and work."""
        now = time.monotonic()
        if any(actor.node for actor in self.actors):
            self.placed = now
        if now < self.next_look:
            return
        self.next_look = now + LOOK
        nodes = _alive(self.ray)
        if now - self.placed > PATIENCE:
            raise ClusterError(
                _named(self.cluster.address),
                f"no node had room for an actor of {self.needs} in {PATIENCE:g} s; "
                f"the nodes have {_told(nodes)}",
                "Start nodes, wait until others have finished, or ask for less an actor",
            )
        room = sum(self.needs.room(node) for node in nodes.values())
        # One even where there is no room: an autoscaler starts nodes for what waits.
        wanted = max(min(room, self.cluster.actors or room), 1)
        self.most = max(self.most, wanted)
        for _ in range(self.trials.ahead(max(wanted - len(self.actors), 0))):
            self.actors.append(self._started())

    def _started(self) -> _Actor:
        remote = self.ray.remote(_Mapper).options(
            num_cpus=self.needs.cpus,
            num_gpus=self.needs.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        handle = remote.remote()
        asked = [handle.about.remote(), handle.build.remote(self.work)]
        return _Actor(handle, deque((reference, None) for reference in asked))

    def _hand_out(self) -> None:
        """Give every actor a chunk, and then every actor a second one."""
        for depth in range(1, IN_FLIGHT + 1):
            for actor in self.actors:
                if actor.ready and actor.given() < depth and (trial := self.trials.give()):
                    actor.asked.append((actor.handle.map.remote(trial.chunk), trial))

    def _take(self, actor: _Actor) -> Iterator[tuple[list[FileEntry], Any]]:
        """Take the next answer of an actor, or its end."""
        reference, trial = actor.asked[0]
        try:
            answer = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            # Ours are answers, so this one is Ray's: it could not even load the actor there.
            raise InputError(
                f"a node of {_named(self.cluster.address)}",
                f"it cannot run curate: {_last_line(error)}",
                "Install the same curate in the Python of every node",
            ) from error
        except self.ray.exceptions.RayError as error:
            yield from self._lost(actor, error)
            return
        actor.asked.popleft()
        if isinstance(answer, _Raised):
            raise answer.error
        if trial is not None:
            self.trials.done()
            yield trial.chunk, pickle.loads(answer)
        elif actor.node:
            actor.ready = True
        else:
            actor.node, machine, versions = answer
            _check_versions(machine, versions)

    def _lost(self, actor: _Actor, error: Exception) -> Iterator[tuple[list[FileEntry], Any]]:
        """Give the chunks of an actor that has ended to others, the first of them as a suspect."""
        self.actors.remove(actor)
        self.end(actor)  # where it is only out of reach, its answer is no longer wanted
        self.next_look = 0.0
        given = [trial for _, trial in actor.asked if trial]
        if actor.node and actor.node not in _alive(self.ray):
            self.trials.back(given)  # the node went, and took the actor with it
            return
        # An actor maps in order: it had not begun with the others.
        self.trials.back(given[1:])
        for entry in self.trials.ended(given[0] if given else None):
            yield [entry], Crash("crash: it ends the actor that opens it")
        if self.trials.ends > HOPELESS * self.most:
            raise ClusterError(
                _named(self.cluster.address),
                f"{self.trials.ends} actors ended one after another and finished nothing; "
                f"the last: {_last_line(error)}",
                "Look at the memory of the nodes and at Ray's logs; what is finished is kept, and "
                "the same command goes on from there",
            ) from error


@contextmanager
def _connected(address: str, size: int) -> Iterator[Any]:
    """Give `ray`, connected. What was started for it is ended; what was there is left as it is."""
    with _environment():
        ray = _imported()
        theirs = ray.is_initialized()  # by whoever called us; they also end it
    if theirs:
        yield ray
        return
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        local = {
            "address": "local",
            "num_cpus": available_cores(),
            "object_store_memory": STORE + 2 * size,
            "include_dashboard": False,
            "_temp_dir": folder,
        }
        try:
            _join(ray, address, {"address": address} if address else local)
            yield ray
        finally:
            ray.shutdown()


def _join(ray: Any, address: str, options: dict[str, Any]) -> None:
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        with _environment():
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray has no class of its own for what goes wrong here
        raise InputError(
            _named(address),
            f"it cannot be reached: {_last_line(error)}",
            "`ray status` on that machine says whether it runs; the versions of Ray and Python "
            "must be the same everywhere, and a cluster with tokens wants RAY_AUTH_MODE=token here",
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminated)


@contextmanager
def _environment() -> Iterator[None]:
    """Tell Ray by its environment what it takes no options for; nodes started here inherit it."""
    told = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it warns of a change to come
        "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # or it prints to our output that a worker died
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "--engine ray", f"Ray is not installed here ({error})", "pip install 'curate[ray]'"
        ) from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def _named(address: str) -> str:
    return f"Ray at {address}" if address else "Ray on this machine"


def _alive(ray: Any) -> dict[str, dict[str, float]]:
    """Resources of every node that lives, by its id."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def _needs(cluster: Cluster, nodes: dict[str, dict[str, float]]) -> _Needs:
    """Choose what one actor takes, so that the smallest node that fits is filled."""
    gpus = cluster.gpus or float(any(node.get("GPU", 0) >= 1 for node in nodes.values()))
    fit = [node for node in nodes.values() if node.get("CPU") and node.get("GPU", 0) >= gpus]
    if cluster.cpus or not fit:
        return _Needs(cluster.cpus or 1.0, gpus)
    if gpus:
        return _Needs(max(min(node["CPU"] // (node["GPU"] // gpus) for node in fit), 1.0), gpus)
    return _Needs(min(2.0, *(node["CPU"] for node in fit)), 0.0)


def _told(nodes: dict[str, dict[str, float]]) -> str:
    """Say in a few words what the nodes have."""
    each = [f"{node.get('CPU', 0):g} CPU and {node.get('GPU', 0):g} GPU" for node in nodes.values()]
    return "; ".join(each[:8]) + ("; …" if len(each) > 8 else "") if each else "nothing"


def _versions() -> dict[str, str]:
    major, minor = sys.version_info[:2]
    return {"python": f"{major}.{minor}", "curate": version("curate")}


def _check_versions(machine: str, theirs: dict[str, str]) -> None:
    for package, ours in _versions().items():
        if theirs.get(package) != ours:
            raise InputError(
                f"{package} {theirs.get(package)} on node {machine}",
                f"here it is {ours}, and results of two versions do not mix",
                "Install the same version on every node",
            )


def _portable(error: Exception) -> Exception:
    """Make an exception fit to travel, with where it came from as a note."""
    where = f"On node {platform.node()}, process {os.getpid()}:\n{traceback.format_exc()}"
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # any error may be unfit in its own way
        error = RuntimeError(f"{type(error).__name__}: {_last_line(error)}")
    error.add_note(where)
    return error


def _last_line(error: Exception) -> str:
    """Give what an exception of Ray says in the end, or its kind."""
    with suppress(Exception):  # an error in telling the error
        for line in reversed(str(error).splitlines()):
            if line.strip():
                return line.strip()[:300]
    return type(error).__name__
