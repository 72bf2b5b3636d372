"""A library in random hands: whatever is done in whatever order, no file is lost or doubled.

Oracles, after every step: L, what the journal says of a file is where it lies; T, the files of
source and quarantine are those that people put there, less what a purge was allowed to delete; D,
`curate check` finds nothing once an interrupted run was settled.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from curate.cleanup import batches, purging
from curate.cleanup.applying import apply
from curate.cleanup.moving import handles
from curate.cleanup.plans import Plan
from curate.cleanup.protected import protected
from curate.cleanup.purging import purge
from curate.cleanup.restoring import restore
from curate.cli.cleanup_rules import plan_cleanup
from curate.core.errors import CurateError, LibraryError
from curate.core.identity import image_id
from curate.store import files, journal, runs
from curate.store.library import opened
from tests.queues.cases import predict, said

from .moved import digests, filled, items, know, label, plan_of, put, settled, whole

DAY = timedelta(days=1)
GRACE = 11 * DAY
MEMORY = Path("/dev/shm")
POLICY = """
[cleanup]
max_share = 1.0
surge = 1000
[cleanup.rules.junk]
recipe = "low-score"
max_score = 0.5
"""

names = st.sampled_from(["a.jpg", "b.jpg", "in/a.jpg", "in/b.jpg", "é.jpg"])
contents = st.sampled_from([b"one", b"two", b"three", b"four"])
crashes = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 6, 9])


class Crash(BaseException):
    """The end of the process, as the code sees it."""


class Hands(RuleBasedStateMachine):
    """People, their clock, and an unreliable machine."""

    def __init__(self) -> None:
        super().__init__()
        where = MEMORY if os.access(MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(dir=where)).resolve()
        self.root = self.folder / "photos"
        self.patch = pytest.MonkeyPatch()
        # Time as it passes, and what the clock adds to it.
        self.passed = datetime(2026, 3, 1, tzinfo=UTC)
        self.added = timedelta(0)
        self.jumps = 0
        self.moved_at: dict[int, tuple[datetime, int]] = {}
        self.labelled: set[str] = set()
        self.expected: Counter[str] = Counter()
        self.plan: Plan | None = None
        self.open = False
        self.fuse = -1

    @initialize()
    def begin(self) -> None:
        self.patch.setattr(journal, "_now", lambda: self.clock().isoformat(timespec="seconds"))
        self.patch.setattr(runs, "_now", lambda: self.clock().isoformat(timespec="seconds"))
        self.patch.setattr(purging, "_now", self.clock)
        self.patch.setattr(batches, "SIZE", 2)
        for name in ("move", "image_of"):
            self.patch.setattr(handles, name, self.burning(getattr(handles, name)))
        (self.folder / "photos").mkdir()
        (self.folder / "curate.toml").write_text(POLICY)
        self.opening = opened(self.folder, make=True)
        self.library = self.opening.__enter__()
        filled(self.library, self.root, {"a.jpg": b"one", "in/a.jpg": b"two", "b.jpg": b"three"})
        self.expected = digests(self.folder)

    def teardown(self) -> None:
        self.patch.undo()
        if hasattr(self, "opening"):
            self.opening.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    def clock(self) -> datetime:
        return self.passed + self.added

    def burning(self, real: Callable[..., object]) -> Callable[..., object]:
        def step(*given: object) -> object:
            self.fuse -= 1
            if self.fuse == 0:
                raise Crash
            done = real(*given)
            self.fuse -= 1
            if self.fuse == 0:
                raise Crash
            return done

        return step

    def attempt(self, work: Callable[[], object], crash: int) -> None:
        """Do it, perhaps not to its end."""
        self.fuse = crash or -1
        try:
            work()
            self.open = False
        except Crash:
            self.open = True
        except CurateError:
            pass
        self.fuse = -1
        for item in items(self.library):
            if item.state == journal.QUARANTINED:
                self.moved_at.setdefault(item.item, (self.passed, self.jumps))

    @rule(name=names, content=contents)
    def add_or_edit(self, name: str, content: bytes) -> None:
        path = self.root / name
        if path.exists():
            self.expected[sha256(path.read_bytes()).hexdigest()] -= 1
        put(self.root, {name: content})
        self.expected[sha256(content).hexdigest()] += 1

    @rule(score=st.sampled_from([0.1, 0.9]))
    def predict(self, score: float) -> None:
        named = [image_id(content) for content in (b"one", b"two", b"three", b"four")]
        predict(self.library, [said(name, "kudu", score) for name in named])

    @rule()
    def scan(self) -> None:
        there = [os.fsencode(path) for path in sorted(self.root.rglob("*")) if path.is_file()]
        know(self.library, self.root, there)
        with runs.running(self.library, "scan", {}) as run, self.library.writing() as connection:
            known = files.known(connection, [os.fsencode(self.root)])
            missing = [p for p, f in known.items() if f.status != "gone" and p not in there]
            files.mark_gone(connection, run.run_id, missing)

    @rule(content=st.sampled_from([b"two", b"three"]))
    def label(self, content: bytes) -> None:
        label(self.library, content)
        self.labelled.add(image_id(content))

    @rule()
    def make_plan(self) -> None:
        there = [os.fsencode(path) for path in sorted(self.root.rglob("*")) if path.is_file()]
        self.plan = plan_of(there)

    @rule()
    def make_plan_by_policy(self) -> None:
        """Plan what the last predictions say is worth nothing."""
        with suppress(LibraryError):  # a root whose last file has gone is taken for unmounted
            made = plan_cleanup(self.library)
            assert not set(made.table["image_id"]) & self.labelled
            self.plan = made.plan

    @rule()
    def label_too_late(self) -> None:
        """Somebody wants what is in quarantine by now; it comes of age, and somebody purges."""
        self.quarantine(True, 0)
        resting = items(self.library, journal.QUARANTINED)
        wanted = {item.image_id for item in resting}
        for content in (b"one", b"two", b"three", b"four"):
            if image_id(content) in wanted - self.labelled:
                self.label(content)
                break
        self.later(12, 0)
        assert {one.item for one in resting if one.image_id in self.labelled} <= {
            item.item for item in items(self.library, journal.QUARANTINED)
        }

    @rule(fresh=st.booleans(), crash=crashes)
    def quarantine(self, fresh: bool, crash: int) -> None:
        if fresh:
            self.make_plan()
        plan = self.plan
        if plan is not None:
            self.attempt(lambda: apply(self.library, plan), crash)

    @rule(crash=crashes)
    def put_back(self, crash: int) -> None:
        self.attempt(lambda: restore(self.library), crash)

    def purge(self, crash: int) -> None:
        before = {item.item: item for item in items(self.library)}
        self.attempt(lambda: purge(self.library, grace=GRACE, really=True), crash)
        for item in items(self.library, "purged"):
            if before[item.item].state != "purged":
                self.expected[self.whole_digest(item.image_id)] -= 1
                assert item.image_id not in self.labelled or before[item.item].event == "purging"
                since, jumps = self.moved_at[item.item]
                # A clock that jumps ahead gains a week, and no more.
                credit = 7 * DAY * (self.jumps - jumps)
                assert self.passed - since + credit >= GRACE

    @staticmethod
    def whole_digest(name: str) -> str:
        known = [b"one", b"two", b"three", b"four"]
        return next(sha256(one).hexdigest() for one in known if image_id(one) == name)

    @rule(days=st.sampled_from([3, 12]), crash=crashes)
    def later(self, days: int, crash: int) -> None:
        """Time passes, the library is used every third day, and somebody purges."""
        for _ in range(days // 3):
            self.passed += 3 * DAY
            self.used()
        self.purge(crash)

    @rule(days=st.sampled_from([-365, 3650]), crash=crashes)
    def clock_jump(self, days: int, crash: int) -> None:
        """The clock jumps, the library is used twice, and somebody purges."""
        self.added += days * DAY
        self.jumps += 1
        self.used()
        self.used()
        self.purge(crash)

    def used(self) -> None:
        with runs.running(self.library, "report", {}):
            pass

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if hasattr(self, "opening"):
            gone = self.deleted_in_between()
            assert +digests(self.folder) == +(self.expected - gone)

    def deleted_in_between(self) -> Counter[str]:
        """Count what an interrupted purge deleted and could not say so."""
        return Counter(
            self.whole_digest(item.image_id)
            for item in items(self.library, journal.OPEN)
            if item.event == "purging"
            and not os.path.lexists(journal.place_in(self.library, item.place))
        )

    @invariant()
    def the_journal_says_where_files_lie(self) -> None:
        if hasattr(self, "opening"):
            assert settled(self.library)

    @invariant()
    def the_library_is_whole(self) -> None:
        if hasattr(self, "opening") and not self.open:
            assert whole(self.library)

    @invariant()
    def what_is_wanted_is_not_taken(self) -> None:
        if hasattr(self, "opening") and self.labelled:
            with self.library.reading() as connection:
                wanted = protected(connection, sorted(self.labelled))
            assert all(wanted)


Hands.TestCase.settings = settings(max_examples=6, stateful_step_count=30, deadline=None)
TestHands = Hands.TestCase
