# SPDX-License-Identifier: LGPL-3.0
"""Cases that chance seldom finds: several jobs at once, readers that come too late."""

from __future__ import annotations

import json

import pytest

from tests.oracle.compare import event_of, same_lists, same_stats
from tests.oracle.instance import Instance
from tests.oracle.product import Product
from tests.support.lives import Step, text_of
from tests.support.payloads import RESOURCE_SETS, spec

Told = tuple[int, float, Step]
SENTINEL = b'{"id":-1,"events":[]}'


def submitted(jobid: int, time: float, queue: str = "batch") -> list[Told]:
    """A job up to PRIORITY."""
    context = {"userid": jobid, "urgency": 16, "version": 1}
    steps: list[Step] = [
        ("submit", context, {"jobspec": spec(queue=queue)}),
        ("validate", None, {}),
        ("depend", None, {}),
    ]
    return [(jobid, time + n, step) for n, step in enumerate(steps)]


def priority(jobid: int, time: float, value: int) -> Told:
    return jobid, time, ("priority", {"priority": value}, {})


def alloc(jobid: int, time: float) -> Told:
    return jobid, time, ("alloc", None, {"R": RESOURCE_SETS[0]})


def cancel(jobid: int, time: float) -> Told:
    return jobid, time, ("exception", {"type": "cancel", "severity": 0, "note": ""}, {})


def finish(jobid: int, time: float) -> Told:
    return jobid, time, ("finish", {"status": 0}, {})


def clean(jobid: int, time: float) -> Told:
    return jobid, time, ("clean", None, {})


def update(jobid: int, time: float, queue: str) -> Told:
    return jobid, time, ("jobspec-update", {"attributes.system.queue": queue}, {})


def memo(jobid: int, time: float, **values: object) -> Told:
    return jobid, time, ("memo", values, {})


THREE = [told for jobid in (3, 1, 2) for told in submitted(jobid, 100.0 * jobid)]
STORIES: dict[str, list[Told]] = {
    "canceled before they ran": [
        *THREE,
        *[cancel(jobid, 900.0 + jobid) for jobid in (2, 3, 1)],
        *[clean(jobid, 910.0) for jobid in (1, 3, 2)],
    ],
    "allocated at one time": [
        *THREE,
        *[priority(jobid, 800.0, 16) for jobid in (1, 2, 3)],
        *[alloc(jobid, 900.0) for jobid in (2, 3, 1)],
        *[finish(jobid, 901.0) for jobid in (1, 2, 3)],
        *[clean(jobid, 902.0) for jobid in (3, 1, 2)],
    ],
    "of several priorities": [
        *THREE,
        *[priority(jobid, 800.0, value) for jobid, value in ((1, 5), (2, 7), (3, 5))],
        priority(1, 801.0, 9),
        priority(2, 801.0, 0),
        alloc(3, 802.0),
        cancel(2, 803.0),
    ],
    "moved between queues": [
        *submitted(1, 100.0),
        update(1, 110.0, "debug"),
        *submitted(2, 120.0, "other"),
        update(1, 130.0, "last"),
        cancel(1, 140.0),
        clean(1, 150.0),
        update(2, 160.0, "batch"),
    ],
    "moved between queues before it was validated": [
        *submitted(1, 100.0)[:1],
        update(1, 100.5, "debug"),
        *submitted(1, 100.0)[1:],
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_several_jobs_are_listed_and_counted_as_the_oracle_says(story: str) -> None:
    oracle, product = Instance(), Product()
    for jobid, time, step in STORIES[story]:
        oracle.take(jobid, event_of(time, step))
        product.feed([text_of(jobid, time, step)])
        same_lists(oracle, product)
        same_stats(oracle, product)
    product.rebuild(chunk=2)
    same_lists(oracle, product)
    same_stats(oracle, product)


def told(oracle: Instance, product: Product, events: list[Told], *, late: bool = False) -> None:
    """One reader reads these, as one batch."""
    for jobid, time, step in events:
        oracle.take(jobid, event_of(time, step), late=late)
    product.feed(text_of(jobid, time, step) for jobid, time, step in events)
    same_lists(oracle, product)
    same_stats(oracle, product)


RUN = [*submitted(1, 100.0), priority(1, 110.0, 16), alloc(1, 120.0), finish(1, 130.0)]
OVER = [*RUN, clean(1, 140.0)]


@pytest.mark.parametrize("missed", range(len(OVER)))
def test_an_event_that_is_read_after_the_end_counts_where_it_happened(missed: int) -> None:
    oracle, product = Instance(), Product()
    told(oracle, product, [*OVER[:missed], *OVER[missed + 1 :]])
    product.connect("later")
    late = sorted([OVER[missed], memo(1, 125.0, late=True)], key=lambda event: event[1])
    told(oracle, product, late, late=True)
    for jobid, time, _ in OVER:
        same_lists(oracle.at(time), product, as_of=time)
        assert oracle.known(jobid)


def test_a_restart_takes_annotations_of_active_jobs_and_leaves_those_of_others() -> None:
    oracle, product = Instance(), Product()
    told(oracle, product, [*OVER, memo(1, 125.0, kept={"a": 1})])
    told(oracle, product, [*submitted(2, 200.0), memo(2, 210.0, a=1), memo(2, 211.0, b=2)])
    told(oracle, product, [(2, 212.0, ("annotations", {"annotations": {"sched": 1}}, {}))])
    told(oracle, product, [*submitted(3, 300.0), memo(3, 310.0, volatile=True)])
    product.connect("restarted", "2")
    known = [*submitted(2, 200.0), memo(2, 210.0, a=1)]
    backlog = [json.loads(text_of(*event)) for event in known]
    whole = {"id": 2, "events": [event for line in backlog for event in line["events"]]}
    product.feed([json.dumps(whole).encode(), SENTINEL])
    oracle.boot({2: [{"a": 1}]}, 310.0)
    same_lists(oracle, product)
    told(oracle, product, [memo(2, 400.0, c=3), memo(3, 401.0, d=4)])
    for moment in (310.0, 310.5, 400.0, 401.0):
        same_lists(oracle.at(moment), product, as_of=moment)
    told(oracle, product, [memo(1, 402.0, e=5)])
    product.rebuild(chunk=3)
    same_lists(oracle, product)


def test_a_late_event_of_before_a_restart_does_not_bring_annotations_back() -> None:
    oracle, product = Instance(), Product()
    told(oracle, product, [*submitted(1, 100.0), memo(1, 110.0, a=1)])
    product.connect("restarted", "2")
    product.feed([SENTINEL])
    oracle.boot({}, 110.0)
    same_lists(oracle, product)
    told(oracle, product, [memo(1, 105.0, early=1)], late=True)
    told(oracle, product, [memo(1, 120.0, b=2)])


@pytest.mark.parametrize("events", [OVER, RUN, OVER[:1]], ids=["over", "active", "new"])
def test_what_a_complete_backlog_lacks_is_gone_until_it_is_heard_of(events: list[Told]) -> None:
    oracle, product = Instance(), Product()
    told(oracle, product, events)
    told(oracle, product, submitted(2, 200.0))
    for _ in range(2):
        product.connect("complete", complete=True, follow=True)
        product.feed([SENTINEL])
        oracle.lose([1, 2], 202.0)
        same_lists(oracle, product)
        same_stats(oracle, product)
    product.rebuild(chunk=3)
    same_lists(oracle, product)
    same_lists(oracle.at(202.0), product, as_of=202.0)
    told(oracle, product, [memo(1, 300.0, back=1)])
    told(oracle, product, [memo(2, 301.0, back=1)])
    product.rebuild(chunk=3)
    same_lists(oracle, product)


def test_only_an_inactive_job_is_purged_and_only_once() -> None:
    oracle, product = Instance(), Product()
    told(oracle, product, [*OVER, *submitted(2, 200.0)])
    for jobids in ([1, 2, 99], [1], [2]):
        product.feed([json.dumps({"jobs": jobids}).encode()])
        oracle.purge(jobids)
        same_lists(oracle, product)
        same_stats(oracle, product)
        told(oracle, product, [memo(2, 300.0 + len(jobids), x=1)])
    for moment in (202.0, 202.1, 301.0):
        same_lists(oracle.at(moment), product, as_of=moment)
    product.rebuild(chunk=3)
    same_lists(oracle, product)


def test_a_job_that_is_invalidated_is_none() -> None:
    oracle, product = Instance(), Product()
    told(oracle, product, submitted(1, 100.0)[:1])
    told(oracle, product, [(1, 101.0, ("invalidate", None, {}))])
    told(oracle, product, [(1, 102.0, ("validate", None, {})), memo(1, 103.0, x=1)])
    product.rebuild(chunk=1)
    same_lists(oracle, product)
