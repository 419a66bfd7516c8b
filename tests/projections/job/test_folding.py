# SPDX-License-Identifier: LGPL-3.0
"""What folding keeps beside the attributes: places of events, payloads, repeated events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from eventstore.events.journal_line import Entry
from eventstore.events.records import Record
from projections.job.reducers import fold, gone, purged, rebooted
from projections.job.state import (
    DEPEND,
    INACTIVE,
    NEW,
    PRIORITY,
    RUN,
    SCHED,
    USERID_UNKNOWN,
    Job,
)
from tests.support.processes.recursion import recursion_limit

SUBMIT = {"userid": 7, "urgency": 16, "version": 1}


def record(seq: int, name: str, context: Any = None, **payloads: bytes) -> Record:
    text = None if context is None else msgspec.json.encode(context)
    entry = Entry(float(seq), name, text, b"")
    return Record(seq, 5, 5, 1, False, None, entry, **payloads)


def folded(*records: Record) -> Job:
    job = fold(None, records)
    assert job is not None
    return job


def test_the_highest_seq_is_kept() -> None:
    """Events that were read late stand before others of a lower seq."""
    assert 9 == folded(record(2, "submit", SUBMIT), record(9, "x"), record(4, "validate")).seq
    assert 2 == folded(record(2, "submit", SUBMIT)).seq


def test_the_first_r_is_kept() -> None:
    first = folded(record(2, "submit", SUBMIT, R=b"{}"), record(3, "alloc", R=b"[]"))
    assert (b"{}", 2) == (first.R, first.R_seq)
    later = folded(record(2, "submit", SUBMIT), record(3, "x"), record(4, "x", R=b"[]"),
                   record(5, "x", R=b"{}"))  # fmt: skip
    assert (b"[]", 4) == (later.R, later.R_seq)
    without = folded(record(2, "submit", SUBMIT, jobspec=b"{}"))
    assert (None, 0, b"{}", 2) == (
        without.R, without.R_seq, without.jobspec, without.jobspec_seq
    )  # fmt: skip


def test_a_userid_is_unsigned() -> None:
    for number in (-1, 2**32 - 1):
        assert USERID_UNKNOWN == folded(record(1, "submit", SUBMIT | {"userid": number})).userid


def test_a_malformed_submit_makes_no_job_and_a_later_one_does() -> None:
    wrong = record(1, "submit", {"userid": 7})
    assert fold(None, [wrong, record(2, "validate")]) is None
    assert 3 == folded(wrong, record(3, "submit", SUBMIT)).seq
    assert fold(folded(record(1, "submit", SUBMIT)), [record(2, "invalidate")]) is None
    again = folded(
        record(1, "submit", SUBMIT), record(2, "invalidate"), record(3, "submit", SUBMIT)
    )
    assert 3.0 == again.t_submit


def test_a_malformed_event_changes_nothing_and_later_ones_do() -> None:
    urgency = record(3, "urgency", {"urgency": 3})
    for name in ("urgency", "priority", "memo", "finish"):
        job = folded(record(1, "submit", SUBMIT), record(2, name), urgency)
        assert (3, 3, 0, -1) == (job.seq, job.urgency, job.priority, job.wait_status)


def test_states_are_entered_at_the_first_request() -> None:
    steps = ["validate", "depend", "alloc", "finish", "clean"]
    contexts = {"finish": {"status": 0}}
    records = [record(1, "submit", SUBMIT)]
    for name in steps:
        for _ in range(2):
            records.append(record(len(records) + 1, name, contexts.get(name)))
    job = folded(*records)
    assert (2.0, 4.0, 6.0, 8.0, 10.0) == (
        job.t_depend, job.t_priority, job.t_run, job.t_cleanup, job.t_inactive
    )  # fmt: skip


def test_memos_after_a_boot_are_applied_but_for_malformed_ones() -> None:
    job = folded(record(1, "submit", SUBMIT), record(2, "memo", {"a": 1}))
    memos = [record(3, "memo", 5), record(4, "memo"), record(5, "memo", {"b": 2})]
    assert {"user": {"b": 2}} == rebooted(job, memos).annotations
    assert rebooted(job, []).annotations is None


def test_a_memo_of_any_depth_is_taken_or_changes_nothing() -> None:
    """Python's limit is reached by decoding it, or only by merging it."""
    taken = []
    with recursion_limit(1000):
        for levels in range(600, 1000):
            text = msgspec.Raw(b'{"a":' * levels + b"1" + b"}" * levels)
            job = folded(record(1, "submit", SUBMIT), record(2, "memo", text))
            taken.append(job.annotations is not None)
    assert sorted(taken, reverse=True) == taken


@pytest.mark.parametrize("annotations", [5, "x", []])
def test_a_memo_on_what_is_no_object_changes_nothing(annotations: Any) -> None:
    job = folded(
        record(1, "submit", SUBMIT),
        record(2, "annotations", {"annotations": annotations}),
        record(3, "memo", {"a": 1}),
    )
    assert annotations == job.annotations


def test_updates_of_a_jobspec_are_kept_as_they_came() -> None:
    updates = [{"attributes.system.duration": float(n)} for n in (1, 2)]
    jobspec = b'{"attributes":{"system":{"duration":5}}}'
    job = folded(record(1, "submit", SUBMIT, jobspec=jobspec),
                 *(record(n, "jobspec-update", update) for n, update in enumerate(updates, 2)),
                 )  # fmt: skip
    assert updates == [msgspec.json.decode(text) for text in job.jobspec_updates]
    assert 1 == job.jobspec_seq


def test_an_event_changes_a_copy_of_the_job() -> None:
    before = folded(record(1, "submit", SUBMIT))
    as_it_was = folded(record(1, "submit", SUBMIT))
    depends = record(3, "dependency-add", {"description": "a"})
    after = fold(before, [record(2, "validate"), depends])
    assert before == as_it_was != after
    rebooted(before, [record(4, "memo", {"a": 1})])
    purged(before, 9.0)
    assert as_it_was == before


def test_a_purge_keeps_its_time() -> None:
    """A job that a backlog lacks was purged, if it had ended; else its end is not known."""
    active = folded(record(1, "submit", SUBMIT))
    ended = folded(record(1, "submit", SUBMIT), record(2, "clean"))
    assert (0.0, 9.0) == (ended.t_purged, purged(ended, 9.0).t_purged)
    assert gone(active, 9.0) is None
    missing = gone(ended, 9.0)
    assert missing == purged(ended, 9.0)
    assert missing is not None
    assert missing == gone(missing, 10.0)


def test_resources_are_freed_once() -> None:
    job = folded(record(1, "submit", SUBMIT), record(2, "free"), record(3, "free"))
    assert 2.0 == job.t_free
    assert 0.0 == folded(record(1, "submit", SUBMIT)).t_free


@pytest.mark.parametrize(
    ("names", "entered"),
    [
        ([], 0),
        (["validate", "depend", "priority"], 0),
        (["validate", "alloc"], 3),
        (["validate", "alloc", "exception"], 3),
        (["validate", "exception"], 3),
        (["validate", "exception", "alloc"], 3),
        (["alloc", "exception", "clean"], 2),
        (["clean"], 0),
    ],
)
def test_a_job_is_listed_as_running_since_it_entered_run_or_cleanup(
    names: list[str], entered: int
) -> None:
    contexts = {
        "priority": {"priority": 1}, "exception": {"type": "x", "severity": 0, "note": ""}
    }  # fmt: skip
    events = [record(seq, name, contexts.get(name)) for seq, name in enumerate(names, 2)]
    assert entered == folded(record(1, "submit", SUBMIT), *events).entered


def test_each_queue_that_a_job_was_in_is_kept_once() -> None:
    jobspec = (
        b'{"attributes":{"system":{"duration":5,"queue":"a"}},"tasks":[{"command":["x"]}]}'
    )

    def moved(seq: int, queue: str) -> Record:
        return record(seq, "jobspec-update", {"attributes.system.queue": queue})

    submit = record(1, "submit", SUBMIT, jobspec=jobspec)
    assert () == folded(submit).queues
    assert ("a",) == folded(submit, record(2, "validate"), record(3, "depend")).queues
    updates = [moved(seq, queue) for seq, queue in enumerate("babc", 3)]
    assert ("a", "b", "c") == folded(submit, record(2, "validate"), *updates).queues


URGENCY = {"urgency": 5}


@pytest.mark.parametrize(
    ("name", "context"),
    [("flux-restart", None), ("urgency", URGENCY), ("jobspec-update", {})],
)
def test_a_job_that_waits_for_resources_waits_for_its_priority_again(
    name: str, context: Any
) -> None:
    """Then SCHED is entered anew; its first time is kept, as PRIORITY's is."""
    before = [
        record(1, "submit", SUBMIT), record(2, "validate"), record(3, "depend"),
        record(4, "priority", {"priority": 1}),
    ]  # fmt: skip
    job = folded(*before, record(5, name, context))
    assert (PRIORITY, 3.0, 4.0) == (job.state, job.t_priority, job.t_sched)
    assert NEW | DEPEND | PRIORITY == job.states_mask
    again = folded(*before, record(5, name, context), record(6, "priority", {"priority": 2}))
    assert (SCHED, 3.0, 4.0, 2) == (
        again.state,
        again.t_priority,
        again.t_sched,
        again.priority,
    )
    assert NEW | DEPEND | PRIORITY | SCHED == again.states_mask


@pytest.mark.parametrize(
    ("names", "state"),
    [([], NEW), (["validate"], DEPEND), (["validate", "depend"], PRIORITY),
     (["validate", "alloc"], RUN), (["validate", "clean"], INACTIVE)],
)  # fmt: skip
def test_a_restart_changes_no_other_state(names: list[str], state: int) -> None:
    events = [record(seq, name) for seq, name in enumerate(names, 2)]
    before = folded(record(1, "submit", SUBMIT), *events)
    after = folded(record(1, "submit", SUBMIT), *events, record(9, "flux-restart"))
    assert state == before.state == after.state
    assert before.states_mask == after.states_mask


def test_dependencies_come_once_and_go() -> None:
    def depends(*steps: tuple[str, str]) -> tuple[Any, Any]:
        job = folded(record(1, "submit", SUBMIT), *(
            record(seq, f"dependency-{what}", {"description": text})
            for seq, (what, text) in enumerate(steps, 2)
        ))  # fmt: skip
        return job.dependencies, job.grudges

    assert (None, ()) == depends(("remove", "a"))
    assert (("a", "b"), ("a", "b")) == depends(("add", "a"), ("add", "b"), ("add", "a"))
    assert (("a",), ("a", "b")) == depends(("add", "a"), ("add", "b"), ("remove", "b"))
    gone_again = (("add", "a"), ("remove", "a"), ("add", "a"), ("remove", "x"))
    assert ((), ("a",)) == depends(*gone_again)
    assert (("a",), ("a",)) == depends(("add", "a\0b"), ("remove", "x"))
    assert ((), ("a",)) == depends(("add", "a\0b"), ("remove", "a\0c"))


@pytest.mark.parametrize(
    ("names", "requested"),
    [
        ([], NEW),
        (["flux-restart"], NEW | PRIORITY),
        (["priority"], NEW | SCHED),
        (["validate", "depend", "priority"], NEW | DEPEND | PRIORITY | SCHED),
        (["alloc", "clean"], NEW | RUN | INACTIVE),
    ],
)
def test_the_states_that_events_requested_are_kept(names: list[str], requested: int) -> None:
    """Whether or not they were entered then."""
    contexts = {"priority": {"priority": 1}}
    events = [record(seq, name, contexts.get(name)) for seq, name in enumerate(names, 2)]
    assert requested == folded(record(1, "submit", SUBMIT), *events).states_events_mask
