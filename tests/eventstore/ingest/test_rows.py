# SPDX-License-Identifier: LGPL-3.0
"""Which rows a few lines become: number, job, order, payloads, notices, counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf, nextafter
from typing import Any

import apsw
import pytest

from eventstore.errors import StoreError
from eventstore.events.records import Notice, Record
from eventstore.ingest.counts import Counts
from eventstore.ingest.writer import Writer
from eventstore.maintenance.verify import verify_chain
from eventstore.reading import event_log
from eventstore.storage.connection import MEMORY, Store, create_or_open
from eventstore.storage.sql import fetch

EVENTS = """
    SELECT seq, jobid, stream, name, replayed, anchor
    FROM event JOIN job ON key = job ORDER BY seq"""


def line(jobid: int, *events: tuple[float, str], **payloads: Any) -> bytes:
    found = [{"timestamp": time, "name": name} for time, name in events]
    return json.dumps(
        {"id": jobid, "events": found, **payloads}, separators=(",", ":")
    ).encode()


def live(jobid: int, *events: tuple[float, str]) -> list[bytes]:
    return [line(jobid, event) for event in events]


SENTINEL = line(-1)
LIFE = [(1.0, "submit"), (2.0, "validate"), (5.0, "clean")]


def read(*batches: list[bytes], name: str = "test", **how: Any) -> tuple[Store, list[Counts]]:
    """Return a store, and what each batch of one source brought."""
    store = create_or_open(MEMORY)
    return store, more(store, *batches, name=name, **how)


def more(store: Store, *batches: list[bytes], name: str = "more", **how: Any) -> list[Counts]:
    writer = Writer(store, name, clock=lambda: 50.0, **how)
    found = [writer.append(lines) for lines in batches]
    writer.close()
    assert verify_chain(store).fault is None
    return found


def row(
    seq: int,
    jobid: int,
    name: str,
    anchor: int | None = None,
    *,
    stream: int = 1,
    replayed: int = 0,
) -> tuple[Any, ...]:
    return seq, jobid, stream, name, replayed, anchor


ONCE = [row(1, 7, "submit"), row(2, 7, "validate"), row(3, 7, "clean")]


@pytest.mark.parametrize("split", [False, True])
def test_a_life_that_is_read_live(split: bool) -> None:
    lines = live(7, *LIFE)
    store, counts = read(*([one] for one in lines)) if split else read(lines)
    assert ONCE == fetch(store.db, EVENTS)
    assert [Counts(1, 1)] * 3 == counts if split else [Counts(3, 3)] == counts
    assert [Counts(3, 0, 3)] == more(store, lines)
    assert [Counts(1, 0, 3)] == more(store, [line(7, *LIFE)])
    assert ONCE == fetch(store.db, EVENTS)


def test_a_life_that_a_backlog_shows() -> None:
    store, counts = read([line(7, *LIFE), *live(7, *LIFE)])
    assert [Counts(4, 3, 3)] == counts
    assert [(*one[:4], 1, None) for one in ONCE] == fetch(store.db, EVENTS)


def test_events_that_are_read_late_have_an_anchor() -> None:
    store, _ = read(live(7, LIFE[2]))
    assert [Counts(1, 2, 1)] == more(store, [line(7, *LIFE)])
    late = [
        row(1, 7, "clean"),
        row(2, 7, "submit", 0, replayed=1),
        row(3, 7, "validate", 2, replayed=1),
    ]
    assert late == fetch(store.db, EVENTS)
    ordered = event_log.job_records(store.db, 1)
    assert [2, 3, 1] == [record.seq for record in ordered]
    # One more between them, and one behind all.
    assert [Counts(2, 2)] == more(store, live(7, (3.0, "alloc"), (9.0, "memo")))
    assert [row(4, 7, "alloc", 3), row(5, 7, "memo")] == fetch(store.db, EVENTS)[3:]


def test_what_a_backlog_has_twice_has_happened_twice() -> None:
    store, _ = read(live(7, LIFE[2]))
    twice = [LIFE[0], (2.0, "memo"), (2.0, "memo"), LIFE[2]]
    assert [Counts(1, 3, 1), Counts(1, 0, 4)] == more(store, *[[line(7, *twice)]] * 2)
    names = [record.entry.name for record in event_log.job_records(store.db, 1)]
    assert ["submit", "memo", "memo", "clean"] == names


def test_an_event_behind_a_backlog_is_the_last_whatever_its_time_is() -> None:
    store, _ = read(live(7, *LIFE))
    more(store, [line(7, LIFE[0]), line(7, *LIFE), line(7, (4.0, "memo"))])
    assert [row(4, 7, "memo")] == fetch(store.db, EVENTS)[3:]


@pytest.mark.parametrize("split", [False, True])
def test_events_of_one_source_stand_in_its_order_whatever_their_times_are(split: bool) -> None:
    late = [(3.0, "alloc"), (2.5, "start"), (9.0, "memo"), (9.0, "free")]
    lines = live(7, *LIFE, *late)
    store, _ = read(*([one] for one in lines)) if split else read(lines)
    expected = [row(n, 7, name) for n, (_, name) in enumerate([*LIFE, *late], 1)]
    assert expected == fetch(store.db, EVENTS)
    assert [Counts(7, 0, 7)] == more(store, lines)


@pytest.mark.parametrize("split", [False, True])
def test_a_backlog_fills_in_what_was_missed_before_it(split: bool) -> None:
    lines = live(7, *LIFE[1:])
    lines.append(line(7, *LIFE[:2], (3.0, "alloc"), LIFE[2], (9.0, "memo")))
    lines.append(line(7, (9.5, "free"), (9.75, "end")))  # not of a whole backlog
    store, _ = read(*([one] for one in lines)) if split else read(lines)
    assert [
        row(1, 7, "validate"), row(2, 7, "clean"), row(3, 7, "submit", 0, replayed=1),
        row(4, 7, "alloc", 1, replayed=1), row(5, 7, "memo", replayed=1),
        row(6, 7, "free", replayed=1), row(7, 7, "end", replayed=1),
    ] == fetch(store.db, EVENTS)  # fmt: skip


@pytest.mark.parametrize("split", [False, True])
def test_a_source_that_repeats_itself_goes_on_where_it_was(split: bool) -> None:
    lines = live(7, *LIFE, LIFE[2], LIFE[1], LIFE[0])
    store, counts = read(*([one] for one in lines)) if split else read(lines)
    assert 3 == sum(count.new for count in counts) == sum(count.known for count in counts)
    assert [Counts(3, 1, 2)] == more(store, live(7, LIFE[2], LIFE[0], (4.0, "memo")))
    assert [row(4, 7, "memo")] == fetch(store.db, EVENTS)[3:]


def with_context(jobid: int, event: tuple[float, str], number: int) -> bytes:
    return line(jobid, event).replace(b"}]}", b',"context":{"n":%d}}]}' % number)


def test_a_context_that_a_backlog_shows_may_be_another_one_later() -> None:
    """Two live events of the same name and time are one only if their contexts agree."""
    store, _ = read(live(7, LIFE[2]))
    shown = [line(7, *LIFE), with_context(7, LIFE[1], 1)]
    assert [Counts(2, 2, 2)] == more(store, shown)
    twice = [with_context(7, (3.0, "memo"), number) for number in (1, 2, 2)]
    assert [Counts(3, 2, 1)] == more(store, twice)


def test_an_id_that_is_submitted_again_is_another_job() -> None:
    store, _ = read(live(7, *LIFE, (100.0, "submit"), (150.0, "validate")))
    again = [row(4, 7, "submit", stream=2), row(5, 7, "validate", stream=2)]
    assert [*ONCE, *again] == fetch(store.db, EVENTS)
    more(store, live(7, (99.0, "memo"), (100.0, "memo")))
    more(store, live(7, (0.5, "memo"), (120.0, "alloc")))
    assert [
        row(6, 7, "memo"),
        row(7, 7, "memo", 4, stream=2),
        row(8, 7, "memo", 0),
        row(9, 7, "alloc", 7, stream=2),
    ] == fetch(store.db, EVENTS)[5:]
    assert [(1, 7, 1), (2, 7, 2)] == fetch(store.db, "SELECT key, jobid, stream FROM job")


def payloads(store: Store) -> list[tuple[Any, ...]]:
    records = [r for r in event_log.records(store.db) if isinstance(r, Record)]
    return [(r.seq, r.jobspec, r.R) for r in records if (r.jobspec, r.R) != (None, None)]


J, R = b'{"j":1}', b'{"r":1}'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([line(7, *LIFE, jobspec={"j": 1})], [(1, J, None)]),
        ([line(7, *LIFE, R={"r": 1})], [(1, None, R)]),
        ([line(7, *LIFE[:2], (3.0, "alloc"), jobspec={"j": 1}, R={"r": 1})],
         [(1, J, None), (3, None, R)]),
        ([line(7, LIFE[1], LIFE[0], jobspec={"j": 1})], [(2, J, None)]),
        ([line(7, LIFE[0], jobspec={"j": 1}), line(7, (3.0, "alloc"), R={"r": 1})],
         [(1, J, None), (2, None, R)]),
        ([line(7, LIFE[0]), line(8, LIFE[0]), line(7, (3.0, "alloc"), R={"r": 1})],
         [(3, None, R)]),
        ([line(7, LIFE[0]), line(8, LIFE[0]), line(7, (3.0, "alloc"), jobspec={"j": 1})],
         [(3, J, None)]),
        ([line(7, LIFE[0]), line(7, LIFE[0], jobspec={"j": 1})], []),
        ([line(7, LIFE[0]), line(7, *LIFE[:2], jobspec={"j": 1}, R={"r": 1})], [(2, J, R)]),
    ],
)  # fmt: skip
def test_a_payload_goes_with_the_event_that_brings_it(
    lines: list[bytes], expected: list[Any]
) -> None:
    store, _ = read(lines)
    assert expected == payloads(store)


class Noting:
    """Takes part in batches: notes the payloads that come with events."""

    def __init__(self) -> None:
        self.found: list[tuple[Any, ...]] = []

    def apply(self, _: apsw.Connection, records: Sequence[Record | Notice]) -> None:
        of_events = [record for record in records if isinstance(record, Record)]
        self.found += [(r.entry.name, r.jobspec, r.R) for r in of_events]

    def committed(self) -> None:
        """Nothing is kept."""

    rolled_back = committed


def test_participants_are_given_payloads_with_their_events() -> None:
    lines = [line(7, LIFE[0], jobspec={"j": 1}), line(7, (3.0, "alloc"), R={"r": 1})]
    noting = Noting()
    with create_or_open(MEMORY) as store:
        Writer(store, "test", noting).append([*lines, line(7, LIFE[2])])
    assert [("submit", J, None), ("alloc", None, R), ("clean", None, None)] == noting.found


NOTICES = "SELECT seq, time, kind, data FROM notice ORDER BY seq"


def test_a_purge_is_stored_once_just_after_what_was_read_before() -> None:
    purge, same = b'{"jobs":[7,8]}', b'{ "jobs": [7, 8] }'
    store, counts = read([*live(7, *LIFE), purge, same, *live(9, (6.0, "submit"))], [purge])
    assert [Counts(6, 4), Counts(1)] == counts
    assert [(4, nextafter(5.0, inf), "purge", purge)] == fetch(store.db, NOTICES)
    assert [(1, 4)] == fetch(store.db, "SELECT job, seq FROM purged")
    assert row(5, 9, "submit") == fetch(store.db, EVENTS)[3]
    more(store, [b'{"jobs":[7]}'])
    assert [4, 6] == [one[0] for one in fetch(store.db, NOTICES)]
    assert nextafter(6.0, inf) == fetch(store.db, NOTICES)[1][1]


def test_a_purge_that_comes_first_stands_at_the_beginning() -> None:
    store, _ = read([b'{"jobs":[7]}'])
    assert [(1, nextafter(0.0, inf))] == [one[:2] for one in fetch(store.db, NOTICES)]


def test_a_purge_is_just_after_the_latest_event_in_whichever_batch_that_came() -> None:
    purge = [b'{"jobs":[7]}']
    store, _ = read([line(7, *LIFE, (4.0, "memo")), *purge])
    assert [(5, nextafter(5.0, inf))] == [one[:2] for one in fetch(store.db, NOTICES)]
    store, _ = read(*([one] for one in live(7, *LIFE, (4.0, "memo"))), purge)
    assert [(5, nextafter(5.0, inf))] == [one[:2] for one in fetch(store.db, NOTICES)]


def test_a_reject_is_stored_once_and_counted_each_time() -> None:
    bad = line(7, (1.0, "submit"))[:-3] + b',"context":5}]}'
    store, counts = read([b"what?", bad, b"what?"], [b"what?", b"other"])
    assert [Counts(1, 0, 0, 3), Counts(0, 0, 0, 2)] == counts
    sql = "SELECT reject, batch, jobid, data FROM reject"
    event = bad.partition(b"[")[2][:-2]
    assert [
        (1, 1, None, b"what?"), (2, 1, 7, event), (3, 2, None, b"other"),
    ] == fetch(store.db, sql)  # fmt: skip
    sql = "SELECT batch, first, last, rejects FROM batch"
    assert [(1, 1, 0, 2), (2, 1, 0, 1)] == fetch(store.db, sql)


def test_lines_that_bring_nothing_make_no_batch() -> None:
    store, counts = read([SENTINEL, line(7)], [])
    assert [Counts(2), Counts()] == counts
    assert [] == fetch(store.db, "SELECT * FROM batch")


def test_jobs_that_a_complete_backlog_lacks_are_gone() -> None:
    store, _ = read([*live(7, *LIFE[:2]), *live(8, *LIFE[:2]), *live(9, *LIFE[:2])])
    expected = [3, 2, 1]
    more(store, [line(8, *LIFE[:2])], [line(9, *LIFE[:2], (3.0, "alloc")), SENTINEL, SENTINEL],
         [SENTINEL], expected=lambda: expected)  # fmt: skip
    notices = fetch(store.db, NOTICES)
    assert [(8, "gone", b'{"jobs":[1]}')] == [(seq, kind, d) for seq, _, kind, d in notices]
    assert [(1, 8)] == fetch(store.db, "SELECT job, seq FROM gone")
    assert [1] == event_log.ever_gone(store.db)


MEMO, VOLATILE = (3.0, "memo"), (4.0, "memo")
ALIVE = [(1.0, "submit"), (2.0, "validate"), MEMO]


def boots(store: Store) -> list[Any]:
    return [json.loads(data) for _, _, kind, data in fetch(store.db, NOTICES) if kind == "boot"]


def test_another_boot_is_noticed_with_the_memos_that_its_backlog_shows() -> None:
    store, _ = read([*live(7, *ALIVE, VOLATILE), SENTINEL], boot="a")
    assert [] == boots(store)  # nothing was before it
    more(store, [line(7, *ALIVE), SENTINEL], boot="a")
    assert [] == boots(store)
    more(store, [line(7, *ALIVE)], [line(8, *ALIVE), SENTINEL, line(8, *ALIVE, VOLATILE)],
         boot="b")  # fmt: skip
    assert [{"boot": "b", "memos": {"1": [3], "2": [7]}}] == boots(store)
    assert nextafter(4.0, inf) == fetch(store.db, NOTICES)[0][1]


def test_a_restart_in_a_backlog_tells_of_another_boot() -> None:
    store, _ = read([*live(7, *ALIVE)])
    restart = (5.0, "flux-restart")
    more(store, [line(7, *ALIVE, restart)], [SENTINEL])
    assert [{"boot": None, "memos": {"1": [3]}}] == boots(store)
    fresh, _ = read([line(7, *ALIVE, restart), SENTINEL])
    assert [] == boots(fresh)
    more(fresh, [*live(7, (6.0, "flux-restart")), SENTINEL])  # posted while it was read
    assert [] == boots(fresh)


def test_memos_that_came_live_are_not_in_the_kvs() -> None:
    """Those that are posted while a backlog is read are not part of it."""
    store, _ = read([*live(7, *ALIVE)], boot="a")
    new = live(7, VOLATILE, (5.0, "memo"))
    shown = line(8, *ALIVE[:2], (6.0, "memo"))  # behind the end: it counts no more
    backlog = [*new, line(8, *ALIVE[:2]), line(7, *ALIVE)]
    more(store, backlog, [SENTINEL, *new, shown, SENTINEL], [shown, SENTINEL], boot="b")
    assert [{"boot": "b", "memos": {"1": [3]}}] == boots(store)


def test_a_kvs_that_was_rolled_back_begins_a_new_job_where_jobs_are_awaited() -> None:
    store, _ = read(live(7, *LIFE))
    lost = [LIFE[0], (9.0, "exception")]
    more(store, [line(7, *lost), SENTINEL], expected=lambda: [1])
    assert [
        row(4, 7, "submit", stream=2, replayed=1), row(5, 7, "exception", stream=2, replayed=1),
    ] == fetch(store.db, EVENTS)[3:5]  # fmt: skip

    # What the lost future had is still known; what comes new is the newest job's.
    lines = live(7, LIFE[2], lost[1], (12.0, "memo"))
    assert [Counts(1, 0, 1), Counts(1, 0, 1), Counts(1, 1)] == more(
        store, *([x] for x in lines)
    )
    assert [row(7, 7, "memo", stream=2)] == fetch(store.db, EVENTS)[5:]


@pytest.mark.parametrize("awaited", [None, [1]])
def test_a_live_event_never_shows_that_a_kvs_was_rolled_back(awaited: list[int] | None) -> None:
    store, _ = read(live(7, *LIFE))
    expected = None if awaited is None else lambda: awaited
    more(store, [line(7, (9.0, "exception")), SENTINEL], expected=expected)
    assert [row(4, 7, "exception")] == fetch(store.db, EVENTS)[3:]


def test_a_job_id_that_is_damaged_stops_a_writer() -> None:
    store, _ = read(live(7, *LIFE))
    store.db.execute("DROP TRIGGER job_no_update")
    store.db.execute("UPDATE job SET jobid = 'x'")
    with pytest.raises(StoreError, match="damaged"):
        Writer(store, "more").append(live(8, *LIFE))
    assert ONCE == [(*one[:1], 7, *one[2:]) for one in fetch(store.db, EVENTS)]


def test_a_line_that_is_set_aside_is_a_reject() -> None:
    with create_or_open(MEMORY) as store:
        writer = Writer(store, "test", clock=lambda: 50.0)
        writer.append(live(7, *LIFE))
        writer.set_aside(b"[]", "a reason")
        assert Counts(3, 3, 0, 1) == writer.counts
        sql = "SELECT batch, jobid, reason, data FROM reject"
        assert [(2, None, "a reason", b"[]")] == fetch(store.db, sql)
        writer.close("over")
        sql = "SELECT source, name, boot, started, ended, outcome FROM source"
        assert [(1, "test", None, 50.0, 50.0, "over")] == fetch(store.db, sql)
        assert [(1, 50.0), (1, 50.0)] == fetch(store.db, "SELECT source, committed FROM batch")
