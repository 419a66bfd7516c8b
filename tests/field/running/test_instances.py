# SPDX-License-Identifier: LGPL-3.0
"""Files of another cluster are told by their jobs' ids; what one cluster can have is stored."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.reading.instances import boots, contradiction
from tests.support.command import Command
from tests.support.field_jobs import EPOCH, job
from tests.support.recordings import recordings

HOUR = 3600.0


def instance(begun: float, first: float, last: float, *, behind: float = 0.0) -> list[bytes]:
    """Return the journal of an instance that gives ids since ``begun``.

    Jobs are submitted every ten minutes; ``behind``: by a clock that was set back.
    """
    found, now = [], first
    while now < last:
        milliseconds = int((now - begun) * 1000)
        found += job(jobid=milliseconds << 24, start=now - behind)
        now += 600.0
    return found


def files(folder: Path, *journals: list[bytes]) -> list[str]:
    paths = [folder / f"{number}.jsonl" for number in range(len(journals))]
    for path, lines in zip(paths, journals, strict=True):
        path.write_bytes(b"\n".join(lines) + b"\n")
    return [str(path) for path in paths]


ONE = instance(EPOCH - 90 * HOUR, EPOCH, EPOCH + 8 * HOUR)
OTHER = instance(EPOCH - 7 * HOUR, EPOCH + 2 * HOUR, EPOCH + 9 * HOUR)


@pytest.mark.parametrize(("first", "second"), [(ONE, OTHER), (OTHER, ONE)])
def test_two_instances_at_the_same_time_are_not_mixed(
    jobdb: Command, tmp_path: Path, first: list[bytes], second: list[bytes]
) -> None:
    one, other, more = files(tmp_path, first, second, job(jobid=5 << 24, start=EPOCH + 5.0))
    jobdb("ingest", one)
    before = jobdb("events").out
    said = jobdb("ingest", other, more, status=1).err
    assert f"{other}: its jobs are of another cluster" in said
    assert "10 events new" in said  # the other file's
    assert jobdb("events").out.startswith(before)
    assert 10 == jobdb("events").out.count("\n") - before.count("\n")
    jobdb("ingest", one)
    assert "0 rejects" in jobdb("ingest", "--force", other).err
    jobdb("verify")


@pytest.mark.parametrize(
    "journals",
    [
        # It was restarted with its state, twice: its clock stood still meanwhile.
        [instance(EPOCH - n * HOUR, EPOCH + start * HOUR, EPOCH + (start + 2) * HOUR)
         for n, start in ((9, 0), (8, 3), (6.9, 5.2))],
        # It was made anew, and counts from the start again.
        [ONE, instance(EPOCH + 8 * HOUR, EPOCH + 8 * HOUR, EPOCH + 12 * HOUR)],
        # Its clock was set back by two hours, and ran on.
        [instance(EPOCH, EPOCH, EPOCH + 4 * HOUR),
         instance(EPOCH, EPOCH + 6.5 * HOUR, EPOCH + 9 * HOUR, behind=2 * HOUR)],
        # So, at once: the same hours were there twice.
        [instance(EPOCH, EPOCH, EPOCH + 4 * HOUR),
         instance(EPOCH, EPOCH + 4 * HOUR, EPOCH + 9 * HOUR, behind=2 * HOUR)],
    ],
    ids=["restarted", "made anew", "clock set back", "hours that came twice"],
)  # fmt: skip
def test_what_one_cluster_can_have_is_stored(
    tmp_path: Path, journals: list[list[bytes]]
) -> None:
    """In any order, and again."""
    paths = files(tmp_path, *journals)
    for number, order in enumerate(permutations(paths)):
        jobdb = Command(tmp_path, f"{number}.sqlite")
        for path in (*order, *order):
            jobdb("ingest", path)
        assert sum(map(len, journals)) == jobdb.stats()["events"]


def test_recordings_are_stored_one_after_the_other(jobdb: Command) -> None:
    for recording in (*recordings(), *recordings()):
        for boot in recording.boots:
            jobdb.ingest(list(recording.journal(boot)))
    jobdb("verify")


@given(
    st.lists(st.tuples(st.integers(0, 2**63 - 1), st.floats(0, 4e9)), max_size=200),
    st.lists(st.tuples(st.integers(0, 2**30), st.floats(1.79e9, 1.79e9 + 1e6)), max_size=200),
)
def test_ids_that_count_no_time_prove_nothing(
    anything: list[tuple[int, float]], small: list[tuple[int, float]]
) -> None:
    assert contradiction(boots(anything), boots(small)) is None
    assert contradiction(boots(small), boots(anything)) is None
