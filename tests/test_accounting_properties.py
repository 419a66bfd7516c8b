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
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from bench.generate import EPOCH, life
from cli.feed import consumer_of, feed
from cli.fluxacct import Target
from eventstore.append import Writer
from eventstore.store import create_or_open, open_readonly
from projections.accounting import JobRecord, job_records
from projections.consumer import Consumer
from projections.rebuild import rebuild
from projections.views import Views

from .accounting_db import create, ids

_STEPS = (
    (Consumer, "window"),
    (Target, "still_has"),
    (Target, "add"),
    (Target, "mark"),
    (Consumer, "done"),
)
_SCRIPT = "INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Broken(Exception):
    """The feed was broken off here."""


@contextmanager
def broken_at(step: int) -> Iterator[None]:
    """Break the feed off before or after one of its steps, counted from 0; -1: nowhere."""
    left = step

    def tick() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            raise Broken

    def ticking(method: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            tick()
            result = method(*args, **kwargs)
            tick()
            return result

        return stepped

    patches = [patch.object(cls, name, ticking(getattr(cls, name))) for cls, name in _STEPS]
    if step >= 0:
        for patched in patches:
            patched.start()
    try:
        yield
    finally:
        if step >= 0:
            for patched in patches:
                patched.stop()


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
        self.random = random.Random(1)
        self.journal: list[bytes] = []  # all that the broker has said
        self.jobs = 0
        self.held: list[bytes] = []  # what was said while nobody listened
        self.open()

    def open(self) -> None:
        self.store = create_or_open(self.db)
        self.views = Views(self.store)

    def teardown(self) -> None:
        self.listen(self.journal)
        finished = {record.id: record for record in self.finished()}
        assert self.jobs == len(finished)
        # What was refused would be missing here: ids are those of one stream.
        self.feed(-1)
        assert set(finished) == ids(self.target)
        self.store.close()
        shutil.rmtree(self.folder)

    def listen(self, lines: list[bytes]) -> None:
        Writer(self.store, "test", self.views.advance).append(lines)

    def finished(self) -> list[JobRecord]:
        with self.store.snapshot() as db:
            return [record for _, record in job_records(db, 0, 10**9)]

    @rule(count=st.integers(1, 3), late=st.integers(0, 2))
    def finish(self, count: int, late: int) -> None:
        """Jobs finish; of some, events reach us later than those of others."""
        for _ in range(count):
            self.jobs += 1
            lines = [text for _, text in life(self.random, self.jobs, EPOCH + self.jobs)]
            self.journal += lines
            if late == 0:
                self.listen(lines)
            elif late == 1:
                self.held += lines
            else:
                self.listen(lines[5:])
                self.held += lines

    @rule(step=st.just(-1) | st.integers(0, 11), after=st.none() | st.integers(0, 9))
    def feed(self, step: int, after: int | None = None) -> None:
        """Run the feed, broken off at a step; only for jobs that ended after another one."""
        ends = sorted(record.t_inactive for record in self.finished())
        since = ends[after % len(ends)] if ends and after is not None else 0.0
        try:
            with (
                broken_at(step),
                open_readonly(self.db) as store,
                Target(self.target) as target,
            ):
                outcome = feed(store, target, consumer_of(store, target), since)
        except Broken:
            return
        assert [] == outcome.refused
        assert {r.id for r in self.finished() if r.t_inactive > since} <= ids(self.target)

    @rule(purged=st.integers(0, 3))
    def run_script(self, purged: int) -> None:
        """flux-accounting's own script adds what ended since the newest row, newest first."""
        db = apsw.Connection(self.target)
        last = db.execute("SELECT coalesce(max(t_inactive), 0) FROM jobs").get
        new = [record for record in self.finished() if record.t_inactive > last]
        new.sort(key=lambda record: -record.t_inactive)
        with db:
            db.executemany(_SCRIPT, new[: len(new) - purged])
        db.close()

    @rule()
    def back_up(self) -> None:
        self.targets.append(Path(self.target).read_bytes())
        self.store.close()
        self.sources.append(Path(self.db).read_bytes())
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

    @rule(whole=st.booleans())
    def replay(self, whole: bool) -> None:
        """We hear of what we missed; or the broker shows all again."""
        self.listen(self.journal if whole else self.held)
        self.held = []

    @rule()
    def rebuild(self) -> None:
        rebuild(self.views, ["accounting"])


TestFeeding = Feeding.TestCase
TestFeeding.settings = settings(stateful_step_count=25)
