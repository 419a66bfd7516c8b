# SPDX-License-Identifier: LGPL-3.0
"""The tables of the lake as Arrow schemas; records and notices as rows, and back.

The text of an event is not repeated where its other columns give it: ``text`` is NULL then, and
``form`` says how its timestamp is written (eventstore/events/compression.py): 1 with 17
significant digits, 2 with the fewest. So a text is ``{"timestamp":T,"name":"N","context":C}``,
without the last member where the context is NULL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from eventstore.events.compression import WHOLE, lengthen, shorten
from eventstore.events.journal_line import Entry, decode_event
from eventstore.events.records import Notice, Record

EVENTS = pa.schema([
    ("seq", pa.int64()), ("job", pa.int64()), ("jobid", pa.int64()), ("stream", pa.int32()),
    ("position", pa.int32()), ("timestamp", pa.float64()), ("name", pa.string()),
    ("context", pa.string()), ("replayed", pa.bool_()), ("anchor", pa.int64()),
    ("form", pa.int8()), ("text", pa.binary()), ("jobspec", pa.binary()), ("R", pa.binary()),
])  # fmt: skip
NOTICES = pa.schema([
    ("seq", pa.int64()), ("time", pa.float64()), ("kind", pa.string()), ("data", pa.binary()),
])  # fmt: skip
_INTEGERS = {
    "id", "userid", "urgency", "priority", "ntasks", "ncores", "nnodes", "success",
    "exception_occurred", "exception_severity", "waitstatus", "stream", "exported",
}  # fmt: skip
_REALS = {"duration", "expiration"}


def of_view(names: list[str]) -> pa.Schema:
    """Return the schema of a public view with these columns: `jobs`, or `node_states`."""
    return pa.schema([(name, _type(name)) for name in names])


def _type(name: str) -> pa.DataType:
    if name in _INTEGERS:
        return pa.int64()
    return pa.float64() if name in _REALS or name.startswith("t_") else pa.string()


def event_row(record: Record, position: int) -> dict[str, Any]:
    """Return a record as a row of EVENTS; ``position``: the how manieth of its job it is."""
    entry = record.entry
    data = entry.data
    form, kept = shorten(data, entry.timestamp, entry.name, entry.context)
    try:
        context, text = (None, data) if form == WHOLE else (kept.decode() or None, None)
    except UnicodeDecodeError:  # within a context that nothing has read
        form, context, text = WHOLE, None, data
    return {
        "seq": record.seq, "job": record.job, "jobid": record.jobid, "stream": record.stream,
        "position": position, "timestamp": entry.timestamp, "name": entry.name,
        "context": context, "replayed": record.replayed, "anchor": record.anchor,
        "form": form, "text": text, "jobspec": record.jobspec, "R": record.R,
    }  # fmt: skip


def event_text(row: Mapping[str, Any]) -> bytes:
    """Return an event's text, byte for byte as it came."""
    if row["form"] == WHOLE:
        return bytes(row["text"])
    kept = (row["context"] or "").encode()
    return lengthen(row["form"], row["timestamp"], row["name"], kept)


def record_of(row: Mapping[str, Any]) -> Record:
    """Return the record of a row; raises ValueError for what is none."""
    entry = _decoded(row["seq"], event_text(row))
    return Record(
        row["seq"], row["job"], row["jobid"], row["stream"], bool(row["replayed"]),
        row["anchor"], entry, row["jobspec"], row["R"],
    )  # fmt: skip


def records_of(batch: pa.RecordBatch) -> Iterator[Record]:
    """Yield the records of rows of EVENTS, as `record_of` does, column by column: quicker."""
    contexts = batch.column("context").cast(pa.binary()).to_pylist()
    names = ["seq", "job", "jobid", "stream", "timestamp", "name", "replayed", "anchor",
             "form", "text", "jobspec", "R"]  # fmt: skip
    columns = [batch.column(name).to_pylist() for name in names]
    for context, *row in zip(contexts, *columns, strict=True):
        seq, job, jobid, stream, time, name, replayed, anchor, form, text, jobspec, r = row
        if form == WHOLE:
            entry = _decoded(seq, text or b"")
        else:
            entry = Entry(time, name, context, None, form, context or b"")
        yield Record(seq, job, jobid, stream, replayed, anchor, entry, jobspec, r)


def _decoded(seq: int, text: bytes) -> Entry:
    entry = decode_event(text)
    if not isinstance(entry, Entry):
        raise ValueError(f"event {seq}: {entry!r:.100}")  # noqa: TRY004
    return entry


def notice_of(row: Mapping[str, Any]) -> Notice:
    """Return the notice of a row."""
    return Notice(row["seq"], row["time"], row["kind"], row["data"])
