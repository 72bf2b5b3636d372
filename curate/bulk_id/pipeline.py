"""Files in, blocks of answers out: on this machine, or on the actors of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing

import numpy as np
import torch

from curate import engine
from curate.bulk_id.thinking import Ask, Means, Thinker
from curate.core.chunks import batched
from curate.core.files import FileEntry
from curate.core.images import Pixels
from curate.engine import Computed, Limits, Outcome, Stream, Work
from curate.engine.cluster import Cluster, Crash, each_chunk
from curate.models.checkpoint import Checkpoint
from curate.models.plan import Plan, as_before, plan_of

CHUNK = 512
"""Files that an actor of a cluster is given at a time: what its death costs."""

MANY = 5_000
"""Files for which it pays that every decoding worker loads torch, to resize in a third of the time.
"""

AHEAD = 4
"""Blocks that may wait for the library to write them down."""


def opened(thinker: Thinker, kind: str, workers: int) -> Stream:
    """Start what identifies files on this machine: a context manager."""
    workers = workers or engine.available_cores()
    return engine.stream(kind)(thinker.work, thinker, thinker.form, workers, Limits())


def answered(
    entries: Iterable[FileEntry], thinker: Thinker, kind: str, workers: int
) -> Generator[Computed, None, None]:
    """Identify files on this machine, in whatever order they are done, ahead of the caller."""
    with (
        opened(thinker, kind, workers) as stream,
        closing(engine.prefetched(stream.run(entries), AHEAD)) as ahead,
    ):
        yield from ahead


def answered_on(
    entries: Iterable[FileEntry],
    models: Sequence[Checkpoint],
    ask: Ask,
    means: Means,
    cluster: Cluster,
    *,
    many: bool,
) -> Generator[Computed, None, None]:
    """Identify files on the actors of a Ray cluster; each actor measures its own machine."""
    work = Work(
        "curate.bulk_id.pipeline:chunk_identifier",
        {"models": list(models), "ask": ask, "means": means, "many": many},
    )
    chunks = (list(chunk) for chunk in batched(entries, CHUNK))
    with closing(each_chunk(chunks, work, cluster)) as results:
        for chunk, result in results:
            if isinstance(result, Crash):
                yield Computed([Outcome(entry, None, result.reason) for entry in chunk])
            else:
                yield from result


def chunk_identifier(
    models: Sequence[Checkpoint], ask: Ask, means: Means, many: bool
) -> Callable[[list[FileEntry]], list[Computed]]:
    """Make what an actor does: identify the files of a chunk, with models that it holds."""
    thinker = thinker_of(models, ask, means, None, many=many)
    # It lives as long as its actor; the workers end with it.
    stream = opened(thinker, "processes", means.workers)
    return lambda chunk: list(stream.run(chunk))


def thinker_of(
    models: Sequence[Checkpoint],
    ask: Ask,
    means: Means,
    images: int | None,
    sample: Sequence[FileEntry] = (),
    remembered: tuple[Sequence[Plan], int] | None = None,
    *,
    many: bool = False,
) -> Thinker:
    """Load models, each run in the way that is fastest on this machine.

    Parameters
    ----------
    models : sequence of Checkpoint
        What to run.
    ask : Ask
        What is computed.
    means : Means
        What the user has settled of how.
    images : int or None
        How many images there are: for few, nothing is measured.
    sample : sequence of FileEntry
        Files on which ways to run the models are compared; made-up pixels when not given.
    remembered : (sequence of Plan, int), optional
        A plan for each, and the run that measured them; nothing is measured then.
    many : bool
        Whether there are so many files that a worker may take seconds to start. It goes by all
        files of the places, not by those left, so that a run and what resumes it see the same
        pixels.
    """
    if remembered is not None:
        planned = [as_before(plan, remembered[1]) for plan in remembered[0]]
    else:
        planned = [
            plan_of(
                model,
                images=images,
                device=means.device,
                backend=means.backend,
                precision=means.precision,
                batch_size=means.batch_size or None,
                cores=engine.available_cores(),
                features=ask.embeddings or model.novelty is not None,
                sample=_prepared(sample, model),
            )
            for model in models
        ]
    plans, measured = [plan for plan, _ in planned], [table for _, table in planned]
    devices = all_devices(means.device, plans[0].device)
    return Thinker(models, plans, ask, measured, devices=devices, many=many)


def _prepared(sample: Sequence[FileEntry], model: Checkpoint) -> Pixels | None:
    """Read some files for a model; in workers, as nobody knows yet what they hold."""
    if not sample:
        return None
    work = Work("curate.models.reading:read_prepared", {"preprocessing": model.preprocessing})
    read = engine.backend("processes")(sample, work, engine.available_cores(), Limits())
    pixels = {outcome.entry.path: outcome.value[1] for outcome in read if not outcome.reason}
    # In the order of the paths, so that the comparison is the same each time.
    return np.stack([pixels[path] for path in sorted(pixels)]) if pixels else None


def all_devices(asked: str, planned: str) -> list[str]:
    """Give the devices that share the work: every GPU of the machine, unless one was asked for."""
    if asked in ("auto", "cuda") and planned.startswith("cuda"):
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [planned]
