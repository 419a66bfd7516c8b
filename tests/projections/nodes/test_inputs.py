# SPDX-License-Identifier: LGPL-3.0
"""What the resource module sends, decoded; what is not of its form changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from projections.formats import idset
from projections.nodes.inputs import (
    Change,
    Ranks,
    Restart,
    Status,
    hosts_of,
    read_change,
    read_ranks,
    read_restart,
    read_status,
)

LAST = 2**18 - 1
"""The greatest rank that is taken."""


def text(**members: object) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    ("ranks", "nodelist", "hosts"),
    [
        ("0-2", "n[0-2]", ("n0", "n1", "n2")),
        ("0-1", "n[0-2]", ("n0", "n1")),
        ("0-2", "n[0-1]", ("n0", "n1")),
        ("", "n0", ()),
    ],
)
def test_a_restart_has_as_many_hosts_as_ranks(
    ranks: str, nodelist: str, hosts: tuple[str, ...]
) -> None:
    found = read_restart(text(ranks=ranks, online="0,2-3", nodelist=nodelist))
    assert Restart(hosts, ((0, 0), (2, 3))) == found


@pytest.mark.parametrize(
    "context",
    [
        None, b"", b"[]", b"{", text(ranks="0", online="0"),
        text(ranks="x", online="", nodelist=""),
        text(ranks="0", online="x", nodelist="n0"), text(ranks="0", online="", nodelist="n["),
        text(ranks=f"{LAST + 1}", online="", nodelist="n0"),
        text(ranks="0", online=f"0,{LAST + 1}", nodelist="n0"),
        text(ranks="0", online=f"0-{LAST + 1}", nodelist="n0"),
    ],
)  # fmt: skip
def test_a_restart_of_another_form_is_none(context: bytes | None) -> None:
    assert read_restart(context) is None


def test_the_greatest_rank_is_taken() -> None:
    found = read_restart(text(ranks="0", online=f"0,{LAST}", nodelist="n0"))
    assert Restart(("n0",), ((0, 0), (LAST, LAST))) == found
    change = read_change("drain", 1.0, 1, text(idset=f"{LAST}"))
    assert change is not None
    assert [(LAST, None)] == change.targets


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (text(idset="1,3-4"), Ranks(((1, 1), (3, 4)))),
        (text(idset=""), Ranks(())),
        (text(idset=f"0-{2**30}"), Ranks(((0, 2**30),))),
        (text(idset="x"), None), (text(), None), (b"[]", None), (None, None),
    ],
)  # fmt: skip
def test_ranks_that_changed(context: bytes | None, expected: Ranks | None) -> None:
    """However many they are said to be: those beyond the instance are not looked at."""
    assert expected == read_ranks(context)


@pytest.mark.parametrize(
    ("context", "targets"),
    [
        ({"idset": "1,3", "nodelist": "n[1,3]"}, [(1, "n1"), (3, "n3")]),
        ({"idset": "1,3", "nodelist": "n1"}, [(1, "n1"), (3, None)]),
        ({"idset": "1", "nodelist": "n[1,3]"}, [(1, "n1")]),
        ({"idset": "1"}, [(1, None)]),
        ({"idset": "1", "nodelist": None}, [(1, None)]),
        ({"idset": ""}, []),
    ],
)
def test_a_change_pairs_ranks_with_hosts(
    context: dict[str, Any], targets: list[tuple[int, str | None]]
) -> None:
    for name in ("drain", "undrain"):
        found = read_change(name, 5.0, 7, text(**context))
        assert Change(5.0, 7, name, targets, None, None) == found
    found = read_change("drain", 5.0, 7, text(**context, reason="", overwrite=1))
    assert Change(5.0, 7, "drain", targets, "", 1) == found


@pytest.mark.parametrize(
    ("overwrite", "taken"),
    [
        (-(2**63) - 1, False), (-(2**63), True), (-1, True), (0, True), (2**63 - 1, True),
        (2**63, False), (1.5, False),
    ],
)  # fmt: skip
def test_overwrite_is_an_integer_of_64_bits(overwrite: float, taken: bool) -> None:
    """jansson refuses others, and with them the whole event."""
    found = read_change("drain", 5.0, 7, text(idset="1", overwrite=overwrite))
    assert (overwrite if taken else None) == (found.overwrite if found else None)


@pytest.mark.parametrize(
    "context",
    [
        None, b"[]", text(nodelist="n0"), text(idset="x"), text(idset=f"{LAST + 1}"),
        text(idset="0", nodelist="n["), text(idset="0", reason=5),
    ],
)  # fmt: skip
def test_a_change_of_another_form_is_none(context: bytes | None) -> None:
    assert read_change("drain", 5.0, 7, context) is None


R: dict[str, Any] = {"execution": {"R_lite": [{"rank": "0-1"}], "nodelist": ["n[0-1]"]}}
STATUS: dict[str, Any] = {
    "R": R, "online": "0", "offline": "1", "exclude": "2", "torpid": "3",
    "drain": {"0-1": {"timestamp": 4.0, "reason": "x"}, "5": {"timestamp": 6.0, "reason": ""}},
}  # fmt: skip


def test_a_status_is_read_whole() -> None:
    drains: list[tuple[idset.Ranges, float, str]] = [
        (((0, 1),), 4.0, "x"), (((5, 5),), 6.0, ""),
    ]  # fmt: skip
    online, offline, exclude, torpid = (((n, n),) for n in range(4))
    hosts = {0: "n0", 1: "n1"}
    expected = Status(drains, online, offline, exclude, torpid, hosts)
    assert expected == read_status(text(**STATUS))


@pytest.mark.parametrize("beyond", ["x", f"{LAST + 1}"])
@pytest.mark.parametrize("member", ["online", "offline", "exclude", "torpid", "drain"])
def test_a_status_with_a_set_that_is_none_or_too_great_is_none(
    member: str, beyond: str
) -> None:
    drain = {beyond: {"timestamp": 4.0, "reason": "x"}}
    changed = {member: drain if member == "drain" else beyond}
    assert read_status(text(**{**STATUS, **changed})) is None


@pytest.mark.parametrize(
    ("ranks", "nodelist", "expected"),
    [
        (["0-1"], ["n[0-1]"], {0: "n0", 1: "n1"}),
        (["1", "0"], ["n0", "b[7-8]"], {0: "n0", 1: "b7"}),
        (["0-2"], ["n0"], {0: "n0"}),
        (["4,6"], ["n[0-1]"], {4: "n0", 6: "n1"}),
        ([], ["n0"], {}),
        ([f"{LAST}"], ["n0"], {LAST: "n0"}),
        ([f"{LAST + 1}"], ["n0"], {}),
        (["x"], ["n0"], {}),
        (["0"], ["n["], {}),
    ],
)
def test_ranks_of_an_r_have_its_hosts_in_their_order(
    ranks: list[str], nodelist: list[str], expected: dict[int, str]
) -> None:
    """As far as there are any: what cannot be read names none."""
    lite = [{"rank": one} for one in ranks]
    found = hosts_of(text(execution={"R_lite": lite, "nodelist": nodelist}))
    assert expected == found


def test_an_r_without_execution_or_parts_of_it_names_no_host() -> None:
    for data in (b"{}", b"[", text(execution={}), text(execution={"nodelist": ["n0"]})):
        assert {} == hosts_of(data)
