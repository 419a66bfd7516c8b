# SPDX-License-Identifier: LGPL-3.0
"""Which texts are read as one range at once, without the general decoder: most of all lists."""

from __future__ import annotations

import pytest

from projections.formats import hostlist, idset
from projections.formats.hostlist import HostRange


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0, 0)), ("[3]", (3, 3)), ("0-3", (0, 3)), ("[2-5]", (2, 5)), ("10-11", (10, 11)),
        ("999999999", (999999999, 999999999)), ("0-999999999", (0, 999999999)),
        ("1000000000", None), ("0-1000000000", None), ("2-2", None), ("3-2", None),
        ("01", None), ("0-01", None), ("1,2", None), ("", None), ("[]", None), ("[1", None),
        ("1]", None), ("[", None), ("[12", None), ("12]", None), ("x", None), ("-1", None),
        ("1-", None), (" 1", None),
    ],
)  # fmt: skip
def test_ids_in_one_range(text: str, expected: tuple[int, int] | None) -> None:
    assert expected == idset.one_range(text)
    if expected is not None:
        assert (expected,) == idset.decode(text)


WIDE = 10**17


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n1", HostRange("n", 1, 1, 1)),
        ("rack2-n007", HostRange("rack2-n", 7, 7, 3)),
        ("n[1-2]", HostRange("n", 1, 2, 1)),
        ("n[1-4]", HostRange("n", 1, 4, 1)),
        ("n[08-11]", HostRange("n", 8, 11, 2)),
        (f"n[{WIDE}-{WIDE + 9}]", HostRange("n", WIDE, WIDE + 9, 18)),
        ("n[0000000-1048575]", HostRange("n", 0, 2**20 - 1, 7)),
        (f"{'a' * 201}1", HostRange("a" * 201, 1, 1, 1)),
        ("n[0000000-1048576]", None),  # one more than a range may have
        ("n[2-2]", None),  # written as n2
        ("n[4-1]", None),
        ("n[1-10]", None),
        ("n[1-04]", None),
        ("n", None),
        ("1", None),
        ("[1-4]", None),
        ("n[1]", None),
        ("n[1,3]", None),
        ("n1,n2", None),
        ("n[1-4]-ib", None),
        ("n1[1-4]", None),
        (f"n{WIDE}0", None),
        (f"{'a' * 202}1", None),
        ("", None),
    ],
)
def test_hosts_in_one_range(text: str, expected: HostRange | None) -> None:
    assert expected == hostlist.one_range(text)
    if expected is not None:
        assert (expected,) == hostlist.decode(text)
        assert text == hostlist.encode((expected,))
