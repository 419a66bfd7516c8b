# SPDX-License-Identifier: LGPL-3.0
"""Jobs of the accounting feed while whose life the clock was set."""

from __future__ import annotations

import json

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.ingest.writer import Writer
from eventstore.reading import event_log
from projections.job.clock import Step, steps
from projections.queries import clock_steps as asked
from projections.queries.accounting_feed import finished_jobs
from projections.queries.clock_steps import clock_steps
from tests.support.field_jobs import EPOCH, job
from tests.support.recordings import new_store

BEGIN, END = 0, 2**62


@st.composite
def journals(draw: st.DrawFn) -> list[bytes]:
    """Jobs interleaved, some of which have times that go back or begin before 2001."""
    todo = []
    for number in range(1, draw(st.integers(2, 6))):
        step = st.sampled_from([1.0] * 6 + [0.0, -1.0, 1e9])
        begin = draw(st.sampled_from([EPOCH, EPOCH, 5.0]))
        lines = job(number)
        for index, line in enumerate(lines):
            response = json.loads(line)
            begin += draw(step)
            response["events"][0]["timestamp"] = begin
            lines[index] = json.dumps(response, separators=(",", ":")).encode()
        todo.append(lines)
    journal = []
    while todo := [lines for lines in todo if lines]:
        some = draw(st.sampled_from(todo))
        for _ in range(draw(st.integers(1, len(some)))):
            journal.append(some.pop(0))
        if draw(st.integers(0, 9)) == 0:
            journal.append(b'{"jobs":[%d]}' % draw(st.integers(1, 9)))
    return journal


def slowly(db: apsw.Connection, after: int, upto: int) -> list[tuple[int, list[Step]]]:
    """Read every job of the feed."""
    found = []
    for seq, record in finished_jobs(db, after, upto):
        (key,) = event_log.keys(db, record.id)
        entries = [one.entry for one in event_log.job_records(db, key, seq)]
        told = steps((entry.timestamp, entry.name) for entry in entries)
        found += [(record.id, told)] if told else []
    return found


@pytest.mark.parametrize("sparse", [0, 50])
@given(journal=journals(), at=st.integers(0, 60))
def test_no_job_is_overlooked(sparse: int, journal: list[bytes], at: int) -> None:
    store, views = new_store()
    Writer(store, "test", views).append(journal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asked, "_SPARSE", sparse)
        for after, upto in ((BEGIN, END), (at, END), (BEGIN, at)):
            assert slowly(store.db, after, upto) == list(clock_steps(store.db, after, upto))


def test_jobs_with_orderly_times_are_not_read() -> None:
    store, views = new_store()
    lines = [job(number) for number in range(1, 40)]
    Writer(store, "test", views).append(
        [line for step in zip(*lines, strict=True) for line in step]
    )
    asked_for: list[str] = []

    def trace(_: object, sql: str, __: object) -> bool:
        asked_for.append(sql)
        return True

    store.db.exec_trace = trace
    upto = event_log.head(store.db)
    asked_for.clear()
    assert [] == list(clock_steps(store.db, BEGIN, upto))
    assert [asked.SQL["extent"], asked.SQL["breaks"]] == asked_for
