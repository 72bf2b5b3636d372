"""Have a real cron daemon run the line of a job: `python -m tests.faults.cron_daemon`, as root.

A library in a folder whose name has all that lines of a crontab stumble over. Its line is the one
that `curate cleanup schedule --install` puts into the crontab, with every minute as its time. What
must come of it: a run of the job that ends well, and the blank image in quarantine. The crontab is
put back as it was. It needs cron (Debian: `apt-get install cron`) and takes up to two minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from curate.schedules import cron
from curate.schedules.job import identity, prefix
from curate.store import journal, run_rows
from curate.store.library import opened

ODD = 'o\'dd "li%b" %\\%x $HOME $(ls) \\\\ ; # ü\nz'
CURATE = (sys.executable, "-P", "-m", "curate")
PATIENCE = 150


def curate(folder: Path, *words: str) -> None:
    """Run a command of `curate` in a folder."""
    subprocess.run([*CURATE, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def made(folder: Path) -> None:
    """Make a library with two labelled images and, in the pool, many good ones and a blank one."""
    for place in ("labelled/kudu", "labelled/zebra", "pool"):
        (folder / place).mkdir(parents=True)
    for number, place in enumerate(["labelled/kudu", "labelled/zebra", *["pool"] * 20]):
        noise = Image.effect_noise((96, 64), 60 + number)
        noise.save(folder / place / f"{number}.png")
    Image.new("L", (96, 64), 8).save(folder / "pool" / "blank.png")
    curate(folder, "scan", "labelled", "--labels", "folder")
    curate(folder, "scan", "pool")
    curate(folder, "cleanup", "approve", "--by", "ann")


def every_minute(folder: Path) -> str:
    """Install the job, and make its line one of every minute; give the line."""
    curate(folder, "cleanup", "schedule", "--at", "03:00", "--as", "cron", "--install")
    found = subprocess.run(["crontab", "-l"], capture_output=True, check=True).stdout
    lines = os.fsdecode(found).splitlines()
    unit = f"{prefix('cleanup')}{identity(str(folder))}"
    line = next(line for line in lines if cron.unit_of(line) == unit)
    now = line.replace("0 3 * * *", "* * * * *", 1)
    subprocess.run(["crontab", "-"], input=os.fsencode(f"{now}\n"), check=True)
    return now


def ended(folder: Path) -> run_rows.Recorded | None:
    """Give the first run of a job that has ended."""
    with opened(folder) as place, place.reading() as connection:
        rows = run_rows.recorded(connection, stage="job")
    return next((row for row in rows[::-1] if row.ended is not None), None)


def main() -> None:
    """Install, wait for the daemon, and look at what it did."""
    before = subprocess.run(["crontab", "-l"], capture_output=True, check=False)
    folder = Path(tempfile.mkdtemp()).resolve() / ODD
    daemon = None
    try:
        folder.mkdir()
        made(folder)
        line = every_minute(folder)
        print(line)
        daemon = subprocess.Popen([shutil.which("cron") or "/usr/sbin/cron", "-f"])
        begun = time.monotonic()
        while (row := ended(folder)) is None and time.monotonic() - begun < PATIENCE:
            time.sleep(1)
        assert row is not None, "cron ran nothing"
        told = [(step["step"], step["how"], step["counts"]) for step in row.summary["steps"]]
        print(f"after {time.monotonic() - begun:.0f} s: {row.status}, {told}")
        assert row.status == "done", row
        with opened(folder) as place, place.reading() as connection:
            assert journal.counts(connection)[journal.QUARANTINED][0] == 1
        assert not (folder / "pool" / "blank.png").exists()
        assert (folder / ".curate" / "cleanup.cron.log").read_bytes()
    finally:
        if daemon is not None:
            daemon.terminate()
            daemon.wait()
        if before.returncode == 0:
            subprocess.run(["crontab", "-"], input=before.stdout, check=True)
        else:
            subprocess.run(["crontab", "-r"], check=False)
        shutil.rmtree(folder.parent)
    print("a real cron ran the line, and it did what it should")


if __name__ == "__main__":
    main()
