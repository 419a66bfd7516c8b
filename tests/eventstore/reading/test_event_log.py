# SPDX-License-Identifier: LGPL-3.0
"""Reading back: windows, parts, orders, and values that nobody has stored."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import apsw
import pytest

from eventstore.events.compression import FORMS
from eventstore.events.records import Notice, Record
from eventstore.reading import event_log
from eventstore.storage.connection import MEMORY, Store, create_or_open
from eventstore.storage.sql import fetch, value
from tests.support.every_row import ingest


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with create_or_open(MEMORY) as found:
        ingest(found)
        yield found


def seqs(records: Any) -> list[int]:
    return [record.seq for record in records]


def stored(store: Store) -> list[int]:
    sql = "SELECT seq FROM event UNION SELECT seq FROM notice ORDER BY seq"
    return [seq for (seq,) in fetch(store.db, sql)]


def test_all_is_read_in_the_order_of_seq(store: Store) -> None:
    everything = stored(store)
    assert list(range(1, event_log.head(store.db) + 1)) == everything
    records = list(event_log.records(store.db))
    assert everything == seqs(records)
    notices = fetch(store.db, "SELECT seq, time, kind, data FROM notice ORDER BY seq")
    assert [Notice(*row) for row in notices] == [r for r in records if isinstance(r, Notice)]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_windows_have_what_is_between(
    store: Store, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_CHUNK", chunk)
    everything = stored(store)
    last = everything[-1]
    for after, upto in ((0, 0), (0, 1), (1, 2), (3, 11), (5, 5), (9, 3), (last - 1, last)):
        expected = [seq for seq in everything if after < seq <= upto]
        assert expected == seqs(event_log.records(store.db, after, upto)), (after, upto)
    assert everything == seqs(event_log.records(store.db))
    assert everything[4:] == seqs(event_log.records(store.db, 4))


def test_parts_have_each_event_once_and_all_notices(store: Store) -> None:
    whole = list(event_log.records(store.db))
    for parts in (2, 3):
        for part in range(parts):
            found = list(event_log.records(store.db, part=(parts, part)))
            assert [
                r.seq for r in whole if isinstance(r, Notice) or r.job % parts == part
            ] == seqs(found)


def test_a_jobs_events_are_in_its_own_order(store: Store) -> None:
    keys = [key for (key,) in fetch(store.db, "SELECT key FROM job")]
    of_all = dict(event_log.records_of(store.db, keys))
    assert keys == list(of_all)
    by_seq = {r.seq: r for r in event_log.records(store.db) if isinstance(r, Record)}
    late = 0
    for key in keys:
        found = event_log.job_records(store.db, key)
        assert repr(found) == repr(of_all[key]) == repr([by_seq[r.seq] for r in found])
        assert sorted(seqs(found)) == [s for s, r in by_seq.items() if r.job == key]
        for before, record in pairwise([None, *found]):
            if record is not None and record.anchor is not None:
                assert record.anchor == (0 if before is None else before.seq)
        late += seqs(found) != sorted(seqs(found))
        for upto in (found[0].seq, found[-1].seq - 1):
            cut = [r.seq for r in found if r.seq <= upto]
            assert cut == seqs(event_log.job_records(store.db, key, upto))
    assert late == 1
    for row in fetch(store.db, "SELECT jobid, key FROM job"):
        jobid = row[0]
        mine = [s for s, r in by_seq.items() if r.jobid == jobid]
        assert mine == seqs(event_log.of_jobid(store.db, jobid))
        assert mine[1:] == seqs(event_log.of_jobid(store.db, jobid, mine[0]))


def test_events_by_their_seqs(store: Store) -> None:
    events = [r.seq for r in event_log.records(store.db) if isinstance(r, Record)]
    wanted = [events[5], events[0], events[-1]]
    found = event_log.by_seq(store.db, wanted)
    assert wanted == seqs(found)
    assert [(None, None)] * 3 == [(r.jobspec, r.R) for r in found]


def test_what_follows_a_seq(store: Store) -> None:
    last = event_log.head(store.db)
    for after in range(last):
        assert after + 1 == event_log.following(store.db, after, last)
    assert last + 1 == event_log.following(store.db, last, last)
    assert 4 == event_log.following(store.db, 7, 3)


def test_purges_and_losses(store: Store) -> None:
    keys = [key for (key,) in fetch(store.db, "SELECT key FROM job")]
    last = event_log.head(store.db)
    for read, table in ((event_log.purges_of, "purged"), (event_log.gone_since, "gone")):
        sql = f"SELECT job, seq, time FROM {table} JOIN notice USING (seq) ORDER BY seq"
        expected: dict[int, list[tuple[int, float]]] = {}
        for job, seq, time in fetch(store.db, sql):
            expected.setdefault(job, []).append((seq, time))
        assert expected
        assert expected == read(store.db, keys, last)
        first = min(seq for some in expected.values() for seq, _ in some)
        assert {} == read(store.db, keys, first - 1)
        assert len(read(store.db, keys, first)) >= 1
        assert {} == read(store.db, [], last)
    gone = sorted(key for (key,) in fetch(store.db, "SELECT DISTINCT job FROM gone"))
    assert gone == sorted(event_log.ever_gone(store.db))


def test_times_and_boots(store: Store) -> None:
    newest = value(store.db, "SELECT max(timestamp) FROM event")
    assert newest == event_log.latest(store.db)
    with create_or_open(MEMORY) as empty:
        assert 0.0 == event_log.latest(empty.db)
        assert 0 == event_log.head(empty.db)
        assert [] == list(event_log.records(empty.db))
    assert event_log.knows_boot(store.db, "a")
    assert not event_log.knows_boot(store.db, "c")


def test_numbers_and_times_that_nobody_stored() -> None:
    for number in (-1, 0, 5, 2**62 - 1):
        assert number == event_log.number_of(number)
    for odd in (-2, 2**62, 1.0, "1", None, b"1"):
        with pytest.raises(apsw.CorruptError, match="is no sequence number"):
            event_log.number_of(odd)
    assert event_log.time_of(None) is None
    assert 1.5 == event_log.time_of(1.5)
    for odd in (1, "1.5", b""):
        with pytest.raises(apsw.CorruptError, match="a stored timestamp has another type"):
            event_log.time_of(odd)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ((1, "x", 1, b""), "columns of other types"),
        ((1.0, b"x", 1, b""), "columns of other types"),
        ((1.0, "x", 1, "text"), "columns of other types"),
        ((1.0, "x", 3, b""), "columns of other types"),
        ((1.0, "x", -1, b""), "columns of other types"),
        ((1.0, "x", 0, b"{}"), "cannot be decoded"),
    ],
)
def test_events_that_nobody_stored(columns: Any, words: str) -> None:
    with pytest.raises(apsw.CorruptError, match=words):
        event_log.entry(*columns)


def test_events_of_each_form() -> None:
    whole = b'{"name":"x","timestamp":1}'
    for kept, form, context, data in (
        (whole, 0, None, whole),
        (b"", 1, None, b'{"timestamp":1.0,"name":"x"}'),
        (b"{}", 1, b"{}", b'{"timestamp":1.0,"name":"x","context":{}}'),
        (b"{}", 2, b"{}", b'{"timestamp":1.0,"name":"x","context":{}}'),
    ):
        found = event_log.entry(1.0, "x", form, kept)
        assert (1.0, "x", context) == (found.timestamp, found.name, found.context)
        assert data == found.data


def test_a_payload_that_cannot_be_inflated() -> None:
    assert b"x" == event_log.payload(b"x", None)
    assert event_log.payload(None, None) is None
    with pytest.raises(apsw.CorruptError, match=r"a stored payload cannot be inflated \("):
        event_log.payload(b"x", b"base")


@pytest.mark.parametrize(
    ("form", "column", "stored_value"),
    [
        (form, column, stored_value)
        for form in FORMS
        for column, stored_value in (
            ("anchor", "x"),
            ("timestamp", "soon"),
            ("name", b"submit"),
            ("data", "{}"),
        )
    ],
)
def test_a_column_of_another_type_is_damage_and_no_event(
    form: int, column: str, stored_value: object
) -> None:
    with create_or_open(MEMORY) as store:
        ingest(store)
        store.db.execute("DROP TRIGGER event_no_update")
        seq = value(store.db, "SELECT min(seq) FROM event WHERE form = ?", (form,))
        store.db.execute(f"UPDATE event SET {column} = ? WHERE seq = ?", (stored_value, seq))
        with pytest.raises(apsw.CorruptError, match="columns of other types"):
            list(event_log.records(store.db))
