# SPDX-License-Identifier: LGPL-3.0
"""Taking what the resource module sends: events, R and status become notices, each once.

A stream begins with a backlog, behind which stands the sentinel. An event that was posted and
not yet committed when the stream began comes twice, and each later stream has the backlog
again: an event is recognised by its timestamp and name.
"""

from __future__ import annotations

import copy

import apsw
import msgspec
from msgspec import Raw, Struct, UnsetType

from eventstore.events import resource_notices as kinds
from eventstore.events.encoding import to_json
from eventstore.events.journal_line import Entry
from eventstore.events.json_values import MALFORMED
from eventstore.events.resource_line import ResourceEnd, ResourceResponse, ResourceStatus
from eventstore.ingest.batch_rows import BatchRows
from eventstore.ingest.counts import Counts
from eventstore.reading.event_log import time_of
from eventstore.storage.sql import value


class _Place(Struct):
    """How far a source was read.

    ``time``: the highest timestamp read. ``first``: no event of its backlog has a lower seq.
    ``load`` is the timestamp of the last restart event.
    The other members are as in `BacklogForm`; ``define`` is the last resource-define of the
    backlog, with its R.
    """

    first: int = 0
    in_backlog: bool = True
    time: float | None = None
    load: float | None = None
    restart: float | None = None
    truncated: float | None = None
    until: float | None = None
    own: tuple[float, ...] = ()
    define: tuple[float, bytes] | None = None


class _Drain(Struct):
    overwrite: Raw | UnsetType = msgspec.UNSET


_decode_drain = msgspec.json.Decoder(_Drain).decode


class ResourceIntake:
    """Takes the lines of one source, batch by batch; ``boot`` is the broker's, where known."""

    def __init__(self, boot: str | None, *, live: bool) -> None:
        self._boot = boot
        # A live source may go on with a stream, so none is taken for a backlog before `take`
        # recognises one by its events.
        self._kept = _Place(in_backlog=not live)
        self._place = self._kept
        self._highest: float | None = None  # timestamp that is stored; None: to be read
        self._rows: BatchRows
        self._counts: Counts

    def begin(self, rows: BatchRows, counts: Counts) -> None:
        """Begin a batch, whose rows and counts these are."""
        self._rows, self._counts = rows, counts
        self._place = copy.copy(self._kept)
        self._highest = None

    def committed(self) -> None:
        """Keep what the batch changed."""
        self._kept = self._place

    def rolled_back(self) -> None:
        """Drop what the batch changed."""

    def take(self, response: ResourceResponse) -> None:
        """Take a response of the journal."""
        place = self._place
        if response.is_sentinel:
            self._end_backlog()
            return
        # Several events in one response, or a restart or truncate, are in backlogs only: a new
        # backlog has begun.
        names = {entry.name for entry in response.entries}
        if not place.in_backlog and (
            len(response.entries) > 1 or names & {"restart", "truncate"}
        ):
            self._place = place = _Place(time=place.time, load=place.load)
        if not place.first:
            place.first = self._rows.next_seq
        for entry in response.entries:
            if entry.name == "truncate":
                place.truncated = entry.timestamp
                continue
            if place.in_backlog:
                self._note(entry)
            self._add_event(entry)
            if entry.name == "resource-define" and response.R is not None:
                self._take_resources(entry.timestamp, response.R)

    def _note(self, entry: Entry) -> None:
        """Note what the backlog shows of the KVS."""
        place, time = self._place, entry.timestamp
        if entry.name == "restart":
            place.restart = place.load = time
        elif place.restart is None and entry.name in {"drain", "undrain"}:
            if _has_overwrite(entry):
                place.until, place.own = time, ()
            else:
                place.own = (*place.own, time)

    def _add_event(self, entry: Entry) -> None:
        place, time = self._place, entry.timestamp
        place.time = time if place.time is None else max(place.time, time)
        digest = kinds.event_digest(time, entry.name)
        if self._is_stored(time, digest):
            self._counts.known += 1
            return
        self._rows.add_placed(kinds.EVENT, time, entry.data, digest)
        self._highest = max(time, self._stored_up_to())
        self._counts.new += 1

    def _is_stored(self, time: float, digest: bytes) -> bool:
        return time <= self._stored_up_to() and _has(self._rows.db, digest)

    def _stored_up_to(self) -> float:
        """Return the highest timestamp of the events that are stored."""
        if self._highest is None:
            sql = f"SELECT max(time) FROM notice WHERE kind = '{kinds.EVENT}'"
            stored = time_of(value(self._rows.db, sql))
            self._highest = float("-inf") if stored is None else stored
        return self._highest

    def _take_resources(self, define: float, R: bytes) -> None:  # noqa: N803 - Flux's name
        """Store the R of a live event; keep that of a backlog until the backlog is over.

        Of a backlog, only the R of the last resource-define is stored: it is R as it is now.
        """
        if self._place.in_backlog:
            self._place.define = define, R
        else:
            self._add_resources(define, R, replayed=False)

    def _add_resources(self, define: float, R: bytes, *, replayed: bool) -> None:  # noqa: N803
        db = self._rows.db
        live = kinds.resources_digest(define, replayed=False)
        digest = kinds.resources_digest(define, replayed=replayed)
        if _has(db, live) or _has(db, digest):
            return
        data, member = kinds.parted(define, R, replayed=replayed)
        if member is not None:
            name = kinds.scheduling_digest(member)
            if not _has(db, name):
                self._rows.add_placed(kinds.SCHEDULING, define, member, name)
        self._rows.add_placed(kinds.RESOURCES, define, data, digest)

    def _end_backlog(self) -> None:
        place = self._place
        if not place.in_backlog:
            return
        if place.define is not None:
            self._add_resources(*place.define, replayed=True)
        # From the restart on, it is known that the KVS has these events.
        time = place.truncated if place.restart is None else place.restart
        if time is not None:
            data = to_json(kinds.BacklogForm(
                place.restart, place.truncated, place.until, list(place.own), place.first,
                self._boot,
            ))  # fmt: skip
            digest = kinds.backlog_digest(place.restart, place.truncated)
            if not _has(self._rows.db, digest):
                self._rows.add_placed(kinds.BACKLOG, time, data, digest)
        self._place = _Place(in_backlog=False, time=place.time, load=place.load)

    def take_status(self, status: ResourceStatus) -> None:
        """Take a payload of resource.status: it belongs just behind the events before it.

        Where its source had no events, it is put behind the last ones that are stored, and is
        recognised by its content alone.
        """
        after, attached = self._place.time, True
        if after is None:
            after, attached = max(self._stored_up_to(), 0.0), False
        boot = None if attached else self._boot
        data = to_json(kinds.StatusNotice(boot, attached, Raw(status.data)))
        time = self._rows.just_after(after)
        digest = kinds.status_digest(time if attached else None, data)
        if not _has(self._rows.db, digest):
            self._rows.add_placed(kinds.STATUS, time, data, digest)

    def take_end(self, end: ResourceEnd) -> None:
        """Take note of how a stream ended: what comes next begins with a backlog."""
        data = to_json(kinds.EndNotice(end.how, self._place.load))
        self._rows.add_placed(kinds.END, end.time, data, None)
        self._place = _Place(time=self._place.time)


def _has(db: apsw.Connection, digest: bytes) -> bool:
    return value(db, "SELECT 1 FROM notice WHERE digest = ?", (digest,)) is not None


def _has_overwrite(entry: Entry) -> bool:
    """Whether an administrator asked for a drain or undrain.

    Only then the context has ``overwrite``: others are posted by the resource module itself.
    """
    try:
        return entry.context is not None and bool(
            _decode_drain(entry.context).overwrite is not msgspec.UNSET
        )
    except MALFORMED:
        return False
