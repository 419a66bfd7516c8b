# SPDX-License-Identifier: LGPL-3.0
"""A batch that fails, wherever it fails, leaves nothing in the database and in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apsw
import msgspec
import pytest

from eventstore.errors import StoreError
from eventstore.events.compression import Deflater
from eventstore.events.records import Notice, Record
from eventstore.ingest import stored_events
from eventstore.ingest.writer import Writer
from eventstore.maintenance.verify import verify_chain
from eventstore.reading.event_log import latest
from eventstore.storage.connection import MEMORY, Store, create_or_open
from eventstore.storage.sql import fetch, value
from projections.engine.rebuild import rebuild
from projections.engine.verify_views import differing
from projections.engine.views import Views
from tests.support.every_row import ingest, live

_RAISED = (
    apsw.FullError("injected"),
    apsw.IOError("injected"),
    apsw.ConstraintError("injected"),
    ZeroDivisionError("injected"),
    KeyboardInterrupt("injected"),
)


class Probe:
    """Takes part in batches; ``fail`` raises inside of ``apply``."""

    def __init__(self) -> None:
        self.fail: BaseException | None = None
        self.told: list[str] = []

    def apply(self, db: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        del db, records
        self.told.append("apply")
        if self.fail is not None:
            raise self.fail

    def committed(self) -> None:
        self.told.append("committed")

    def rolled_back(self) -> None:
        self.told.append("rolled back")


def tables(store: Store) -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    names = fetch(store.db, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {
        name: sorted(fetch(store.db, f"SELECT * FROM {name}"), key=repr) for (name,) in names
    }


def deflaters(found: dict[str, Deflater]) -> object:
    return {
        name: (d._base, d._left, getattr(d, "_primed", None) and d._primed().flush())
        for name, d in found.items()
    }


def memory(writer: Writer, views: Views) -> dict[str, object]:
    """Return all that a writer and views keep in memory, but for what is a cache of rows."""
    intake = writer._intake
    places, backlog = intake._places, intake._backlog
    return {
        "counts": msgspec.to_builtins(writer.counts),
        "latest": intake._latest,
        "places": {k: msgspec.to_builtins(v) for k, v in places._kept.items()},
        "places of the batch": (dict(places.working), list(places._loaded)),
        "memos": backlog._memos and {k: list(v) for k, v in backlog._memos.items()},
        "awaited": backlog._awaited and set(backlog._awaited),
        "rebooted": backlog._rebooted,
        "backlog": msgspec.to_builtins(backlog._batch),
        "payload bases": deflaters(writer._payloads._kept),
        "payload bases of the batch": deflaters(writer._payloads._working),
        "states": {k: msgspec.to_builtins(v) for k, v in views._states.unfinished.items()},
        "seen keys": (views._states._last_key, dict(views._states._before)),
        "reached": (views._reached, views._advanced),
        "stale": set(views.stale),
    }


def check_fresh(store: Store, writer: Writer, views: Views) -> None:
    """What is remembered of stored rows is what is stored, and what is read anew of them."""
    fresh = Views(store)
    assert fresh._states.unfinished == views._states.unfinished
    assert (fresh._states._last_key, fresh._reached) == (
        views._states._last_key,
        views._reached,
    )
    places = writer._intake._places
    for jobid, jobs in places._kept.items():
        read = stored_events.places(store.db, jobid)
        assert [msgspec.structs.replace(job, cursor=0) for job in jobs] == read
    assert latest(store.db) == writer._intake._latest


def expected_tables() -> dict[str, list[Any]]:
    with create_or_open(MEMORY) as store:
        ingest(store, Views(store))
        assert verify_chain(store).fault is None
        return tables(store)


def attempts(
    store: Store, views: Views, faults: Callable[[Writer, list[bytes]], Iterator[bool]]
) -> int:
    """Append everything, each batch after failures; returns how many there were.

    ``faults`` appends a batch with one fault after the other, and yields whether it failed.
    """
    failed = 0

    def append(writer: Writer, lines: list[bytes]) -> None:
        nonlocal failed
        before, rows = memory(writer, views), tables(store)
        for was_raised in faults(writer, lines):
            assert was_raised
            failed += 1
            assert before == memory(writer, views)
            assert rows == tables(store)
            check_fresh(store, writer, views)
        writer.append(lines)
        check_fresh(store, writer, views)

    ingest(store, views, append=append)
    return failed


def raised(writer: Writer, lines: Iterator[bytes] | list[bytes]) -> bool:
    """Whether appending fails with what was injected."""
    try:
        writer.append(lines)
    except (StoreError, ZeroDivisionError, KeyboardInterrupt) as error:
        assert "injected" in str(error)
        return True
    return False


def check_as_without_faults(store: Store) -> None:
    assert expected_tables() == tables(store)
    assert verify_chain(store).fault is None
    with store.snapshot() as db:
        assert differing(db) is None


def test_a_fault_at_each_statement() -> None:
    """BEGIN, each row that is inserted or read, each view's, and COMMIT."""
    seen: list[str] = []

    def faults(writer: Writer, lines: list[bytes]) -> Iterator[bool]:
        target = 0
        while not target or seen[-1] != "COMMIT":
            target += 1
            store.db.exec_trace = failing_at(target, _RAISED[target % len(_RAISED)])
            try:
                failed = raised(writer, lines)
            finally:
                store.db.exec_trace = None
            yield failed

    def failing_at(target: int, error: BaseException) -> Callable[[Any, str, Any], bool]:
        count = 0

        def trace(cursor: object, sql: str, bindings: object) -> bool:
            nonlocal count
            del cursor, bindings
            count += 1
            if count == target:  # what follows is ROLLBACK
                seen.append(sql)
                raise error
            return True

        return trace

    with create_or_open(MEMORY) as store:
        failed = attempts(store, Views(store), faults)
        check_as_without_faults(store)
    text = " ".join(seen)
    for part in ("BEGIN", "INSERT INTO event", "INSERT INTO jobspec", "INSERT INTO notice",
                 "INSERT INTO gone", "INTO purged", "INTO reject", "INSERT INTO batch",
                 "UPDATE view", "fold", "inactive", "COMMIT"):  # fmt: skip
        assert part in text
    assert failed == len(seen) > 300


def test_a_fault_between_lines() -> None:
    """The lines come from a file that cannot be read to its end, or cannot be decoded."""

    def cut(lines: list[bytes], at: int) -> Iterator[bytes]:
        yield from lines[:at]
        raise _RAISED[at % len(_RAISED)]

    def faults(writer: Writer, lines: list[bytes]) -> Iterator[bool]:
        for at in range(len(lines) + 1):
            yield raised(writer, cut(lines, at))

    with create_or_open(MEMORY) as store:
        assert attempts(store, Views(store), faults) > 60
        check_as_without_faults(store)


@pytest.mark.parametrize("behind", [False, True])
def test_a_participant_that_fails(behind: bool) -> None:
    """Before the views follow, and behind them."""
    probe = Probe()

    def append(writer: Writer, lines: list[bytes]) -> None:
        before, rows = memory(writer, views), tables(store)
        for error in _RAISED:
            probe.fail, probe.told = error, []
            assert raised(writer, lines)
            assert ["apply", "rolled back"] == probe.told
            assert before == memory(writer, views)
            assert rows == tables(store)
            check_fresh(store, writer, views)
        probe.fail, probe.told = None, []
        writer.append(lines)
        assert ["apply", "committed"] == probe.told

    with create_or_open(MEMORY) as store:
        views = Views(store)
        first, second = (views, probe) if behind else (probe, views)
        ingest(store, first, second, append=append)
        check_as_without_faults(store)


def test_a_commit_that_sqlite_turns_into_a_rollback() -> None:
    def faults(writer: Writer, lines: list[bytes]) -> Iterator[bool]:
        store.db.set_commit_hook(lambda: True)
        try:
            with pytest.raises(StoreError):
                writer.append(lines)
        finally:
            store.db.set_commit_hook(None)
        yield True

    with create_or_open(MEMORY) as store:
        attempts(store, Views(store), faults)
        check_as_without_faults(store)


def test_an_interrupt_right_behind_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is stored, and memory says so: the same lines are recognised."""
    interrupted = 0

    def interrupt(store: Store) -> None:
        nonlocal interrupted
        interrupted += 1
        raise KeyboardInterrupt

    def append(writer: Writer, lines: list[bytes]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "_bound_log", interrupt)
            with pytest.raises(KeyboardInterrupt):
                writer.append(lines)
        check_fresh(store, writer, views)
        if not any(b'"id":-1' in line for line in lines):
            assert writer.append([x for x in lines if b"jobs" not in x]).new == 0

    with create_or_open(MEMORY) as store:
        views = Views(store)
        ingest(store, views, append=append)
        found = tables(store)
        assert interrupted == 9
        for name in ("event", "job", "notice", "jobspec", "R", "gone", "purged"):
            assert expected_tables()[name] == found[name]


def test_all_are_told_even_where_one_raises() -> None:
    class Raising(Probe):
        def committed(self) -> None:
            super().committed()
            raise ZeroDivisionError("told")

    first, second = Raising(), Probe()
    with create_or_open(MEMORY) as store:
        writer = Writer(store, "test", first, second)
        lines = live(1, 1000.0)
        with pytest.raises(ZeroDivisionError, match="told"):
            writer.append(lines)
        assert ["apply", "committed"] == first.told == second.told
        with pytest.raises(ZeroDivisionError, match="told"):
            writer.append(lines)
        assert value(store.db, "SELECT count(*) FROM event") == len(lines)


def test_a_store_that_cannot_be_asked_any_more_counts_as_rolled_back() -> None:
    """And what is raised is what went wrong first."""
    probe = Probe()
    probe.fail = ZeroDivisionError("first")

    def failing(cursor: object, sql: str, bindings: object) -> bool:
        del cursor, bindings
        if sql.startswith("SELECT max(batch)"):
            raise apsw.IOError("second")
        return True

    with create_or_open(MEMORY) as store:
        writer = Writer(store, "test", probe)
        store.db.exec_trace = failing
        with pytest.raises(ZeroDivisionError, match="first"):
            writer.append(live(1, 1000.0))
        store.db.exec_trace = None
        assert ["apply", "rolled back"] == probe.told
        assert 0 == value(store.db, "SELECT count(*) FROM event")


def test_what_a_backlog_shows_is_kept_in_mind_over_batches() -> None:
    """Memos that were stored before, one that came with the backlog, and two lost jobs."""
    with create_or_open(MEMORY) as store:
        ingest(store, Views(store))
        memos = [seq for (seq,) in fetch(store.db, "SELECT seq FROM event WHERE name = 'memo'")]
        found = fetch(
            store.db, "SELECT kind, data FROM notice WHERE digest IS NULL ORDER BY seq"
        )
    stored, _volatile, new = memos
    boot = b'{"boot":"b","memos":{"3":[%d,%d]}}' % (stored, new)
    assert [("gone", b'{"jobs":[4,5]}'), ("boot", boot)] == found


def test_views_that_others_advanced_are_refused() -> None:
    with create_or_open(MEMORY) as store:
        views, other = Views(store), Views(store)
        Writer(store, "one", views).append(live(1, 1000.0))
        with pytest.raises(RuntimeError, match="another Views object advanced them"):
            Writer(store, "two", other).append(live(2, 2000.0))
        Writer(store, "two", views).append(live(2, 2000.0))
        rebuild(views)
        with store.snapshot() as db:
            assert differing(db) is None
