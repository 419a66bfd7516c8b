# SPDX-License-Identifier: LGPL-3.0
"""How what the resource module sent is kept: as notices, of these kinds. Pure.

    resource             an event of RFC 44, verbatim; its time is the event's
    resource-status      the payload of resource.status, just after the event before it
    resource-R           the R of a resource-define event
    resource-scheduling  a large `scheduling` member of Rs, once
    resource-backlog     what a complete backlog showed of the KVS: see `BacklogForm`
    resource-end         how a live stream ended, and when

`digests` says what each is recognised by when it comes again: an event by (timestamp, name).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import isfinite
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from eventstore.events.encoding import to_json
from eventstore.events.journal_line import Reject
from eventstore.events.json_values import MALFORMED
from eventstore.events.resource_line import decode_resource_event, decode_status

EVENT, STATUS, RESOURCES, SCHEDULING, BACKLOG, END = KINDS = (
    "resource",
    "resource-status",
    "resource-R",
    "resource-scheduling",
    "resource-backlog",
    "resource-end",
)

_LEAST = 1024  # bytes of a `scheduling` member that is kept apart
_NOTHING = b"null"  # stands in R for the member that is kept apart


class StatusNotice(Struct):
    """A payload; ``attached``: it came behind the events of its own source."""

    boot: str | None
    attached: bool
    status: Raw


class ResourcesNotice(Struct):
    """The R of the resource-define event with the timestamp ``define``.

    ``replayed``: it came in a backlog, whose R is that of the request's time, not the event's.
    At the byte ``at`` of ``R``, null replaces the member with the digest ``scheduling`` (hex).
    """

    define: float
    replayed: bool
    R: Raw
    scheduling: str | None = None
    at: int = 0


class BacklogForm(Struct):
    """What a complete backlog showed.

    ``restart`` is the timestamp of its restart event, ``truncated`` that of its truncate event.
    Before the restart stand events of earlier loads of the module, as far as the KVS had them:
    ``until`` is the timestamp of the last drain or undrain of these, and ``own`` are those that
    this load of the module posted by itself. ``first``: what the source brought has this seq or
    a higher one.
    """

    restart: float | None
    truncated: float | None
    until: float | None
    own: list[float]
    first: int
    boot: str | None = None


class EndNotice(Struct):
    """How a live stream ended: "clean" (ENODATA), or "lost".

    ``restart`` is the timestamp of the restart event that it had, None where it had none.
    """

    how: str
    restart: float | None = None


_decoders: dict[str, Callable[[bytes], Any]] = {
    STATUS: msgspec.json.Decoder(StatusNotice).decode,
    RESOURCES: msgspec.json.Decoder(ResourcesNotice).decode,
    SCHEDULING: msgspec.json.Decoder(Raw).decode,
    BACKLOG: msgspec.json.Decoder(BacklogForm).decode,
    END: msgspec.json.Decoder(EndNotice).decode,
}


def decode(kind: str, data: bytes) -> Any:  # noqa: ANN401 - a form for each kind
    """Decode what a notice of this kind has as data; raises msgspec.DecodeError."""
    if kind == EVENT:
        entry = decode_resource_event(data)
        if isinstance(entry, Reject):
            raise msgspec.DecodeError(entry.reason)
        return entry
    found = _decoders[kind](data)
    if kind == STATUS:
        decode_status(found.status)
    return found


def digests(kind: str, time: float, data: bytes) -> tuple[bytes, ...]:
    """Return what a notice is recognised by; nothing where it may come twice."""
    if kind == END:
        return ()
    found = decode(kind, data)
    if kind == EVENT:
        return (event_digest(found.timestamp, found.name),)
    if kind == STATUS:
        return (status_digest(time if found.attached else None, data),)
    if kind == RESOURCES:
        return (resources_digest(found.define, replayed=found.replayed),)
    if kind == BACKLOG:
        return (backlog_digest(found.restart, found.truncated),)
    return (scheduling_digest(data),)


def event_digest(timestamp: float, name: str) -> bytes:
    """Sixteen bytes by which an event is recognised."""
    return _digest(f"resource {timestamp!r} {name}".encode(errors="surrogatepass"))


def status_digest(time: float | None, data: bytes) -> bytes:
    """Sixteen bytes by which a payload is recognised: by its place, or by itself."""
    return _digest(f"resource-status {time!r} ".encode() + data)


def resources_digest(define: float, *, replayed: bool) -> bytes:
    """Sixteen bytes by which an R is recognised."""
    return _digest(f"resource-R {define!r} {replayed}".encode())


def backlog_digest(restart: float | None, truncated: float | None) -> bytes:
    """Sixteen bytes by which what a backlog showed is recognised."""
    where = f"restart {restart!r}" if restart is not None else f"truncated {truncated!r}"
    return _digest(f"resource-backlog {where}".encode())


def scheduling_digest(data: bytes) -> bytes:
    """Sixteen bytes by which a `scheduling` member is recognised."""
    return _digest(b"resource-scheduling " + data)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]


class _SchedulingForm(Struct):
    scheduling: Raw | UnsetType = UNSET


_decode_scheduling = msgspec.json.Decoder(_SchedulingForm).decode


def parted(define: float, R: bytes, *, replayed: bool) -> tuple[bytes, bytes | None]:  # noqa: N803
    """Return the data of an R's notice, and a `scheduling` member to keep apart."""
    try:
        scheduling = _decode_scheduling(R).scheduling
    except MALFORMED:
        scheduling = UNSET
    member = b"" if scheduling is UNSET else bytes(scheduling)
    if len(member) < _LEAST:
        return to_json(ResourcesNotice(define, replayed, Raw(R))), None
    at = R.index(member)
    rest = R[:at] + _NOTHING + R[at + len(member) :]
    digest = scheduling_digest(member).hex()
    notice = ResourcesNotice(define, replayed, Raw(rest), digest, at)
    return to_json(notice), member


def joined(notice: ResourcesNotice, scheduling: bytes) -> bytes:
    """Return an R as it came, given the member that is kept apart."""
    rest = bytes(notice.R)
    return rest[: notice.at] + scheduling + rest[notice.at + len(_NOTHING) :]


def is_possible(kind: str, time: float, data: bytes) -> bool:
    """Whether a notice of one of `KINDS` can have these columns."""
    try:
        found = decode(kind, data)
    except MALFORMED:
        return False
    return isfinite(time) and (kind != EVENT or bool(found.timestamp == time))
