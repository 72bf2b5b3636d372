"""Trackers are told everything, hold what they were told, and never cost a training."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curate.core.errors import InputError
from curate.models import arch as architectures
from curate.models import checkpoint as checkpoints
from curate.models.checkpoint import Checkpoint
from curate.train import figures, trackers
from curate.train.settings import TrainResult, Transplant
from curate.train.trackers import TRACKERS, Tracker, Tracking, tracking

SECONDS_TO_START = 240
"""The server loads for seconds, for minutes where others use the machine too."""

PARAMETERS: dict[str, Any] = {
    "arch": "test_resnet",
    "lr": 0.001,
    "throw_away": True,
    "from": "parent",
    "min_count": None,
    "augment": "flip(p=0.5) | rotate\n(limit=10)",
    "augment_classes": {"left hand": "rotate(limit=5)"},
    "classes": ["x" * 9000],
}

ROWS: list[dict[str, float]] = [
    {"epoch": n, "loss": 2 / n, "val_loss": 3 / n, "val_accuracy": n / 4, "val_recall": np.nan}
    for n in (1, 2, 3)
]


@pytest.fixture
def result(tmp_path: Path) -> TrainResult:
    """What a training of three epochs made; the second was the best."""
    classes = ("okapi", "$zebra$", "斑馬")
    path = tmp_path / "ckpt.safetensors"
    plain = Checkpoint(
        "test_resnet",
        classes,
        architectures.preprocessing("test_resnet"),
        architectures.build("test_resnet", len(classes)).state_dict(),
        throw_away=True,
        parent="parent",
        split="split-digest",
        data="data-digest",
        metrics={"epoch": 2, "val_accuracy": 0.5, "test_accuracy": 0.75, "test_loss": 0.25},
    )
    recalls = pd.DataFrame(
        {"class": classes, "images": [4, 2, 0], "correct": [3, 1, 0], "recall": [0.75, 0.5, np.nan]}
    )
    return TrainResult(
        checkpoint=checkpoints.save(plain, path),
        path=path,
        last=path,
        best_epoch=2,
        stopped=False,
        history=pd.DataFrame(ROWS),
        recalls=recalls,
        failures=pd.DataFrame(),
        transplant=Transplant(0, (), classes, (), ()),
    )


def tell(tracker: Tracker | Tracking, result: TrainResult, *files: Path) -> None:
    tracker.begin("train-7", PARAMETERS)
    for row in ROWS:
        tracker.epoch(row)
    tracker.end(result, files)


DOWN = ConnectionError("the server is down")


@dataclass
class Fake:
    """Holds what it is told; raises `error` while it has one."""

    error: BaseException | None = None
    told: list[str] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    asked: int = 0

    def _hear(self, words: str) -> None:
        self.asked += 1
        if self.error:
            raise self.error
        self.told.append(words)

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        self._hear(f"begin {name}")

    def epoch(self, row: Mapping[str, float]) -> None:
        self._hear(f"epoch {row['epoch']:g}")
        self.losses.append(row["loss"])

    def end(self, result: TrainResult, files: Sequence[Path]) -> None:
        self._hear("end")

    def fail(self, reason: str) -> None:
        self._hear(f"fail {reason}")


ALL = ["begin train-7", "epoch 1", "epoch 2", "epoch 3", "end"]


# --- several at once, and none that can end a training


def test_all_are_told_everything(result: TrainResult) -> None:
    fakes, said = [Fake(), Fake()], list[str]()
    with Tracking({"a": fakes[0], "b": fakes[1]}, said.append) as both:
        tell(both, result)
    assert [fake.told for fake in fakes] == [ALL, ALL]
    assert said == []


def test_one_that_fails_is_left_alone_and_told_again_in_the_end(result: TrainResult) -> None:
    ill, well, said = Fake(), Fake(), list[str]()
    with Tracking({"ill": ill, "well": well}, said.append) as both:
        both.begin("train-7", PARAMETERS)
        ill.error = DOWN
        both.epoch(ROWS[0])
        assert said == [
            "tracker ill: ConnectionError: the server is down; the training goes on, and it is "
            "told again in the end"
        ]
        ill.error = None
        both.epoch(ROWS[1])
        both.epoch(ROWS[2])
        assert (ill.told, ill.asked) == (ALL[:1], 2)
        both.end(result)
    assert ill.told == well.told == ALL
    assert len(said) == 1


def test_a_password_is_not_told() -> None:
    ill, said = Fake(ConnectionError("no answer of http://bob:s3cret@host:5000/api")), list[str]()
    with Tracking({"ill": ill}, said.append) as one:
        one.begin("train-7", PARAMETERS)
    assert "no answer of http://host:5000/api" in said[0]
    assert not any("s3cret" in text for text in said)


def test_one_that_stays_ill_is_named_in_the_end(result: TrainResult) -> None:
    ill, said = Fake(DOWN), list[str]()
    with Tracking({"ill": ill}, said.append) as one:
        tell(one, result)
    assert (ill.told, ill.asked) == ([], 2)
    assert len(said) == 2
    assert "goes on" in said[0]
    assert "it lacks" in said[1]


def test_what_was_said_is_kept_as_it_was_said(result: TrainResult) -> None:
    """The caller may use its row for the next epoch."""
    ill = Fake(DOWN)
    with Tracking({"ill": ill}, lambda words: None) as one:
        row = dict(ROWS[0])
        one.begin("train-7", PARAMETERS)
        one.epoch(row)
        row["loss"] = -1
        ill.error = None
        one.end(result)
    assert ill.losses == [2.0]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(143), "interrupted"),
        (InputError("a", "b", "c"), "a: b. c."),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_a_failure_is_told_and_goes_on(error: BaseException, reason: str) -> None:
    fake = Fake()

    def work() -> None:
        with Tracking({"a": fake}, lambda words: None) as one:
            one.begin("train-7", {})
            raise error

    with pytest.raises(type(error)):
        work()
    assert fake.told == ["begin train-7", f"fail {reason}"]


def test_an_error_after_the_end_is_not_of_the_training(result: TrainResult) -> None:
    fake = Fake()

    def work() -> None:
        with Tracking({"a": fake}, lambda words: None) as one:
            tell(one, result)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert fake.told == ALL


def test_ctrl_c_while_a_tracker_is_told_ends_the_training() -> None:
    fake = Fake(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        Tracking({"a": fake}, lambda words: None).epoch(ROWS[0])


# --- what is wrong is said before the training


def test_without_trackers_nothing_is_told(tmp_path: Path, result: TrainResult) -> None:
    with tracking([], tmp_path / "library") as none:
        tell(none, result)
    assert not (tmp_path / "library").exists()


def test_an_unknown_tracker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tracker 'wandb': known are tensorboard, mlflow\."):
        tracking(["tensorboard", "wandb"], tmp_path)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda package: None)
    with pytest.raises(InputError, match=rf"tracker {name}: .* pip install 'curate\[tracking\]'"):
        tracking([name], tmp_path)


def test_mlflow_needs_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI does not say"):
        tracking(["mlflow"], tmp_path)


def test_a_tracker_is_warned_of_in_the_log(
    tmp_path: Path, result: TrainResult, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tensorboard").write_text("where its folder should be")
    with tracking(["tensorboard"], tmp_path) as one:
        tell(one, result)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "tracker tensorboard: NotADirectoryError" in caplog.text


# --- the pictures


def test_pictures_show_something() -> None:
    drawn = figures.curves(pd.DataFrame(ROWS))
    assert drawn.dtype == np.uint8
    assert drawn.shape == (400, 900, 3)
    other = figures.curves(pd.DataFrame(ROWS).assign(loss=7.0))
    assert (drawn != other).any()


def test_a_picture_of_many_classes_shows_the_weakest() -> None:
    def table(classes: int) -> pd.DataFrame:
        recall = np.linspace(0, 1, classes)
        names = [f"class {n}" for n in range(classes)]
        return pd.DataFrame({"class": names, "images": 9, "correct": 3, "recall": recall})

    few, most, more = (figures.recalls(table(n)) for n in (3, figures.MOST_CLASSES, 1500))
    assert few.shape[0] < most.shape[0] == more.shape[0]


def test_names_are_drawn_as_they_are(result: TrainResult) -> None:
    """Neither a formula nor a script that the font lacks stands in the way."""
    assert figures.recalls(result.recalls.assign(images=1)).std() > 0
    assert figures.recalls(result.recalls[:0]).std() > 0


# --- TensorBoard, read back by its own reader


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_tensorboard_reads_what_it_was_told(tmp_path: Path, result: TrainResult) -> None:
    with tracking(["tensorboard"], tmp_path / ".curate") as one:
        tell(one, result)
    folder = tmp_path / ".curate/tensorboard/train-7"
    found = events(folder)
    for name in ("loss", "val_loss", "val_accuracy"):
        scalars = found.Scalars(name)
        assert [scalar.step for scalar in scalars] == [1, 2, 3]
        assert [scalar.value for scalar in scalars] == pytest.approx([row[name] for row in ROWS])
    tags = found.Tags()
    assert not {"epoch", "val_recall"} & set(tags["scalars"])
    assert found.Scalars("test_accuracy")[0].value == 0.75
    assert set(tags["images"]) == {"curves", "recalls"}
    assert found.Images("curves")[0].encoded_image_string.startswith(b"\x89PNG")
    (text,) = found.Tensors("parameters/text_summary")
    words = text.tensor_proto.string_val[0].decode()
    assert "| lr | 0.001 |" in words
    # A line of its own for each, whatever a value holds.
    assert len(words.splitlines()) == 2 + len(PARAMETERS)
    assert "_hparams_/session_start_info" in found.summary_metadata
    # The checkpoint stays where it is.
    assert sum(file.stat().st_size for file in folder.rglob("*")) < result.path.stat().st_size


def test_tensorboard_has_each_epoch_at_once(tmp_path: Path) -> None:
    """Who watches must not wait for the end; a training that is killed leaves what it told."""
    one = TRACKERS["tensorboard"](tmp_path)
    one.begin("train-7", PARAMETERS)
    one.epoch(ROWS[0])
    assert [scalar.step for scalar in events(tmp_path / "tensorboard/train-7").Scalars("loss")] == [
        1
    ]
    one.fail("a: b. c.")
    (text,) = events(tmp_path / "tensorboard/train-7").Tensors("failed/text_summary")
    assert text.tensor_proto.string_val == [b"a: b. c."]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_is_gone_on_from(
    tmp_path: Path, result: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer's thread dies of it; what was not written is written into another file."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    write, full, said = RecordWriter.write, [False], list[str]()

    def limited(self: Any, data: bytes) -> None:
        if full[0]:
            raise OSError(28, "No space left on device")
        write(self, data)

    monkeypatch.setattr(RecordWriter, "write", limited)
    with tracking(["tensorboard"], tmp_path, said.append) as one:
        one.begin("train-7", PARAMETERS)
        one.epoch(ROWS[0])
        full[0] = True
        one.epoch(ROWS[1])
        assert len(said) == 1
        assert "No space left on device" in said[0]
        full[0] = False
        one.epoch(ROWS[2])
        one.end(result)
    assert len(said) == 1
    found = events(tmp_path / "tensorboard/train-7")
    assert [scalar.step for scalar in found.Scalars("loss")] == [1, 2, 3]
    assert "recalls" in found.Tags()["images"]


# --- MLflow, a real server, read back by its own client


@dataclass
class Server:
    """An MLflow server in a process of its own."""

    uri: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.1)
        pytest.fail(f"the MLflow server does not start:\n{self.log.read_text()[-3000:]}")


def free_port() -> int:
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
        return int(here.getsockname()[1])


@pytest.fixture(scope="module", autouse=True)
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start the server with the first test of this file: it loads while the others run."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"), "--workers", "1",
    ]  # fmt: skip
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=file,
            stderr=file,
            env=os.environ | quiet,
            start_new_session=True,
        )
    yield Server(f"http://127.0.0.1:{port}", process, log)
    # With what it has started; nothing of it is needed any more.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def mlflow(starting: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that answers, as the one that the environment names; an experiment for the test."""
    starting.wait()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", starting.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test {os.urandom(4).hex()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return starting


def tracked(server: Server) -> tuple[Any, Any]:
    """Give a client, and the only run of the test's experiment."""
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def test_mlflow_holds_what_it_was_told(
    mlflow: Server, tmp_path: Path, result: TrainResult, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("seen")
    before = dict(os.environ)
    said: list[str] = []
    with tracking(["mlflow"], tmp_path, said.append) as one:
        tell(one, result, result.path, tmp_path / "notes.txt")
    assert said == []
    assert dict(os.environ) == before
    assert capsys.readouterr().out == ""

    client, run = tracked(mlflow)
    assert (run.info.run_name, run.info.status) == ("train-7", "FINISHED")
    for name in ("loss", "val_loss", "val_accuracy"):
        told = client.get_metric_history(run.info.run_id, name)
        assert [(m.step, m.value) for m in told] == [(row["epoch"], row[name]) for row in ROWS]
    assert (run.data.metrics["test_accuracy"], run.data.metrics["best_epoch"]) == (0.75, 2)
    assert not {"epoch", "val_recall"} & set(run.data.metrics)

    assert set(run.data.params) == set(PARAMETERS)
    assert (run.data.params["arch"], run.data.params["lr"]) == ("test_resnet", "0.001")
    assert run.data.params["augment"] == PARAMETERS["augment"]
    assert json.loads(run.data.params["augment_classes"]) == PARAMETERS["augment_classes"]
    assert len(run.data.params["classes"]) == 6000

    wanted = {
        "split": "split-digest",
        "data": "data-digest",
        "throw_away": "true",
        "parent": "parent",
        "digest": result.checkpoint.digest,
    }
    assert {name: run.data.tags[name] for name in wanted} == wanted


def test_mlflow_holds_the_checkpoint(mlflow: Server, tmp_path: Path, result: TrainResult) -> None:
    with tracking(["mlflow"], tmp_path) as one:
        tell(one, result)
    client, run = tracked(mlflow)
    fetched = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    there = {str(file.relative_to(fetched)) for file in fetched.rglob("*.*")}
    assert {
        "checkpoint/ckpt.safetensors", "checkpoint/card.json", "plots/curves.png",
        "plots/recalls.png",
    } <= there  # fmt: skip
    loaded = checkpoints.load(fetched / "checkpoint/ckpt.safetensors")
    assert loaded.digest == result.checkpoint.digest
    assert loaded.classes == result.checkpoint.classes
    card = json.loads((fetched / "checkpoint/card.json").read_text())
    assert (card["digest"], card["classes"]) == (loaded.digest, list(loaded.classes))
    with Image.open(fetched / "plots/recalls.png") as picture:
        assert picture.format == "PNG"


def test_a_training_that_fails_is_failed_in_mlflow(mlflow: Server, tmp_path: Path) -> None:
    def work() -> None:
        with tracking(["mlflow"], tmp_path) as one:
            one.begin("train-7", PARAMETERS)
            one.epoch(ROWS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    _, run = tracked(mlflow)
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", "interrupted")
    assert run.data.metrics["loss"] == 2.0


def test_mlflow_is_told_by_two_trainings_of_one_new_experiment(
    mlflow: Server, tmp_path: Path
) -> None:
    said: list[str] = []
    both = [tracking(["mlflow"], tmp_path, said.append) for _ in range(2)]
    threads = [threading.Thread(target=one.begin, args=("train-7", {})) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == []


def test_mlflow_that_comes_back_has_everything(
    mlflow: Server, tmp_path: Path, result: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is away for an epoch, as for one that is started again."""
    from mlflow import MlflowClient

    said: list[str] = []
    log_batch, away = MlflowClient.log_batch, [False]

    def answering(self: Any, *arguments: Any, **named: Any) -> Any:
        if away[0]:
            raise ConnectionError("connection refused")
        return log_batch(self, *arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", answering)
    with tracking(["mlflow"], tmp_path, said.append) as one:
        away[0] = True
        one.begin("train-7", PARAMETERS)
        one.epoch(ROWS[0])
        away[0] = False
        one.epoch(ROWS[1])
        one.epoch(ROWS[2])
        one.end(result)
    assert len(said) == 1
    client, run = tracked(mlflow)  # one run: the second beginning went on with it
    assert [m.step for m in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3]
    assert run.info.status == "FINISHED"


def test_a_server_that_is_down_costs_little(
    tmp_path: Path, result: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said: list[str] = []
    began = time.monotonic()
    with tracking(["mlflow"], tmp_path, said.append) as one:
        tell(one, result)
    assert time.monotonic() - began < 20
    assert ["goes on" in words for words in said] == [True, False]


def test_a_server_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user sets for MLflow holds; what is not set is set for as long as it is told."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said: list[str] = []
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with tracking(["mlflow"], tmp_path, said.append) as one:
            one.begin("train-7", {})
        assert time.monotonic() - began < 5
    assert "imed out" in said[0] or "imeout" in said[0]


def test_patience_is_ours_unless_the_user_has_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    before = dict(os.environ)
    with trackers._patient({"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "OTHER": "1"}):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
        assert (os.environ["OTHER"], os.environ["MLFLOW_DISABLE_TELEMETRY"]) == ("1", "true")
    assert dict(os.environ) == before


def test_a_checkpoint_without_digests_is_tracked(
    mlflow: Server, tmp_path: Path, result: TrainResult
) -> None:
    bare = replace(result.checkpoint, parent=None, split=None, data=None)
    said: list[str] = []
    with tracking(["mlflow"], tmp_path, said.append) as one:
        one.begin("train-7", {"from": None})
        one.end(replace(result, checkpoint=bare))
    assert said == []
    _, run = tracked(mlflow)
    assert not {"parent", "split", "data"} & set(run.data.tags)
