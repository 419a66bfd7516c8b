# SPDX-License-Identifier: LGPL-3.0
"""Each finished job is in the target exactly once, whatever happens in whatever order.

Jobs finish, late events come, the feed runs and is broken off between any two of its steps,
flux-accounting's own script runs, targets and job databases are restored from backups.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from cli.accounting.feed import Outcome, consumer_of, feed
from cli.accounting.flux_accounting_db import Target
from eventstore.errors import Locked
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store, create_or_open, open_readonly
from projections.engine.consumer_cursor import Consumer
from projections.engine.rebuild import rebuild
from projections.engine.views import Views
from projections.queries.accounting_feed import JobRecord, finished_jobs
from tests.support.accounting_db import create, ids, rows
from tests.support.journal_generator import EPOCH, life
from tests.support.recordings import new_store

_STEPS = (
    (Consumer, "unread"),
    (Target, "still_has"),
    (Target, "add"),
    (Target, "mark"),
    (Consumer, "done"),
)
_STEP = st.integers(0, 17)
_AFTER = st.sampled_from((None,) * 9 + (0, 2, 5))  # what goes through everything hides faults
_SCRIPT = "INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Broken(Exception):
    """The feed was broken off here."""


def break_off() -> None:
    raise Broken


@contextmanager
def at_step(step: int, action: Callable[[], object]) -> Iterator[None]:
    """Do something before or after one of the feed's steps, counted from 0; -1: never."""
    left = step

    def tick() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            action()

    def ticking(method: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            tick()
            result = method(*args, **kwargs)
            tick()
            return result

        return stepped

    with ExitStack() as patches:
        if step >= 0:
            for cls, name in _STEPS:
                stepped = ticking(getattr(cls, name))
                patches.enter_context(patch.object(cls, name, stepped))
        yield


class Feeding(RuleBasedStateMachine):
    """A site with a broker, a job database, and a target."""

    def __init__(self) -> None:
        super().__init__()
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # syncing takes time
        self.folder = Path(tempfile.mkdtemp(prefix="feeding-", dir=memory))
        self.db = str(self.folder / "jobs.sqlite")
        self.target = create(self.folder / "a.db")
        self.sources: list[bytes] = []  # backups of the job database
        self.targets: list[bytes] = []
        self.cursors = Path(self.db + "-consumers")
        self.old_cursors: list[bytes] = []
        self.random = random.Random(1)
        self.journal: list[bytes] = []  # all that the broker has said
        self.jobs = 0
        self.held: list[bytes] = []  # what was said while nobody listened
        # The real number of rows is more than there ever are here: nothing would be behind it.
        self.witnesses = patch("cli.accounting.flux_accounting_db._WITNESSES", 3)
        self.witnesses.start()
        # What the broker knows, and so flux-accounting's script.
        self.broker, self.broker_views = new_store()
        self.open()

    def open(self) -> None:
        self.store = create_or_open(self.db)
        self.views = Views(self.store)

    def teardown(self) -> None:
        self.listen(self.journal)
        finished = {str(record.id): record for record in self.finished(self.store)}
        assert self.jobs == len(finished)
        # What was refused would be missing here: ids are those of one stream.
        self.feed(-1)
        found = {row["id"]: JobRecord(**row) for row in rows(self.target)}
        assert {jobid: record._replace(id=jobid) for jobid, record in finished.items()} == found
        self.store.close()
        self.broker.close()
        self.witnesses.stop()
        shutil.rmtree(self.folder)

    def listen(self, lines: list[bytes]) -> None:
        Writer(self.store, "test", self.views).append(lines)

    def finished(self, store: Store) -> list[JobRecord]:
        with store.snapshot() as db:
            return [record for _, record in finished_jobs(db, 0, 10**9)]

    def run_feed(self, since: float = 0.0) -> Outcome:
        with (
            open_readonly(self.db) as store,
            Target(self.target, wait=0.001) as target,
        ):
            return feed(store, target, consumer_of(store, target), since)

    @rule(count=st.integers(1, 3), late=st.integers(0, 2))
    def finish(self, count: int, late: int) -> None:
        """Jobs finish; of some, events reach us later than those of others."""
        for _ in range(count):
            self.jobs += 1
            lines = [text for _, text in life(self.random, self.jobs, EPOCH + self.jobs)]
            self.journal += lines
            Writer(self.broker, "broker", self.broker_views).append(lines)
            if late == 0:
                self.listen(lines)
            elif late == 1:
                self.held += lines
            else:
                self.listen(lines[5:])
                self.held += lines

    def moment(self, after: int | None) -> float:
        """Return when one of the jobs ended; 0 for None."""
        ends = sorted(record.t_inactive for record in self.finished(self.store))
        return ends[after % len(ends)] if ends and after is not None else 0.0

    @rule(step=st.sampled_from((-1,) * 18 + tuple(range(18))), after=_AFTER)
    def feed(self, step: int, after: int | None = None) -> None:
        """Run the feed, broken off at a step; only for jobs that ended after another one."""
        since = self.moment(after)
        try:
            with at_step(step, break_off):
                outcome = self.run_feed(since)
        except Broken:
            return
        assert [] == outcome.refused
        ended = {r.id for r in self.finished(self.store) if r.t_inactive > since}
        assert ended <= ids(self.target)

    @rule(step=_STEP, after=_AFTER, besides=_AFTER)
    def two_feeds(self, step: int, after: int | None, besides: int | None) -> None:
        """Another feed runs between two steps of one, if that does not hold the target."""

        def other() -> None:
            with suppress(Locked):
                self.run_feed(self.moment(besides))

        with at_step(step, other), suppress(Locked):
            self.run_feed(self.moment(after))

    @precondition(lambda self: self.targets)
    @rule(step=_STEP, which=st.integers(0, 9))
    def replace_target(self, step: int, which: int) -> None:
        """A backup takes the target's place between two steps of the feed."""

        def replace() -> None:
            backup = self.folder / "backup"
            backup.write_bytes(self.targets[which % len(self.targets)])
            backup.rename(self.target)

        with at_step(step, replace), suppress(Locked):
            self.run_feed()

    @rule(purged=st.integers(0, 3))
    def run_script(self, purged: int) -> None:
        """flux-accounting's own script adds what ended since the newest row, newest first."""
        db = apsw.Connection(self.target)
        last = db.execute("SELECT coalesce(max(t_inactive), 0) FROM jobs").get
        new = [record for record in self.finished(self.broker) if record.t_inactive > last]
        new.sort(key=lambda record: -record.t_inactive)
        with db:
            db.executemany(_SCRIPT, new[: len(new) - purged])
        db.close()

    @rule()
    def back_up(self) -> None:
        self.targets.append(Path(self.target).read_bytes())
        self.store.close()
        self.sources.append(Path(self.db).read_bytes())
        if self.cursors.exists():
            self.old_cursors.append(self.cursors.read_bytes())
        self.open()

    @precondition(lambda self: self.targets)
    @rule(which=st.integers(0, 9))
    def restore_target(self, which: int) -> None:
        Path(self.target).write_bytes(self.targets[which % len(self.targets)])

    @precondition(lambda self: self.sources)
    @rule(which=st.integers(0, 9))
    def restore_source(self, which: int) -> None:
        self.store.close()
        Path(self.db).write_bytes(self.sources[which % len(self.sources)])
        self.open()

    @rule(what=st.sampled_from(["rebuild", "vacuum", "lose cursors"]) | st.integers(0, 9))
    def housekeeping(self, what: str | int) -> None:
        """What should make no difference. A number: the cursors are those of a backup."""
        if what == "rebuild":
            rebuild(self.views, ["accounting"])
        elif what == "vacuum":
            db = apsw.Connection(self.target)
            db.execute("VACUUM")
            db.close()
        elif isinstance(what, int) and self.old_cursors:
            self.cursors.write_bytes(self.old_cursors[what % len(self.old_cursors)])
        else:
            self.cursors.unlink(missing_ok=True)

    @rule(whole=st.booleans())
    def refold(self, whole: bool) -> None:
        """We hear of what we missed; or the broker shows all again."""
        self.listen(self.journal if whole else self.held)
        self.held = []


TestFeeding = Feeding.TestCase
TestFeeding.settings = settings(stateful_step_count=30)
