# SPDX-License-Identifier: LGPL-3.0
"""Integers of more than 64 bits: jansson cannot read the event, so that it changes nothing."""

from __future__ import annotations

import pytest

from eventstore.events.journal_line import Response, decode_line
from eventstore.events.records import Record
from projections.job.reducers import fold
from projections.job.state import Job

SUBMIT = b'{"timestamp":1.0,"name":"submit","context":{"userid":5,"urgency":16,"flags":0}}'


def folded(*events: bytes) -> Job:
    response = decode_line(b'{"id":1,"events":[%b]}' % b",".join(events))
    assert isinstance(response, Response)
    assert not response.rejects
    job = fold(
        None,
        [
            Record(seq, 1, 1, 1, False, None, entry)
            for seq, entry in enumerate(response.entries, 1)
        ],
    )
    assert job is not None
    return job


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
@pytest.mark.parametrize("context", [b'{"a":%d}', b'{"a":[{"b":[1,%d]}]}'])
def test_a_memo_with_one_changes_nothing(context: bytes, number: int) -> None:
    memo = b'{"timestamp":2.0,"name":"memo","context":%b}' % (context % number)
    assert folded(SUBMIT).annotations is folded(SUBMIT, memo).annotations is None


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_a_memo_with_the_largest_and_the_smallest_is_taken(number: int) -> None:
    memo = b'{"timestamp":2.0,"name":"memo","context":{"a":%d}}' % number
    assert {"user": {"a": number}} == folded(SUBMIT, memo).annotations


def test_annotations_with_one_change_nothing() -> None:
    event = b'{"timestamp":2.0,"name":"annotations","context":{"annotations":{"a":%d}}}' % 2**70
    assert folded(SUBMIT, event).annotations is None
