# SPDX-License-Identifier: LGPL-3.0
"""Reducers and oracle say the same of every attribute, after every event."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given

from tests.oracle.compare import event_of, same
from tests.oracle.events import ABSENT, FORMS
from tests.oracle.instance import Instance
from tests.oracle.product import folded, payloads
from tests.support.lives import (
    ANNOTATING,
    ANYTHING,
    DEPENDENCY,
    MEMO,
    ODD_ANNOTATING,
    PRIORITY,
    TYPES,
    UPDATING,
    Step,
    illegal,
    legal,
    text_of,
)
from tests.support.payloads import (
    JOBSPECS,
    ODD_JOBSPECS,
    ODD_RESOURCE_SETS,
    PER_RESOURCE,
    RESOURCE_SETS,
    RESOURCES,
    TASKS,
    per,
    spec,
)

JOB = 1000
ODD_VALUES = (
    None,
    True,
    "5",
    1.0,
    -1,
    32,
    2**31,
    2**32 + 5,
    2**63,
    -(2**63),
    -(2**63) - 1,
    {},
    [],
)


def check_fold(steps: list[Step]) -> None:
    """Fold a life alone: the attributes after every event, jobspec and R in the end."""
    oracle = Instance()
    lines = [text_of(JOB, 1000.0 + n, step) for n, step in enumerate(steps)]
    for n, found in enumerate(folded(lines)):
        oracle.take(JOB, event_of(1000.0 + n, steps[n]))
        same(oracle.one(JOB), found, steps[: n + 1])
    known = oracle.known(JOB)
    if known is not None:
        there = [None if it is ABSENT else it for it in (known.it.jobspec, known.it.R)]
        same(there, list(payloads(lines)), steps)


def step(name: str, context: Any = None, **payload: Any) -> Step:
    return (name, context, payload)


def submit(jobspec: Any = ..., **context: Any) -> Step:
    payload = {} if jobspec is ... else {"jobspec": jobspec}
    return ("submit", {"userid": 7, "urgency": 16, "version": 1} | context, payload)


VALID = [submit(spec(queue="batch", project="p", bank="A")), step("validate")]
READY = [*VALID, step("depend"), step("priority", {"priority": 16})]
BEGUN = [*READY, step("alloc", {"annotations": {}}, R=RESOURCE_SETS[1])]
ENDED = [*BEGUN, step("finish", {"status": 0}), step("clean")]
CANCEL = step("exception", {"type": "cancel", "severity": 0, "note": "by user"})
LATER = step("exception", {"type": "timeout", "severity": 0, "note": "too late"})
WARNING = step("exception", {"type": "timeout", "severity": 2, "note": "slow"})
PLACES = {
    "before submit": [],
    "in NEW": VALID[:1],
    "in DEPEND": VALID,
    "in PRIORITY": READY[:3],
    "in SCHED": READY,
    "back in PRIORITY": [*READY, step("flux-restart")],
    "in RUN": BEGUN,
    "in CLEANUP": ENDED[:-1],
    "in CLEANUP without RUN": [*READY, CANCEL],
    "after a warning": [*BEGUN, WARNING],
    "in INACTIVE": ENDED,
    "canceled": [*READY, CANCEL, step("clean")],
    "timed out": [*BEGUN, LATER, step("finish", {"status": 15}), step("clean")],
    "warned": [*BEGUN, WARNING, step("finish", {"status": 256}), step("clean")],
    "without jobspec": [submit(), *VALID[1:]],
    "without R": [*READY, step("alloc")],
    "depend after SCHED": [*READY, step("depend")],
}
REST = [
    step("priority", {"priority": 3}),
    step("memo", {"m": {"z": 1}}),
    step("resource-update", {"expiration": 31}),
    CANCEL,
    step("finish", {"status": 0}),
    step("clean"),
    step("memo", {"late": True}),
]


@given(legal())
def test_a_legal_life_is_folded_as_the_oracle_says(steps: list[Step]) -> None:
    check_fold(steps)


@given(illegal())
def test_an_illegal_life_is_folded_as_the_oracle_says(steps: list[Step]) -> None:
    check_fold(steps)


@pytest.mark.parametrize("place", PLACES)
def test_any_event_may_come_in_any_state(place: str) -> None:
    for event in ANYTHING:
        check_fold([*PLACES[place], event, *REST])


def wrong(kind: str, severity: int) -> Step:
    return step("exception", {"type": kind, "severity": severity, "note": f"{kind}{severity}"})


FINISHED, FAILED, CLEAN = ENDED[-2], step("finish", {"status": 256}), ENDED[-1]
BACK = [step("urgency", {"urgency": 0}), step("jobspec-update", {"attributes.user.x": 1})]
FAMILIES: dict[str, tuple[list[Step], list[Step], int]] = {
    "dependencies": (VALID, DEPENDENCY, 3),
    "exceptions": (
        BEGUN,
        [FINISHED, FAILED, CLEAN, *map(wrong, TYPES[:3], (0, 3, 1)), wrong("timeout", -1)],
        3,
    ),
    "states": (
        VALID[:1],
        [*BEGUN[1:], BACK[0], step("flux-restart"), FINISHED, CANCEL, CLEAN],
        3,
    ),
    "going back": (READY, [*BACK, step("flux-restart"), *READY[2:], CANCEL, BEGUN[-1]], 3),
    "annotations": (VALID, [*ANNOTATING, *MEMO, *ODD_ANNOTATING], 2),
    "memos": (VALID, MEMO, 3),
    "jobspec updates": (VALID, UPDATING, 2),
    "urgencies": (READY, [*PRIORITY, *BACK[:1], step("urgency", {"urgency": 31})], 3),
    "beginnings": ([], [submit(), submit(7, version=0), *VALID, step("invalidate")], 4),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_events_that_have_to_do_with_each_other_may_come_in_any_order(family: str) -> None:
    begin, events, length = FAMILIES[family]
    for some in product(events, repeat=length):
        check_fold([*begin, *some, CLEAN])


@pytest.mark.parametrize("place", ["before submit", "in NEW", "in SCHED", "in RUN", "canceled"])
def test_a_context_that_is_not_of_its_form_changes_nothing(place: str) -> None:
    for name, form in FORMS.items():
        good = next(s for s in [submit(), *ANYTHING] if s[0] == name)
        broken: list[Any] = [None, {}]
        for key in (key.rstrip("?") for key in form):
            broken += [{k: v for k, v in good[1].items() if k != key}]
            broken += [good[1] | {key: odd} for odd in ODD_VALUES]
        for context in broken:
            check_fold([*PLACES[place], step(name, context, **good[2]), *REST])


@pytest.mark.parametrize("jobspec", [*JOBSPECS, *ODD_JOBSPECS], ids=str)
def test_a_jobspec_is_read_when_validated_and_when_updated(jobspec: Any) -> None:
    update = step("jobspec-update", {"attributes.system.bank": "B", "tasks": TASKS[1]})
    known = [submit(spec(queue="q", cwd="/c", project="p", job={"name": "n"}))]
    whole = jobspec if isinstance(jobspec, dict) else {}
    check_fold([submit(jobspec), *BEGUN[1:], update])
    check_fold([submit(jobspec), update, *READY[1:], step("alloc", R=RESOURCE_SETS[2])])
    check_fold([*known, *VALID[1:], step("jobspec-update", whole), *READY[2:], *BEGUN[4:]])


@pytest.mark.parametrize("R", [*RESOURCE_SETS, *ODD_RESOURCE_SETS], ids=str)
def test_r_is_read_when_allocated_and_when_updated(R: Any) -> None:  # noqa: N803
    update = step("resource-update", {"expiration": 20})
    other = step("resource-update", {"starttime": 5})
    for asked in (RESOURCES[0], RESOURCES[2]):
        for option in (PER_RESOURCE[0], PER_RESOURCE[3], ...):
            jobspec = spec(resources=asked) if option is ... else per(option, resources=asked)
            begun = [submit(jobspec), *READY[1:], step("alloc", R=R)]
            check_fold([*begun, other, update, *ENDED[-2:]])
    check_fold([*READY, step("start", R=R), *BEGUN[-1:]])
