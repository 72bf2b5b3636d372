"""`curate jobs`: what each step asks for, what is not run after a failure, and what is told."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pytest

from curate.cleanup.policy import approve, digest
from curate.cli import jobs, nightly, schedule
from curate.cli.cleanup_rules import policy_of
from curate.cli.main import BUG, DONE, EXPECTED, answer
from curate.core.config import JOB_STEPS, Jobs, load
from curate.core.errors import FaultsError
from curate.scan import scan
from curate.schedules import commands, installing, notify
from curate.schedules.commands import STOPPED, TERMINATED, Commands
from curate.schedules.installing import Installed
from curate.schedules.job import when
from curate.store import journal, queues, runs, schema
from curate.store.library import Library

from ..conftest import MakePhoto

FAKE = """
import json, os, sys, time
words = [word for word in sys.argv[1:] if word != "--json"]
with open("asked", "a") as file:
    file.write(json.dumps(words) + "\\n")
said = json.load(open("said"))
name = next((n for n in said if " ".join(words).startswith(n)), "")
status, told, complaint = said.get(name, [0, {}, ""])
if complaint:
    print("curate: " + complaint, file=sys.stderr)
print(json.dumps(told))
sys.exit(status)
"""

Say = Callable[..., None]


@pytest.fixture(autouse=True)
def nothing_scheduled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installing, "_crontab", lambda: "")
    monkeypatch.setattr(installing, "unit_folder", lambda: tmp_path / "units")
    monkeypatch.delenv(notify.WEBHOOK, raising=False)


@pytest.fixture
def place(library: Library, tmp_path: Path) -> Library:
    """A labelled folder and a pool, as if they had been scanned, and the policy approved."""
    for name, labels, origin in (("labelled", "folder", ""), ("pool", "", "staged")):
        with runs.running(library, "scan", {}) as run, library.writing() as connection:
            row = {"path": bytes(tmp_path / name), "labels": labels, "origin": origin}
            connection.execute(schema.roots.insert().values(**row, run_id=run.run_id))
    approve(library, policy_of(library), "ann")
    return library


@pytest.fixture
def say(place: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Put a program in the place of `curate` that does nothing, and says what the test wants."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(jobs, "PROGRAM", (sys.executable, "-S", str(tmp_path / "fake.py")))

    def saying(told: Mapping[str, Any] = MappingProxyType({})) -> None:
        plan = [0, {"policy": digest(policy_of(place)), "files": 3, "bytes": 300}, ""]
        (tmp_path / "said").write_text(json.dumps({"cleanup plan": plan, **told}))

    saying()
    return saying


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    status = answer(["jobs", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def asked() -> list[list[str]]:
    file = Path("asked")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def ended(told: Any) -> list[tuple[str, str]]:
    return [(row["step"], row["how"]) for row in told["steps"]]


def test_the_night_asks_for_the_whole_loop(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "curate.toml").write_text('[jobs]\nmodel = "zoo.pt"\n')
    with runs.running(place, "queue", {}) as run, place.writing() as connection:
        columns: dict[str, list[object]] = {name: [] for name in queues.COLUMNS}
        queues.save(connection, run.run_id, "monday", {"recipe": "random"}, pd.DataFrame(columns))
    say(
        {
            "scan": [0, {"counts": {"files": 7, "read": 2}}, ""],
            "cleanup apply": [0, {"counts": {"moved": 3}}, ""],
        }
    )
    status, told = ran(capsys, "run", "nightly")
    assert status == told["exit"] == DONE
    plan = f"{tmp_path}/.curate/jobs/{told['run_id']}.plan.json"
    assert asked() == [
        ["scan", "--labels=folder", f"{tmp_path}/labelled"],
        ["scan", "--origin=staged", f"{tmp_path}/pool"],
        ["duplicates"],
        ["bulk-id", "--model=zoo.pt", f"{tmp_path}/pool"],
        ["queue", "--saved=monday", "--refresh"],
        ["cleanup", "plan", "-o", plan],
        ["cleanup", "apply", plan],
        ["cleanup", "purge", "--yes"],
        ["status"],
    ]
    assert {how for _, how in ended(told)} == {"done"}
    assert told["steps"][0]["counts"] == {"files": 7, "read": 2}
    assert told["steps"][5]["counts"] == {"files": 3, "bytes": 300}
    assert told["steps"][6]["counts"] == {"moved": 3}
    assert [row["about"] for row in told["steps"][:2]] == [
        f"{tmp_path}/{n}" for n in ("labelled", "pool")
    ]
    log = Path(told["log"]).read_text()
    assert "$ curate scan --labels=folder" in log


@pytest.mark.parametrize("failing", ["scan", "duplicates"])
def test_cleanup_does_not_run_after_what_it_needs_has_failed(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], failing: str
) -> None:
    say({failing: [1, {}, "/data: is not mounted. Mount it."]})
    status, told = ran(capsys, "run", "nightly")
    assert status == told["exit"] == EXPECTED
    assert dict(ended(told))["cleanup"] == "not run"
    assert not [words for words in asked() if words[0] == "cleanup"]
    # The others go on.
    assert (asked()[-1], dict(ended(told))["report"]) == (["status"], "done")
    reasons = {row["step"]: row["reason"] for row in told["steps"]}
    assert reasons[failing] == "/data: is not mounted. Mount it."
    assert reasons["cleanup"] == f"{failing} did not end well"


def test_one_of_several_folders_that_fails_is_enough(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    say({f"scan --labels=folder {tmp_path}": [1, {}, "gone"]})
    _, told = ran(capsys, "run", "nightly")
    assert ended(told)[:2] == [("scan", "failed"), ("scan", "done")]
    assert dict(ended(told))["cleanup"] == "not run"


def test_what_fails_elsewhere_does_not_keep_cleanup(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "curate.toml").write_text('[jobs]\nmodel = "zoo.pt"\n')
    say({"bulk-id": [3, {}, "a bug of ours"]})
    status, told = ran(capsys, "run", "nightly")
    assert status == 3
    assert dict(ended(told))["cleanup purge"] == "done"


def test_steps_with_nothing_to_do_are_skipped_and_well(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = ran(capsys, "run", "nightly")
    assert status == DONE
    skipped = {row["step"]: row["reason"] for row in told["steps"] if row["how"] == "skipped"}
    assert skipped == {
        "bulk-id": "[jobs] in curate.toml names no model",
        "queues": "no queue is saved",
    }


def test_a_library_that_never_scanned_has_nothing_to_scan_or_to_identify(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "curate.toml").write_text(
        '[jobs]\nmodel = "zoo.pt"\n[jobs.nightly]\nsteps = ["scan", "bulk-id"]\n'
    )
    status, told = ran(capsys, "run", "nightly")
    assert (status, ended(told)) == (DONE, [("scan", "skipped"), ("bulk-id", "skipped")])


def test_steps_are_those_of_the_settings(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "curate.toml").write_text('[jobs.nightly]\nsteps = ["duplicates", "report"]\n')
    _, told = ran(capsys, "run", "nightly")
    assert asked() == [["duplicates"], ["status"]]
    assert len(told["steps"]) == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[jobs.nightly]\nsteps = ["scna"]', "'scna' is no step; known: scan, duplicates"),
        ('[jobs.nightly]\nsteps = ["cleanup", "scan"]', "in this order"),
        ('[jobs.nightly]\nsteps = ["scan", "scan"]', "stands once"),
        ("[jobs.nightly]\nsteps = []", "stands once"),
        ('[jobs]\nmail = "ann"', "one e-mail address"),
        ('[jobs]\nmail = "a@b\\nBcc: c@d"', "one e-mail address"),
        ('[jobs]\nsmtp = "ann:pass@host"', "jobs.smtp"),
        ('[jobs]\nmodell = "zoo.pt"', "did you mean 'model'"),
    ],
)
def test_settings_are_checked(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "curate.toml").write_text(text)
    with pytest.raises(FaultsError, match=fault):
        load(tmp_path)


def test_every_step_of_the_settings_can_be_run() -> None:
    assert tuple(nightly.STEPS) == JOB_STEPS
    assert set(nightly.NEEDS) <= set(JOB_STEPS)
    assert nightly.steps_of("nightly", Jobs()) == JOB_STEPS
    assert {name.split()[0] for name in nightly.COUNTS} == set(JOB_STEPS)


def test_without_an_approved_policy_nothing_is_planned_or_moved(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "curate.toml").write_text("[cleanup]\nmax_share = 0.2\n")
    status, told = ran(capsys, "run", "cleanup")
    assert status == EXPECTED
    assert ended(told) == [("cleanup", "failed")]
    assert "was changed since" in told["steps"][0]["reason"]
    assert asked() == []


def test_a_plan_by_another_policy_is_not_applied(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    say({"cleanup plan": [0, {"policy": "another"}, ""]})
    status, told = ran(capsys, "run", "cleanup")
    assert status == EXPECTED
    assert ended(told) == [("cleanup plan", "done"), ("cleanup", "failed")]
    assert [words[1] for words in asked()] == ["plan"]


@pytest.mark.parametrize("step", ["plan", "apply", "purge"])
def test_what_a_person_should_look_at_first_stops_cleanup(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    status_of = STOPPED if step == "plan" else EXPECTED
    stops = {"stopped": [{"reason": "rule blank wants 10 times"}]}
    say({f"cleanup {step}": [status_of, stops, ""]})
    status, told = ran(capsys, "run", "cleanup")
    assert status == status_of
    done = ["plan", "apply", "purge"]
    assert [words[1] for words in asked()] == done[: done.index(step) + 1]
    if step == "plan":
        assert ended(told) == [("cleanup plan", "stopped")]
        assert told["steps"][0]["reason"] == "rule blank wants 10 times"
        assert told["next"].startswith("curate cleanup plan")


def test_whoever_wants_to_know_is_told_and_a_failure_to_tell_hides_nothing(
    place: Library,
    say: Say,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posted: list[Any] = []
    monkeypatch.setenv(notify.WEBHOOK, "https://example.org/s3cret")
    monkeypatch.setattr(notify, "_post", lambda url, content: posted.append(content))
    (tmp_path / "curate.toml").write_text('[jobs]\nmail = "a@b.org"\nsmtp = "127.0.0.1:1"\n')
    assert ran(capsys, "run", "nightly")[1]["told"] == {}
    assert posted == []
    say({"cleanup plan": [STOPPED, {"stopped": [{"reason": "too many"}]}, ""]})
    capsys.readouterr()
    assert answer(["jobs", "run", "nightly"]) == STOPPED
    out, err = capsys.readouterr()
    assert "webhook: sent" in err
    assert "mail: not sent" in err
    assert "s3cret" not in out + err
    (content,) = posted
    assert "was stopped by its limits" in content["text"]
    assert "cleanup plan: stopped  too many" in content["text"]
    assert (content["job"], content["exit"], content["library"]) == ("nightly", 4, str(tmp_path))
    _, told = ran(capsys)
    assert told["runs"][0]["told"]["webhook"] == "sent"
    assert told["runs"][0]["told"]["mail"].startswith("not sent")


def test_two_jobs_at_once_are_one_and_whoever_wants_to_know_is_told(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[Any] = []
    monkeypatch.setenv(notify.WEBHOOK, "https://example.org")
    monkeypatch.setattr(notify, "_post", lambda url, content: posted.append(content["text"]))
    with place.locked(jobs.STAGE):
        assert answer(["jobs", "run", "cleanup"]) == EXPECTED
    assert "already running" in capsys.readouterr().err
    assert "already running" in posted[0]
    assert asked() == []


def test_a_bug_of_ours_is_told_too(
    place: Library, say: Say, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    posted: list[Any] = []
    monkeypatch.setenv(notify.WEBHOOK, "https://example.org")
    monkeypatch.setattr(notify, "_post", lambda url, content: posted.append(content))

    def broken(night: Any) -> None:
        raise ZeroDivisionError("broken")

    monkeypatch.setitem(nightly.STEPS, "duplicates", broken)
    assert answer(["jobs", "run", "nightly"]) == BUG
    assert (posted[0]["exit"], "broken" in posted[0]["text"]) == (BUG, True)
    (run,) = ran(capsys)[1]["runs"]
    assert (run["how"], run["steps"][0]["step"]) == ("failed", "scan")


def test_past_runs_are_listed_with_their_steps(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(["jobs"])
    assert "No job has run yet" in capsys.readouterr().out
    say({"duplicates": [1, {}, "broken"]})
    ran(capsys, "run", "nightly")
    say({"report": [0, {}, ""], "cleanup apply": [0, {"counts": {"moved": 3, "skipped": 0}}, ""]})
    ran(capsys, "run", "cleanup")
    status, told = ran(capsys)
    assert status == DONE
    assert [(row["job"], row["how"], row["exit"]) for row in told["runs"]] == [
        ("cleanup", "done", 0),
        ("nightly", "failed", 1),
    ]
    assert [step["step"] for step in told["runs"][0]["steps"]][:2] == [
        "cleanup plan",
        "cleanup apply",
    ]
    assert told["scheduled"] == []
    assert "schedule --at" in told["next"]
    assert len(ran(capsys, "--limit", "1")[1]["runs"]) == 1
    answer(["jobs"])
    out = " ".join(capsys.readouterr().out.split())
    assert "cleanup apply: 3 moved" in out
    assert "duplicates: broken; cleanup: duplicates did not" in out
    assert answer(["runs"]) == DONE


def test_the_next_runs_are_those_of_this_machine(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(name: str, library: str) -> list[Installed]:
        assert library == str(place.root)
        return [Installed(name, "cron", when("03:00"))] if name == "cleanup" else []

    monkeypatch.setattr(installing, "installed", there)
    _, told = ran(capsys)
    ((job, by, at),) = [tuple(row.values()) for row in told["scheduled"]]
    assert (job, by) == ("cleanup", "cron")
    assert "T03:00:00" in at
    answer(["jobs"])
    assert "03:00, by cron" in capsys.readouterr().out
    say({"cleanup plan": [1, {}, "broken"]})
    ran(capsys, "run", "cleanup")
    assert ran(capsys)[1]["next"] == "curate jobs run cleanup"


def test_figures_for_prometheus_are_written_where_asked(
    place: Library, say: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for _ in range(2):
        ran(capsys, "run", "cleanup", "--prometheus", "curate.prom")
    text = (tmp_path / "curate.prom").read_text()
    assert 'curate_job_runs_total{job="cleanup",ended="done"} 2\n' in text
    say({"cleanup plan": [STOPPED, {}, ""]})
    assert ran(capsys, "run", "cleanup", "--prometheus", "curate.prom")[0] == STOPPED
    text = (tmp_path / "curate.prom").read_text()
    assert 'curate_job_runs_total{job="cleanup",ended="stopped"} 1\n' in text
    assert 'curate_job_exit_status{job="cleanup"} 4\n' in text
    assert "curate_job_last_success_time_seconds" in text
    assert answer(["jobs", "run", "cleanup", "--prometheus", "no/x.prom"]) == EXPECTED


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("run", "clean"), "Did you mean cleanup?"),
        (("run", "cleanup", "--time-out", "6"), "no length of time"),
        (("run", "cleanup", "--time-out", "0h"), "no time at all"),
    ],
)
def test_what_cannot_be_run_is_refused(
    place: Library, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], fault: str
) -> None:
    assert answer(["jobs", *arguments]) == EXPECTED
    assert fault in capsys.readouterr().err


SLOW = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(143))\ntime.sleep(60)\n"


def test_a_job_is_out_of_time(
    place: Library,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "fake.py").write_text(SLOW)
    monkeypatch.setattr(jobs, "PROGRAM", (sys.executable, "-S", str(tmp_path / "fake.py")))
    monkeypatch.setattr(schedule, "length", lambda text: timedelta(seconds=1))
    status, told = ran(capsys, "run", "cleanup", "--time-out", "1m")
    assert status == TERMINATED
    assert ended(told) == [("cleanup plan", "out of time")]
    assert ran(capsys)[1]["runs"][0]["how"] == "out of time"


def test_a_job_that_is_told_to_end_does_so_within_five_seconds_and_writes_it_down(
    place: Library, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "fake.py").write_text(SLOW)
    code = (
        "import sys; from curate.cli import jobs, main; "
        f"jobs.PROGRAM = (sys.executable, '-S', {str(tmp_path / 'fake.py')!r}); main.run()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, "jobs", "run", "cleanup"])
    while not list(tmp_path.glob(".curate/jobs/*.log")):
        time.sleep(0.02)
    time.sleep(0.2)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == TERMINATED
    assert time.monotonic() - begun < 5
    (run,) = ran(capsys)[1]["runs"]
    assert run["how"] == "interrupted"
    assert [step["how"] for step in run["steps"]] == ["interrupted"]


def test_a_real_night_moves_what_the_policy_names(
    library: Library,
    photo: MakePhoto,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def within(self: Commands, words: Sequence[str], log: int) -> Any:
        """Run the real command, in this process: nine of their own would take too long."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = answer([*words, "--json"])
        return commands._Ended(status, said.getvalue().encode(), "", None)

    monkeypatch.setattr(Commands, "_wait", within)
    (tmp_path / "curate.toml").write_text("[cleanup]\nmax_share = 1.0\n")
    photo(tmp_path / "labelled" / "kudu" / "1.jpg", 1)
    photo(tmp_path / "pool" / "2.jpg", 2)
    photo(tmp_path / "pool" / "blank.jpg", colour=(8, 8, 8))
    scan(library, tmp_path / "labelled", labels="folder", backend="serial")
    scan(library, tmp_path / "pool", backend="serial")
    approve(library, policy_of(library), "ann")
    status, told = ran(capsys, "run", "nightly")
    assert status == DONE, told
    counts = {row["step"]: row["counts"] for row in told["steps"]}
    assert counts["scan"] == {"files": 2, "read": 0, "failed": 0, "gone": 0}
    assert counts["duplicates"] == {"groups": 0, "extra": 0}
    assert counts["cleanup plan"]["files"] == 1
    assert counts["cleanup apply"] == {"moved": 1}
    # The image whose only file is in quarantine is not in the pool any more.
    assert counts["report"] == {"images": 2, "labelled": 1, "pool": 1}
    assert os.listdir(tmp_path / "pool") == ["2.jpg"]
    with library.reading() as connection:
        assert journal.counts(connection)[journal.QUARANTINED][0] == 1
    # The plan is in the library; its file was for the next command alone.
    assert [file.suffix for file in (tmp_path / ".curate" / "jobs").iterdir()] == [".log"]


def test_old_logs_make_room_for_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT_LOGS", 3)
    for name in ("8.log", "9.log", "10.log", "11.log", "notes.log", "9.txt"):
        (tmp_path / name).write_text("what was said")
    # Those of people are theirs, and the clock has no say: 10 comes after 9.
    os.utime(tmp_path / "11.log", (0, 0))
    jobs._prune(tmp_path)
    (tmp_path / "12.log").touch()
    left = sorted(file.name for file in tmp_path.iterdir())
    assert left == ["10.log", "11.log", "12.log", "9.txt", "notes.log"]
