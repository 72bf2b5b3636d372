"""`curate cleanup schedule`: the unit alone is printed, or put to work on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from curate.cleanup.policy import approve
from curate.cli.cleanup_rules import policy_of
from curate.cli.jobs import PROGRAM
from curate.cli.main import DONE, EXPECTED, answer
from curate.schedules import KINDS, Job, cron, installing, when
from curate.store.library import Library, opened


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The crontab of this machine, in memory."""
    held = ["MAILTO=ann\n"]
    monkeypatch.setattr(installing, "_crontab", lambda: held[-1])
    monkeypatch.setattr(installing, "_write_crontab", held.append)
    monkeypatch.setattr(installing, "unit_folder", lambda: tmp_path / "units")
    return held


def schedule(*words: str) -> int:
    return answer(["cleanup", "schedule", *words])


K8S = ("--image", "registry/curate:1", "--claim", "zoo")


@pytest.mark.parametrize("kind", KINDS)
def test_the_unit_alone_goes_to_the_output(
    library: Library, capfdbinary: pytest.CaptureFixture[bytes], kind: str
) -> None:
    assert schedule("--at", "03:00", "--as", kind, *K8S) == DONE
    out, err = capfdbinary.readouterr()
    made = Job(
        "cleanup", str(library.root), PROGRAM, when("03:00"), image="registry/curate:1", claim="zoo"
    )
    units = KINDS[kind](made)
    said = out.decode()
    assert said.startswith("# curate-") == (len(units) > 1)
    for name, text in units.items():
        assert text in said
        said = said.replace(text, "").replace(f"# {name}\n", "")
    assert said.strip() == ""
    assert b"Nothing will be moved yet: the cleanup policy" in err
    assert b"curate cleanup approve" in err


def test_with_json_programs_get_it(
    library: Library, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    approve(library, policy_of(library), "ann")
    (tmp_path / "figures").mkdir()
    words = ("--time-out", "2h", "--nice", "5", "--prometheus", "figures/x.prom", "--json")
    assert answer(["jobs", "schedule", "nightly", "--at", "every 6h", *words]) == DONE
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["kind"], told["installed"], told["approved"]) == ("cron", "", True)
    ((unit, line),) = told["files"].items()
    assert unit == told["unit"]
    assert line.startswith("0 */6 * * * ")
    assert f" jobs run nightly --library {tmp_path} --time-out 2h " in line
    assert f"--prometheus={tmp_path}/figures/x.prom" in line
    assert " nice -n 5 " in line
    assert "Nothing will be moved" not in err


def test_a_crontab_is_changed_only_where_it_is_asked_for(
    library: Library, tab: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule("--at", "03:00") == DONE
    assert len(tab) == 1
    assert schedule("--at", "03:00", "--install") == DONE
    assert schedule("--at", "04:00", "--install") == DONE
    assert tab[-1].startswith("MAILTO=ann\n0 4 * * * ")
    assert tab[-1].count("\n") == 2
    assert "in your crontab" in capsys.readouterr().out
    assert answer(["jobs", "--json"]) == DONE
    told = json.loads(capsys.readouterr().out)
    assert [(row["job"], row["by"]) for row in told["scheduled"]] == [("cleanup", "cron")]
    assert schedule("--remove") == DONE
    assert tab[-1] == "MAILTO=ann\n"
    assert schedule("--remove") == EXPECTED


def test_units_of_systemd_are_installed(
    library: Library,
    tab: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(installing, "_systemctl", lambda *words: called.append(words[0]))
    monkeypatch.setattr(installing, "unit_folder", lambda: tmp_path / "systemd" / "user")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert schedule("--at", "03:00", "--as", "systemd", "--install") == DONE
    assert called == ["daemon-reload", "enable"]
    out, err = capsys.readouterr()
    assert "Installed curate-cleanup-" in out
    assert "loginctl enable-linger" in err
    assert len(list((tmp_path / "systemd" / "user").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((), "Give --at 03:00"),
        (("--at", "3 o'clock"), "is no time of a schedule"),
        (("--at", "03:00", "--as", "anacron"), "Known: cron, systemd"),
        (("--at", "03:00", "--as", "k8s"), "--claim VOLUME_CLAIM"),
        (("--at", "03:00", "--as", "k8s", *K8S, "--install"), "kubectl apply"),
        (("--as", "github", "--remove"), "only cron and systemd"),
        (("--at", "03:00", "--remove"), "--remove without it"),
        (("--at", "03:00", "--time-out", "soon"), "no length of time"),
        (("nightli", "--at", "03:00"), "Did you mean nightly?"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_and_changes_nothing(
    library: Library,
    tab: list[str],
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    fault: str,
) -> None:
    assert schedule(*words) == EXPECTED
    assert fault in capsys.readouterr().err
    assert len(tab) == 1


def test_names_that_are_no_text_reach_the_output_as_their_bytes(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = os.fsencode(tmp_path) + b"/z\xff\n"
    os.mkdir(folder)
    with opened(Path(os.fsdecode(folder)), make=True):
        pass
    assert schedule("--at", "03:00", "--library", os.fsdecode(folder)) == DONE
    line = capfdbinary.readouterr().out
    assert folder[:-1] in line
    assert line.count(b"\n") == 1
    assert cron.unit_of(os.fsdecode(line))
    assert schedule("--at", "03:00", "--as", "github", "--library", os.fsdecode(folder)) == EXPECTED


def test_a_manifest_is_one_document(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert schedule("--at", "03:00", "--as", "k8s", *K8S) == DONE
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "CronJob"
