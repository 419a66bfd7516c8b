# SPDX-License-Identifier: LGPL-3.0
"""Purges are recognised by their ids, also in databases that recognised them by their bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventstore.events.digest_chain import content_digest
from eventstore.events.records import Notice
from eventstore.ingest import inserts, intake
from eventstore.ingest.writer import Writer
from eventstore.maintenance.recover import recover
from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import Store, create_or_open
from eventstore.storage.sql import fetch, value
from projections.engine import fold_batch
from projections.engine.rebuild import rebuild
from projections.engine.verify_views import differing
from projections.engine.views import Views
from tests.support.journal_generator import backlog, journal

LINES = list(journal(4))
WRITTEN = b'{"jobs":[0,1]}'
OTHER = [b'{"jobs": [0, 1]}', b'{ "jobs":[0,1] }\r']


def purges(store: Store) -> int:
    return int(value(store.db, "SELECT count(*) FROM notice WHERE kind = 'purge'"))


@pytest.mark.parametrize("first", [WRITTEN, *OTHER])
@pytest.mark.parametrize("again", [WRITTEN, *OTHER])
def test_the_same_ids_are_the_same_purge(tmp_path: Path, first: bytes, again: bytes) -> None:
    with create_or_open(str(tmp_path / "db")) as store:
        Writer(store, "test").append([*LINES, first])
        Writer(store, "test").append([again, again])
        assert 1 == purges(store)
        assert [(first,)] == fetch(store.db, "SELECT data FROM notice WHERE kind = 'purge'")
        assert verify_chain(store).fault is None


@pytest.mark.parametrize("order", [[WRITTEN, *OTHER], [*OTHER, WRITTEN]])
def test_a_database_that_told_them_by_their_bytes_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: list[bytes]
) -> None:
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    with monkeypatch.context() as earlier:

        def by_bytes(notice: Notice) -> tuple[bytes, ...]:
            return (content_digest(notice.data),) if notice.kind == "purge" else ()

        earlier.setattr(inserts, "notice_digests", by_bytes)
        earlier.setattr(intake, "notice_digests", by_bytes)
        with create_or_open(old) as store:
            Writer(store, "test").append([*LINES, *order])
            assert 3 == purges(store)
    with create_or_open(old) as store:
        assert verify_chain(store).fault is None
        Writer(store, "test").append(order)
        assert 3 == purges(store)
    assert [] == recover(old, new).losses
    with create_or_open(new) as store:
        assert verify_chain(store).fault is None
        Writer(store, "test").append([WRITTEN])
        assert 3 == purges(store)


def test_a_purge_of_many_is_folded_alike_however_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch with the events, behind them, and by one process or several."""
    monkeypatch.setattr(fold_batch, "_PART", 64)  # jobs; that of other processes stays
    count = 280  # more than two parts
    lines = list(journal(count))
    jobids = [jobid for (jobid,) in _jobids(lines)]
    purge = b'{"jobs":[%b]}' % b",".join(b"%d" % jobid for jobid in jobids)
    tables = []
    for number, batches in enumerate(
        ([[*lines, purge]], [lines, [purge]], [[*lines[:1200]], [*lines[1200:], purge]],
         [[purge], [*lines, purge], list(backlog(5))])
    ):  # fmt: skip
        with create_or_open(str(tmp_path / f"{number}")) as store:
            views = Views(store)
            writer = Writer(store, "test", views)
            for batch in batches:
                writer.append(batch)
            sql = "SELECT jobid, t_purged > 0 FROM inactive ORDER BY jobid"
            tables.append(fetch(store.db, sql))
            with store.snapshot() as db:
                assert differing(db) is None
            for processes in (1, 2):
                rebuild(views, chunk=200, processes=processes)
                with store.snapshot() as db:
                    assert differing(db) is None
                assert tables[-1] == fetch(store.db, sql)
    assert count == len(tables[0])
    assert tables[0] == tables[1] == tables[2]
    assert any(gone for _, gone in tables[0])


def test_a_purge_that_fails_in_its_second_part_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = list(journal(700))
    purge = b'{"jobs":[%b]}' % b",".join(b"%d" % jobid for (jobid,) in _jobids(lines))
    with create_or_open(str(tmp_path / "db")) as store:
        views = Views(store)
        writer = Writer(store, "test", views)
        writer.append(lines[:-200])
        before = {job.key: job for job in views.unfinished()}
        apply, calls = views._tables.apply, []

        def failing(*given: object) -> None:
            calls.append(given)
            if len(calls) > 1:
                raise ZeroDivisionError
            apply(*given)  # type: ignore[arg-type]

        with monkeypatch.context() as broken:
            broken.setattr(views._tables, "apply", failing)
            with pytest.raises(ZeroDivisionError):
                writer.append([*lines[-200:], purge])
        assert before == {job.key: job for job in views.unfinished()}
        writer.append([*lines[-200:], purge])
        with store.snapshot() as db:
            assert differing(db) is None


def _jobids(lines: list[bytes]) -> list[tuple[int]]:
    with create_or_open(":memory:") as store:
        Writer(store, "test").append(lines)
        return fetch(store.db, "SELECT jobid FROM job ORDER BY key")
