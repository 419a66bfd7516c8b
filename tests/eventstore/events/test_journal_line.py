# SPDX-License-Identifier: LGPL-3.0
"""Lines of a journal: what is decoded of each, and in which words the others are rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.events.journal_line import (
    SENTINEL,
    Entry,
    Purge,
    Reject,
    Response,
    decode_any,
    decode_event,
    decode_line,
    decode_live,
    glimpse,
)
from eventstore.events.records import Notice, Record

EVENT = b'{"timestamp":1.5,"name":"x"}'
WITH = b'{"timestamp":2.5,"name":"y","context":{"a":[1]}}'
MOST, LEAST = 2**63 - 1, -(2**63)


def line(jobid: object, *events: bytes, more: bytes = b"") -> bytes:
    return b'{"id":%b,"events":[%b]%b}' % (str(jobid).encode(), b",".join(events), more)


def shown(entry: Entry) -> tuple[float, str, bytes | None, bytes]:
    return entry.timestamp, entry.name, entry.context, entry.data


X, Y = (1.5, "x", None, EVENT), (2.5, "y", b'{"a":[1]}', WITH)


def response(found: Response | Purge | Reject) -> Response:
    assert isinstance(found, Response), found
    return found


@pytest.mark.parametrize("jobid", [0, 1, SENTINEL + 2, 10**15, MOST])
@pytest.mark.parametrize(("event", "expected"), [(EVENT, X), (WITH, Y)])
def test_a_live_line_is_decoded_at_once(
    jobid: int, event: bytes, expected: tuple[object, ...]
) -> None:
    live = decode_live(line(jobid, event))
    assert live is not None
    assert (jobid, expected) == (live[0], shown(live[1]))
    for decode in (decode_line, decode_any):
        found = response(decode(line(jobid, event)))
        assert (jobid, [expected]) == (found.jobid, [shown(e) for e in found.entries])
        assert (None, None, []) == (found.jobspec, found.R, found.rejects)
        assert not found.replayed


@pytest.mark.parametrize(
    "text",
    [
        line(1),
        line(1, EVENT, WITH),
        line(1, EVENT, more=b',"jobspec":{}'),
        line(1, EVENT, more=b',"R":{}'),
        line(-1, EVENT),
        line(MOST + 1, EVENT),
        line(10**30, EVENT),
        line("", EVENT),
        line(" 1", EVENT),
        line("1.0", EVENT),
        line(1, b'{"timestamp":1.5,"name":"x","context":[1]}'),
        line(1, b'{"timestamp":1.5,"name":"x","context":null}'),
        line(1, b'{"timestamp":1.5}'),
        line(1, b'{"timestamp":1.5,"name":"\xc3\xa9"}'),
        line(1, b'{"timestamp":1.5,"name":"x","context":' + b"[" * 9000 + b"]" * 9000 + b"}"),
        line("00", EVENT),
        line("01", EVENT),
        line("0" * 19 + "1", EVENT),
        b'{"ib":1,"events":[%b]}' % EVENT,
        b'{"id":1,"events":[%b} ' % EVENT,
        b'{"id":1,"events":[%b  ' % EVENT,
        line(1, EVENT) + b" ",
        b" " + line(1, EVENT),
        b'{"events":[%b],"id":1}' % EVENT,
        b'{"id":1,"other":2,"events":[%b]}' % EVENT,
        b'{"jobs":[1]}',
        b"",
    ],
)
def test_other_lines_are_left_to_the_slower_way(text: bytes) -> None:
    assert decode_live(text) is None
    assert repr(decode_any(text)) == repr(decode_line(text))


def test_a_backlog_response_with_jobspec_and_r() -> None:
    payloads = b',"jobspec":{"version": 1},"R":{"b":"\xc3\xa9"}'
    found = response(decode_line(line(LEAST, EVENT, WITH, more=payloads)))
    assert (LEAST, [X, Y]) == (found.jobid, [shown(entry) for entry in found.entries])
    assert (b'{"version": 1}', b'{"b":"\xc3\xa9"}') == (found.jobspec, found.R)
    assert found.replayed
    sentinel = response(decode_line(line(SENTINEL)))
    assert (-1, []) == (sentinel.jobid, sentinel.entries)
    assert not sentinel.replayed


def test_events_of_other_forms_are_rejected_one_by_one() -> None:
    bad, array = b'{"name":"x"}', b'{"timestamp":1,"name":"x","context":[]}'
    found = response(decode_line(line(7, EVENT, bad, array)))
    assert [X] == [shown(entry) for entry in found.entries]
    missing = "event: Object missing required field `timestamp`"
    assert [(missing, bad, 7), ("event: context is not an object", array, 7)] == found.rejects
    assert found.replayed
    only = response(decode_line(line(7, bad)))
    assert [(missing, bad, 7)] == only.rejects
    assert not only.replayed
    none = response(decode_line(line(SENTINEL, EVENT, bad)))
    assert [] == none.entries
    assert [("an event of no job", e, SENTINEL) for e in (EVENT, bad)] == none.rejects


@pytest.mark.parametrize(
    ("text", "reason", "jobid"),
    [
        (line(MOST + 1, EVENT), "id is beyond 64 bits", None),
        (line(LEAST - 1, EVENT), "id is beyond 64 bits", None),
        (line(3, EVENT, more=b',"R":"\xff"'), "not UTF-8: invalid start byte at byte 53", 3),
        (b'{"jobs":[1,%d]}' % (MOST + 1), "purge: an id is beyond 64 bits", None),
        (b'{"jobs":[%d]}' % (LEAST - 1), "purge: an id is beyond 64 bits", None),
        (b"[]", "response: Expected `object`, got `array`", None),
        (b'{"id":1}', "response: Object missing required field `events`", None),
    ],
)
def test_rejected_lines(text: bytes, reason: str, jobid: int | None) -> None:
    assert Reject(reason, text, jobid) == decode_line(text)


@pytest.mark.parametrize("jobs", [[], [1], [LEAST, 0, MOST]])
def test_a_purge(jobs: list[int]) -> None:
    text = json.dumps({"jobs": jobs}).encode()
    assert Purge(jobs, text) == decode_line(text)


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b'{"id":1,"events":["\xff"]}',
        b'{"id":1,"events":%b}' % DEEP,
        b'{"jobs":%b}' % DEEP,
        b'{"\xff":1}',
    ],
)
def test_nothing_is_raised(text: bytes) -> None:
    found = decode_line(text)
    assert isinstance(found, Reject) or (isinstance(found, Response) and found.rejects)
    assert glimpse(text) is None
    assert isinstance(decode_event(text), Reject)


def test_an_event_that_is_nested_too_deeply_is_rejected() -> None:
    text = b'{"timestamp":1,"name":"x","a":%b}' % DEEP
    assert isinstance(decode_event(text), Reject)
    assert isinstance(decode_line(line(1, text, EVENT)), Reject)


def test_an_event_alone() -> None:
    for text, expected in ((EVENT, X), (WITH, Y)):
        found = decode_event(text)
        assert isinstance(found, Entry)
        assert expected == shown(found)
    text = b'{"timestamp":1,"name":"x","context":1}'
    assert Reject("event: context is not an object", text) == decode_event(text)
    kept = Entry(1.0, "x", b"{}", None, 1, b"{}")
    assert b'{"timestamp":1.0,"name":"x","context":{}}' == kept.data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (line(1, EVENT, WITH), (1, [(1.5, "x"), (2.5, "y")])),
        (line(LEAST, EVENT, EVENT), (LEAST, [(1.5, "x")] * 2)),
        (line(MOST, EVENT, WITH, EVENT), (MOST, [(1.5, "x"), (2.5, "y"), (1.5, "x")])),
        (line(1, EVENT), None),
        (line(1), None),
        (line(MOST + 1, EVENT, WITH), None),
        (line(LEAST - 1, EVENT, WITH), None),
        (line(1, EVENT, b'{"timestamp":1,"name":"x","context":[]}'), None),
        (line(1, b'{"timestamp":1,"name":"x","context":null}', EVENT), None),
        (line(1, EVENT, b'{"timestamp":1}'), None),
        (line(1, EVENT, EVENT, more=b',"R":"\xff"'), None),
        (b"what?", None),
    ],
)
def test_glimpse(text: bytes, expected: object) -> None:
    found = glimpse(text)
    if found is not None:
        times = [(event.timestamp, event.name) for event in found.events]
        assert expected == (found.id, times)
    else:
        assert expected is None


JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": st.just(1.0) | JSON,
        "name": st.just("x") | JSON,
        "context": st.just({}) | JSON,
    },
)
FORMS = st.fixed_dictionaries(
    {}, optional={
        "id": st.integers(-1, 3) | JSON, "events": st.lists(EVENTS, max_size=3) | JSON,
        "jobspec": JSON, "R": JSON, "jobs": st.lists(st.integers(), max_size=2) | JSON,
    },
)  # fmt: skip


@given(FORMS | JSON, st.booleans())
def test_all_ways_to_decode_a_line_agree(value: object, compact: bool) -> None:
    text = json.dumps(value, separators=(",", ":") if compact else None).encode()
    found = decode_line(text)
    assert repr(found) == repr(decode_any(text))
    seen = glimpse(text)
    if isinstance(found, Response) and not found.rejects and len(found.entries) > 1:
        assert seen is not None
        assert [(e.timestamp, e.name) for e in found.entries] == [
            (e.timestamp, e.name) for e in seen.events
        ]
    else:
        assert seen is None


def notice(kind: object, data: object, time: object = 1.0) -> Notice:
    return Notice(1, time, kind, data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("purge", b'{"jobs":[]}'),
        ("purge", b'{"jobs":[1,2],"more":1}'),
        ("gone", b'{"jobs":[1]}'),
        ("boot", b'{"boot":"x","memos":{"1":[2,3]}}'),
    ],
)
def test_well_formed_notices(kind: str, data: bytes) -> None:
    assert notice(kind, data).well_formed
    for time in (None, 1, "1.0", float("inf"), float("nan")):
        assert not notice(kind, data, time).well_formed
    assert not notice(kind, data.decode()).well_formed
    assert not notice(kind, b"").well_formed
    assert not notice("other", data).well_formed
    assert not notice(None, data).well_formed


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("purge", b'{"boot":"x","memos":{}}'),
        ("gone", b'{"jobs":["1"]}'),
        ("boot", b'{"boot":"x","memos":{"\xff":[1]}}'),
        ("boot", b'{"jobs":[1]}'),
        ("boot", b'{"boot":"x","memos":[]}'),
    ],
)
def test_ill_formed_notices(kind: str, data: bytes) -> None:
    assert not notice(kind, data).well_formed


def test_a_record_is_late_where_it_has_an_anchor() -> None:
    entry = Entry(1.0, "x", None, EVENT)
    assert not Record(3, 1, 1, 1, False, None, entry).late
    assert Record(3, 1, 1, 1, False, 0, entry).late
    assert Record(3, 1, 1, 1, False, 2, entry).late
