# SPDX-License-Identifier: LGPL-3.0
"""Decoding one line of a recorded journal: pure, and never raising on any bytes.

A line is the payload of one ``job-manager.events-journal`` response,
``{"id":I,"events":[…],"jobspec"?:{…},"R"?:{…}}``, or the payload of one
``job-purge-inactive`` event, ``{"jobs":[I,…]}``. Events have RFC 18's form. ``msgspec.Raw``
cuts the bytes of each event, jobspec and R out of the line, so that what is stored is what
came, to the byte.

A line of another form becomes a Reject, with the reason, and does not stop the reader.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from eventstore.events.compression import WHOLE, lengthen
from eventstore.events.json_values import MALFORMED

SENTINEL = -1
"""The id of the response that ends the backlog (FLUX_JOBID_ANY)."""

_INT64 = range(-(2**63), 2**63)
_HIGHEST = 2**63 - 1


class Entry(Struct, gc=False):
    """One event: RFC 18's members, and the bytes received.

    ``timestamp`` is in seconds since the epoch (UTC); ``context`` is JSON text or None.
    ``text`` is the event's text, or None if ``form`` and ``kept`` make it (compression.py).
    """

    timestamp: float
    name: str
    context: bytes | None
    text: bytes | None
    form: int = WHOLE
    kept: bytes = b""

    @property
    def data(self) -> bytes:
        """The event's text, byte for byte as received."""
        text = self.text
        return (
            lengthen(self.form, self.timestamp, self.name, self.kept) if text is None else text
        )


class Reject(NamedTuple):
    """Bytes that cannot be stored as an event, and why; ``jobid`` if it is known."""

    reason: str
    data: bytes
    jobid: int | None = None


class Response(NamedTuple):
    """One response of the journal: a job's events, in the job's order.

    A backlog response holds all of a job's events so far, a live one holds one event.
    """

    jobid: int
    entries: list[Entry]
    jobspec: bytes | None
    R: bytes | None
    rejects: list[Reject]

    @property
    def replayed(self) -> bool:
        """Whether this is from a backlog: live responses have one event.

        A backlog response with a single event is the same as the live one: the job manager
        changes contexts only when later events come.
        """
        return len(self.entries) + len(self.rejects) > 1


class Purge(NamedTuple):
    """The job manager purged these inactive jobs; ``data`` is the payload that says so."""

    jobids: list[int]
    data: bytes


class _ResponseForm(Struct, gc=False):
    id: int
    events: list[Raw]
    jobspec: Raw | UnsetType = UNSET
    R: Raw | UnsetType = UNSET


class _PurgeForm(Struct, gc=False):
    jobs: list[int]


class _EventForm(Struct, gc=False):
    timestamp: float
    name: str
    context: Raw | UnsetType = UNSET


_decode_response = msgspec.json.Decoder(_ResponseForm).decode
decode_purge = msgspec.json.Decoder(_PurgeForm).decode
"""Decodes the payload of a purge; raises msgspec.DecodeError."""
_decode_event = msgspec.json.Decoder(_EventForm).decode


def decode_line(line: bytes) -> Response | Purge | Reject:
    """Decode one line, without its line end."""
    live = decode_live(line)
    return decode_any(line) if live is None else Response(live[0], [live[1]], None, None, [])


def decode_live(line: bytes) -> tuple[int, Entry] | None:
    """Decode the most frequent line: one event, without jobspec and R, as jansson writes it.

    Returns job id and event, None if the line is anything else. The event's text is what
    stands between the brackets; if there are several events, that text does not decode.
    """
    if line[:6] != b'{"id":' or line[-3:] != b"}]}" or not line.isascii():
        return None
    end = line.find(b',"events":[', 6, 36)
    digits = line[6:end]
    if not digits.isdigit() or (digits[:1] == b"0" and digits != b"0"):
        return None
    jobid = int(digits)
    data = line[end + 11 : -2]
    try:
        form = _decode_event(data)
    except MALFORMED:
        return None
    context = None if form.context is UNSET else bytes(form.context)
    if jobid > _HIGHEST or (context is not None and context[:1] != b"{"):
        return None
    return jobid, Entry(form.timestamp, form.name, context, data)


class _Glimpsed(Struct, gc=False):
    timestamp: float
    name: str
    context: Raw = Raw(b"{}")


class Glimpse(Struct, gc=False):
    """A response of which only the events' timestamps and names were decoded."""

    id: int
    events: list[_Glimpsed]


_decode_glimpse = msgspec.json.Decoder(Glimpse).decode


def glimpse(line: bytes) -> Glimpse | None:
    """Decode timestamps and names of a backlog response; None if it is anything else.

    Also None if `decode_any` would reject a part of it.
    """
    try:
        found = _decode_glimpse(line)
        line.decode()
    except MALFORMED:
        return None
    if len(found.events) < 2 or found.id not in _INT64:
        return None
    whole = all(bytes(event.context)[:1] == b"{" for event in found.events)
    return found if whole else None


def decode_any(line: bytes) -> Response | Purge | Reject:
    """Decode any line, `decode_live`'s too."""
    try:
        form = _decode_response(line)
    except MALFORMED as error:
        return _decode_other(line, error)
    if form.id not in _INT64:
        return Reject("id is beyond 64 bits", line)
    if not line.isascii():
        # Raw members are not decoded, so that msgspec does not check that they are UTF-8.
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return Reject(f"not UTF-8: {error.reason} at byte {error.start}", line, form.id)
    entries: list[Entry] = []
    rejects: list[Reject] = []
    for raw in form.events:
        entry = decode_event(bytes(raw))
        if form.id == SENTINEL:
            rejects.append(Reject("an event of no job", bytes(raw), SENTINEL))
        elif isinstance(entry, Entry):
            entries.append(entry)
        else:
            rejects.append(entry._replace(jobid=form.id))
    jobspec = None if form.jobspec is UNSET else bytes(form.jobspec)
    R = None if form.R is UNSET else bytes(form.R)  # noqa: N806 - Flux's name
    return Response(form.id, entries, jobspec, R, rejects)


def decode_event(data: bytes) -> Entry | Reject:
    """Decode one event of RFC 18's form: timestamp, name and, if any, an object as context."""
    try:
        form = _decode_event(data)
    except MALFORMED as error:
        return Reject(f"event: {error}", data)
    if form.context is UNSET:
        return Entry(form.timestamp, form.name, None, data)
    context = bytes(form.context)
    if context[:1] != b"{":
        return Reject("event: context is not an object", data)
    return Entry(form.timestamp, form.name, context, data)


def _decode_other(line: bytes, error: Exception) -> Purge | Reject:
    try:
        purge = decode_purge(line)
    except MALFORMED:
        return Reject(f"response: {error}", line)
    if any(jobid not in _INT64 for jobid in purge.jobs):
        return Reject("purge: an id is beyond 64 bits", line)
    return Purge(purge.jobs, line)
