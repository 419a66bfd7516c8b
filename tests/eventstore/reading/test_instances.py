# SPDX-License-Identifier: LGPL-3.0
"""Which boots job ids prove, and which boots cannot be of one instance."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan

import pytest

from eventstore.ingest.writer import Writer
from eventstore.reading import instances
from eventstore.reading.instances import Boot, boots, contradiction, stored_boots
from eventstore.storage.connection import MEMORY, create_or_open

Submission = tuple[int, float]


def submitted(begun: float, *seconds: int) -> Iterator[Submission]:
    """Yield (job id, time) of jobs that a boot had so many seconds after its beginning."""
    for number, second in enumerate(seconds):
        yield (second * 1000 << 24) | (2**24 - 1 - number), begun + second


LONG = (10, 40, 70)
FOUND = Boot(5000, 5010.5, 5070.5, 10_000, 70_000, 3)


def test_jobs_of_a_minute_prove_a_boot() -> None:
    assert [FOUND] == boots(submitted(5000.5, *LONG))
    assert [FOUND] == boots(submitted(5000.5, *reversed(LONG)))
    assert [] == boots(())


@pytest.mark.parametrize("seconds", [(10, 70), (10, 40, 69), (10, 10, 10)])
def test_few_jobs_or_jobs_of_less_than_a_minute_prove_nothing(seconds: tuple[int, ...]) -> None:
    assert [] == boots(submitted(5000.5, *seconds))


@pytest.mark.parametrize("odd", [inf, -inf, nan])
def test_a_time_that_is_no_number_proves_nothing(odd: float) -> None:
    assert [FOUND] == boots([(1, odd), *submitted(5000.5, *LONG), (2, odd)])


def test_a_boot_on_both_sides_of_a_whole_second_is_one() -> None:
    both = [*submitted(4999.75, 80), *submitted(5000.25, 5, 100), *submitted(5001.5, *LONG)]
    assert [
        Boot(4999, 5005.25, 5100.25, 5_000, 100_000, 3), Boot(5001, 5011.5, 5071.5, 10_000,
                                                              70_000, 3),
    ] == sorted(boots(both))  # fmt: skip


def boot(begun: int, since: float, until: float, lowest: int = 1, highest: int = 9) -> Boot:
    return Boot(begun, since, until, lowest, highest, 3)


@pytest.mark.parametrize(
    ("one", "other", "contradicts"),
    [
        # At the same time for a minute, with beginnings that are more than a minute apart.
        (boot(1000, 5000.0, 6000.0), boot(2000, 5000.0, 6000.0), True),
        (boot(1000, 5000.0, 6000.0), boot(2000, 5940.0, 7000.0), True),
        (boot(1000, 5000.0, 6000.0), boot(2000, 5940.5, 7000.0), False),
        (boot(1000, 5000.0, 6000.0), boot(2000, 7000.0, 8000.0), False),
        (boot(1000, 5000.0, 6000.0), boot(1061, 5000.0, 6000.0), True),
        (boot(1000, 5000.0, 6000.0), boot(1060, 5000.0, 6000.0), False),
        (boot(1000, 5000.0, 6000.0), boot(1000, 5000.0, 6000.0), False),
        # The clock was set back by a day at most: all later ids are higher.
        (boot(99_400, 5e5, 6e5, 1, 9), boot(13_000, 5e5, 6e5, 10, 20), False),
        (boot(99_401, 5e5, 6e5, 1, 9), boot(13_000, 5e5, 6e5, 10, 20), True),
        (boot(99_400, 5e5, 6e5, 1, 10), boot(13_000, 5e5, 6e5, 10, 20), True),
        (boot(99_400, 5e5, 6e5, 1, 15), boot(13_000, 5e5, 6e5, 10, 20), True),
        (boot(13_000, 5e5, 6e5, 1, 9), boot(99_400, 5e5, 6e5, 10, 20), True),
    ],
)
def test_boots_of_two_instances(one: Boot, other: Boot, contradicts: bool) -> None:
    for first, second in ((one, other), (other, one)):
        expected = (first, second) if contradicts else None
        assert expected == contradiction([first], [second])


def test_the_first_pair_that_contradicts_is_given() -> None:
    same, odd = boot(1000, 5000.0, 6000.0), boot(2000, 5000.0, 6000.0)
    assert (same, odd) == contradiction(iter([same, odd]), iter([same, odd]))
    assert (odd, same) == contradiction([boot(2000, 7000.0, 8000.0), odd], [odd, same])
    assert contradiction([], [same]) is None
    assert contradiction([same], []) is None


def test_boots_of_stored_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b'{"id":%d,"events":[{"timestamp":%r,"name":"submit"}]}'
    with create_or_open(MEMORY) as store:
        assert [] == stored_boots(store.db)
        writer = Writer(store, "test")
        for jobid, time in submitted(5000.5, *LONG):
            writer.append([line.replace(b"%r", b"%.1f") % (jobid, time)])
        assert [FOUND] == stored_boots(store.db)
        # Of many jobs, some are looked at: here the first, the fourth and the seventh one.
        for jobid, time in submitted(5000.5, 100, 101, 102, 103, 104, 105):
            writer.append([line.replace(b"%r", b"%.1f") % (jobid, time)])
        monkeypatch.setattr(instances, "_SAMPLES", 3)
        assert [Boot(5000, 5010.5, 5103.5, 10_000, 103_000, 3)] == stored_boots(store.db)
