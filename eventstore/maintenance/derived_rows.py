# SPDX-License-Identifier: LGPL-3.0
"""Rows that the digest chain leaves out, because they follow from rows that it covers.

    purged, gone     the jobs that notices name
    job              the jobs that events are of
    digest           of purges and rejects: a digest of what they say, to recognise them
    reject           numbers of rejects: 1, 2, 3 …, batch after batch

Each function returns one line that names the first fault, None if there is none.

Rows of ``source`` follow from nothing, and no digest covers them: of these only the form is
checked, and that a batch's source is there.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec

from eventstore.events.journal_line import decode_purge
from eventstore.events.records import Notice
from eventstore.ingest.inserts import append_notice, notice_digests, reject_digest
from eventstore.storage.sql import fetch, statements, value

SQL = statements(__file__)


def derived_fault(db: apsw.Connection) -> str | None:
    """Return the first fault of all that are looked for here."""
    faults = (_notices(db), _rejects(db), _jobs(db), _sources(db))
    return next((fault for found in faults for fault in found), None)


def is_recovered(db: apsw.Connection) -> bool:
    """Whether `flux-jobdb recover` made the database, and had to leave something out.

    Its numbers have holes, jobs may have lost all their events, and batches their sources.
    """
    sql = "SELECT 1 FROM source WHERE outcome = 'recovered' LIMIT 1"
    return value(db, sql) is not None


def purge_key(db: apsw.Connection, jobid: int, seq: int) -> list[int]:
    """Return the key of the job that a purge at ``seq`` means: the last of this id by then."""
    return [key for (key,) in fetch(db, SQL["purged_job"], (jobid, seq))]


def _notices(db: apsw.Connection) -> Iterator[str]:
    """Compare the tables ``purged`` and ``gone`` with the notices that they follow from."""
    rows = dict.fromkeys(("purged", "gone"), 0)
    for seq, time, kind, digest, data in db.execute(SQL["notices"]):
        try:
            digests = notice_digests(Notice(seq, time, kind, data))
            named = decode_purge(data).jobs if kind in {"purge", "gone"} else []
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
            yield f"notice {seq}: it cannot be decoded"
            continue
        if not _may_have(db, digest, digests):
            yield f"notice {seq}: its digest is not that of its bytes"
        if not named:
            continue
        if kind == "gone":
            rows["gone"] += len(named)
            missing = [key for key in named if not _has(db, "gone", key, seq)]
        else:
            keys = {key for jobid in named for key in purge_key(db, jobid, seq)}
            rows["purged"] += sum(_has(db, "purged", key, seq) for key in keys)
            earlier = "SELECT 1 FROM purged WHERE job = ? AND seq <= ?"
            missing = [key for key in keys if value(db, earlier, (key, seq)) is None]
        if missing:
            yield (
                f"notice {seq}: of kind {kind}, names job key {missing[0]}; its row is missing"
            )
    for table, count in rows.items():
        there = value(db, f"SELECT count(*) FROM {table}")
        if there != count:
            yield f"table {table} has {there} rows, its notices say {count}"


def _may_have(db: apsw.Connection, digest: bytes | None, digests: tuple[bytes, ...]) -> bool:
    """Whether a notice has a digest by which it is recognised, as `notice_digests` says."""
    if digest is not None or not digests:
        return digest in (digests or (None,))
    # Earlier versions stored a purge again where it came in other text; a recovered database
    # has one of them without a digest.
    taken = "SELECT 1 FROM notice WHERE digest = ?"
    return all(value(db, taken, (one,)) is not None for one in digests)


def _has(db: apsw.Connection, table: str, key: int, seq: int) -> bool:
    return bool(fetch(db, f"SELECT 1 FROM {table} WHERE job = ? AND seq = ?", (key, seq)))


def _rejects(db: apsw.Connection) -> Iterator[str]:
    expected, last_batch = 1, 0
    for number, batch, jobid, reason, digest, data in db.execute(SQL["rejects"]):
        if number != expected or not isinstance(batch, int) or batch < last_batch:
            yield f"reject {number}: of batch {batch}, is not numbered in the order of batches"
        if digest != reject_digest(jobid, reason, data):
            yield f"reject {number}: its digest is not that of its bytes"
        expected, last_batch = number + 1, batch


def _jobs(db: apsw.Connection) -> Iterator[str]:
    if is_recovered(db):
        return
    for key, jobid in fetch(db, SQL["jobs_without_events"]):
        yield f"job {jobid} (key {key}): no event is of this job"


def _sources(db: apsw.Connection) -> Iterator[str]:
    for row in db.execute(SQL["sources"]):
        if not is_source(row):
            yield f"source {row[0]}: a column has another type, or only one of ended, outcome"
    if not is_recovered(db):
        for (batch,) in fetch(db, SQL["batches_without_source"]):
            yield f"batch {batch}: its source is missing"


def is_source(row: tuple[object, ...]) -> bool:
    """Whether a row of the table source, all columns, is of a form that is ever stored."""
    kinds = (int, str, str | None, float, float | None, str | None)
    whole = all(isinstance(item, kind) for item, kind in zip(row, kinds, strict=True))
    return whole and (row[4] is None) == (row[5] is None)


def append_with_jobs(db: apsw.Connection, notice: Notice) -> None:
    """Append a notice, and the rows of purged and gone that follow from it."""
    append_notice(db, notice)
    if notice.kind not in {"purge", "gone"}:
        return
    named = decode_purge(notice.data).jobs
    if notice.kind == "purge":
        named = [key for jobid in named for key in purge_key(db, jobid, notice.seq)]
    table = "purged" if notice.kind == "purge" else "gone"
    sql = f"INSERT OR IGNORE INTO {table} (job, seq) VALUES (?, ?)"
    db.executemany(sql, [(key, notice.seq) for key in named])
