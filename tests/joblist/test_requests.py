# SPDX-License-Identifier: LGPL-3.0
"""Requests: what is read of each, and in which words job-list refuses the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from errno import E2BIG, EPROTO
from typing import Any

import pytest
from msgspec import UNSET

from joblist.protocol.budgets import Budgets
from joblist.protocol.errors import RpcError, cut
from joblist.protocol.requests import (
    ROLE_ADMIN,
    ROLE_OWNER,
    ROLE_USER,
    Credential,
    ListIdRequest,
    ListRequest,
    read_constraint,
    read_list,
    read_list_id,
)
from projections.job.state import INACTIVE, RUN


def text(**members: object) -> bytes:
    return json.dumps(members).encode()


def asked(**members: object) -> bytes:
    """Return a list request; members that are None are left out."""
    found = {"max_entries": 5, "attrs": ["state"], **members}
    return json.dumps({key: v for key, v in found.items() if v is not None}).encode()


def refusal(function: Callable[..., object], *args: object) -> tuple[int, str | None]:
    with pytest.raises(RpcError) as caught:
        function(*args)
    return caught.value.errno, caught.value.text


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, ListRequest(5, ["state"], 0.0, UNSET)),
        ({"max_entries": 0, "attrs": []}, ListRequest(0, [], 0.0, UNSET)),
        ({"since": 0}, ListRequest(5, ["state"], 0.0, UNSET)),
        ({"since": 1.5}, ListRequest(5, ["state"], 1.5, UNSET)),
        ({"attrs": ["x", 5]}, ListRequest(5, ["x", 5], 0.0, UNSET)),
        ({"constraint": {"and": []}}, ListRequest(5, ["state"], 0.0, {"and": []})),
        ({"constraint": 5}, ListRequest(5, ["state"], 0.0, 5)),
    ],
)
def test_list(members: dict[str, object], expected: ListRequest) -> None:
    found = read_list(asked(**members))
    assert expected == found
    assert isinstance(found.since, float)


def test_a_constraint_of_null_is_one() -> None:
    assert read_list(text(max_entries=1, attrs=[], constraint=None)).constraint is None


OLD = {"userid": 7, "states": 0, "results": 0}


@pytest.mark.parametrize(
    ("members", "terms"),
    [
        ({}, [{"userid": [7]}]),
        ({"userid": 0}, [{"userid": [0]}]),
        ({"userid": 0xFFFFFFFF}, []),
        ({"userid": -1}, []),
        ({"userid": 0xFFFFFFFE}, [{"userid": [-2]}]),
        ({"userid": -1, "name": "n"}, [{"name": ["n"]}]),
        ({"userid": -1, "name": ""}, [{"name": [""]}]),
        ({"userid": -1, "queue": "q"}, [{"queue": ["q"]}]),
        ({"userid": -1, "queue": ""}, [{"queue": [""]}]),
        ({"userid": -1, "states": 64}, [{"states": [64]}]),
        ({"userid": -1, "results": 3}, [{"results": [3]}]),
        (
            {"name": "n", "queue": "q", "states": 8, "results": 1},
            [{"userid": [7]}, {"name": ["n"]}, {"queue": ["q"]}, {"states": [8]},
             {"results": [1]}],
        ),
    ],
)  # fmt: skip
def test_a_list_request_of_the_old_form(members: dict[str, object], terms: list[Any]) -> None:
    assert {"and": terms} == read_list(asked(**OLD | members)).constraint


@pytest.mark.parametrize(
    "members",
    [
        *({name: None} for name in OLD),
        *({name: "x"} for name in OLD),
        {"name": 5},
        {"queue": 5},
    ],
)
def test_a_request_that_is_not_wholly_of_the_old_form_has_no_constraint(
    members: dict[str, object],
) -> None:
    assert read_list(asked(**OLD | members)).constraint is UNSET


def test_a_constraint_counts_more_than_the_old_form() -> None:
    assert 5 == read_list(asked(**OLD, constraint=5)).constraint


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (None, "message does not have a string payload"),
        (b"[]", "payload is not a JSON object"),
        (text(attrs=[], since=-1), "Object item not found: max_entries"),
        (text(max_entries="5"), "Expected integer, got string"),
        (text(max_entries=-1), "Object item not found: attrs"),
        (asked(since="x"), "Expected real or integer, got string"),
        (asked(max_entries=-1, since=-1, attrs=5), "max_entries < 0 not allowed"),
        (asked(since=-0.5, attrs=5), "since < 0.0 not allowed"),
        (asked(attrs=5), "attrs must be an array"),
        (asked(attrs={}), "attrs must be an array"),
    ],
)
def test_list_requests_that_are_refused(request_: bytes | None, reason: str) -> None:
    assert (EPROTO, f"invalid payload: {reason}") == refusal(read_list, request_)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"id": 5, "attrs": ["x"]}, ListIdRequest(5, ["x"], 0)),
        ({"id": -1, "attrs": []}, ListIdRequest(-1, [], 0)),
        ({"id": 2**63 - 1, "attrs": [], "state": RUN}, ListIdRequest(2**63 - 1, [], RUN)),
        ({"id": 5, "attrs": [], "state": INACTIVE}, ListIdRequest(5, [], INACTIVE)),
        ({"id": 5, "attrs": [], "state": 126}, ListIdRequest(5, [], 126)),
    ],
)
def test_list_id(members: dict[str, object], expected: ListIdRequest) -> None:
    assert expected == read_list_id(text(**members))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (None, "message does not have a string payload"),
        (b"", "'[' or '{' expected near end of file"),
        (text(attrs=5), "Object item not found: id"),
        (text(id="5"), "Expected integer, got string"),
        (text(id=5), "Object item not found: attrs"),
        (text(id=5, attrs=5, state="x"), "Expected integer, got string"),
        (text(id=5, attrs=5, state=1), "attrs must be an array"),
        (text(id=5, attrs=[], state=1), "invalid state specified"),
        (text(id=5, attrs=[], state=128), "invalid state specified"),
        (text(id=5, attrs=[], state=-1), "invalid state specified"),
    ],
)
def test_list_id_requests_that_are_refused(request_: bytes | None, reason: str) -> None:
    assert (EPROTO, f"invalid payload: {reason}") == refusal(read_list_id, request_)


def test_a_constraint_that_is_refused() -> None:
    words = "invalid payload: constraint object invalid: unknown constraint operator: foo"
    assert (EPROTO, words) == refusal(read_constraint, {"foo": []}, 10, Budgets())
    found = refusal(read_constraint, {"x" * 300: []}, 10, Budgets())[1]
    assert found is not None
    assert 159 == len(found)
    assert found.endswith("xx+")
    hosts = {"hostlist": ["n[1-3]"]}
    assert read_constraint(hosts, 3, Budgets()) is not None


OPERATORS = "the constraint has more than 7 operators"
VALUES = "the constraint has more than 7 values"


@pytest.mark.parametrize(
    ("constraint", "error"),
    [
        ({"and": [{}] * 5}, None),
        ({"and": [{}] * 6}, None),
        ({"and": [{}] * 7}, OPERATORS),
        ({"or": [{"not": [{"and": [{}]}]}, {"not": [{"and": []}]}]}, None),
        ({"or": [{"not": [{"and": [{}]}]}, {"not": [{"and": [{}, {}]}]}]}, OPERATORS),
        ({"userid": [1] * 6}, None),
        ({"userid": [1] * 7}, None),
        ({"userid": [1] * 8}, VALUES),
        ({"and": [{"name": ["a"] * 4}, {"states": ["run"] * 3}]}, None),
        ({"and": [{"name": ["a"] * 4}, {"states": ["run"] * 4}]}, VALUES),
    ],
)
def test_how_much_a_constraint_may_have(constraint: object, error: str | None) -> None:
    budgets = Budgets(max_operators=7, max_values=7)
    if error is None:
        assert read_constraint(constraint, 10, budgets) is not None
    else:
        assert (E2BIG, error) == refusal(read_constraint, constraint, 10, budgets)


def test_what_is_wrong_first_is_said_first() -> None:
    budgets = Budgets(max_operators=7, max_values=7)
    words = "invalid payload: constraint object invalid: unknown constraint operator: foo"
    wrong = {"and": [{"foo": []}, *([{}] * 10)]}
    assert (EPROTO, words) == refusal(read_constraint, wrong, 10, budgets)
    late = {"and": [*([{}] * 10), {"foo": []}]}
    assert (E2BIG, OPERATORS) == refusal(read_constraint, late, 10, budgets)


@pytest.mark.parametrize(
    ("rolemask", "allowed", "owner", "privileged"),
    [
        (0, False, False, False),
        (1, True, True, True),
        (2, True, False, False),
        (4, False, False, False),
        (8, False, False, True),
        (10, True, False, True),
        (11, True, True, True),
        (0xFFFFFFF4, False, False, False),
    ],
)
def test_credentials(rolemask: int, allowed: bool, owner: bool, privileged: bool) -> None:
    found = Credential(5, rolemask)
    assert (allowed, owner, privileged) == (found.allowed, found.owner, found.privileged)


def test_roles_are_those_of_rfc_12() -> None:
    assert (1, 2, 8) == (ROLE_OWNER, ROLE_USER, ROLE_ADMIN)


def test_requests_are_immutable() -> None:
    for found in (Credential(), ListRequest(0, [], 0.0, UNSET), ListIdRequest(1, [], 0)):
        for name in found.__struct_fields__:
            with pytest.raises(AttributeError, match="immutable"):
                setattr(found, name, 5)


def test_an_owner_is_the_default() -> None:
    assert (0, 1) == (Credential().userid, Credential().rolemask)


@pytest.mark.parametrize(
    ("whole", "shown"),
    [
        ("", ""),
        ("a" * 158, "a" * 158),
        ("a" * 159, "a" * 159),
        ("a" * 159 + "b", "a" * 159),
        ("a" * 160 + "b", "a" * 158 + "+"),
        ("a" * 400, "a" * 158 + "+"),
        ("a" * 158 + "é", "a" * 158 + "\udcc3"),
        ("a" * 157 + "é", "a" * 157 + "é"),
        ("a" * 157 + "é" + "bc", "a" * 157 + "\udcc3+"),
        ("\udcff" * 159, "\udcff" * 159),
    ],
)
def test_a_text_is_cut_as_in_c(whole: str, shown: str) -> None:
    assert shown == cut(whole)
    assert shown == RpcError(5, whole).text
    assert 5 == RpcError(5, whole).errno


def test_no_text_is_not_an_empty_one() -> None:
    assert RpcError(5).text is None
    assert RpcError(5, "").text == ""
    assert (5, None) == RpcError(5).args
