# SPDX-License-Identifier: LGPL-3.0
"""How long a job ran, in whole microseconds, and in which hours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.job.run_time import (
    HOUR,
    SECOND,
    Span,
    microseconds,
    run_of,
    units,
    wait_of,
)

LARGEST = 10**18


def test_an_hour_has_3600_seconds_of_a_million_microseconds() -> None:
    assert (1_000_000, 3_600_000_000) == (SECOND, HOUR)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (-1e300, 0),
        (-0.5, 0),
        (0.0, 0),
        (0.0000004, 0),
        (0.0000006, 1),
        (0.5, 500_000),
        (1700000000.123456, 1700000000123456),
        (1e12, LARGEST),
        (1e300, LARGEST),
    ],
)
def test_a_time_is_the_nearest_microsecond_within_bounds(time: float, expected: int) -> None:
    assert expected == microseconds(time)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(-1, 0), (0, 0), (1, 1), (2**31 - 1, 2**31 - 1), (2**31, 2**31 - 1), (2**63, 2**31 - 1)],
)
def test_a_number_of_nodes_is_a_c_integer(count: int, expected: int) -> None:
    assert expected == units(count)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(0, 0), [(0, 0)]),
        (Span(HOUR, HOUR), [(1, 0)]),
        (Span(HOUR - 1, HOUR), [(0, 1)]),
        (Span(HOUR - 1, HOUR + 1), [(0, 1), (1, 1)]),
        (Span(5, 3 * HOUR + 7), [(0, HOUR - 5), (1, HOUR), (2, HOUR), (3, 7)]),
    ],
)
def test_each_hour_has_its_part(span: Span, expected: list[tuple[int, int]]) -> None:
    assert expected == span.by_hour()


@given(st.integers(0, LARGEST), st.integers(0, 50 * HOUR))
def test_the_hours_together_are_the_span(start: int, length: int) -> None:
    span = Span(start, start + length)
    parts = span.by_hour()
    assert length == sum(part for _, part in parts)
    assert list(range(start // HOUR, span.last_hour + 1)) == [hour for hour, _ in parts]
    assert all(0 < part <= HOUR for _, part in parts) or not length


def test_a_job_whose_clock_was_set_ran_for_an_unknown_time() -> None:
    assert Span(10 * SECOND, 12 * SECOND) == run_of(10.0, 12.0)
    assert Span(10 * SECOND, 10 * SECOND) == run_of(10.0, 9.0)
    assert 2 * SECOND == wait_of(8.0, 10.0)
    assert wait_of(10.0, 8.0) is None
