"""Put jobs where cron or systemd finds them, take them out again, and see which are there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from curate.core.errors import InputError
from curate.core.files import describe, write_asked
from curate.schedules import cron, systemd
from curate.schedules.job import Job, When, identity, prefix


@dataclass(frozen=True)
class Installed:
    """A job that this machine runs of itself: its name, by what (cron, systemd), and when."""

    job: str
    by: str
    at: When


def install_cron(job: Job) -> str:
    """Put a job into the crontab of whoever asks, and say where it is now."""
    _write_crontab(cron.merged(_crontab(), job))
    return "your crontab"


def remove_cron(unit: str) -> None:
    """Take a job out of the crontab."""
    before = _crontab()
    kept = "".join(line for line in before.splitlines(True) if cron.unit_of(line) != unit)
    if kept == before:
        raise _not_there(unit, "the crontab")
    _write_crontab(kept)


def install_systemd(job: Job) -> str:
    """Write the units of a job, start its timer, and say where they are now."""
    folder = unit_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(folder), describe(error), "See that it can be written.") from error
    for name, text in systemd.units(job).items():
        write_asked(folder / name, text.encode())
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", f"{job.unit}.timer")
    return str(folder)


def remove_systemd(unit: str) -> None:
    """Stop the timer of a job, and delete its units."""
    files = [unit_folder() / f"{unit}.{kind}" for kind in ("timer", "service")]
    if not files[0].exists():
        raise _not_there(unit, str(files[0].parent))
    _systemctl("disable", "--now", files[0].name)
    for file in files:
        file.unlink(missing_ok=True)
    _systemctl("daemon-reload")


INSTALL: dict[str, Callable[[Job], str]] = {"cron": install_cron, "systemd": install_systemd}
REMOVE: dict[str, Callable[[str], None]] = {"cron": remove_cron, "systemd": remove_systemd}
"""How jobs are put to work on this machine, and taken from it."""


def installed(name: str, library: str) -> list[Installed]:
    """Say when this machine runs a job of a library of itself; nothing where that is not told."""
    found = []
    # No cron, or one that does not speak with us, is told to whoever asks for it.
    with suppress(InputError):
        found += [Installed(name, "cron", at) for at in cron.times(_crontab(), name, library)]
    timer = unit_folder() / f"{prefix(name)}{identity(library)}.timer"
    try:
        at = systemd.time(timer.read_text(encoding="utf-8"))
    except OSError:
        at = None
    return found + ([Installed(name, "systemd", at)] if at else [])


def unit_folder() -> Path:
    """Give the folder of units: of the system for its administrator, else of the user."""
    if os.geteuid() == 0:
        return Path("/etc/systemd/system")
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "systemd" / "user"


def _crontab() -> str:
    done = _called(["crontab", "-l"], b"")
    said = os.fsdecode(done.stderr).strip()
    # Only this one complaint means that there is none: anything else must not empty the crontab.
    if done.returncode and "no crontab for" in said:
        return ""
    if done.returncode:
        raise InputError("crontab -l", said or "failed", "Nothing was changed. See that it works.")
    return os.fsdecode(done.stdout)


def _write_crontab(text: str) -> None:
    done = _called(["crontab", "-"], os.fsencode(text))
    if done.returncode:
        said = os.fsdecode(done.stderr).strip()
        raise InputError("crontab -", said or "failed", "The crontab is as it was.")


def _systemctl(*words: str) -> None:
    command = ["systemctl", *(["--user"] if os.geteuid() else []), *words]
    done = _called(command, b"")
    if done.returncode:
        said = os.fsdecode(done.stderr).strip().splitlines()
        raise InputError(
            " ".join(command),
            said[0] if said else "failed",
            f"The units lie in {unit_folder()}; give the command yourself, or use cron.",
        )


def _called(command: list[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=given, capture_output=True, check=False, timeout=60)
    except OSError as error:
        raise InputError(command[0], describe(error), "Is it installed here?") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(command[0], "did not answer", "See that it works.") from error


def _not_there(unit: str, where: str) -> InputError:
    return InputError(unit, f"is not in {where}", "`curate jobs` shows what is scheduled.")
