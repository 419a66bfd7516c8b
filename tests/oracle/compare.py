# SPDX-License-Identifier: LGPL-3.0
"""Comparing what is expected with what is found."""

from __future__ import annotations

import json
from typing import Any

from tests.oracle.events import ABSENT, Event
from tests.oracle.instance import Instance
from tests.oracle.product import Product


def event_of(time: float, step: tuple[str, Any, dict[str, Any]]) -> Event:
    """An event as the oracle takes it, from name, context (None: none) and payload."""
    name, context, payload = step
    payloads = payload.get("jobspec", ABSENT), payload.get("R", ABSENT)
    return Event(time, name, ABSENT if context is None else context, *payloads)


def same(expected: Any, found: Any, why: object = "") -> None:
    """Compare as JSON texts: 1, 1.0 and true differ, and members have an order."""
    assert json.dumps(expected) == json.dumps(found), why


def same_lists(oracle: Instance, product: Product, **how: Any) -> None:
    """Compare the lists, in their order, and each job by itself; purges followed or not."""
    for follow in (False, True):
        same(oracle.listed(follow=follow), product.listed(follow=follow, **how), follow)
        for jobid in oracle.moments:
            expected = oracle.one(jobid, follow=follow)
            same(expected, product.one(jobid, follow=follow, **how), jobid)


def same_stats(oracle: Instance, product: Product, **how: Any) -> None:
    """Compare the counts, purges followed or not.

    Of a past moment, a queue that no job counts in may be left out: one that an update of
    a job's jobspec named before the job was validated is not remembered.
    """
    for follow in (False, True):
        expected, found = oracle.stats(follow=follow), product.stats(follow=follow, **how)
        if how:
            expected, found = used(expected), used(found)
        same(expected, found, follow)


def used(stats: dict[str, Any]) -> dict[str, Any]:
    queues = [
        queue
        for queue in stats["queues"]
        if queue["job_states"]["total"] or queue["inactive_purged"]
    ]
    return stats | {"queues": queues}
