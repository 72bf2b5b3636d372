"""Jobs as a service and a timer of systemd."""

from __future__ import annotations

import re
from os import fsencode

from curate.core import paths
from curate.schedules.job import PLAIN, Job, When

_TIME = re.compile(r"^OnCalendar=\*-\*-\* (\d+)(?:/(\d+))?:(\d+):00$", re.MULTILINE)
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r", "%": "%%", "$": "$$"}


def units(job: Job) -> dict[str, str]:
    """Give the files of a job by their names: a service, and the timer that starts it.

    A service of the type ``oneshot`` that is still running is not started again. Secrets stand in
    a file of their own, which need not be there.
    """
    words = " ".join(map(quoted, (*job.program, *job.words)))
    said = _plain(f"curate {job.name} of {paths.to_text(fsencode(job.library))}")
    service = f"""\
[Unit]
Description={said}

[Service]
Type=oneshot
ExecStart={words}
EnvironmentFile=-%E/curate/environment
SyslogIdentifier={job.unit}
TimeoutStartSec={job.bound}
TimeoutStopSec=30
KillMode=mixed
Nice={job.nice}
IOSchedulingClass=idle
"""
    hours = f"{job.at.hour:02}" + (f"/{job.at.every}" if job.at.every < 24 else "")
    timer = f"""\
[Unit]
Description={said}, again and again

[Timer]
OnCalendar=*-*-* {hours}:{job.at.minute:02}:00
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{job.unit}.service": service, f"{job.unit}.timer": timer}


def time(timer: str) -> When | None:
    """Read from a timer of ours when it goes off; None from any other."""
    found = _TIME.search(timer)
    if not found:
        return None
    return When(int(found[1]), int(found[3]), int(found[2] or 24))


def quoted(word: str) -> str:
    """Quote a word of a command line (systemd.service(5), "Command lines").

    What is not printed, and bytes that are not UTF-8, is written as escapes: a unit is UTF-8.
    """
    if PLAIN.fullmatch(word):
        return word
    return '"' + "".join(_ESCAPES.get(character) or _shown(character) for character in word) + '"'


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in fsencode(character))


def _plain(text: str) -> str:
    # In a description a % begins a specifier, and a backslash at the end goes on in the next line.
    return text.replace("%", "%%").replace("\\", "/")
