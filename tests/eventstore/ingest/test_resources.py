# SPDX-License-Identifier: LGPL-3.0
"""What the resource module sends is stored verbatim, once, and proven as all else is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf, nextafter
from pathlib import Path

import apsw
import pytest

from eventstore.events import resource_notices as kinds
from eventstore.events.records import Notice, Record
from eventstore.ingest.writer import Writer
from eventstore.maintenance.recover import recover
from eventstore.maintenance.verify import verify_chain
from eventstore.reading.rejects import rejects
from eventstore.storage.connection import Store, create_or_open
from eventstore.storage.sql import fetch
from tests.support.nodes.recordings import NodeRecording, node_recordings

RECORDINGS = node_recordings()


def stored(store: Store, kind: str = kinds.EVENT) -> list[bytes]:
    sql = "SELECT data FROM notice WHERE kind = ? ORDER BY time, seq"
    return [data for (data,) in fetch(store.db, sql, (kind,))]


def events_of(lines: list[bytes]) -> list[bytes]:
    """Return the texts of the events, cut out of the lines."""
    found = []
    for line in map(bytes.decode, lines):
        at = len('{"events":[')
        while line[at] != "]":
            _, end = json.JSONDecoder().raw_decode(line, at)
            found.append(line[at:end].encode())
            at = end + (line[end] == ",")
    return found


def event(time: float, name: str, **context: object) -> bytes:
    return json.dumps({"timestamp": time, "name": name, "context": context}).encode()


def response(*events: bytes, R: bytes | None = None) -> bytes:  # noqa: N803 - Flux's name
    more = b"" if R is None else b',"R":' + R
    return b'{"events":[' + b",".join(events) + b"]" + more + b"}"


SENTINEL = response()


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.name)
def test_each_event_of_a_recording_is_stored_once_verbatim(recording: NodeRecording) -> None:
    with create_or_open(":memory:") as store:
        expected: dict[bytes, None] = {}
        for boot, stream in recording.streams:
            writer = Writer(store, recording.name, boot=str(boot))
            writer.append(recording.stream(stream))
            expected |= dict.fromkeys(events_of(recording.stream(stream)))
            assert writer.counts.rejected == 0
        assert sorted(expected, key=lambda t: json.loads(t)["timestamp"]) == stored(store)
        rows = fetch(store.db, "SELECT count(*) FROM notice")
        others = [recording.stream(stream) for _, stream in recording.streams]
        for lines in [*recording.others(), *others]:
            again = Writer(store, "another consumer")
            again.append(lines)
            assert (again.counts.new, again.counts.rejected) == (0, 0)
            assert again.counts.known == len(events_of(lines))
        assert rows == fetch(store.db, "SELECT count(*) FROM notice")
        verified = verify_chain(store)
        assert (verified.fault, verified.events) == (None, len(expected))


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.name)
def test_how_a_journal_is_cut_into_batches_does_not_matter(recording: NodeRecording) -> None:
    """Nor do batches that fail and are given again."""
    rows = "SELECT time, kind, digest, data FROM notice ORDER BY seq"
    found = []
    for pieces in (False, True):
        with create_or_open(":memory:") as store:
            for boot, stream in recording.streams:
                lines = recording.stream(stream)
                writer = Writer(store, recording.name, FailsOnce(), boot=str(boot))
                for part in [[line] for line in lines] if pieces else [lines]:
                    with pytest.raises(ZeroDivisionError):
                        writer.append(part)
                    writer.append(part)
            found.append(fetch(store.db, rows))
    whole, cut = found
    assert whole == cut


class FailsOnce:
    """Takes part in batches: each one fails at its first try, and is stored at its second."""

    def __init__(self) -> None:
        self.fails = True

    def apply(self, _db: apsw.Connection, _records: Sequence[Record | Notice]) -> None:
        if self.fails:
            raise ZeroDivisionError

    def committed(self) -> None:
        self.fails = True

    def rolled_back(self) -> None:
        self.fails = False


def test_a_damaged_database_is_recovered_with_them(tmp_path: Path) -> None:
    recording = RECORDINGS[0]
    path = str(tmp_path / "old.sqlite")
    with create_or_open(path) as store:
        Writer(store, "file", boot="1").append(recording.stream(1))
        expected = fetch(store.db, "SELECT seq, time, kind, digest, data FROM notice")
    found = recover(path, str(tmp_path / "new.sqlite"))
    assert found.losses == []
    with create_or_open(str(tmp_path / "new.sqlite")) as store:
        assert expected == fetch(store.db, "SELECT seq, time, kind, digest, data FROM notice")
        assert verify_chain(store).fault is None


def test_a_changed_event_is_named() -> None:
    with create_or_open(":memory:") as store:
        Writer(store, "file").append(RECORDINGS[0].stream(1))
        store.db.execute("DROP TRIGGER notice_no_update")
        store.db.execute("UPDATE notice SET data = replace(data, 'n1', 'n2') WHERE seq = 9")
        assert verify_chain(store).fault is not None


def test_truncate_is_not_kept_and_what_a_backlog_lacks_is_noted() -> None:
    lines = [
        response(event(5.0, "truncate"), event(6.0, "online", idset="1")), SENTINEL,
        response(event(7.0, "offline", idset="1")),
    ]  # fmt: skip
    with create_or_open(":memory:") as store:
        Writer(store, "file").append(lines)
        assert [json.loads(text)["name"] for text in stored(store)] == ["online", "offline"]
        (backlog,) = stored(store, kinds.BACKLOG)
        assert json.loads(backlog)["truncated"] == 5.0


def test_r_is_that_of_the_event_where_it_came_live() -> None:
    old, new = b'{"version":1,"expiration":1.0}', b'{"version":1,"expiration":2.0}'
    live = [
        response(event(1.0, "restart", ranks="0", online="", nodelist="n0")), SENTINEL,
        response(event(2.0, "resource-define", method="dynamic-discovery"), R=old),
    ]  # fmt: skip
    backlog = [
        response(event(1.0, "restart", ranks="0", online="", nodelist="n0")),
        response(event(2.0, "resource-define", method="dynamic-discovery"), R=new),
        response(event(3.0, "resource-define", method="reload"), R=new), SENTINEL,
    ]  # fmt: skip
    with create_or_open(":memory:") as store:
        Writer(store, "live").append(live)
        Writer(store, "backlog").append(backlog)
        found = [kinds.decode(kinds.RESOURCES, data) for data in stored(store, kinds.RESOURCES)]
        assert [(one.define, one.replayed, bytes(one.R)) for one in found] == [
            (2.0, False, old), (3.0, True, new),
        ]  # fmt: skip


def test_a_large_scheduling_member_is_stored_once() -> None:
    member = b'{"graph":[' + b",".join(b'"node%d"' % i for i in range(3000)) + b"]}"
    texts = [b'{"version":1,"n":%d,"scheduling":%b,"z":[]}' % (i, member) for i in range(3)]
    define = [event(float(i), "resource-define", method="reload") for i in range(3)]
    lines = [SENTINEL, *(response(e, R=R) for e, R in zip(define, texts, strict=True))]
    with create_or_open(":memory:") as store:
        Writer(store, "file").append(lines)
        assert stored(store, kinds.SCHEDULING) == [member]
        found = [kinds.decode(kinds.RESOURCES, data) for data in stored(store, kinds.RESOURCES)]
        assert [kinds.joined(one, member) for one in found] == texts
        assert sum(map(len, stored(store, kinds.RESOURCES))) < 1000


STATUS = (
    b'{"R":{"version":1},"drain":{"1":{"timestamp":1.0,"reason":"x"}},"online":"0-1",'
    b'"offline":"","exclude":"","torpid":""}'
)


def test_a_status_stands_behind_the_events_before_it_and_is_recognised() -> None:
    lines = [response(event(1.0, "restart", ranks="0-1", online="", nodelist="n[0-1]")),
             SENTINEL, STATUS, response(event(2.0, "online", idset="0"))]  # fmt: skip
    with create_or_open(":memory:") as store:
        for _ in range(3):
            Writer(store, "file").append(lines)
        ((time, data),) = fetch(
            store.db, "SELECT time, data FROM notice WHERE kind = 'resource-status'"
        )
        assert bytes(kinds.decode(kinds.STATUS, data).status) == STATUS
        assert 1.0 < time < 1.001
        for _ in range(2):
            Writer(store, "alone", boot="1").append([STATUS])  # a file of its own
        assert len(stored(store, kinds.STATUS)) == 2
        Writer(store, "alone", boot="2").append([STATUS])
        assert len(stored(store, kinds.STATUS)) == 3


@pytest.mark.parametrize("line", [
    b'{"events":[{"timestamp":"x","name":"online"}]}', b'{"events":[5]}', b'{"events":5}',
    b'{"events":[{"timestamp":1.0,"name":"online","context":[]}]}',
    b'{"events":[],"R":\xff}', b'{"R":{},"drain":{},"online":""}',
    b'{"R":{},"drain":[],"online":"","offline":"","exclude":"","torpid":""}',
    b'{"resource-end":"perhaps","time":1.0}', b'{"events":[{"timestamp":1e999,"name":"x"}]}',
])  # fmt: skip
def test_what_cannot_be_read_is_a_reject_and_stops_nothing(line: bytes) -> None:
    good = response(event(1.0, "online", idset="0"))
    with create_or_open(":memory:") as store:
        writer = Writer(store, "file")
        writer.append([line, good])
        assert (writer.counts.new, writer.counts.rejected) == (1, 1)
        assert len(list(rejects(store.db))) == 1
        assert verify_chain(store).fault is None


def test_the_resource_journal_of_a_boot_is_not_the_news_of_its_job_journal() -> None:
    """The boot is news once: to the job journal, whose annotations are lost with it."""
    job = b'{"id":1,"events":[{"timestamp":1.0,"name":"submit","context":{}}]}'
    end = b'{"id":-1,"events":[]}'
    with create_or_open(":memory:") as store:
        for boot, lines in (("1", [end, job]), ("2", [SENTINEL]), ("2", [job, end])):
            writer = Writer(store, "file", boot=boot)
            writer.append(lines)
            writer.close()
        assert fetch(store.db, "SELECT kind FROM notice") == [("boot",)]


def test_stored_events_cannot_be_changed() -> None:
    with create_or_open(":memory:") as store:
        Writer(store, "file").append(RECORDINGS[0].stream(1))
        with pytest.raises(apsw.ConstraintError, match="append-only"):
            store.db.execute("UPDATE notice SET kind = 'x'")


@pytest.mark.parametrize(
    ("events", "attached"), [([event(2.0, "offline", idset="1")], True), ([], False)]
)
def test_a_status_is_tied_to_events_of_its_source_else_to_its_boot(
    events: list[bytes], attached: bool
) -> None:
    with create_or_open(":memory:") as store:
        Writer(store, "before", boot="1").append([response(event(7.0, "offline", idset="2"))])
        Writer(store, "live", boot="2", live=True).append([*map(response, events), STATUS])
        sql = "SELECT time, data FROM notice WHERE kind = 'resource-status'"
        ((time, data),) = fetch(store.db, sql)
        notice = kinds.decode(kinds.STATUS, data)
        assert (attached, None if attached else "2") == (notice.attached, notice.boot)
        assert (2.0 if attached else 7.0) < time < (2.1 if attached else 7.1)
        assert verify_chain(store).fault is None


@pytest.mark.parametrize(
    ("events", "is_backlog"),
    [
        ([("restart", {"ranks": "0", "online": "", "nodelist": "n0"})], True),
        ([("offline", {"idset": "1"})], False),
        ([("drain", {"idset": "1", "overwrite": 0}), ("online", {"idset": "1"})], False),
    ],
)
def test_a_live_source_may_go_on_with_a_stream_or_begin_with_a_backlog(
    events: list[tuple[str, dict[str, object]]], is_backlog: bool
) -> None:
    """A restart is in backlogs only."""
    with create_or_open(":memory:") as store:
        writer = Writer(store, "live", boot="1", live=True)
        for at, (name, context) in enumerate(events, 1):
            writer.append([response(event(float(at), name, **context))])
        writer.append([SENTINEL])
        assert len(events) == len(stored(store))
        assert int(is_backlog) == len(stored(store, kinds.BACKLOG))


def drained(time: float, name: str = "drain", *, asked: bool = False) -> bytes:
    """A drain or undrain: one that an administrator asked for, or the module's own."""
    return event(time, name, idset="0", **({"overwrite": 0} if asked else {}))


BARE = b'{"timestamp":1.0,"name":"undrain"}'  # without context
RESTART = event(9.0, "restart", ranks="0", online="", nodelist="n0")


@pytest.mark.parametrize(
    ("before", "until", "own"),
    [
        ([], None, []),
        ([drained(1.0)], None, [1.0]),
        ([BARE, event(2.0, "online", idset="0")], None, [1.0]),
        ([drained(1.0, asked=True)], 1.0, []),
        ([drained(1.0), drained(2.0, "undrain", asked=True), drained(3.0),
          drained(4.0, "undrain")], 2.0, [3.0, 4.0]),
    ],
)  # fmt: skip
def test_a_backlog_tells_which_drains_of_an_earlier_load_were_the_modules_own(
    before: list[bytes], until: float | None, own: list[float]
) -> None:
    """Up to the last one that was asked for, all are known to be in the KVS."""
    with create_or_open(":memory:") as store:
        Writer(store, "before").append([response(event(0.5, "offline", idset="1")), STATUS])
        lines = [*map(response, (*before, RESTART, drained(10.0))), SENTINEL, SENTINEL]
        Writer(store, "file", boot="b").append(lines)
        ((time, data),) = fetch(
            store.db, "SELECT time, data FROM notice WHERE kind = 'resource-backlog'"
        )
        assert 9.0 == time
        form = kinds.BacklogForm(9.0, None, until, own, 3, "b")
        assert form == kinds.decode(kinds.BACKLOG, data)


def test_a_backlog_of_a_truncated_journal_has_the_time_of_that() -> None:
    lines = [response(event(5.0, "truncate")), response(drained(6.0)), SENTINEL]
    with create_or_open(":memory:") as store:
        for _ in range(2):  # the second time, it is recognised
            Writer(store, "file").append(lines)
        found = fetch(store.db, "SELECT seq, time, kind, data FROM notice ORDER BY seq")
        assert [(1, 6.0, "resource"), (2, 5.0, "resource-backlog")] == [n[:3] for n in found]
        form = kinds.BacklogForm(None, 5.0, None, [6.0], 1)
        assert form == kinds.decode(kinds.BACKLOG, found[1][3])


def test_a_status_of_a_database_without_events_stands_at_its_beginning() -> None:
    with create_or_open(":memory:") as store:
        Writer(store, "file").append([STATUS])
        sql = "SELECT time FROM notice WHERE kind = 'resource-status'"
        assert [(nextafter(0.0, inf),)] == fetch(store.db, sql)


def test_how_a_stream_ended_is_noted_with_the_load_of_the_module() -> None:
    """What comes behind that begins with a backlog."""
    end = b'{"resource-end":"lost","time":11.0}'
    with create_or_open(":memory:") as store:
        writer = Writer(store, "file")
        writer.append([end, response(RESTART), SENTINEL, response(drained(10.0)), end, end])
        found = [kinds.decode(kinds.END, data) for data in stored(store, kinds.END)]
        assert [("lost", None), ("lost", 9.0), ("lost", None)] == [
            (one.how, one.restart) for one in found
        ]
        assert (6, 2, 6) == (
            writer.counts.responses, writer.counts.new, writer.counts.of_resources,
        )  # fmt: skip
