# SPDX-License-Identifier: LGPL-3.0
"""Response payloads: how a list is cut, and the bytes of the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joblist.protocol.responses import (
    Facts,
    ListResponses,
    attributes,
    job_stats,
    one_job,
    stats_get,
)

A, B, C = b'{"id":1}', b'{"id":2}', b'{"id":3}'


def taken(parts: list[list[bytes]], *, streaming: bool, most: int) -> list[bytes]:
    """Return the payloads for jobs that are collected part by part."""
    responses = ListResponses(streaming=streaming, most=most)
    found: list[bytes] = []
    for number, jobs in enumerate(parts, 1):
        responses.collected += jobs
        found += responses.take(last=number == len(parts))
    return found


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([[]], [b'{"jobs":[]}']),
        ([[A]], [b'{"jobs":[{"id":1}]}']),
        ([[A], [], [B, C]], [b'{"jobs":[{"id":1},{"id":2},{"id":3}]}']),
    ],
)
def test_a_request_that_does_not_stream_gets_one_response(
    parts: list[list[bytes]], expected: list[bytes]
) -> None:
    assert expected == taken(parts, streaming=False, most=2)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([[]], []),
        ([[], []], []),
        ([[A]], [b'{"jobs":[{"id":1}],"version":1}']),
        ([[A, B]], [b'{"jobs":[{"id":1},{"id":2}],"version":1}']),
        ([[A, B, C]], [b'{"jobs":[{"id":1},{"id":2}],"version":1}', b'{"jobs":[{"id":3}]}']),
        ([[A], [B]], [b'{"jobs":[{"id":1}],"version":1}', b'{"jobs":[{"id":2}]}']),
        ([[], [A], [], [B]], [b'{"jobs":[{"id":1}],"version":1}', b'{"jobs":[{"id":2}]}']),
    ],
)
def test_a_stream(parts: list[list[bytes]], expected: list[bytes]) -> None:
    assert expected == taken(parts, streaming=True, most=2)


@given(
    st.lists(st.lists(st.sampled_from([A, B, C]), max_size=5), min_size=1), st.integers(1, 4)
)
def test_a_stream_has_each_job_once_and_its_version_once(
    parts: list[list[bytes]], most: int
) -> None:
    payloads = taken(parts, streaming=True, most=most)
    jobs = [payload[9:].partition(b"]")[0].split(b",") for payload in payloads]
    assert [job for part in parts for job in part] == [job for some in jobs for job in some]
    assert all(1 <= len(some) <= most for some in jobs)
    versions = [b'"version":1' in payload for payload in payloads]
    assert versions == [number == 0 for number in range(len(payloads))]


def test_the_other_payloads() -> None:
    assert b'{"job":{"id":1}}' == one_job(A)
    assert b'{"a":1,"b":[0.5]}' == job_stats({"a": 1, "b": [0.5]})
    names = attributes()
    assert names.startswith(b'{"attrs":["userid","urgency","priority",')
    assert names.endswith(b'"dependencies","all"]}')


def test_stats_get() -> None:
    assert (
        b'{"jobs":{"pending":1,"running":2,"inactive":3},"idsync":{"lookups":0,"waits":0},'
        b'"stats_watchers":0}' == stats_get(1, 2, 3, Facts())
    )
    assert (
        b'{"jobs":{"pending":0,"running":0,"inactive":0},"idsync":{"lookups":4,"waits":5},'
        b'"stats_watchers":6,"behind":{"since":1.5}}'
        == stats_get(0, 0, 0, Facts(4, 5, 6, {"since": 1.5}))
    )
    assert stats_get(0, 0, 0, Facts(behind={})).endswith(b'"behind":{}}')
