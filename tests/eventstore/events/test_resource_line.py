# SPDX-License-Identifier: LGPL-3.0
"""Lines that the resource module sends: which form each has, and which are of no form."""

from __future__ import annotations

import json

import pytest

from eventstore.events.journal_line import Entry, Reject
from eventstore.events.resource_line import (
    ResourceEnd,
    ResourceResponse,
    ResourceStatus,
    decode_resource,
    decode_resource_event,
    encode_end,
)

EVENT = b'{"timestamp":1.5,"name":"online","context":{"idset":"0"}}'
STATUS = {"R": {}, "drain": {}, "online": "0", "offline": "", "exclude": "", "torpid": ""}


def response(line: bytes) -> ResourceResponse:
    found = decode_resource(line)
    assert isinstance(found, ResourceResponse)
    return found


def test_a_response_has_its_events_and_r_verbatim() -> None:
    found = response(b'{"events":[%b,{"name":"x"}, %b],"R":{"a": "\xc3\xa9"}}' % (EVENT, EVENT))
    assert [EVENT, EVENT] == [entry.data for entry in found.entries]
    assert [b'{"name":"x"}'] == [reject.data for reject in found.rejects]
    assert b'{"a": "\xc3\xa9"}' == found.R
    assert response(b'{"events":[]}').R is None


@pytest.mark.parametrize(
    ("events", "is_sentinel"),
    [(b"", True), (EVENT, False), (b"5", False), (EVENT + b",5", False)],
)
def test_a_backlog_ends_where_a_response_brings_nothing(
    events: bytes, is_sentinel: bool
) -> None:
    assert is_sentinel is response(b'{"events":[%b]}' % events).is_sentinel


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"events":[]',
        b'{"id":1,"events":[]}',  # the job journal's
        b'{"id":null,"events":[]}',
        b'{"events":[],"R":"\xff"}',
        b'{"events":[],"other":"\xff"}',
        b'{"events":[{"timestamp":1.0,"name":"x","context":{"a":"\xff"}}]}',
        json.dumps(STATUS).encode().replace(b"{}", b'"\xff"', 1),
        *(json.dumps({k: v for k, v in STATUS.items() if k != name}).encode()
          for name in STATUS),
        json.dumps(STATUS | {"drain": {"0": {"timestamp": 1.0}}}).encode(),
        b'{"resource-end":"clean"}',
        b'{"resource-end":"other","time":1.0}',
        b'{"resource-end":"clean","time":1e999}',
    ],
)  # fmt: skip
def test_lines_of_no_form(line: bytes) -> None:
    assert decode_resource(line) is None


@pytest.mark.parametrize("text", [json.dumps(STATUS), json.dumps(STATUS | {"more": "ü"})])
def test_a_status_is_kept_verbatim(text: str) -> None:
    assert ResourceStatus(text.encode()) == decode_resource(text.encode())


@pytest.mark.parametrize("how", ["clean", "lost"])
def test_how_a_stream_ended_is_read_as_it_was_written(how: str) -> None:
    assert ResourceEnd(how, 1.25) == decode_resource(encode_end(how, 1.25))


@pytest.mark.parametrize(
    ("data", "is_event"),
    [
        (EVENT, True),
        (b'{"timestamp":0,"name":"x"}', True),
        (b'{"timestamp":"1","name":"x"}', False),
        (b'{"timestamp":1.0,"name":"x","context":[]}', False),
    ],
)
def test_an_event_alone(data: bytes, is_event: bool) -> None:
    found = decode_resource_event(data)
    assert isinstance(found, Entry if is_event else Reject)
    assert data == found.data
