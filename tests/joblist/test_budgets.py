# SPDX-License-Identifier: LGPL-3.0
"""The table of bounds: in the docs as in the code, and every one a setting."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from errno import EMSGSIZE

import pytest

from joblist.config import Config, ConfigError, from_tables
from joblist.protocol.budgets import Bound, Budgets, table
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from tests.support.docs import bounds_table
from tests.support.recordings import new_store

BOUNDS = pytest.mark.parametrize("bound", list(table()), ids=lambda bound: bound.name)


def test_the_docs_have_the_table() -> None:
    assert bounds_table.rows() in bounds_table.PAGE.read_text("utf-8")


def test_bounds_in_force_do_not_change() -> None:
    """Requests that wait have them: a reload of the configuration makes new ones."""
    with pytest.raises(FrozenInstanceError):
        Budgets().max_jobs = 1  # type: ignore[misc]


@BOUNDS
def test_a_bound_is_a_setting(bound: Bound) -> None:
    assert bound.default == getattr(Config().budgets, bound.name)
    found = from_tables({"job-list": {bound.name: 7}}).budgets
    assert Budgets(**{bound.name: 7}) == found
    for wrong in (0, -1, "7", 1.0, True):
        with pytest.raises(ConfigError, match=f"job-list.{bound.name} must be"):
            from_tables({"job-list": {bound.name: wrong}})


@BOUNDS
def test_an_error_says_what_the_bound_is(bound: Bound) -> None:
    if bound.text is None:  # nothing exceeds it
        assert 0 == bound.errno
        return
    error = Budgets(**{bound.name: 7}).exceeded(bound.name)
    assert bound.errno == error.errno != 0
    assert bound.text.replace("{}", "7") == error.text


LISTED = b'{"max_entries":5,"attrs":[]}'
ONE = b'{"id":1,"attrs":[]}'


@pytest.mark.parametrize(
    ("topic", "text"), [("job-list.list", LISTED), ("job-list.list-id", ONE)]
)
def test_a_request_that_is_too_long_is_not_read(topic: str, text: bytes) -> None:
    service = Service(new_store()[0], Config(budgets=Budgets(max_request=1)))

    def error(size: int) -> RpcError | None:
        request = Request(topic, text.ljust(size), Credential(), streaming=False)
        try:
            service.answer(request)
        except RpcError as refused:
            return refused
        return None

    usual = error(0)
    for size in (1023, 1024):
        assert str(usual) == str(error(size))
    refused = error(1025)
    assert refused is not None
    assert (EMSGSIZE, "the request has more than 1 KiB") == (refused.errno, refused.text)
