"""End cleanup at every call that changes a file, and look at what comes of it.

    python tests/faults/kill_cleanup.py [apply restore purge …] [--files 6] [--every 1]

A run that nobody disturbs is traced first. Then, for each of its calls that change a file, a folder
or the database, the library is set up anew, the run is ended by SIGKILL just before that call, and
the same command is given again; then each file must be in exactly one place, with its content, the
journal must say so, and `curate check` must find the library whole.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from curate.cleanup import batches
from curate.cleanup.applying import apply
from curate.cleanup.moving import handles
from curate.cleanup.plans import Plan
from curate.cleanup.purging import purge
from curate.cleanup.restoring import restore
from curate.store.library import Library, opened
from curate.store.runs import running
from tests.cleanup.moved import digests, filled, plan_of, settled, whole
from tests.faults import strace


@dataclass
class Stage:
    """A library in its folder, what is done to it, and what must come of it.

    Attributes
    ----------
    folder : Path
        Holds all of it, but a quarantine that lies elsewhere.
    elsewhere : Path or None
        The quarantine on another disk.
    plan : Plan
        Of all files but the one with a label.
    after : Counter
        Digests of all files when the command has come to its end.
    """

    name: str
    folder: Path
    elsewhere: Path | None
    files: int
    plan: Plan = field(init=False)
    before: Counter[str] = field(init=False)
    after: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        photos = self.folder / "work" / "photos"
        photos.mkdir(parents=True)
        if self.elsewhere is not None:
            self.elsewhere.mkdir(exist_ok=True)
        if self.elsewhere is not None:
            quarantine = self.elsewhere / "quarantine"
            (self.folder / "work/curate.toml").write_text(
                f'[cleanup]\nmax_share = 1.0\nquarantine = "{quarantine}"\n'
            )
        else:
            (self.folder / "work/curate.toml").write_text("[cleanup]\nmax_share = 1.0\n")
        with opened(self.folder / "work", make=True) as library:
            named: dict[str | bytes, bytes] = {"0/copy.jpg": b"content 0"}
            named |= {f"{n % 2}/{n}.jpg": b"content %d" % n for n in range(self.files)}
            found = filled(library, photos, named)
            self.plan = plan_of(found)
            if self.name in ("restore", "purge"):
                apply(library, self.plan)
                for _ in range(2):
                    with running(library, "scan", {}):
                        pass
        self.before = digests(*self._places())
        self._keep(self.folder / "kept")
        self.work()
        self.after = digests(*self._places())

    def _places(self) -> list[Path]:
        return [self.folder / "work", *([self.elsewhere] if self.elsewhere else [])]

    def _keep(self, kept: Path) -> None:
        kept.mkdir()
        for number, place in enumerate(self._places()):
            shutil.copytree(place, kept / str(number))

    def anew(self) -> None:
        """Set everything up as it was."""
        for number, place in enumerate(self._places()):
            for one in place.iterdir():
                shutil.rmtree(one) if one.is_dir() else one.unlink()
            shutil.copytree(self.folder / "kept" / str(number), place, dirs_exist_ok=True)

    def work(self) -> None:
        """Do what is disturbed."""
        with opened(self.folder / "work") as library:
            _WORK[self.name](library, self.plan)

    def undisturbed(self) -> None:
        """See that everything is as it must be after the command has come to its end."""
        assert digests(*self._places()) == self.after, "a file was lost, doubled or changed"
        with opened(self.folder / "work") as library:
            assert settled(library)
            assert whole(library)

    def half_way(self) -> None:
        """See that nothing is gone that may not go, whenever it was ended."""
        now = digests(*self._places())
        assert not self.after - now, "a file was lost by the kill itself"
        # A copy lies in both places for a moment, and may not be whole yet.
        if self.elsewhere is None and not _linking():
            assert not now - self.before, "a file was doubled"


_WORK: dict[str, Callable[[Library, Plan], object]] = {
    "apply": apply,
    "restore": lambda library, plan: restore(library),
    "purge": lambda library, plan: purge(library, grace=timedelta(0), really=True),
}


def _linking() -> bool:
    return handles._renameat2 is None


@dataclass
class Tally:
    """What the kills did."""

    points: int = 0
    kills: int = 0
    by_call: Counter[str] = field(default_factory=Counter)


OF_THE_DATABASE = ("pwrite64", "fdatasync")


def thinned(points: list[tuple[str, int]], every: int, database: int) -> list[tuple[str, int]]:
    """Take every so-manieth point, of the database's own writes and of the others."""
    own = [point for point in points if point[0] in OF_THE_DATABASE]
    others = [point for point in points if point[0] not in OF_THE_DATABASE]
    return others[::every] + own[::database]


def torment(stage: Stage, every: int = 1, database: int = 1, batch: int = 4) -> Tally:
    """Kill at calls that change something (see `thinned`); raise where a file is amiss after it."""
    before, batches.SIZE = batches.SIZE, batch
    try:
        stage.anew()
        points = strace.kill_points(strace.calls(stage.work, stage.folder / "log"))
        tally = Tally(len(points))
        for call, number in thinned(points, every, database):
            stage.anew()
            if strace.killed_at(stage.work, call, number):
                tally.kills += 1
                tally.by_call[call] += 1
            stage.half_way()
            assert strace.forked(stage.work) == 0, f"after a kill at {call} {number}"
            stage.undisturbed()
    finally:
        batches.SIZE = before
    return tally


def main() -> None:
    """Read the arguments and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", default=list(_WORK))
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--database", type=int, default=1, help="of the database's own writes")
    parser.add_argument("--where", type=Path, help="a folder for the libraries")
    parser.add_argument("--elsewhere", type=Path, help="a folder on another disk")
    given = parser.parse_args()
    for name in given.names:
        for kind in ("rename", "link", *(["copy"] if given.elsewhere else [])):
            if (kind, name) == ("link", "purge"):
                continue
            with (
                tempfile.TemporaryDirectory(dir=given.where) as folder,
                tempfile.TemporaryDirectory(dir=given.elsewhere) as other,
            ):
                real = handles._renameat2
                if kind == "link":
                    handles._renameat2 = None
                try:
                    began = time.monotonic()
                    place = Path(other) if kind == "copy" else None
                    tally = torment(
                        Stage(name, Path(folder), place, given.files), given.every, given.database
                    )
                finally:
                    handles._renameat2 = real
            calls = ", ".join(f"{call} {n}" for call, n in tally.by_call.most_common())
            took = time.monotonic() - began
            print(
                f"{name} by {kind}: {tally.points} calls that change something, "
                f"{tally.kills} kills ({calls}) in {took:.0f} s: nothing lost, nothing doubled",
                flush=True,
            )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
