# SPDX-License-Identifier: LGPL-3.0
"""Intervals in an index: those that overlap are found, and few others.

A plain table stands beside the index: whether two intervals, hostlists or idsets have
something in common is asked of them directly.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.constraints import interval_index
from projections.constraints.interval_index import (
    LIFETIME,
    RANKS,
    UNNAMED,
    Interval,
    buckets,
    host_intervals,
    interval_of,
)
from projections.formats import hostlist, hostlist_runs, idset
from projections.queries.candidates import overlapping
from tests.support.processes.memory import peak_memory
from tests.support.recordings import new_store
from tests.support.strategies import line

ENDS = st.integers(-(2**63), 2**63) | st.integers(-20, 5000)
INTERVALS = st.tuples(ENDS, ENDS).map(lambda ends: (min(ends), max(ends)))
PARTS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["n", "n0", "", "rack1-n", "N", "n-", "é", "1-"]),
    st.sampled_from(["", "0", "[0-3]", "[00-12]", "[1,3,5-9]", "[098-101]", "7", "[5-5000]"]),
    st.sampled_from(["", "", "", "-ib0", "x", "[1-2]", "0"]),
)
HOSTLISTS = st.lists(PARTS, min_size=1, max_size=4).map(",".join)


def bounded(interval: tuple[int, int]) -> tuple[int, int]:
    lo, hi = (min(max(end, -(2**62)), 2**62) for end in interval)
    return lo, hi


@given(st.lists(INTERVALS, max_size=20), st.lists(INTERVALS, min_size=1, max_size=5))
@example([(0, 0), (2**62, 2**63), (-(2**63), 2**63)], [(2**63, 2**63), (0, 1), (-1, -1)])
def test_what_overlaps_is_found_and_nothing_else(
    stored: list[tuple[int, int]], wanted: list[tuple[int, int]]
) -> None:
    store, _ = new_store()
    rows = []
    for job, interval in enumerate(stored):
        filed = interval_of(RANKS, *interval)
        rows.append((RANKS, filed.level, filed.bucket, 5.0, job, filed.lo, filed.hi))
        rows.append((LIFETIME, filed.level, filed.bucket, 5.0, job + 1000, filed.lo, filed.hi))
    store.db.executemany("INSERT INTO span VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    for interval in wanted:
        lo, hi = bounded(interval)
        found = overlapping(store.db, interval_of(RANKS, *interval))
        expected = {
            (5.0, job)
            for job, (first, last) in enumerate(map(bounded, stored))
            if first <= hi and last >= lo
        }
        assert expected == found


@given(INTERVALS)
def test_an_interval_lies_in_its_bucket_and_the_next(interval: tuple[int, int]) -> None:
    filed = interval_of(RANKS, *interval)
    assert bounded(interval) == (filed.lo, filed.hi)
    assert filed.bucket << filed.level <= filed.lo
    assert filed.hi >> filed.level in {filed.bucket, filed.bucket + 1}
    for number in (filed.lo, filed.hi):
        first, last = buckets(filed.level, number, number)
        assert first <= filed.bucket <= last


@pytest.mark.parametrize("value", [float("inf"), 1e308, 2.0**63, 2**200])
def test_numbers_beyond_what_sqlite_stores_are_the_greatest(value: float) -> None:
    assert Interval(LIFETIME, 64, -1, -(2**62), 2**62) == interval_of(LIFETIME, -value, value)


def share(one: list[Interval], other: list[Interval]) -> bool:
    return any(a.kind == b.kind and a.lo <= b.hi and b.lo <= a.hi for a in one for b in other)


@given(HOSTLISTS, HOSTLISTS)
@example("n[0-9]", "n5")
@example("n[08-11]", "n9,n09")
@example("n[1-2][3-4]", "n13")
@example("n1", "n[1]")
def test_hostlists_with_a_host_in_common_have_spans_in_common(one: str, other: str) -> None:
    mine, theirs = hostlist.decode(one), hostlist.decode(other)
    found = [list(host_intervals(mine)), list(host_intervals(theirs))]
    unnamed = any(one.kind == UNNAMED for side in found for one in side)
    if hostlist_runs.first_common_index(mine, theirs) is not None:
        assert unnamed or share(*found)


@given(st.sets(st.integers(0, 3000), min_size=1), st.sets(st.integers(0, 3000), min_size=1))
def test_idsets_share_intervals_where_they_share_a_rank(one: set[int], other: set[int]) -> None:
    sets = [idset.decode(",".join(map(str, sorted(ids)))) for ids in (one, other)]
    assert bool(one & other) == share(
        *(list(interval_index.rank_intervals(ids)) for ids in sets)
    )


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("n[0-999999]", 6),
        ("n[0000000-1000000]", 1),
        ("n[0-999999]-ib", 1),
        ("n[0-4000]-ib", 4001),
        (",".join(f"r{n}n[0-99999]" for n in range(10)), 50),
    ],
)
def test_many_hosts_take_few_spans_and_little_memory(text: str, most: int) -> None:
    hosts = hostlist.decode(text)
    assert len(list(host_intervals(hosts))) <= most
    assert peak_memory(lambda: list(host_intervals(hosts))) < 3_000_000


def test_many_ranks_take_one_interval() -> None:
    ranks = list(interval_index.rank_intervals(idset.decode("0-999999")))
    assert [interval_of(RANKS, 0, 999_999)] == ranks


# -- with the questions that use them


def job(jobid: int, nodelist: str) -> list[bytes]:
    count = hostlist.count(hostlist.decode(nodelist))
    ranks = "0" if count == 1 else f"0-{count - 1}"
    lite = [{"rank": ranks, "children": {"core": "0"}}]
    R = {"version": 1, "execution": {"R_lite": lite, "nodelist": [nodelist]}}  # noqa: N806
    steps: list[tuple[str, Any, dict[str, Any]]] = [
        ("submit", {"userid": 1, "urgency": 16}, {"jobspec": {}}),
        ("validate", {}, {}),
        ("alloc", {}, {"R": R}),
        ("clean", {}, {}),
    ]
    return [
        line(jobid, {"name": name, "context": context}, extra, 1000.0 + jobid)
        for name, context, extra in steps
    ]


@pytest.fixture(scope="module")
def store() -> Store:
    store, views = new_store()
    lists = ["n[0-9]", "n[0-5000]-ib", "n3-ib", "m[0-1]-ib", "n[0-70000]", "N3-ib"]
    lines = [text for jobid, hosts in enumerate(lists) for text in job(jobid, hosts)]
    Writer(store, "any", views).append(lines)
    return store


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("n3-ib", [2, 1]),
        ("n[3-4]-ib", [2, 1]),
        ("n[0-4999]-ib", [2, 1]),  # more than are filed one by one
        ("n[6000-19000]-ib", []),
        ("n[0-4999]-ib,m0-ib", [3, 2, 1]),
        ("n60000", [4]),
        ("n[0-69999]", [4, 0]),
        ("N[0-9]-ib", [5]),
    ],
)
def test_hosts_are_found_however_many_are_asked_for(
    store: Store, hosts: str, expected: list[int]
) -> None:
    service = Service(store, Config(), instance_size=10**6)
    request = {"max_entries": 0, "attrs": [], "constraint": {"hostlist": [hosts]}}
    text = json.dumps(request).encode()
    (answer,) = service.answer(Request("job-list.list", text, Credential(), streaming=False))
    assert expected == [found["id"] for found in json.loads(answer)["jobs"]]


def test_a_job_takes_few_rows_however_many_hosts_it_has(store: Store) -> None:
    counts = fetch(store.db, "SELECT job, count(*) FROM span GROUP BY job ORDER BY job")
    # A lifetime, a span of ranks, and one for each number of digits or odd name.
    assert [3, 3, 3, 4, 7, 3] == [count for _, count in counts]


def test_kinds_that_are_stored_stay_what_they_are() -> None:
    """Below 0, where no checksum of a prefix is."""
    assert (-1, -2, -3, -4) == (RANKS, LIFETIME, interval_index.DISORDERED, UNNAMED)


@pytest.mark.parametrize(
    ("level", "lo", "hi", "expected"),
    [
        (0, 5, 5, (4, 5)),
        (3, 16, 31, (1, 3)),
        (3, 15, 32, (0, 4)),
        (4, 0, 0, (-1, 0)),
        (4, -1, 16, (-2, 1)),
    ],
)
def test_no_more_buckets_are_read_than_what_overlaps_may_be_in(
    level: int, lo: int, hi: int, expected: tuple[int, int]
) -> None:
    assert expected == buckets(level, lo, hi)


def test_at_most_4096_intervals_are_taken() -> None:
    assert 4096 == len(host_intervals(hostlist.decode("n[1-4096]x")))
    unnamed = (interval_of(UNNAMED, 0, 0),)
    assert unnamed == host_intervals(hostlist.decode("n[1-4097]x"))
