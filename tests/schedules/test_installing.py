"""Putting jobs to work: with programs in the place of cron's and systemd's that note all."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.core.errors import InputError
from curate.schedules import installing, systemd, when
from curate.schedules.installing import INSTALL, REMOVE, Installed, installed

from .jobs import ODD, job

CRONTAB = """#!/bin/sh
[ "$1" = - ] && { [ ! -e refuse ] && exec /bin/cat > tab; echo 'bad minute' >&2; exit 1; }
[ -e broken ] && { echo 'cannot open: Permission denied' >&2; exit 1; }
[ -e tab ] && exec /bin/cat tab
echo 'no crontab for ann' >&2; exit 1
"""
SYSTEMCTL = """#!/bin/sh
echo "$*" >> called
[ ! -e refuse ] || { echo 'Failed to connect to bus' >&2; exit 1; }
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose crontab is the file `tab`, and whose units lie in `units`."""
    for name, text in (("crontab", CRONTAB), ("systemctl", SYSTEMCTL)):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    # Nothing else: no test may reach the crontab of whoever runs it.
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(installing, "unit_folder", lambda: tmp_path / "units")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    return tmp_path


@pytest.mark.parametrize("own", ["", "MAILTO=ann\n0 1 * * * backup", "# \udcff\n"])
def test_a_crontab_gains_a_line_and_loses_it_again(machine: Path, own: str) -> None:
    made = job(f"{ODD}\udcff\n")
    if own:
        (machine / "tab").write_text(own, errors="surrogateescape")
    assert INSTALL["cron"](made) == "your crontab"
    assert installed("cleanup", made.library) == [Installed("cleanup", "cron", when("03:00"))]
    INSTALL["cron"](job(made.library, at=when("every 6h")))
    assert installed("cleanup", made.library) == [Installed("cleanup", "cron", when("every 6h"))]
    assert installed("nightly", made.library) == installed("cleanup", "/srv/zoo") == []
    REMOVE["cron"](made.unit)
    assert (machine / "tab").read_text(errors="surrogateescape").rstrip("\n") == own.rstrip("\n")
    with pytest.raises(InputError, match="is not in the crontab"):
        REMOVE["cron"](made.unit)


def test_a_crontab_that_cannot_be_read_is_not_overwritten(machine: Path) -> None:
    (machine / "tab").write_text("0 1 * * * backup\n")
    (machine / "broken").touch()
    with pytest.raises(InputError, match="Permission denied"):
        INSTALL["cron"](job())
    assert (machine / "tab").read_text() == "0 1 * * * backup\n"
    assert installed("cleanup", "/srv/zoo") == []


def test_what_cron_says_to_a_crontab_that_it_refuses_is_told(machine: Path) -> None:
    (machine / "refuse").touch()
    with pytest.raises(InputError, match="bad minute"):
        INSTALL["cron"](job())


def test_a_machine_without_cron_says_so(machine: Path) -> None:
    (machine / "bin" / "crontab").unlink()
    with pytest.raises(InputError, match="Is it installed here"):
        INSTALL["cron"](job())
    assert installed("cleanup", "/srv/zoo") == []


def test_units_of_systemd_are_written_started_and_taken_away(machine: Path) -> None:
    made = job(ODD)
    assert INSTALL["systemd"](made) == str(machine / "units")
    assert {
        file.name: file.read_text(encoding="utf-8") for file in (machine / "units").iterdir()
    } == systemd.units(made)
    assert installed("cleanup", ODD) == [Installed("cleanup", "systemd", when("03:00"))]
    REMOVE["systemd"](made.unit)
    assert not list((machine / "units").iterdir())
    assert installed("cleanup", ODD) == []
    assert (machine / "called").read_text().splitlines() == [
        "--user daemon-reload",
        f"--user enable --now {made.unit}.timer",
        f"--user disable --now {made.unit}.timer",
        "--user daemon-reload",
    ]
    with pytest.raises(InputError, match="is not in"):
        REMOVE["systemd"](made.unit)


def test_where_systemd_does_not_answer_the_units_are_there_all_the_same(machine: Path) -> None:
    (machine / "refuse").touch()
    with pytest.raises(InputError, match=r"systemctl --user daemon-reload: Failed to connect"):
        INSTALL["systemd"](job())
    assert len(list((machine / "units").iterdir())) == 2


def test_units_that_cannot_be_written_are_an_error_of_this_machine(machine: Path) -> None:
    (machine / "units").write_text("in the way")
    with pytest.raises(InputError, match="See that it can be written"):
        INSTALL["systemd"](job())
    assert not (machine / "called").exists()


@pytest.mark.parametrize(
    ("user", "config", "expected"),
    [
        (0, "/x", "/etc/systemd/system"),
        (1000, "/x", "/x/systemd/user"),
        (1000, "", "/home/ann/.config/systemd/user"),
    ],
)
def test_units_of_a_user_lie_in_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, user: int, config: str, expected: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setenv("XDG_CONFIG_HOME", config)
    monkeypatch.setenv("HOME", "/home/ann")
    assert installing.unit_folder() == Path(expected)
