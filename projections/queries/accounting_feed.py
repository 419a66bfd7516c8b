# SPDX-License-Identifier: LGPL-3.0
"""Finished jobs that ran, as rows of flux-accounting's table ``jobs``.

The values are those that flux-accounting's own script (flux-account-fetch-job-records) takes
from job-list and, through job-info, from the KVS. Texts of R and jobspec are laid out as
job-info writes them, so that both feeds give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import apsw
import msgspec

from eventstore.events.encoding import to_json
from eventstore.reading.event_log import Bases
from eventstore.storage.sql import statements
from projections.formats.json_text import dumps, escaped
from projections.job.jobspec import apply_updates


class JobRecord(NamedTuple):
    """A row for flux-accounting, with its names of the columns.

    Times are in seconds since the epoch, durations in seconds. ``ranks``, ``R`` and ``jobspec``
    are None if they were never received or are not JSON; flux-accounting has no such row.
    """

    id: int
    userid: int
    t_submit: float
    t_run: float
    t_inactive: float
    ranks: str | None
    R: str | None
    jobspec: str | None
    project: str
    bank: str
    requested_duration: float | None
    actual_duration: float


SQL = statements(__file__)


def finished_jobs(
    db: apsw.Connection, after: int, upto: int, since: float = 0.0
) -> Iterator[tuple[int, JobRecord]]:
    """Return (seq, record) of each job with ``after`` < seq <= ``upto``, in the order of seq.

    Only those that became inactive after ``since`` (seconds since the epoch).
    """
    rs, jobspecs = Bases(db, "R"), Bases(db, "jobspec")
    for row in db.execute(SQL["finished_jobs"], (after, upto, since)):
        seq, jobid, userid, t_submit, t_run, t_inactive, ranks, *texts = row
        r_data, r_base, jobspec_data, jobspec_base, updated_r, updates = texts
        r, jobspec = rs.payload(r_data, r_base), jobspecs.payload(jobspec_data, jobspec_base)
        if updated_r is not None:
            r = dumps(msgspec.json.decode(updated_r))
        if updates is not None:
            jobspec = _updated(jobspec, updates)
        yield seq, JobRecord(
            jobid, userid, t_submit, t_run, t_inactive, ranks, _spaced(r), _spaced(jobspec),
            *requested(jobspec), t_inactive - t_run,
        )  # fmt: skip


def json_line(seq: int, record: JobRecord) -> bytes:
    """Return a record as a line of JSON: ``seq``, its columns, R and jobspec as objects."""
    columns: dict[str, object] = {"seq": seq, **record._asdict()}
    for name in ("R", "jobspec"):
        text = columns[name]
        columns[name] = msgspec.Raw(text.encode()) if isinstance(text, str) else None
    return to_json(columns) + b"\n"


# Reals are kept as text, so that they are not changed.
_decode_verbatim = msgspec.json.Decoder(
    float_hook=lambda text: msgspec.Raw(text.encode())
).decode


def _updated(jobspec: bytes | None, updates: bytes) -> bytes | None:
    """Return a jobspec with ``jobspec-update`` contexts applied, which are a JSON array."""
    try:
        value = _decode_verbatim(jobspec or b"")
        for update in _decode_verbatim(updates):
            apply_updates(value, update)
        return escaped(to_json(value))
    except (ValueError, RecursionError):
        return None


def _spaced(text: bytes | None) -> str | None:
    """Return R or jobspec as job-info writes it: a space after each comma and colon."""
    if text is None:
        return None
    try:
        return _format(text, indent=0).decode()
    except (ValueError, RecursionError):
        return None


class _System(msgspec.Struct, gc=False, frozen=True):
    project: Any = None
    bank: Any = None
    duration: Any = None


class _Attributes(msgspec.Struct, gc=False, frozen=True):
    system: _System = _System()


class _Jobspec(msgspec.Struct, gc=False):
    attributes: _Attributes = _Attributes()


_format = msgspec.json.format
_decode = msgspec.json.Decoder(_Jobspec).decode


def requested(jobspec: bytes | None) -> tuple[str, str, float | None]:
    """Return project, bank and duration (seconds) as flux-accounting stores them.

    "", or None for the duration, where the jobspec has none.
    """
    try:
        system = _decode(jobspec or b"").attributes.system
    except (ValueError, RecursionError):
        return "", "", None
    duration = system.duration
    return (
        _text(system.project),
        _text(system.bank),
        duration if isinstance(duration, float) else _whole(duration),
    )


def _text(value: object) -> str:
    """Return a project or bank as text; a number (``--setattr=project=7``) is converted.

    The type of flux-accounting's columns does the same, and makes 1 of true.
    """
    if isinstance(value, str):
        return value
    return repr(value + 0) if isinstance(value, int | float) else ""


def _whole(value: object) -> float | None:
    plain = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return float(value) if plain else None  # type: ignore[arg-type]
