# SPDX-License-Identifier: LGPL-3.0
"""How the resource module's notices are kept, and what each is recognised by."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from eventstore.events import resource_notices as kinds
from eventstore.events.records import Notice

EVENT = b'{"timestamp":1.5,"name":"drain"}'
STATUS = b'{"R":{},"drain":{},"online":"","offline":"","exclude":"","torpid":""}'


def kept(form: object) -> bytes:
    return msgspec.json.encode(form)


def status(text: bytes, *, attached: bool = True) -> bytes:
    return kept(kinds.StatusNotice(None, attached, Raw(text)))


NEAR, FAR = status(STATUS), status(STATUS, attached=False)


@pytest.mark.parametrize(
    ("kind", "data", "recognised_by"),
    [
        (kinds.EVENT, EVENT, b"resource 1.5 drain"),
        (kinds.STATUS, NEAR, b"resource-status 1.5 " + NEAR),
        (kinds.STATUS, FAR, b"resource-status None " + FAR),
        (kinds.RESOURCES, kept(kinds.ResourcesNotice(2.0, True, Raw(b"{}"))),
         b"resource-R 2.0 True"),
        (kinds.RESOURCES, kept(kinds.ResourcesNotice(2.0, False, Raw(b"{}"))),
         b"resource-R 2.0 False"),
        (kinds.SCHEDULING, b"{}", b"resource-scheduling {}"),
        (kinds.BACKLOG, kept(kinds.BacklogForm(2.0, None, None, [], 1)),
         b"resource-backlog restart 2.0"),
        (kinds.BACKLOG, kept(kinds.BacklogForm(2.0, 3.0, None, [], 1)),
         b"resource-backlog restart 2.0"),
        (kinds.BACKLOG, kept(kinds.BacklogForm(None, 3.0, None, [], 1)),
         b"resource-backlog truncated 3.0"),
    ],
)  # fmt: skip
def test_what_a_notice_is_recognised_by_stays_what_it_is(
    kind: str, data: bytes, recognised_by: bytes
) -> None:
    """Databases last: one that is stored is recognised by later versions."""
    expected = hashlib.sha256(recognised_by).digest()[:16]
    assert (expected,) == kinds.digests(kind, 1.5, data)
    assert Notice(1, 1.5, kind, data).well_formed


def test_the_end_of_a_stream_may_come_twice() -> None:
    data = kept(kinds.EndNotice("lost"))
    assert () == kinds.digests(kinds.END, 1.5, data)
    assert Notice(1, 1.5, kinds.END, data).well_formed


@pytest.mark.parametrize(
    ("kind", "data", "time"),
    [
        (kinds.EVENT, EVENT, 1.25),  # not the event's
        (kinds.EVENT, b'{"name":"drain"}', 1.5),
        (kinds.EVENT, b"[]", 1.5),
        (kinds.STATUS, status(b"{}"), 1.5),
        (kinds.STATUS, NEAR, float("inf")),
        (kinds.RESOURCES, b'{"define":1.5}', 1.5),
        (kinds.SCHEDULING, b"{", 1.5),
        (kinds.BACKLOG, b"{}", 1.5),
        (kinds.END, b'{"restart":1.0}', 1.5),
    ],
)
def test_notices_that_nobody_stored(kind: str, data: bytes, time: float) -> None:
    assert not Notice(1, time, kind, data).well_formed
    assert not kinds.is_possible(kind, time, data)


@pytest.mark.parametrize(("length", "is_apart"), [(1023, False), (1024, True)])
@pytest.mark.parametrize("replayed", [True, False])
def test_a_scheduling_member_of_a_kib_is_kept_apart(
    length: int, is_apart: bool, replayed: bool
) -> None:
    member = b'"' + b"x" * (length - 2) + b'"'
    text = b'{"version":1,"scheduling":%b,"more":[1]}' % member
    data, apart = kinds.parted(2.0, text, replayed=replayed)
    notice: Any = kinds.decode(kinds.RESOURCES, data)
    assert (2.0, replayed) == (notice.define, notice.replayed)
    assert (member if is_apart else None) == apart
    if is_apart:
        assert b'{"version":1,"scheduling":null,"more":[1]}' == bytes(notice.R)
        assert kinds.scheduling_digest(member).hex() == notice.scheduling
        assert text == kinds.joined(notice, member)
    else:
        assert (text, None) == (bytes(notice.R), notice.scheduling)


@pytest.mark.parametrize("text", [b"{}", b'{"scheduling":null}', b"[1]", b'"x"'])
def test_an_r_without_such_a_member_is_kept_as_it_came(text: bytes) -> None:
    data, apart = kinds.parted(2.0, text, replayed=False)
    stored = b'{"define":2.0,"replayed":false,"R":%b,"scheduling":null,"at":0}' % text
    assert (stored, None) == (data, apart)
    assert text == bytes(kinds.decode(kinds.RESOURCES, data).R)
