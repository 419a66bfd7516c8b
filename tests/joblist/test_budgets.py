# SPDX-License-Identifier: LGPL-3.0
"""The table of bounds: in the docs as in the code, and every one a setting."""

from __future__ import annotations

import pytest

from joblist.config import Config, ConfigError, from_tables
from joblist.protocol.budgets import Bound, Budgets, table
from tests.support.docs import bounds_table

BOUNDS = pytest.mark.parametrize("bound", list(table()), ids=lambda bound: bound.name)


def test_the_docs_have_the_table() -> None:
    assert bounds_table.rows() in bounds_table.PAGE.read_text("utf-8")


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
    if bound.text is None:
        return
    error = Budgets(**{bound.name: 7}).exceeded(bound.name)
    assert bound.errno == error.errno != 0
    assert bound.text.replace("{}", "7") == error.text
