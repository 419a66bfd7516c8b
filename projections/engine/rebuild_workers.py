# SPDX-License-Identifier: LGPL-3.0
"""Sharing the work of a rebuild: each process folds the jobs of one part, one process writes.

Views that are verified are made in the same way.

Jobs do not depend on each other, so that parts can be folded apart: part n of N has the jobs
with ``key % N == n``. A process gets chunks of seqs through a pipe and sends back what they
change in the tables (RowDeltas) and in the states of unfinished jobs. What is appended
meanwhile has higher seqs, and changes nothing of what these events lead to.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from multiprocessing.connection import Connection
from typing import Any

import apsw
import msgspec
from msgspec import Struct

from eventstore.errors import StoreError
from eventstore.events.encoding import to_msgpack
from eventstore.reading import event_log
from eventstore.storage.connection import open_readonly
from eventstore.storage.sql import fetch, value
from projections.definitions.interface import Projection
from projections.definitions.registry import installed
from projections.engine.fold_batch import Change, JobStates, decode_state
from projections.engine.left_behind import Failures, isolated
from projections.engine.row_deltas import RowDeltas, ViewTables
from projections.engine.views import StateChanges, state_changes


class Step(Struct, gc=False, array_like=True):
    """What events of one chunk change, for one part of the jobs; a chunk may take several.

    ``deltas`` are by projection; ``failures`` says which a site's projections failed, and why.
    """

    deltas: dict[str, RowDeltas]
    states: StateChanges
    failures: Failures


class Shard:
    """Folds the jobs of one part, chunk by chunk.

    ``states`` names the table with the states of unfinished jobs at the seq ``done``; None
    where nothing is done.
    """

    def __init__(
        self,
        db: apsw.Connection,
        projections: Sequence[Projection],
        states: str | None,
        done: int,
        part: event_log.Part = event_log.ALL,
    ) -> None:
        self._db = db
        self._part = part
        sql = f"SELECT job, data FROM {states} WHERE job % ? = ?"
        rows = [] if states is None else fetch(db, sql, part)
        sql = "SELECT coalesce(max(job), 0) FROM event WHERE seq <= ?"
        last_key = value(db, sql, (done,))
        unfinished = {key: decode_state(data) for key, data in rows}
        self._states = JobStates(unfinished, last_key, part)
        self._tables = ViewTables(projections)

    def steps(self, after: int, until: int) -> Iterator[Step]:
        """Fold the events with ``after`` < seq <= ``until``; each step must be written."""
        records = list(event_log.records(self._db, after, until, self._part))
        for changes in self._states.fold(self._db, records):
            yield step_of(self._tables, changes)

    def encoded(self, after: int, until: int) -> Iterator[bytes]:
        """Fold as `steps` does; values that cannot be encoded are the projection's failure."""
        for step in self.steps(after, until):
            yield encoded(step, self._tables)


def step_of(tables: ViewTables, changes: dict[int, Change]) -> Step:
    """Return what changed jobs change."""
    return Step(tables.deltas(changes), state_changes(changes), tables.failures)


def encoded(step: Step, tables: ViewTables) -> bytes:
    """Encode a step; values that cannot be encoded are the failure of their projection."""
    try:
        return to_msgpack(step)
    except (TypeError, ValueError, OverflowError):
        for projection in tables.projections:
            with isolated(projection, tables.failures):
                to_msgpack(step.deltas.get(projection.name))
        for name in step.failures:
            step.deltas.pop(name, None)
        return to_msgpack(step)


decode = msgspec.msgpack.Decoder(Step).decode
"""Returns the step that `encoded` wrote."""


def are_installed(projections: Iterable[Projection]) -> bool:
    """Whether other processes can load these projections."""
    found = {projection.name: projection for projection in installed()}
    return all(type(found.get(p.name)) is type(p) for p in projections)


class Workers:
    """Processes that fold a part each, for the installed projections of these ``names``."""

    def __init__(
        self, path: str, names: Sequence[str], states: str | None, done: int, count: int
    ) -> None:
        # Spawned, not forked: an SQLite connection must not be used in a forked process.
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        for mine in range(count):
            ours, theirs = context.Pipe()
            arguments = (theirs, path, tuple(names), states, done, (count, mine))
            process = context.Process(target=_work, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def ask(self, after: int, until: int) -> None:
        """Request a chunk of all processes; `steps` returns the results in that order."""
        for pipe in self._pipes:
            pipe.send((after, until))

    def steps(self) -> Iterator[Step]:
        """Yield what the next chunk changes; raises StoreError if a process failed."""
        # Mostly there is one answer: when it is received, a process can go on.
        answers = [_received(pipe) for pipe in self._pipes]
        for pipe, first in zip(self._pipes, answers, strict=True):
            for answer in chain([first], iter(partial(_received, pipe), b"")):
                if answer[:1] == b"!":
                    raise StoreError(answer[1:].decode())
                yield decode(answer[1:])

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()


def _received(pipe: Connection) -> bytes:
    try:
        return pipe.recv_bytes()
    except (EOFError, ConnectionError) as error:
        raise StoreError("a process that makes views ended; run it again") from error


def _work(
    pipe: Connection,
    path: str,
    names: Sequence[str],
    states: str | None,
    done: int,
    part: event_log.Part,
) -> None:
    """Fold chunks until the pipe is closed.

    Sends "=" and a Step, for each, and an empty message behind a chunk; "!" and an error.
    """
    gc.disable()  # records and rows are in no reference cycles
    try:
        with open_readonly(path) as store:
            found = {projection.name: projection for projection in installed()}
            shard = Shard(store.db, [found[name] for name in names], states, done, part)
            while True:
                for step in shard.encoded(*pipe.recv()):
                    pipe.send_bytes(b"=" + step)
                pipe.send_bytes(b"")
    except (EOFError, BrokenPipeError):
        return
    except (StoreError, apsw.Error) as error:
        pipe.send_bytes(b"!" + str(error).encode())
