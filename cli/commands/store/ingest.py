# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb ingest``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.database import database_path, writing
from cli.main import REJECTED
from cli.options import db_option
from cli.output.streams import say
from cli.progress import progress

if TYPE_CHECKING:
    from cli.input.journal_files import JournalFile
    from cli.input.stop_signals import StopSignals
    from eventstore.ingest.writer import Writer
    from eventstore.storage.connection import Store
    from projections.engine.views import Views

__all__ = ["command"]

_SHOWN = 60  # bytes of a line that a message shows
_LARGE = 8 * 10**6  # bytes of files, from which on it pays to start processes


@click.command(epilog="Example: flux-jobdb --db jobs.sqlite ingest --boot 2 journal-2.jsonl.gz")
@db_option
@click.option("--boot", metavar="ID", help="The broker's boot that the files come from.")
@click.option("--cluster", metavar="NAME",
              help="The cluster whose database it is: given once.")  # fmt: skip
@click.option("--jobs", metavar="N", type=click.IntRange(1),
              help="Processes that share the work. Default: one a core, at most 4, for files "
              "of 8 MB and more in all; else 1.")  # fmt: skip
@click.option("--force", is_flag=True,
              help="Store files that look like no journal, or another cluster's.")  # fmt: skip
@click.argument("files", nargs=-1, metavar="[FILE]...")
def command(
    boot: str | None, cluster: str | None, jobs: int | None, force: bool, files: tuple[str, ...]
) -> int:
    """Store recorded journals: one response of job-manager.events-journal a line.

    Without a FILE, records the journal of the enclosing instance until it ends or a signal
    arrives; Flux's own job-list may stay loaded.

    A line may also be the payload of a job-purge-inactive event. FILE may be compressed (gzip,
    bzip2, xz; zstd with Python 3.14) or a pipe, whose lines are stored as they come; - is
    standard input. Ingest is idempotent: events that are stored already are skipped, so files
    may be given again, and in any order. Lines that cannot be read are kept as rejects, and
    the exit status is 3. A FILE that does not begin as a journal is refused.

    SIGINT, SIGTERM and SIGHUP end it: what came is stored.

    A FILE that is a folder is a lake that `export` made: a new database is made of it.

    With --jobs, events are stored first and views follow: readers see views that are some
    seconds old meanwhile. What is stored is the same with any N.
    """
    if not files:
        return _record(boot, cluster)
    if any(Path(path).is_dir() for path in files):
        return _restore(files, cluster)
    from cli.input.journal_files import JournalFile  # noqa: PLC0415
    from cli.input.stop_signals import StopSignals  # noqa: PLC0415

    stop = StopSignals()
    done = _Ingest(stop)
    opened = 0
    inputs: list[JournalFile] = []

    def add(path: str) -> None:
        nonlocal opened
        source = JournalFile(path, force=force, stop=stop)
        opened += 1
        source.check()
        inputs.append(source)

    for path in files:
        done.attempt(partial(add, path))
    try:
        if inputs:
            done.store(inputs, boot, cluster, jobs or _processes_for(files))
    finally:
        if opened:
            say(_summary(done.total), err=True)
    return done.status()


class _Ingest:
    """What several files brought. One that cannot be read does not keep others from it."""

    def __init__(self, stop: StopSignals) -> None:
        from eventstore.errors import InputError  # noqa: PLC0415
        from eventstore.ingest.counts import Counts  # noqa: PLC0415

        self.total = Counts()
        self._stop = stop
        self._unreadable = InputError
        self._failures: list[InputError] = []
        self._lost = 0  # lines that could not even be kept as rejects

    def attempt(self, work: Callable[[], object]) -> bool:
        """Do some work on an input; returns whether it could be read."""
        try:
            work()
        except self._unreadable as error:
            self._failures.append(error)
            return False
        return True

    def store(
        self, inputs: list[JournalFile], boot: str | None, cluster: str | None, jobs: int
    ) -> None:
        """Store what inputs hold, until a signal comes."""
        from eventstore.ingest.writer import name_cluster  # noqa: PLC0415
        from projections.engine.catch_up import CatchUp  # noqa: PLC0415

        with writing() as (store, views), self._stop:
            if cluster is not None:
                name_cluster(store, cluster, views)
            if jobs == 1:
                self._store_all(inputs, store, [views], boot)
                return
            with CatchUp(views, jobs) as follower:
                self._store_all(inputs, store, [], boot, follower.advance)
                with progress("views") as advance:
                    follower.finish(advance)

    def _store_all(
        self,
        inputs: list[JournalFile],
        store: Store,
        participants: list[Views],
        boot: str | None,
        stored: Callable[[], object] = lambda: None,
    ) -> None:
        from eventstore.ingest.writer import Writer  # noqa: PLC0415

        for source in inputs:
            if not self.attempt(lambda: source.check_cluster(store.db)):  # noqa: B023
                continue
            writer = Writer(store, source.name, *participants, boot=boot)
            self.attempt(lambda: self._store(source, writer, stored))  # noqa: B023 - called here
            if self._stop.number:
                return

    def _store(self, source: JournalFile, writer: Writer, stored: Callable[[], object]) -> None:
        from cli.input.journal_files import NoJournalError  # noqa: PLC0415
        from eventstore.ingest.isolation import append_isolating  # noqa: PLC0415

        outcome = "stopped"
        try:
            with progress(source.name) as advance:
                for batch in source.batches():
                    for _ in append_isolating(writer, batch, self._report):
                        pass
                    advance(source.position, source.size)
                    stored()
            outcome = "interrupted" if self._stop.number else "done"
        except NoJournalError:
            outcome = "refused"
            raise
        finally:
            self.total.add(writer.counts)
            writer.close(outcome)

    def _report(self, line: bytes, error: Exception, kept: bool) -> None:
        where = "kept as a reject" if kept else "lost: SQLite does not take it"
        text = f"flux-jobdb: please report: {error!r:.200} at {line[:_SHOWN]!r}…; {where}"
        say(text, err=True)
        self._lost += not kept

    def status(self) -> int:
        """Return the exit status; raises the last InputError, and names the others."""
        for error in self._failures[:-1]:
            say(f"flux-jobdb: {error}", err=True)
        if self._failures:
            raise self._failures[-1]
        if self._stop.number:
            return 128 + self._stop.number
        return REJECTED if self.total.rejected or self._lost else 0


def _processes_for(files: Iterable[str]) -> int:
    """Return how many processes share the work where nobody said: 1 for what is small."""
    from eventstore.bulk_work import default_processes  # noqa: PLC0415

    sizes = [os.path.getsize(path) for path in files if os.path.isfile(path)]
    return default_processes() if sum(sizes) >= _LARGE else 1


def _restore(files: tuple[str, ...], cluster: str | None) -> int:
    """Make a new database of a lake's files; raises StoreError."""
    from cli.commands.store.export import lake_extra  # noqa: PLC0415
    from eventstore.errors import StoreError  # noqa: PLC0415
    from eventstore.ingest.writer import name_cluster  # noqa: PLC0415
    from eventstore.storage.connection import create_or_open  # noqa: PLC0415

    with lake_extra():
        from lake import manifest as manifests  # noqa: PLC0415
        from lake.restoring import restore  # noqa: PLC0415
    if len(files) != 1:
        raise StoreError(f"{files[0]}: a lake is given alone")
    lake = Path(files[0])
    names = manifests.clusters(lake)
    if cluster is None and len(names) == 1:
        cluster = names[0]
    if cluster is None or cluster not in names:
        known = ", ".join(names) or "no cluster"
        raise StoreError(f"{lake}: it has {known}; name one of them with --cluster")
    with create_or_open(database_path()) as store:
        events = restore(store, lake, manifests.read(lake, cluster))
    with writing() as (store, views):  # which makes the views
        name_cluster(store, cluster, views)
    say(f"{lake}: {events} events new", err=True)
    return 0


def _record(boot: str | None, cluster: str | None) -> int:
    """Record the live journal of the enclosing instance."""
    from cli.instance import connected  # noqa: PLC0415
    from eventstore.ingest.writer import name_cluster  # noqa: PLC0415
    from joblist.broker.entry import record  # noqa: PLC0415

    link = connected()
    with writing() as (store, views):
        if cluster is not None:
            name_cluster(store, cluster, views)
        total = record(link, views, boot)
        say(_summary(total), err=True)
    return REJECTED if total.rejected else 0


def _summary(counts: object) -> str:
    responses, new, known, rejected = (
        getattr(counts, name) for name in ("responses", "new", "known", "rejected")
    )
    return (
        f"{responses} responses: {new} events new, {known} already stored; {rejected} rejects"
    )
