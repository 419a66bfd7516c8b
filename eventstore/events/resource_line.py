# SPDX-License-Identifier: LGPL-3.0
"""Decoding what the resource module sends (RFC 44): pure, and never raising on any bytes.

A line is the payload of one ``resource.journal`` response, ``{"events":[…],"R"?:{…}}``, or that
of one ``resource.status`` response, ``{"R":{…},"drain":{…},"online":S,…}``. A third form is
this program's own: ``{"resource-end":"clean"|"lost","time":T}`` says when and how a live
stream ended.
"""

from __future__ import annotations

from math import isfinite
from typing import Literal, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from eventstore.events.encoding import to_json
from eventstore.events.journal_line import Entry, Reject, decode_event
from eventstore.events.json_values import MALFORMED

PREFIX = b'{"events":'
"""How a response begins, as flux-core writes it."""


class ResourceResponse(NamedTuple):
    """One response of the journal: live ones have one event, the sentinel has none."""

    entries: list[Entry]
    R: bytes | None
    rejects: list[Reject]

    @property
    def is_sentinel(self) -> bool:
        """Whether this ends the backlog."""
        return not self.entries and not self.rejects


class ResourceStatus(NamedTuple):
    """The payload of ``resource.status``, verbatim."""

    data: bytes


class ResourceEnd(NamedTuple):
    """A live stream ended at ``time`` (seconds since the epoch)."""

    how: str
    time: float


class _ResponseForm(Struct, gc=False):
    events: list[Raw]
    R: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


class _GroupForm(Struct, gc=False):
    timestamp: float
    reason: str


class StatusForm(Struct, gc=False):
    """The members of ``resource.status`` (flux-core, resource/status.c); idsets are texts."""

    R: Raw
    drain: dict[str, _GroupForm]
    online: str
    offline: str
    exclude: str
    torpid: str


class _EndForm(Struct, gc=False, rename={"how": "resource-end"}):
    how: Literal["clean", "lost"]
    time: float


_decode_response = msgspec.json.Decoder(_ResponseForm).decode
decode_status = msgspec.json.Decoder(StatusForm).decode
"""Decodes the payload of ``resource.status``; raises msgspec.DecodeError."""
_decode_end = msgspec.json.Decoder(_EndForm).decode


def decode_resource(line: bytes) -> ResourceResponse | ResourceStatus | ResourceEnd | None:
    """Decode one line, without its line end; None if it is of none of these forms."""
    try:
        line.decode()
        form = _decode_response(line)
    except MALFORMED:
        return _decode_other(line)
    if form.id is not UNSET:
        return None
    entries: list[Entry] = []
    rejects: list[Reject] = []
    for raw in form.events:
        entry = decode_resource_event(bytes(raw))
        (rejects if isinstance(entry, Reject) else entries).append(entry)  # type: ignore[arg-type]
    R = None if form.R is UNSET else bytes(form.R)  # noqa: N806 - Flux's name
    return ResourceResponse(entries, R, rejects)


def decode_resource_event(data: bytes) -> Entry | Reject:
    """Decode one event of RFC 18's form, whose time is a finite number."""
    entry = decode_event(data)
    if isinstance(entry, Entry) and not isfinite(entry.timestamp):
        return Reject("event: timestamp is not finite", data)
    return entry


def encode_end(how: str, time: float) -> bytes:
    """Return the line that says how a live stream ended: "clean", or "lost"."""
    return to_json({"resource-end": how, "time": time})


def _decode_other(line: bytes) -> ResourceStatus | ResourceEnd | None:
    try:
        line.decode()
        decode_status(line)
        return ResourceStatus(line)
    except MALFORMED:
        pass
    try:
        end = _decode_end(line)
    except MALFORMED:
        return None
    return ResourceEnd(end.how, end.time) if isfinite(end.time) else None
