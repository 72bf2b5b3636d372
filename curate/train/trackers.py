"""Trackers: a training told, as it goes, to TensorBoard or to an MLflow server.

A training never pays for its tracker: what one cannot be told is a warning, it is told again in
the end, and the checkpoint is written whatever becomes of it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from curate.core.errors import InputError
from curate.models import checkpoint as checkpoints
from curate.train.settings import TrainResult

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from curate.train.figures import Pixels

_LOG = logging.getLogger(__name__)

_PASSWORD = re.compile(r"//[^/@\s]+@")
"""In an address: who asks, and the password. MLflow's errors tell the whole address."""

_LONGEST = 6000
"""Characters of a parameter or tag that MLflow takes."""


class Tracker(Protocol):
    """Something that is told of one training.

    What is told may be told again after it failed, and must then be whole.
    """

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Hear that a training of this name begins."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """Hear of an epoch: a row of `TrainResult.history`."""

    def end(self, result: TrainResult, files: Sequence[Path]) -> None:
        """Hear that it is done; `files` are what it wrote beside its checkpoint."""

    def fail(self, reason: str) -> None:
        """Hear that it failed or was interrupted."""


class TensorBoard:
    """Writes event files into `.curate/tensorboard/NAME`: curves, parameters, pictures."""

    def __init__(self, place: Path) -> None:
        _need("tensorboard")
        self._root = place / "tensorboard"
        self._folder = self._root
        self._parameters: dict[str, Any] = {}
        self._writer: SummaryWriter | None = None

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Write the parameters as a text."""
        self._folder = self._root / name
        self._parameters = {key: _said(value) for key, value in parameters.items()}
        rows = [f"| {key} | {_in_cell(text)} |" for key, text in self._parameters.items()]
        with self._writing() as writer:
            writer.add_text("parameters", "\n".join(["| parameter | value |", "|---|---|", *rows]))

    def epoch(self, row: Mapping[str, float]) -> None:
        """Write a scalar for each column; the step is the epoch."""
        with self._writing() as writer:
            for name, value in _metrics(row).items():
                writer.add_scalar(name, value, int(row["epoch"]))

    def end(self, result: TrainResult, files: Sequence[Path]) -> None:
        """Write the final metrics, beside the parameters too, and the pictures."""
        final = {name: float(value) for name, value in _final(result).items()}
        with self._writing() as writer:
            for name, pixels in _pictures(result).items():
                writer.add_image(name, pixels, result.best_epoch, dataformats="HWC")
            writer.add_hparams(self._parameters, final, run_name=".")
        self._close()

    def fail(self, reason: str) -> None:
        """Write the reason as a text."""
        with self._writing() as writer:
            writer.add_text("failed", reason)
        self._close()

    @contextmanager
    def _writing(self) -> Iterator[SummaryWriter]:
        """Give the writer; all is on the disk afterwards, or a new file is begun the next time."""
        from torch.utils.tensorboard import SummaryWriter

        writer = self._writer or SummaryWriter(str(self._folder))
        self._writer = None
        yield writer
        writer.flush()
        self._writer = writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class MLflow:
    """Makes a run on the server that MLFLOW_TRACKING_URI names; the checkpoint is an artifact."""

    def __init__(self, place: Path) -> None:
        _need("mlflow")
        self._uri = os.environ.get("MLFLOW_TRACKING_URI", "")
        if not self._uri:
            raise InputError(
                "mlflow",
                "MLFLOW_TRACKING_URI does not say where it is tracked",
                "Set it: http://host:5000 for a server, sqlite:///mlflow.db for a file here",
            )
        self._experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "curate"
        self._run = ""

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Make the run, in the experiment MLFLOW_EXPERIMENT_NAME."""
        with _patient(_BRIEFLY):
            from mlflow.entities import Param, RunTag

            client = self._client()
            if not self._run:
                self._run = client.create_run(self._experiment_id(), run_name=name).info.run_id
            tags = {
                "throw_away": parameters.get("throw_away"),
                "parent": parameters.get("from"),
                "mlflow.source.name": "curate train",
            }
            client.log_batch(
                self._run,
                params=[Param(key, _said(value)) for key, value in parameters.items()],
                tags=[
                    RunTag(key, _said(value)) for key, value in tags.items() if value is not None
                ],
            )

    def epoch(self, row: Mapping[str, float]) -> None:
        """Log a metric for each column; the step is the epoch."""
        with _patient(_BRIEFLY):
            self._log(_metrics(row), int(row["epoch"]))

    def end(self, result: TrainResult, files: Sequence[Path]) -> None:
        """Log the final metrics; upload the checkpoint, its card, the pictures and the files."""
        made = result.checkpoint
        tags = {
            "digest": made.digest,
            "split": made.split,
            "data": made.data,
            "parent": made.parent,
            "throw_away": made.throw_away,
        }
        with _patient(_AT_LENGTH), tempfile.TemporaryDirectory() as scratch:
            from mlflow.entities import RunTag

            client = self._client()
            client.log_batch(
                self._run,
                tags=[
                    RunTag(key, _said(value)) for key, value in tags.items() if value is not None
                ],
            )
            self._log(_final(result), result.best_epoch)
            card = Path(scratch, "card.json")
            card.write_text(json.dumps(checkpoints.describe(made), indent=1, ensure_ascii=False))
            for path in dict.fromkeys([result.path, card, *files]):
                client.log_artifact(self._run, str(path), "checkpoint")
            for name, pixels in _pictures(result).items():
                picture = Path(scratch, f"{name}.png")
                Image.fromarray(pixels).save(picture)
                client.log_artifact(self._run, str(picture), "plots")
            client.set_terminated(self._run, "FINISHED")

    def fail(self, reason: str) -> None:
        """Mark the run as failed, with the reason as a tag."""
        with _patient(_BRIEFLY):
            self._client().set_tag(self._run, "reason", _said(reason))
            self._client().set_terminated(self._run, "FAILED")

    def _log(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        self._client().log_batch(
            self._run, metrics=[Metric(key, value, now, step) for key, value in metrics.items()]
        )

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        client = self._client()
        found = client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                return str(client.create_experiment(self._experiment))
            except MlflowException:
                # Another training may have made it meanwhile.
                found = client.get_experiment_by_name(self._experiment)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self._uri)


TRACKERS: dict[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoard, "mlflow": MLflow}
"""Trackers by name: made with the library's folder before the training, they say what they lack."""


@dataclass
class _Line:
    """A tracker, with what it has not been told yet."""

    name: str
    tracker: Tracker
    waiting: list[Callable[[], None]] = field(default_factory=list)
    failed: bool = False


class Tracking:
    """Tells several trackers of one training; none of them can end it.

    A tracker that fails is left alone until the training ends, and is then told all that it
    missed. As a context manager it tells them of a failure that passes through.

    Parameters
    ----------
    trackers : mapping of str to Tracker
        By name.
    warn : callable
        Told at once when a tracker fails, and in the end what one has missed for good.
    """

    def __init__(self, trackers: Mapping[str, Tracker], warn: Callable[[str], None]) -> None:
        self._lines = [_Line(name, tracker) for name, tracker in trackers.items()]
        self._warn = warn
        self._over = False

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Tell that a training begins."""
        told = dict(parameters)
        for line in self._lines:
            self._tell(line, partial(line.tracker.begin, name, told))

    def epoch(self, row: Mapping[str, float]) -> None:
        """Tell of an epoch."""
        told = dict(row)
        for line in self._lines:
            self._tell(line, partial(line.tracker.epoch, told))

    def end(self, result: TrainResult, files: Sequence[Path] = ()) -> None:
        """Tell that it is done."""
        self._over = True
        for line in self._lines:
            self._tell(line, partial(line.tracker.end, result, files), last=True)

    def fail(self, reason: str) -> None:
        """Tell that it failed or was interrupted."""
        self._over = True
        for line in self._lines:
            self._tell(line, partial(line.tracker.fail, reason), last=True)

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not self._over:
            stopped = isinstance(error, KeyboardInterrupt | SystemExit)
            self.fail("interrupted" if stopped else str(error) or type(error).__name__)

    def _tell(self, line: _Line, call: Callable[[], None], last: bool = False) -> None:
        line.waiting.append(call)
        if line.failed and not last:
            return
        try:
            while line.waiting:
                line.waiting[0]()
                del line.waiting[0]
        except Exception as error:  # whatever a tracker or its server does, the training goes on
            said = " ".join(f"{type(error).__name__}: {error}".split())
            said = _PASSWORD.sub("//", said)[:300]
            line.failed = True
            goes_on = "the training goes on, and it is told again in the end"
            missed = "it lacks the end of this training; the library has all of it (`curate runs`)"
            self._warn(f"tracker {line.name}: {said}; {missed if last else goes_on}")


def tracking(
    names: Sequence[str], place: Path, warn: Callable[[str], None] = _LOG.warning
) -> Tracking:
    """Make trackers ready, before the training begins.

    Parameters
    ----------
    names : sequence of str
        Of `TRACKERS`; one given twice counts once.
    place : Path
        The library's folder `.curate/`: trackers that write files keep them there.
    warn : callable
        Told in words when a tracker fails on the way; the log of this module when not given.

    Returns
    -------
    Tracking
        A context manager around the training.

    Raises
    ------
    InputError
        No such tracker; or its package or its settings are missing.
    """
    for name in names:
        if name not in TRACKERS:
            raise InputError(
                f"tracker {name!r}", f"known are {', '.join(TRACKERS)}", "Take one of these"
            )
    return Tracking({name: TRACKERS[name](place) for name in dict.fromkeys(names)}, warn)


_BRIEFLY = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
_AT_LENGTH = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""How long MLflow's client tries, in seconds and times: a training waits for it between epochs, and
a server that puts a large checkpoint away needs longer to answer."""

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""MLflow would tell its makers that it is used, and print between our lines; whoever wants that
sets these variables."""


@contextmanager
def _patient(usual: Mapping[str, str]) -> Iterator[None]:
    """Set variables of MLflow's for a while, unless the user has set them."""
    mine = {key: value for key, value in {**_QUIET, **usual}.items() if key not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for key in mine:
            os.environ.pop(key, None)


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise InputError(
            f"tracker {package}",
            "its package is not installed",
            "pip install 'curate[tracking]'",
        )


def _metrics(row: Mapping[str, float]) -> dict[str, float]:
    """Give the finite numbers of a row of the history; the epoch is their step."""
    return {
        name: float(value)
        for name, value in row.items()
        if name != "epoch" and math.isfinite(value)
    }


def _final(result: TrainResult) -> dict[str, float]:
    """Give what was measured of the best checkpoint beyond its epoch's row of the history."""
    known = set(result.history.columns)
    metrics = {n: v for n, v in result.checkpoint.metrics.items() if n not in known}
    return {"best_epoch": float(result.best_epoch), **_metrics(metrics)}


def _pictures(result: TrainResult) -> dict[str, Pixels]:
    # Drawing is loaded by who watches a training, not by every training.
    from curate.train import figures

    return {
        "curves": figures.curves(result.history),
        "recalls": figures.recalls(result.recalls),
    }


def _said(value: Any) -> str:
    """Say a value as MLflow takes it: a text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _in_cell(text: str) -> str:
    """Write a text so that it stays in its cell of a Markdown table."""
    return text.replace("|", r"\|").replace("\n", " ")
