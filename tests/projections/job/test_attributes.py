# SPDX-License-Identifier: LGPL-3.0
"""Which attributes a job has in which states (flux-core, job-list/job_util.c)."""

from __future__ import annotations

import json

import pytest

from projections.job.attributes import ATTRIBUTES, answer
from projections.job.packing import SEPARATOR, packed
from projections.job.state import (
    CLEANUP,
    DEPEND,
    INACTIVE,
    NEW,
    PRIORITY,
    RUN,
    SCHED,
    Job,
)

ALWAYS = 0
SINCE = {
    "userid": ALWAYS, "urgency": ALWAYS, "t_submit": ALWAYS, "state": ALWAYS, "name": ALWAYS,
    "cwd": ALWAYS, "queue": ALWAYS, "project": ALWAYS, "bank": ALWAYS, "ntasks": ALWAYS,
    "ncores": ALWAYS, "nnodes": ALWAYS, "duration": ALWAYS, "t_priority": ALWAYS,
    "t_sched": ALWAYS, "annotations": ALWAYS, "dependencies": ALWAYS, "waitstatus": ALWAYS,
    "t_depend": DEPEND, "priority": SCHED, "t_run": RUN, "ranks": RUN, "nodelist": RUN,
    "expiration": RUN, "t_cleanup": CLEANUP, "t_inactive": INACTIVE, "success": INACTIVE,
    "exception_occurred": INACTIVE, "exception_type": INACTIVE, "exception_severity": INACTIVE,
    "exception_note": INACTIVE, "result": INACTIVE,
}  # fmt: skip
FULL = Job(
    1, 1, 1, userid=5, urgency=16, priority=16, t_submit=1.0, t_depend=2.0, t_priority=3.0,
    t_sched=4.0, t_run=5.0, t_cleanup=6.0, t_inactive=7.0, name="n", cwd="/", queue="q",
    project="p", bank="b", ntasks=1, ncores=1, nnodes=1, duration=1.0, ranks="0",
    nodelist="host", expiration=9.0, wait_status=0, exception_occurred=True,
    exception_type="x", annotations={}, dependencies=(), submit_version=1,
)  # fmt: skip


def with_mask(mask: int) -> Job:
    return Job(**{name: getattr(FULL, name) for name in FULL.__struct_fields__}
               | {"states_mask": mask})  # fmt: skip


def test_all_attributes_are_in_the_table() -> None:
    assert {*ATTRIBUTES} == {*SINCE}


@pytest.mark.parametrize("name", SINCE)
def test_an_attribute_is_shown_from_its_state_on(name: str) -> None:
    needed = SINCE[name]
    for state in (DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE):
        shown = name in answer(with_mask(NEW | state), [name])
        assert shown == (needed in {ALWAYS, state})
    assert (name in answer(with_mask(NEW), [name])) == (needed == ALWAYS)


@pytest.mark.parametrize(
    ("member", "name"),
    [("ntasks", "ntasks"), ("ncores", "ncores"), ("nnodes", "nnodes"), ("duration", "duration"),
     ("wait_status", "waitstatus"), ("expiration", "expiration")],
)  # fmt: skip
def test_a_negative_number_is_one_that_is_not_known(member: str, name: str) -> None:
    job = with_mask(127)
    for value, shown in ((-1, False), (0, True), (1, True)):
        setattr(job, member, value)
        assert shown == (name in answer(job, [name]))


@pytest.mark.parametrize(("version", "t_depend"), [(-1, 1.0), (0, 1.0), (1, 2.0), (2, 2.0)])
def test_events_of_old_brokers_have_no_time_of_depend(version: int, t_depend: float) -> None:
    """Before flux-core 0.41.1, DEPEND was entered with the submission."""
    job = with_mask(NEW | DEPEND)
    job.submit_version = version
    assert {"id": 1, "t_depend": t_depend} == answer(job, ["t_depend"])


TEXTS = [
    "",
    "a",
    'a"b',
    "a\\b",
    'é"',
    "é",
    "\n",
    "\x1f",
    "\x7f",
    "\u2028",
    "😀",
    "a\tb",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_packed_values_are_those_of_the_answer(text: str) -> None:
    job = with_mask(127)
    job.name, job.exception_note, job.annotations = text, text, {"user": text}
    for member, value in (("priority", 2**40), ("expiration", 0.1), ("success", True)):
        setattr(job, member, value)
    mask, *values = packed(job).split(SEPARATOR)
    expected = {**answer(job), "dependencies": []}  # as JSON has them
    names = [name for bit, name in enumerate(ATTRIBUTES) if int(mask) >> bit & 1]
    assert {"id": 1, **dict(zip(names, map(json.loads, values), strict=True))} == expected
