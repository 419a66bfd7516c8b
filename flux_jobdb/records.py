# SPDX-License-Identifier: LGPL-3.0
"""What a `Database` returns: typed, immutable records, and how they become columns of Arrow.

Times are in seconds since the epoch (UTC), durations in seconds; None: it does not apply, or is
not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from projections.job import attributes
from projections.job.run_time import SECOND
from projections.job.state import RESULTS, STATES
from projections.notation.jobid import encode

if TYPE_CHECKING:
    from eventstore.events.records import Record
    from projections.node_queries.history import NodeInterval
    from projections.node_queries.present import NodeState
    from projections.reports.report import Report, Row

_STATES = {one.mask: one.name for one in STATES}
_RESULTS = {one.mask: one.name for one in RESULTS}
_LAST = "annotations"


class JobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A job with job-list's attributes, under their names.

    ``state`` and ``result`` are the words that `flux jobs` prints; ``ranks`` is an idset (RFC
    22) and ``nodelist`` a hostlist (RFC 29). ``annotations_text`` is JSON text.
    """

    id: int
    userid: int
    urgency: int
    priority: int | None = None
    t_submit: float
    t_depend: float | None = None
    t_priority: float | None = None
    t_sched: float | None = None
    t_run: float | None = None
    t_cleanup: float | None = None
    t_inactive: float | None = None
    state: str
    name: str | None = None
    cwd: str | None = None
    queue: str | None = None
    project: str | None = None
    bank: str | None = None
    ntasks: int | None = None
    ncores: int | None = None
    duration: float | None = None
    nnodes: int | None = None
    ranks: str | None = None
    nodelist: str | None = None
    success: bool | None = None
    exception_occurred: bool | None = None
    exception_type: str | None = None
    exception_severity: int | None = None
    exception_note: str | None = None
    result: str | None = None
    expiration: float | None = None
    annotations_text: str | None = None
    waitstatus: int | None = None
    dependencies: tuple[str, ...] | None = None

    @property
    def jobid(self) -> str:
        """The id in f58, as `flux jobs` prints it."""
        return encode(self.id)

    @property
    def annotations(self) -> Any:  # noqa: ANN401 - any JSON
        """The annotations, decoded; RecursionError where they are nested too deep for that."""
        return _decoded(self.annotations_text)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a job (RFC 18, RFC 21); ``seq`` counts events in the order of arrival.

    ``context_text`` is JSON text; ``data`` is the whole event, byte for byte as it came.
    """

    seq: int
    id: int
    timestamp: float
    name: str
    context_text: str | None
    data: bytes

    @property
    def context(self) -> Any:  # noqa: ANN401 - any JSON
        """The context, decoded; RecursionError where it is nested too deep for that."""
        return _decoded(self.context_text)


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A node, in the terms of the view `nodes` (docs/sql.md), with the ids of the jobs it has.

    ``t_drained`` is None where it is not drained. What is not known is None, and ``unknown``
    says why.
    """

    host: str
    rank: int
    up: bool | None
    torpid: bool | None
    excluded: bool | None
    t_drained: float | None
    reason: str | None
    unknown: str | None
    jobs: tuple[int, ...]


class NodeStates(msgspec.Struct, frozen=True, kw_only=True):
    """An interval of a node, in the terms of the view `node_states`; ``t_to`` None: it lasts.

    ``kind`` is drained (one for each reason), offline, torpid, excluded, absent or unknown.
    """

    host: str
    kind: str
    t_from: float
    t_to: float | None
    reason: str | None
    ended: str | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a report: of a period, from ``since`` to before ``until``, and of a group.

    ``period`` is empty where the range is not cut. ``figures`` are by the name of their column;
    times are in seconds, rounded to the nearest float.
    """

    period: str
    since: float
    until: float
    group: dict[str, Any]
    figures: dict[str, Any]


ATTRIBUTES = [*(name for name in attributes.ATTRIBUTES if name != _LAST), _LAST]
"""What is asked for: all attributes, with the annotations behind all others."""


def job_of(answer: bytes) -> JobInfo:
    """Return the job of an answer with ATTRIBUTES.

    Annotations are whatever users want, and are not decoded here. Nothing before them can be
    taken for their name: a quotation mark in a text is escaped.
    """
    others, name, text = answer.partition(b',"%b":' % _LAST.encode())
    found: dict[str, Any] = msgspec.json.decode(others + b"}" if name else others)
    found["state"] = _STATES[found["state"]]
    if "result" in found:
        found["result"] = _RESULTS[found["result"]]
    if name:
        found["annotations_text"] = text[:-1].decode()
    return msgspec.convert(found, JobInfo)


def _decoded(text: str | None) -> Any:  # noqa: ANN401 - any JSON
    return None if text is None else msgspec.json.decode(text)


def event_of(record: Record) -> Event:
    """Return a stored event."""
    entry = record.entry
    context = None if entry.context is None else entry.context.decode()
    return Event(
        seq=record.seq, id=record.jobid, timestamp=entry.timestamp, name=entry.name,
        context_text=context, data=entry.data,
    )  # fmt: skip


def node_of(node: NodeState) -> NodeInfo:
    """Return a node of an answer."""
    drained = node.drained
    return NodeInfo(
        host=node.host, rank=node.rank, up=node.up, torpid=node.torpid, excluded=node.excluded,
        t_drained=None if drained is None else drained.since,
        reason=None if drained is None else drained.reason,
        unknown=node.unknown, jobs=tuple(node.jobs),
    )  # fmt: skip


def interval_of(one: NodeInterval) -> NodeStates:
    """Return an interval of an answer."""
    return NodeStates(
        host=one.host, kind=one.kind, t_from=one.begun, t_to=one.to, reason=one.reason,
        ended=one.ended,
    )  # fmt: skip


def figures_of(report: Report, keys: tuple[str, ...], row: Row) -> Figures:
    """Return a row of a report whose groups have these keys."""
    figures = {
        column.name: figure / SECOND if column.is_time and figure is not None else figure
        for column, figure in zip(report.columns, row.figures, strict=True)
    }
    return Figures(
        period=row.period.name,
        since=row.period.start / SECOND,
        until=row.period.end / SECOND,
        group=dict(zip(keys, row.group, strict=True)),
        figures=figures,
    )
