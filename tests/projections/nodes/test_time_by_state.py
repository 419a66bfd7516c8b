# SPDX-License-Identifier: LGPL-3.0
"""For how long nodes were in each state: adds up to nodes times time, and is what they were."""

from __future__ import annotations

import random
from itertools import pairwise

import apsw
import pytest

from eventstore.storage.sql import fetch
from projections.job.run_time import HOUR, microseconds
from projections.node_queries import allocations
from projections.node_queries.settle import settle
from projections.node_queries.time_by_state import STATES, beginning, horizon, measured
from projections.node_views import hours
from projections.reports.nodes import times_of
from projections.reports.periods import Period
from tests.support.nodes.recordings import NodeRecording, node_recordings
from tests.support.recordings import new_store

RECORDINGS = node_recordings()
by_name = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.name)


def node_time(db: apsw.Connection, start: int, end: int) -> int:
    """Return for how long nodes were in the instance, in microseconds."""
    rows = fetch(db, "SELECT t_from, t_to FROM node_time WHERE state != 'absent'")
    found = 0
    for begun, to in rows:
        last = end if to is None else min(microseconds(to), end)
        found += max(0, last - max(microseconds(begun), start))
    return found


def slowly(db: apsw.Connection, start: int, end: int) -> list[int]:
    """Measure as it is defined: at each moment at which anything changes, node by node."""
    states = fetch(db, "SELECT host, t_from, t_to, state FROM node_time")
    used = [
        (host, microseconds(one.begun), microseconds(one.freed))
        for one in allocations.during(db, allocations.interval_index.interval_of(
            allocations.interval_index.LIFETIME, 0, 2**40))
        for _, host in one.places()
    ]  # fmt: skip
    found = [0] * len(STATES)
    for host, begun, to, state in states:
        first = max(microseconds(begun), start)
        last = end if to is None else min(microseconds(to), end)
        if first >= last:
            continue
        mine = [span[1:] for span in used if span[0] == host]
        cuts = sorted({first, last, *(t for span in mine for t in span if first < t < last)})
        for at, following in pairwise(cuts):
            has_job = any(a <= at < b for a, b in mine)
            name = {"up": "idle"}.get(state, state)
            name = "allocated" if has_job and name in {"idle", "drained"} else name
            if name in STATES and at < following:
                found[STATES.index(name)] += following - at
    return found


@by_name
def test_all_states_add_up_and_are_those_of_the_nodes(recording: NodeRecording) -> None:
    store, views = new_store()
    list(recording.on_the_way(store, views))
    db = store.db
    store.db.execute("UPDATE source SET ended = started, outcome = 'done' WHERE ended IS NULL")
    start, end = beginning(db), horizon(db)
    assert start is not None
    (whole,) = measured(db, [start, end])
    assert sum(whole) == node_time(db, start, end) > 0
    assert whole == slowly(db, start, end)
    chosen = random.Random(5)
    cuts = sorted({start, end, *(chosen.randrange(start, end) for _ in range(40))})
    parts = measured(db, cuts)
    assert [sum(column) for column in zip(*parts, strict=True)] == whole
    assert parts[3] == measured(db, cuts[3:5])[0] == slowly(db, *cuts[3:5])


@by_name
def test_stored_sums_change_no_answer(recording: NodeRecording) -> None:
    store, views = new_store()
    list(recording.on_the_way(store, views))
    db = store.db
    store.db.execute("UPDATE source SET ended = started, outcome = 'done' WHERE ended IS NULL")
    start, end = beginning(db) or 0, horizon(db)
    periods = [Period(at, min(at + 7 * HOUR // 3600, end)) for at in
               range(start, end, 7 * HOUR // 3600)]  # fmt: skip
    expected = times_of(db, periods)
    assert expected == [measured(db, list(period[:2]))[0] for period in periods]
    assert hours.settled(db) == 0
    first, last = start // HOUR, end // HOUR
    if first < last:
        assert settle(db) == last - first
        assert hours.settled(db) == last
        assert expected == times_of(db, periods)
        whole = [Period(start, end)]
        assert times_of(db, whole) == measured(db, [start, end])
        hours.lower(db, end / 1e6 - 3600)
        assert times_of(db, whole) == measured(db, [start, end])
