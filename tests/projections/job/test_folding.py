# SPDX-License-Identifier: LGPL-3.0
"""What folding keeps beside the attributes: places of events, payloads, repeated events."""

from __future__ import annotations

from typing import Any

import msgspec

from eventstore.events.journal_line import Entry
from eventstore.events.records import Record
from projections.job.reducers import fold, rebooted
from projections.job.state import USERID_UNKNOWN, Job

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


def test_updates_of_a_jobspec_are_kept_as_they_came() -> None:
    updates = [{"attributes.system.duration": float(n)} for n in (1, 2)]
    jobspec = b'{"attributes":{"system":{"duration":5}}}'
    job = folded(record(1, "submit", SUBMIT, jobspec=jobspec),
                 *(record(n, "jobspec-update", update) for n, update in enumerate(updates, 2)),
                 )  # fmt: skip
    assert updates == [msgspec.json.decode(text) for text in job.jobspec_updates]
    assert 1 == job.jobspec_seq
