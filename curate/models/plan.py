"""How a model is run best here: candidates are measured for seconds, where the run is long enough.

First every backend and precision that this machine has, then variations of the fastest. A plan
that changes the scores is not taken, however fast.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from curate.core.errors import CurateError
from curate.models.backends import BACKENDS, PACKAGES, Plan, is_installed
from curate.models.checkpoint import Checkpoint
from curate.models.device import pick_device
from curate.models.network import network_of
from curate.models.runner import Runner, check_plan
from curate.models.scores import log_softmax

__all__ = ["LARGEST_DIFFERENCE", "Plan", "plan_of"]

LARGEST_DIFFERENCE = 0.02
"""Of a calibrated score, against torch in fp32: up to here `auto` takes a faster way."""

FEW = 1_000
"""Images; for fewer, building the candidates takes longer than the run."""

SOON = 20.0
"""Seconds; a run that is over so soon takes the first plan."""

PART = 0.1
"""Part of a run's time that its measuring may take."""

LONG = 900.0
"""Seconds of running above which compiling (half a minute to two) is tried."""

SAMPLED = 32
"""Images on which candidates are compared."""

_SHARES = 8
"""Parts into which the seconds are cut, one for each timing."""


@dataclass(frozen=True)
class _Tried:
    """A candidate, and what came of it; rate and difference are NaN where not measured."""

    plan: Plan
    rate: float = np.nan
    difference: float = np.nan
    reason: str = ""
    accepted: bool = False


def plan_of(
    checkpoint: Checkpoint,
    *,
    images: int | None,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    cores: int,
    seconds: float = 6.0,
    features: bool = False,
    sample: NDArray[np.uint8] | None = None,
) -> tuple[Plan, pd.DataFrame]:
    """Find the fastest way to run a model here that leaves its scores as they are.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model.
    images : int or None
        How many there are to do, as far as is known.
    device, backend, precision : str
        ``auto``, or what the user fixed.
    batch_size : int, optional
        What the user fixed.
    cores : int
        CPU cores that the model may use.
    seconds : float
        Time for timing. Building candidates comes on top, 1 to 3 s each for small networks.
    features : bool
        Whether the run will ask for features.
    sample : ndarray of uint8, shape (N, height, width, 3), optional
        Prepared images to compare scores on, of which 32 are used; made-up patterns otherwise, to
        which a model gives lower scores than to photos.

    Returns
    -------
    plan : Plan
        To be given to `Runner`.
    table : DataFrame
        One row a candidate: `device`, `backend`, `precision`, `batch_size`, `streams`, `threads`,
        `channels_last`, `compiled`, `images_per_second`, `largest_difference` (of a calibrated
        score, against torch in fp32), `chosen` (True in one row), `reason`. What was not measured
        is NaN.

    Raises
    ------
    InputError
        An unknown name, or what the user fixed cannot be had here.
    CurateError
        No candidate runs.
    """
    picked = pick_device(device)
    place = "cpu" if picked.type == "cpu" else f"cuda:{picked.index or 0}"
    first = _default(place, backend, precision, batch_size, cores)
    check_plan(first)
    if images is not None and images < FEW:
        reason = f"not measured: for {images:,} images it takes longer than it saves"
        return _told([_Tried(first, reason=reason, accepted=True)])
    used = checkpoint.preprocessing
    if sample is None or not len(sample):
        sample = _patterns(used.height, used.width)
    pixels = sample[:SAMPLED]
    before = torch.get_num_threads()
    try:
        race = _Race(checkpoint, features, pixels, seconds / _SHARES, precision != "auto", first)
        race.run(first)
        length = np.inf if images is None else images / race.best.rate
        if length > SOON:
            race.seconds = min(race.seconds, PART * length / _SHARES)
            for plan in _kinds(first, backend, precision):
                race.run(plan)
            left = 0.0 if images is None else images / race.best.rate
            for plan in _variations(race.best.plan, batch_size, cores, left):
                race.run(plan)
    finally:
        torch.set_num_threads(before)
    missing = [
        _Tried(
            replace(first, backend=name),
            reason=f"not tried: pip install 'curate[{name}]' adds it",
        )
        for name in PACKAGES
        if backend == "auto" and place == "cpu" and not is_installed(name)
    ]
    return _told(race.tried + missing)


def as_before(plan: Plan, run_id: int) -> tuple[Plan, pd.DataFrame]:
    """Take the plan that another run measured; give what `plan_of` gives."""
    return _told([_Tried(plan, reason=f"as run {run_id} measured it", accepted=True)])


class _Race:
    """Candidates, measured one after the other on the same pixels."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        features: bool,
        pixels: NDArray[np.uint8],
        seconds: float,
        any_precision: bool,
        first: Plan,
    ) -> None:
        self.checkpoint = checkpoint
        self.features = features
        self.pixels = pixels
        self.seconds = seconds
        self.any_precision = any_precision
        self.first = first
        self.tried: list[_Tried] = []
        self.expected = _scores(checkpoint, _reference(checkpoint, pixels))

    @property
    def best(self) -> _Tried:
        return max((one for one in self.tried if one.accepted), key=lambda one: one.rate)

    def run(self, plan: Plan) -> None:
        """Try a plan; what cannot run becomes a row, unless it is what must run."""
        try:
            self.tried.append(self._measured(plan))
        except Exception as error:  # compilers and runtimes have exceptions of their own
            if plan == self.first:
                raise
            said = error.rule if isinstance(error, CurateError) else str(error)
            line = (said.strip().splitlines() or [type(error).__name__])[0]
            self.tried.append(_Tried(plan, reason=f"it does not run: {line}"))

    def _measured(self, plan: Plan) -> _Tried:
        runner = Runner(self.checkpoint, plan, features=self.features)
        found = _scores(self.checkpoint, runner.run(self.pixels).logits)
        difference, moved = _difference(self.expected, found)
        if not (plan == self.first or self.any_precision):
            if not difference <= LARGEST_DIFFERENCE:
                reason = f"refused: a score differs by {difference:.3f}"
                return _Tried(plan, np.nan, difference, reason)
            if moved:
                reason = f"refused: {moved} of {len(found)} images get another class"
                return _Tried(plan, np.nan, difference, reason)
        rate = _rate(runner, self.pixels, self.seconds)
        return _Tried(runner.plan, rate, difference, "", True)


def _default(device: str, backend: str, precision: str, batch_size: int | None, cores: int) -> Plan:
    """What is taken unmeasured: exact, and present everywhere."""
    on_cpu = device == "cpu"
    return Plan(
        device=device,
        backend="torch" if backend == "auto" else backend,
        precision="fp32" if precision == "auto" else precision,
        batch_size=batch_size or (8 if on_cpu else 256),
        # Passes of one thread have no barriers at which to wait for cores that decode.
        streams=cores if on_cpu else 2,
        threads=1,
        channels_last=True,
        compiled=False,
    )


def _kinds(first: Plan, backend: str, precision: str) -> Iterator[Plan]:
    """Every other backend and precision that the user left open and this machine has."""
    on_cpu = first.device == "cpu"
    for name in BACKENDS if on_cpu else ("torch",):
        for kind in _precisions(name, on_cpu):
            plan = replace(first, backend=name, precision=kind)
            free = backend in ("auto", name) and precision in ("auto", kind)
            if free and plan != first and is_installed(name):
                yield plan


def _precisions(backend: str, on_cpu: bool) -> tuple[str, ...]:
    if not on_cpu:
        return ("bf16", "fp16", "fp32") if torch.cuda.is_bf16_supported() else ("fp16", "fp32")
    able = torch.cpu.get_capabilities()
    native = able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16")
    return ("fp32", "bf16") if native and backend != "onnx" else ("fp32",)


def _variations(best: Plan, batch_size: int | None, cores: int, length: float) -> Iterator[Plan]:
    """What differs from the fastest in one thing."""
    if best.device == "cpu":
        if cores > 1:
            yield replace(best, streams=1, threads=cores)
    else:
        for factor in (0.5, 2.0) if batch_size is None else ():
            yield replace(best, batch_size=max(1, int(best.batch_size * factor)))
        yield replace(best, streams=1)
    if best.backend == "torch":
        yield replace(best, channels_last=False)
        if length > LONG and shutil.which("g++"):
            yield replace(best, compiled=True)


def _rate(runner: Runner, pixels: NDArray[np.uint8], seconds: float) -> float:
    """Images a second, from as many threads as the plan has streams."""
    size = runner.plan.batch_size
    batch = np.resize(pixels, (size, *pixels.shape[1:]))

    def work(end: float) -> int:
        done = 0
        while done == 0 or time.perf_counter() < end:
            runner.run(batch)
            done += size
        return done

    with ThreadPoolExecutor(runner.plan.streams) as pool:
        # A thread's first pass makes its buffers.
        list(pool.map(work, [0.0] * runner.plan.streams))
        start = time.perf_counter()
        done = sum(pool.map(work, [start + seconds] * runner.plan.streams))
        return done / (time.perf_counter() - start)


def _reference(checkpoint: Checkpoint, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    network = network_of(checkpoint, fold=False)
    with torch.inference_mode():
        parts = [network(torch.tensor(pixels[at : at + 8])) for at in range(0, len(pixels), 8)]
    return np.asarray(torch.cat(parts).numpy())


def _scores(checkpoint: Checkpoint, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(log_softmax(logits, checkpoint.temperature)))


def _difference(expected: NDArray[np.float64], found: NDArray[np.float64]) -> tuple[float, int]:
    """Give the largest difference of a score, and how many clear top classes are others."""
    whole = np.isfinite(expected).all(axis=1)
    expected, found = expected[whole], found[whole]
    if not len(expected):
        return float("nan"), 0
    two = np.sort(expected, axis=1)[:, -2:]
    clear = two[:, -1] - (two[:, 0] if expected.shape[1] > 1 else 0) > LARGEST_DIFFERENCE
    moved = clear & (expected.argmax(axis=1) != found.argmax(axis=1))
    return float(np.abs(expected - found).max()), int(moved.sum())


def _patterns(height: int, width: int) -> NDArray[np.uint8]:
    """Make varied pixels without chance: waves of many lengths, directions and colours."""
    y, x = np.indices((height, width), np.float64)
    waves = [
        np.sin((x * np.cos(k) + y * np.sin(k)) * (k + 1) ** 2 / 200 + c * k)
        for k in range(SAMPLED)
        for c in range(3)
    ]
    stacked = np.stack(waves).reshape(SAMPLED, 3, height, width).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.rint(127.5 + 127.5 * stacked).astype(np.uint8))


def _told(tried: list[_Tried]) -> tuple[Plan, pd.DataFrame]:
    """Choose, and lay out why."""
    accepted = [number for number, one in enumerate(tried) if one.accepted]
    # Rates are missing where nothing was measured: then there is one candidate.
    chosen = max(accepted, key=lambda number: (tried[number].rate, -number))
    measured = len(accepted)
    rows = []
    for number, one in enumerate(tried):
        reason = one.reason
        if number == chosen:
            reason = reason or (f"the fastest of {measured}" if measured > 1 else _ALONE)
        elif one.accepted:
            reason = f"{one.rate / tried[chosen].rate:.0%} of the fastest"
        rows.append(
            {
                **asdict(one.plan),
                "images_per_second": one.rate,
                "largest_difference": one.difference,
                "chosen": number == chosen,
                "reason": reason,
            }
        )
    return tried[chosen].plan, pd.DataFrame(rows)


_ALONE = "the others were not measured: the run is short, or everything was fixed"
