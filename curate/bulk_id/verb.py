"""Let checkpoints identify every image under some places, and write down what they say.

The same command resumes: files that have not changed and whose prediction by the same checkpoints
is in the library are not read again. Failures are rows too, and are only tried again where the
system, not the content, was at fault.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from curate import engine
from curate.bulk_id import columns
from curate.bulk_id.done import STAGE, Ids, ids_in, is_done, runs_of
from curate.bulk_id.listed import Counts, Listed
from curate.bulk_id.pipeline import MANY, answered, answered_on, thinker_of
from curate.bulk_id.planned import NAME, circumstances, kept, remembered
from curate.bulk_id.results import Results
from curate.bulk_id.selection import Selection
from curate.bulk_id.thinking import Ask, Means, Thinker
from curate.core import chance, names, paths
from curate.core.errors import CheckpointError, InputError
from curate.core.files import FileEntry, Walked
from curate.core.listing import Place, merged, place_of
from curate.core.names import UNKNOWN
from curate.engine import Computed
from curate.engine.cluster import Cluster
from curate.models import checkpoint as checkpoints
from curate.models.checkpoint import Checkpoint
from curate.models.plan import FEW, SAMPLED
from curate.store import decisions, duplicates, files, runs, shards
from curate.store.files import FileRow
from curate.store.library import Library
from curate.store.runs import Run

ROWS = 2000
"""Rows in a shard, at most about: what a killed run has to do again."""

SECONDS = 10.0
"""After so long they are written down though they are fewer, so that others can see them."""

Named = str | os.PathLike[str]


@dataclass
class Identified:
    """What a bulk identification found.

    Attributes
    ----------
    results : Results
        One row a file; made when it is asked for.
    checkpoints : list of Checkpoint
        The models.
    plan : DataFrame
        How each way to run the models did (see `curate.models.plan.plan_of`); no row where there
        was nothing to do.
    counts : dict of str to int
        found (files), computed (read in this run), left (for another run, by the selection),
        links (symbolic links met and not followed), sidecars (members of archives that lie beside
        an image under its name), dropped (rows of damaged shards, of any model, that were given
        up; the same commands make them again).
    seconds : float
        Time for what was computed, the models' loading not counted.
    unlisted : list of str
        Folders that could not be listed, each with the system's reason.
    notes : list of str
        What is odd of an archive that was listed: a name that it holds twice.
    batch_size : int or None
        Images in a forward pass at the end: fewer than planned where memory ran short. None where
        nothing was run on this machine.
    """

    results: Results
    checkpoints: list[Checkpoint]
    plan: pd.DataFrame
    counts: dict[str, int]
    seconds: float
    unlisted: list[str]
    notes: list[str]
    batch_size: int | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The whole table: one row a file, by path, with `columns.COLUMNS`."""
        return self.results.table()


def bulk_id(
    library: Library,
    models: Named | Sequence[Named],
    roots: Sequence[Named],
    *,
    arch: str | None = None,
    classes: Named | Sequence[str] | None = None,
    other_classes: bool = False,
    ask: Ask | None = None,
    means: Means | None = None,
    selection: Selection | None = None,
    engine_name: str = "processes",
    cluster: Cluster | None = None,
    schemes: Sequence[str] = (),
    announce: Callable[[pd.DataFrame], None] | None = None,
) -> Identified:
    """Let checkpoints identify every image under some places.

    Parameters
    ----------
    library : Library
        Where files and predictions are written down.
    models : path-like or sequence of path-like
        A checkpoint of ours, or a timm state dict; several are asked together, as an ensemble.
    roots : sequence of path-like
        Folders, files, archives, manifests, patterns, URLs (see `curate.core.listing`).
    arch, classes
        For a checkpoint from elsewhere: see `curate.models.checkpoint.load`.
    other_classes : bool
        Take a checkpoint of ours although it knows classes that this library's labels lack.
    ask : Ask, optional
        What is computed of each image.
    means : Means, optional
        What is settled of how it is run.
    selection : Selection, optional
        Which files are done in this run.
    engine_name : str
        ``processes``, ``serial`` or ``ray``.
    cluster : Cluster, optional
        For ``ray``.
    schemes : sequence of str
        Of the URLs that a manifest may name.
    announce : callable, optional
        Gets the plan as soon as there is one.

    Raises
    ------
    InputError
        A place is missing or holds no file.
    CheckpointError
        A checkpoint cannot be used, or its classes are not this library's.
    """
    ask, means, selection = ask or Ask(), means or Means(), selection or Selection()
    if engine_name != "ray":
        engine.stream(engine_name)
    places = [place_of(root, schemes) for root in roots]
    _refuse_empty(places)
    asked = [models] if isinstance(models, str | os.PathLike) else list(models)
    loaded = [checkpoints.load(model, arch, classes) for model in asked]
    if classes is None and not other_classes:
        for model, checkpoint in zip(asked, loaded, strict=True):
            _check_classes(library, os.fspath(model), checkpoint.classes)
    computing = _computing(loaded, ask)
    key = runs.key_of(computing)
    parameters = {
        **computing,
        "path": " + ".join(os.fspath(model) for model in asked),
        "roots": [paths.to_text(place.path) for place in places],
        "throw_away": any(checkpoint.throw_away for checkpoint in loaded),
    }
    plan, passed, missed = pd.DataFrame(), Walked(), dict[bytes, str]()
    thinker: Thinker | None = None

    def blocks(run: Run, listed: Listed, counts: Counts) -> Generator[Computed, None, None]:
        nonlocal plan, thinker
        todo = _in_time(listed.todo(), selection.seconds)
        many = counts.found >= MANY
        if engine_name == "ray":
            return answered_on(todo, loaded, ask, means, cluster or Cluster(), many=many)
        under = circumstances(means, ask)
        with library.reading() as connection:
            before = remembered(connection, key, under)
        with engine.progress("Measuring how the model runs fastest", None):
            sample = listed.some(SAMPLED) if counts.todo >= FEW and before is None else []
            thinker = thinker_of(loaded, ask, means, counts.todo, sample, before, many=many)
        plan = pd.concat(thinker.measured, ignore_index=True)
        if before is not None or plan["images_per_second"].notna().sum() > len(loaded):
            # At once: a run that is killed has measured for those that go on. Of a short run only
            # the first candidate was timed, which says nothing to a longer one.
            run.summary[NAME] = kept(under, thinker.plans)
            runs.note(library, run)
        if announce is not None:
            announce(plan)
        return answered(todo, thinker, engine_name, means.workers)

    with runs.running(library, STAGE, parameters, key) as run:
        dropped = [
            shard.rows
            for table in (columns.PREDICTIONS, columns.EMBEDDINGS)
            for shard in shards.tidy(library, table)
        ]
        listed = Listed(selection.limit if selection.sample is None else selection.sample)
        rank = _ranks(library, selection, _done(library, key, ask))
        _list(library, listed, places, passed, rank)
        counts = listed.counts()
        seconds, computed = 0.0, 0
        if counts.todo:
            made = blocks(run, listed, counts)
            start = time.monotonic()
            computed = _keep(library, run.run_id, made, counts.todo, missed)
            seconds = time.monotonic() - start
        _mark_gone(library, run.run_id, places, listed, passed)
        counted = {
            "found": counts.found,
            "computed": computed,
            "left": counts.wanted - computed,
            "links": passed.links,
            "sidecars": passed.sidecars,
            "dropped": sum(dropped),
        }
        unlisted = [f"{paths.to_text(folder)}: {why}" for folder, why in passed.failed]
        notes = [f"{paths.to_text(archive)}: {text}" for archive, text in passed.notes]
        batch_size = thinker.batch_size if thinker is not None else None
        if thinker is not None and NAME in run.summary:
            # Where memory ran short, the next run begins with what went through in the end.
            run.summary[NAME] = kept(circumstances(means, ask), thinker.plans)
        run.summary.update(counted, seconds=seconds, unlisted=unlisted, batch_size=batch_size)
    with library.reading() as connection:
        results = Results(library, listed, passed, runs_of(connection, key), missed)
    return Identified(results, loaded, plan, counted, seconds, unlisted, notes, batch_size)


def _done(library: Library, key: str, ask: Ask) -> list[Ids]:
    """Give the images that have all that is asked, by the tables that it lies in."""
    tables = [columns.PREDICTIONS, *([columns.EMBEDDINGS] if ask.embeddings else [])]
    with library.reading() as connection:
        same = runs_of(connection, key)
        return [ids_in(library, connection, table, same) for table in tables]


def _computing(loaded: Sequence[Checkpoint], ask: Ask) -> dict[str, Any]:
    """Say what is computed: a run with an equal answer has made the predictions of this one."""
    first = loaded[0]
    more = {"tta": ask.tta, "with": [checkpoint.digest for checkpoint in loaded[1:]]}
    return {
        "model": first.digest,
        "arch": first.arch,
        "classes": list(first.classes),
        "preprocessing": first.preprocessing.to_json(),
        "top": ask.top,
        **{name: value for name, value in more.items() if value},
    }


def _check_classes(library: Library, model: str, classes: Sequence[str]) -> None:
    """Refuse a model of other labels: its answers would become classes that nobody meant."""
    with library.reading() as connection:
        known = set(decisions.current(connection, "label")["value"]) - {UNKNOWN, ""}
    lacking = [name for name in classes if name not in known] if known else []
    if lacking:
        meant = names.nearest(lacking[0], known)
        shown = ", ".join(map(repr, lacking[:5])) + (", …" if len(lacking) > 5 else "")
        raise CheckpointError(
            model,
            f"{len(lacking)} of its {len(classes)} classes are not in this library: {shown}"
            + (f" (the nearest to the first is {meant!r})" if meant else ""),
            "Scan the labelled images that it was made from, name another --library, or take it "
            "all the same with --other-classes.",
        )


def _refuse_empty(places: Sequence[Place]) -> None:
    """Refuse places without a file before anything is written down."""
    passed = Walked()
    if next(merged(places, passed), None) is not None:
        return
    raise InputError(
        ", ".join(paths.to_text(place.path) for place in places),
        "there is no file in it" + (" that can be listed" if passed.failed else ""),
        "Give a folder of images. If it should hold some, is its disk mounted?",
    )


def _list(
    library: Library,
    listed: Listed,
    places: Sequence[Place],
    passed: Walked,
    rank: Callable[[FileEntry, FileRow | None], float | None],
) -> None:
    def known(some: Sequence[bytes]) -> dict[bytes, FileRow]:
        with library.reading() as connection:
            return files.known_at(connection, some)

    with engine.progress("Listing", None, "files") as advance:
        listed.add(merged(places, passed), known, rank, advance)


def _ranks(
    library: Library, selection: Selection, done: Sequence[Ids]
) -> Callable[[FileEntry, FileRow | None], float | None]:
    """Say in which order files are done, and which are not to do."""
    since = None if selection.since is None else int(selection.since.timestamp() * 1e9)
    seen, copies = Ids(), set[str]()
    if selection.seconds is not None:
        with library.reading() as connection:
            seen = ids_in(library, connection, columns.PREDICTIONS, runs_of(connection))
            alike = duplicates.read(connection)
        copies = set(alike.loc[alike["image_id"] != alike["keeper"], "image_id"])

    def rank(entry: FileEntry, known: FileRow | None) -> float | None:
        if is_done(known, entry, done) or (since is not None and entry.mtime_ns < since):
            return None
        if selection.sample is not None:
            return chance.fraction(selection.seed, paths.to_text(entry.path), "bulk-id sample")
        image_id = known.image_id if known is not None and not known.changed(entry) else None
        return 2.0 * (image_id in seen) + (image_id in copies)

    return rank


def _in_time(todo: Iterator[FileEntry], seconds: float | None) -> Iterator[FileEntry]:
    """Give files until the time is up."""
    end = None if seconds is None else time.monotonic() + seconds
    for entry in todo:
        if end is not None and time.monotonic() > end:
            return
        yield entry


def _keep(
    library: Library,
    run_id: int,
    blocks: Generator[Computed, None, None],
    total: int,
    missed: dict[bytes, str],
) -> int:
    """Write blocks to the library, a shard at a time; give the number of files."""

    def keep(some: list[Computed], number: int) -> None:
        tables = {
            columns.PREDICTIONS: columns.predictions(some, run_id),
            columns.EMBEDDINGS: columns.embeddings(some, run_id),
        }
        written = [
            shards.write(library, name, run_id, number, table)
            for name, table in tables.items()
            if table is not None
        ]
        with library.writing() as connection:
            seen = _sifted(connection, some, missed)
            contents = [content for block in some for _, content in columns.read_well(block)]
            files.register(connection, run_id, seen, contents)
            for shard in written:
                shards.reference(connection, shard)

    buffer = engine.Buffer(keep, ROWS, SECONDS)
    done = failed = 0
    with closing(blocks), engine.progress("Identifying", total) as advance:
        try:
            for block in blocks:
                buffer.add(block, len(block.outcomes))
                done += len(block.outcomes)
                failed += sum(bool(outcome.reason) for outcome in block.outcomes)
                advance(len(block.outcomes), f"{failed} failed" if failed else "")
        finally:
            # Also on Ctrl-C: what has been computed is kept.
            buffer.flush()
    return done


def _sifted(
    connection: Connection, blocks: Sequence[Computed], missed: dict[bytes, str]
) -> list[FileRow]:
    """Say what became of files, but for failures of the system on files that were read well before.

    A machine short of memory for an hour must not make labelled images unreadable; such files are
    failures of this run only, and the next one tries them again.
    """
    outcomes = [outcome for block in blocks for outcome in block.outcomes]
    doubtful = [o for o in outcomes if o.reason and engine.may_pass_later(o.reason)]
    before = files.known_at(connection, [outcome.entry.path for outcome in doubtful])
    well = {
        o.entry.path: o.reason
        for o in doubtful
        if o.entry.path in before and before[o.entry.path].was_read(o.entry)
    }
    missed.update(well)
    return [
        FileRow.read(o.entry, o.value.image_id if not o.reason else None, o.reason)
        for o in outcomes
        if o.entry.path not in well
    ]


def _mark_gone(
    library: Library, run_id: int, places: Sequence[Place], listed: Listed, passed: Walked
) -> None:
    """Say of files that were known in places listed to the end, and not met, that they are gone."""
    hidden = files.hidden_by(passed)
    roots = [place.within for place in places if place.within is not None]
    for page in files.in_pages(library, roots) if roots else ():
        gone = [path for path in listed.lacks([row.path for row in page]) if not hidden(path)]
        if gone:
            with library.writing() as connection:
                files.mark_gone(connection, run_id, gone)
