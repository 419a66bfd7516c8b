# SPDX-License-Identifier: LGPL-3.0
"""Integers of events: those that C's int wraps, and those that jansson does not read.

flux-core unpacks numbers of contexts with "i" (a C int) or "I" (64 bits); its jansson refuses
an event with an integer of more than 64 bits, which then changes nothing here.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.projections.job.test_odd_payloads import after

WRAPPED = [
    (0, 0), (1, 1), (2**31 - 1, 2**31 - 1), (2**31, -(2**31)), (2**31 + 5, 5 - 2**31),
    (2**32 - 1, -1), (2**32, 0), (2**32 + 7, 7), (2**33 + 7, 7), (-1, -1), (-(2**31), -(2**31)),
    (-(2**31) - 1, 2**31 - 1), (7 - 2**32, 7), (-(2**32) - 1, -1), (2**63 - 1, -1),
    (-(2**63), 0), (7 - 2**63, 7),
]  # fmt: skip
TOO_LONG = [2**63, 2**63 + 7, 2**64, -(2**63) - 1, 10**30]


@pytest.mark.parametrize(("value", "wrapped"), WRAPPED)
def test_a_status_is_a_c_integer(value: int, wrapped: int) -> None:
    found = after(("depend", None), ("priority", {"priority": 1}), ("alloc", None),
                  ("finish", {"status": value}), ("clean", None))  # fmt: skip
    assert (wrapped if wrapped >= 0 else None) == found.get("waitstatus")
    assert (wrapped == 0) == found["success"]
    assert (1 if wrapped == 0 else 2) == found["result"]


@pytest.mark.parametrize("value", TOO_LONG)
def test_a_status_of_more_than_64_bits_changes_nothing(value: int) -> None:
    before = after(("depend", None), ("alloc", None))
    assert before == after(("depend", None), ("alloc", None), ("finish", {"status": value}))


@pytest.mark.parametrize(("value", "wrapped"), WRAPPED)
def test_an_urgency_is_one_of_0_to_31(value: int, wrapped: int) -> None:
    found = after(("urgency", {"urgency": value}))
    assert (wrapped if 0 <= wrapped <= 31 else 16) == found["urgency"]


@pytest.mark.parametrize(("value", "known"), [(-1, 16), (0, 0), (1, 1), (30, 30), (31, 31),
                                              (32, 16)])  # fmt: skip
def test_the_ends_of_urgency(value: int, known: int) -> None:
    assert known == after(("urgency", {"urgency": value}))["urgency"]


@pytest.mark.parametrize("value", [-(2**63), -(2**62) - 1, -1, 0, 2**31, 2**62 + 1, 2**63 - 1])
def test_a_priority_has_64_bits(value: int) -> None:
    found = after(("depend", None), ("priority", {"priority": value}))
    assert (value, 8) == (found["priority"], found["state"])


@pytest.mark.parametrize("value", [*TOO_LONG, "1", 1.5, None, True])
def test_another_priority_changes_nothing(value: Any) -> None:
    before = after(("depend", None))
    assert before == after(("depend", None), ("priority", {"priority": value}))
    assert before["state"] == 4


@pytest.mark.parametrize(("severity", "shown"), [(2**32, 0), (2**31, -(2**31)), (7, 7)])
def test_a_severity_is_a_c_integer(severity: int, shown: int) -> None:
    context = {"type": "x", "severity": severity, "note": "n"}
    found = after(("exception", context), ("clean", None))
    assert (shown, "x", "n") == (
        found["exception_severity"], found["exception_type"], found["exception_note"]
    )  # fmt: skip


def test_the_most_severe_exception_is_kept() -> None:
    def exceptions(*severities: int) -> tuple[Any, Any, Any]:
        events = [
            ("exception", {"type": f"t{n}", "severity": severity, "note": f"n{n}"})
            for n, severity in enumerate(severities)
        ]
        found = after(*events, ("clean", None))
        names = ("exception_severity", "exception_type", "exception_note")
        severity, kind, note = (found[name] for name in names)
        return severity, kind, note

    assert (3, "t0", "n0") == exceptions(3, 3, 5)
    assert (2, "t1", "n1") == exceptions(3, 2, 2)
    assert (0, "t2", "n2") == exceptions(3, 2, 0, 0)
    assert (-1, "t1", "n1") == exceptions(0, -1)


def test_a_job_with_a_fatal_exception_does_not_succeed() -> None:
    def ended(severity: int, kind: str = "x", status: int = 0) -> tuple[Any, Any]:
        context = {"type": kind, "severity": severity, "note": ""}
        found = after(("alloc", None), ("exception", context), ("finish", {"status": status}),
                      ("clean", None))  # fmt: skip
        return found["success"], found["result"]

    assert (False, 2) == ended(0)
    assert (True, 1) == ended(1) == ended(-1)
    assert (False, 2) == ended(1, status=1)
    # The type counts also where it was not fatal.
    assert (False, 4) == ended(1, "cancel", 1) == ended(0, "cancel")
    assert (False, 8) == ended(0, "timeout")
