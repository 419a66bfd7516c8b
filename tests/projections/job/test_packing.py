# SPDX-License-Identifier: LGPL-3.0
"""Jobs packed in one pass are those packed attribute by attribute."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projections.job.attributes import ATTRIBUTES, values_of
from projections.job.packing import pack, packed, packed_usual
from projections.job.state import INACTIVE, Job

FINISHED: dict[str, Any] = {
    "userid": 1001, "urgency": 16, "priority": 16, "t_submit": 1790000000.25,
    "t_depend": 1790000000.5, "t_priority": 1790000000.75, "t_sched": 1790000001.5,
    "t_run": 1790000002.1, "t_cleanup": 1790000003.1, "t_inactive": 1790000004.1,
    "state": INACTIVE, "name": "sleep", "cwd": "/home/a", "queue": "batch", "project": "p",
    "bank": "b", "ntasks": 2, "ncores": 4, "nnodes": 1, "duration": 60.0, "ranks": "[0-1]",
    "nodelist": "node[1-2]", "expiration": 1790000062.1, "wait_status": 0, "success": True,
    "result": 1, "states_mask": 127, "states_events_mask": 127, "submit_version": 1,
}  # fmt: skip
TEXTS = st.sampled_from(
    ["", "x", "None", 'a"b', "a\\b", "\x1f", "\n", "\x7f", "é", "🚀", " y z "]
)
NAMES = ("name", "cwd", "queue", "project", "bank", "ranks", "nodelist")
REALS = st.sampled_from([-1.0, 0.0, 1.0, 5.5, 1e-7, 1e17, 1e300, 0.1, 1790000000.0])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NAMES, st.none() | TEXTS),
        **{name: REALS for name, value in FINISHED.items() if type(value) is float},
        **dict.fromkeys(("ntasks", "ncores", "nnodes", "wait_status"), st.integers(-1, 300)),
        "priority": st.integers(-5, 2**40),
        "userid": st.integers(0, 2**32 - 1),
        "states_mask": st.integers(1, 127),
        "submit_version": st.sampled_from([-1, 0, 1, 2]),
        "success": st.booleans(),
        "result": st.sampled_from([1, 2, 4, 8]),
        "exception_occurred": st.booleans(),
        "exception_note": TEXTS,
        "annotations": st.sampled_from([None, {}, {"a": 1.5, "b": ["\n", None]}, "x", 7]),
        "dependencies": st.sampled_from([None, (), ("after=1", 'q"')]),
    },
)  # fmt: skip


def one_by_one(job: Job) -> list[Any]:
    return [get(job) for get in ATTRIBUTES.values()]


def test_a_job_that_ran_is_usual() -> None:
    job = Job(1, 2, 3, **FINISHED)
    assert pack(one_by_one(job)) == packed_usual(job)


@given(CHANGES)
def test_any_other_job(changes: dict[str, Any]) -> None:
    job = Job(1, 2, 3, **{**FINISHED, **changes})
    values = one_by_one(job)
    assert values == values_of(job)
    assert list(map(type, values)) == list(map(type, values_of(job)))
    assert pack(values) == packed(job)
    assert packed_usual(job) in {None, packed(job)}
