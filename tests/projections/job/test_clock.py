# SPDX-License-Identifier: LGPL-3.0
"""Clocks that were set, recognised from timestamps."""

from __future__ import annotations

import pytest

from projections.job.clock import comparable, steps

NOW = 1.79e9


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (NOW, NOW, True),
        (NOW, NOW - 1e-6, False),
        (10.5, 20.5, True),  # not set at all: the difference is still right
        (10.5, NOW, False),
        (1e9 - 1, 1e9, False),
        (1e9, NOW, True),
        (NOW, 10.5, False),
        (0.0, 1e300, False),
    ],
)
def test_whether_times_can_be_subtracted(start: float, end: float, wanted: bool) -> None:
    assert wanted == comparable(start, end)


def test_steps_are_told_with_the_events_around_them() -> None:
    events = [
        (NOW, "submit"),
        (NOW + 1, "alloc"),
        (5.0, "start"),
        (6.0, "finish"),
        (NOW, "clean"),
    ]
    assert [
        "the clock went back by 1789999996 s between `alloc` and `start`",
        "the clock went forward by 1789999994 s between `finish` and `clean`",
    ] == list(map(str, steps(events)))
    assert [] == steps(events[:2])
    assert [] == steps([])


@pytest.mark.parametrize(
    ("by", "told"),
    [(0.5, "0.5 s"), (2**-20, "0.000001 s"), (3600.0, "3600 s"), (100.25, "100.25 s")],
)
def test_how_far_it_went_is_told_without_needless_digits(by: float, told: str) -> None:
    (step,) = steps([(NOW, "a"), (NOW - by, "b")])
    assert f"went back by {told} between" in str(step)


def test_a_step_of_less_than_a_second_has_a_direction() -> None:
    assert "forward by 0.5 s" in str(steps([(999999999.5, "a"), (1e9, "b")])[0])
    assert "back by 0.5 s" in str(steps([(2e9, "a"), (2e9 - 0.5, "b")])[0])
