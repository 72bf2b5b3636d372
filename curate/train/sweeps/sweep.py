"""A sweep: many short trainings that differ in some settings, to learn which settings are good.

One process asks, judges and writes down; trainings run in it or in processes of their own. Every
trial is a run of the library, and these runs are all that a later start goes on from.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from curate.core.errors import PolicyError
from curate.models.checkpoint import Checkpoint
from curate.store import run_rows, runs
from curate.store.library import Library
from curate.train.examples import examples_of
from curate.train.keep import Row
from curate.train.settings import TrainSettings
from curate.train.sweeps.crew import cores, one_by_one, side_by_side
from curate.train.sweeps.plan import SweepPlan
from curate.train.sweeps.rows import Ended, best_of, ended_of, made_of, summary_of, table_of
from curate.train.sweeps.search import Search, importance_of
from curate.train.sweeps.shared import Shared, differences
from curate.train.sweeps.space import Values, combinations
from curate.train.sweeps.trials import FAILED, Outcome, Task

FOLDER = "sweeps"
TRIALS = 20
"""How many, where the file names no number and the method has no end."""


@dataclass(frozen=True)
class Swept:
    """What a sweep found.

    Attributes
    ----------
    trials : DataFrame
        One row a trial: see `curate.train.sweeps.rows.table_of`.
    importance : DataFrame
        parameter, importance (shares of 1), the largest first; empty where nothing can be said.
    best : int or None
        The best trial; None where none is done.
    arch : str or None
        Recipe of the best trial's architecture; None is that of the earlier model.
    settings : TrainSettings or None
        What the best trial was trained with.
    checkpoint : Path or None
        Of the best trial; None where it was taken away.
    known : int
        Trials that an earlier start had done.
    changed : tuple of str
        What differs from the last sweep of this name; empty where this one goes on, or is the
        first.
    """

    trials: pd.DataFrame
    importance: pd.DataFrame
    best: int | None
    arch: str | None
    settings: TrainSettings | None
    checkpoint: Path | None
    known: int
    changed: tuple[str, ...]


def sweep(
    library: Library,
    table: pd.DataFrame,
    plan: SweepPlan,
    base: TrainSettings,
    arch: str | None,
    *,
    name: str = "sweep",
    initial: Checkpoint | None = None,
    trials: int | None = None,
    jobs: int = 1,
    on_trial: Callable[[Ended], None] | None = None,
) -> Swept:
    """Run the trials of a sweep that are not done yet.

    Parameters
    ----------
    library : Library
        Where the runs are recorded, and the best checkpoint lies.
    table : DataFrame
        image_id, path, label, split; see `curate.train.train`.
    plan : SweepPlan
        What is tried; see `curate.train.sweeps.plan.read_plan`.
    base : TrainSettings
        What all trials share.
    arch : str or None
        Recipe of the architecture, where it is not tried; None is that of `initial`.
    name : str
        Of the sweep: its checkpoints and runs bear it.
    initial : Checkpoint, optional
        An earlier model whose body is kept.
    trials : int, optional
        How many in all, whatever the plan says.
    jobs : int
        How many run at the same time, each in a process of its own with its share of the cores.
    on_trial : callable, optional
        Told every trial that has ended, those of earlier starts too.

    Raises
    ------
    PolicyError
        No image on val, without which there is nothing to go by.
    InputError, CheckpointError
        The table cannot be used; Optuna is not installed.
    LockedError
        Another process trains on this library.
    """
    examples = examples_of(table)
    if not len(examples.splits["val"]):
        raise PolicyError(
            "a split without val", f"a sweep goes by {plan.metric}", "See `curate split --val 0.1`"
        )
    search = Search(plan)
    shared = Shared(base, arch, initial, examples)
    identity = shared.identity(plan)
    digest = runs.key_of(identity)
    count = trials_of(plan, trials)
    parameters = {"name": name, "digest": digest, "trials": count, "jobs": jobs, "asked": identity}
    with library.reading() as connection:
        changed = differences(run_rows.recorded(connection, stage="sweep"), name, identity)
    with (
        runs.running(library, "sweep", parameters, digest) as run,
        # `curate train` waits for a sweep as for any training; its trials do not, for each other.
        library.locked("train"),
    ):
        # With its digest: the sweep before the file was changed has its best one, too.
        folder = library.folder / FOLDER / f"{name}-{digest[:8]}"
        sweeping = _Sweep(
            library,
            folder,
            plan,
            shared,
            search,
            count,
            {"name": name, "digest": digest},
            base.workers or (max(1, cores() // jobs) if jobs > 1 else None),
            on_trial or (lambda trial: None),
        )
        known = sweeping.learn()
        hands = (table, initial, sweeping.ask, sweeping.judge, sweeping.end)
        try:
            if jobs == 1:
                one_by_one(*hands)
            else:
                side_by_side(min(jobs, max(1, count - known)), *hands)
        except BaseException as error:
            sweeping.interrupt(error)
            raise
        found = sweeping.swept(known, changed)
        statuses = found.trials["status"].value_counts()
        run.summary.update({str(status): int(number) for status, number in statuses.items()})
        run.summary["best"] = found.best
    return found


def trials_of(plan: SweepPlan, asked: int | None = None) -> int:
    """How many trials a sweep has in all; a grid never more than combinations."""
    wanted = plan.trials if asked is None else asked
    if plan.method == "grid":
        every = len(combinations(plan.space, plan.seed))
        return every if wanted is None else min(wanted, every)
    return TRIALS if wanted is None else wanted


class _Sweep:
    """The state of a sweep between two words of its trials.

    Parameters
    ----------
    library : Library
        Where trials are written down.
    folder : Path
        Where their checkpoints lie.
    plan, shared, search
        What is tried, what all trials share, and what chooses.
    count : int
        Trials in all.
    marks : dict of str to str
        By which the runs of this sweep are found again: its ``name`` and ``digest``.
    workers : int or None
        Threads that read and decode, of each trial.
    on_trial : callable
        Told every trial that ends.
    """

    def __init__(
        self,
        library: Library,
        folder: Path,
        plan: SweepPlan,
        shared: Shared,
        search: Search,
        count: int,
        marks: dict[str, str],
        workers: int | None,
        on_trial: Callable[[Ended], None],
    ) -> None:
        self.library = library
        self.folder = folder
        self.plan = plan
        self.shared = shared
        self.search = search
        self.count = count
        self.marks = marks
        self.workers = workers
        self.on_trial = on_trial
        self.ended: dict[int, Ended] = {}
        self.running: dict[int, _Running] = {}

    def learn(self) -> int:
        """Take up what earlier starts have done; say how many trials that is."""
        with self.library.reading() as connection:
            rows = run_rows.recorded(connection, stage="train")
        found = [ended_of(row, self.marks["digest"], self.plan.metric) for row in rows]
        for trial in sorted(filter(None, found), key=lambda one: one.told.number):
            self.ended[trial.told.number] = trial
            self.search.tell(trial.told)
            self.on_trial(trial)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._tidy()
        return len(self.ended)

    def ask(self) -> Task | None:
        """Begin the next trial that is missing, as a run; None when there is no more."""
        begun = self.ended.keys() | self.running.keys()
        number = next((one for one in range(self.count) if one not in begun), None)
        if number is None:
            return None
        values = self.search.ask(number)
        settings = self.shared.settings_of(self.plan, values)
        arch = self.shared.arch_of(values)
        out = self.folder / f"trial-{number}.safetensors"
        parameters = {
            **self.shared.parameters(arch),
            "out": str(out),
            **asdict(settings),
            "sweep": {**self.marks, "trial": number, "values": values},
        }
        recording = runs.running(self.library, "train", parameters, alone=False)
        run = recording.__enter__()
        task = Task(number, arch, out, replace(settings, workers=self.workers))
        self.running[number] = _Running(task, values, [], recording, run)
        return task

    def judge(self, number: int, row: Row) -> str:
        """Say why a trial shall end after an epoch, or ''."""
        trial = self.running[number]
        trial.history.append(row)
        settings = trial.task.settings
        steps = settings.steps is not None and row["steps"] >= settings.steps
        if steps or row["epoch"] >= settings.epochs:
            return ""  # nothing would be saved
        by_epoch = [past[self.plan.metric] for past in trial.history]
        return self.search.falls_behind(number, int(row["epoch"]), by_epoch)

    def end(self, number: int, outcome: Outcome) -> None:
        """Write down how a trial ended, and keep its checkpoint if it is the best."""
        trial = self.running[number]
        # A process that died has told of its epochs, and of nothing else.
        whole = replace(outcome, history=outcome.history or trial.history)
        ended = made_of(whole, number, trial.values, self.plan.metric, trial.run.run_id)
        trial.run.summary.update(summary_of(whole, ended))
        failure = RuntimeError(ended.reason) if ended.told.status == FAILED else None
        trial.recording.__exit__(type(failure) if failure else None, failure, None)
        del self.running[number]
        self.search.tell(ended.told)
        self.ended[number] = ended
        self._tidy()
        self.on_trial(ended)

    def interrupt(self, error: BaseException) -> None:
        """Write down of the trials that run that they came to no end."""
        for trial in self.running.values():
            trial.recording.__exit__(type(error), error, error.__traceback__)

    def swept(self, known: int, changed: tuple[str, ...]) -> Swept:
        """Sum up."""
        told = [one.told for one in self.ended.values()]
        best = best_of(told, self.plan.metric)
        importance = importance_of(told, self.plan.space, self.plan.metric)
        values = {} if best is None else self.ended[best].told.values
        kept = self.folder / f"trial-{best}.safetensors"
        return Swept(
            trials=table_of(list(self.ended.values()), list(self.plan.space)),
            importance=pd.DataFrame(
                {
                    "parameter": pd.Series(list(importance), dtype="str"),
                    "importance": pd.Series(list(importance.values()), dtype="float64"),
                }
            ),
            best=best,
            arch=self.shared.arch_of(values),
            settings=None if best is None else self.shared.settings_of(self.plan, values),
            checkpoint=kept if kept.exists() else None,
            known=known,
            changed=changed,
        )

    def _tidy(self) -> None:
        """Take away the checkpoints of trials that have ended, but for that of the best."""
        best = best_of([one.told for one in self.ended.values()], self.plan.metric)
        busy = {f"trial-{number}" for number in self.running}
        for path in [*self.folder.glob("trial-*"), *self.folder.glob(".trial-*")]:
            trial = path.name.lstrip(".").split(".")[0]
            if path.name != f"trial-{best}.safetensors" and trial not in busy:
                path.unlink()


@dataclass(frozen=True)
class _Running:
    """A trial that runs: its task, what it takes, the epochs so far, and its run."""

    task: Task
    values: Values
    history: list[Row]
    recording: AbstractContextManager[runs.Run]
    run: runs.Run
