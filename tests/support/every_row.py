# SPDX-License-Identifier: LGPL-3.0
"""A short history in which there is each kind of row: two sources, batch by batch.

Jobs 1 to 4 are read live; one of them is purged, and events of another one are read late. The
second source is a broker that started again: its backlog shows memos, and lacks two jobs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from eventstore.ingest.unit_of_work import Participant
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store

Event = dict[str, object]


class Part(NamedTuple):
    """A source with its batches of lines."""

    name: str
    boot: str | None
    expected: list[int] | None  # keys of the jobs that its backlog must have
    batches: list[list[bytes]]


def _event(time: float, name: str, **context: object) -> Event:
    found: Event = {"timestamp": time, "name": name}
    return found | {"context": context} if context else found


def _line(jobid: int, *events: Event, **payloads: object) -> bytes:
    found = {"id": jobid, "events": list(events), **payloads}
    return json.dumps(found, separators=(",", ":")).encode()


def _jobspec(name: str) -> object:
    core = {"type": "core", "count": 1}
    return {
        "resources": [{"type": "slot", "count": 1, "with": [core], "label": "t"}],
        "tasks": [{"command": [name], "slot": "t", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 60, "job": {"name": name}}},
        "version": 1,
    }


def _r(rank: int) -> object:
    lite = [{"rank": str(rank), "children": {"core": "0-3"}}]
    times = {"starttime": 0, "expiration": 0}
    return {"version": 1, "execution": {"R_lite": lite, "nodelist": [f"n{rank}"], **times}}


def events(jobid: int, start: float) -> list[Event]:
    """Return a job's events, from submit to clean: 10."""
    return [
        _event(start, "submit", urgency=16, userid=1000 + jobid, version=1, flags=0),
        _event(start + 1.1, "validate"),
        _event(start + 1.25, "depend"),
        _event(start + 1.5, "priority", priority=16),
        _event(start + 2.1, "alloc", annotations={"sched": {"resource_summary": "n0"}}),
        _event(start + 2.5, "start"),
        _event(start + 9.1, "finish", status=0),
        _event(start + 9.25, "release", ranks="all", final=True),
        _event(start + 9.5, "free"),
        _event(start + 9.75, "clean"),
    ]


def live(jobid: int, start: float) -> list[bytes]:
    """Return a job's life as live responses."""
    payloads: list[dict[str, object]] = [{} for _ in range(10)]
    payloads[0], payloads[4] = {"jobspec": _jobspec(f"job{jobid}")}, {"R": _r(jobid)}
    return [_line(jobid, event, **more)
            for event, more in zip(events(jobid, start), payloads, strict=True)]  # fmt: skip


def _together(*lives: list[bytes]) -> list[bytes]:
    return [line for lines in zip(*lives, strict=True) for line in lines]


_MEMO = _event(3003.1, "memo", app="v1")
_VOLATILE = _line(3, {"timestamp": 3004, "name": "memo", "context": {"shown": "live only"}})
_SENTINEL = _line(-1)


def parts() -> Iterator[Part]:
    """Yield the two sources."""
    first, second = _together(live(1, 1000.0), live(2, 1000.5)), live(3, 3000.0)
    late = [line for line in first
            if b'"id":2' not in line or not re.search(b'"(submit|depend)"', line)]  # fmt: skip
    yield Part("one", "a", None, [
        late[:7],
        [*late[7:], b"what is no JSON", b'{"id":9,"events":[{"name":"x"}]}'],
        [b'{"jobs":[1]}', *second[:5], _line(3, _MEMO), _VOLATILE],
        # Two events of job 2 that are read late, and a job that is never finished.
        [_line(2, *events(2, 1000.5), jobspec=_jobspec("job2")), *live(4, 3500.0)[:6]],
        [b'{"jobs":[2,77]}', b"what is no JSON", *live(5, 3600.0)[:3]],
    ])  # fmt: skip
    known = [*events(3, 3000.0)[:5], _MEMO]
    memo = _event(3050.1, "memo", app="v2")
    restart = _event(5000.5, "flux-restart")
    yield Part("two", "b", [3, 4, 5], [
        [_line(2, *events(2, 1000.5)), _line(3, *known, memo, jobspec=_jobspec("job3"))],
        [_line(6, *events(6, 4000.0)[:4], restart, jobspec=_jobspec("job6")),
         _line(7, *events(7, 4100.0)[:2], jobspec=_jobspec("job7"))],
        [_SENTINEL, *second[5:7], *live(8, 6000.0)[:2]],
        [*second[7:], b'{"jobs":[3]}', *live(8, 6000.0)[2:5], b"\xff no UTF-8"],
    ])  # fmt: skip


def ingest(
    store: Store,
    *participants: Participant,
    append: Callable[[Writer, list[bytes]], object] = Writer.append,
) -> Writer:
    """Append all of it, by ``append`` a batch at a time; returns the last writer."""
    for part in parts():
        expected = part.expected
        writer = Writer(
            store, part.name, *participants, boot=part.boot,
            expected=None if expected is None else lambda keys=expected: keys,  # type: ignore[misc]
            clock=lambda: 7000.0,
        )  # fmt: skip
        for lines in part.batches:
            append(writer, lines)
        if part.name == "one":
            writer.close()
    return writer
