# SPDX-License-Identifier: LGPL-3.0
"""Which JSON texts say the same: properties, and texts that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.events.json_values import same_values

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False,
    allow_infinity=False) | st.text()  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def text(value: Any, **how: Any) -> bytes:
    return json.dumps(value, **how).encode(errors="surrogatepass")


@given(VALUES)
def test_layout_does_not_matter(value: Any) -> None:
    plain = text(value)
    for how in ({"indent": 2}, {"separators": (",", ":")}, {"sort_keys": True}):
        assert same_values(plain, text(value, **how))
        assert same_values(text(value, **how), plain)


@given(VALUES, VALUES)
def test_other_values_are_others(one: Any, other: Any) -> None:
    """Told by the text in which all numbers are written in one way."""
    assert (canonical(one) == canonical(other)) == same_values(text(one), text(other))


def canonical(value: Any) -> str:
    """Return a text that equal values share: another way than a comparison of values."""
    if isinstance(value, dict):
        members = (f"{json.dumps(k)}:{canonical(v)}" for k, v in sorted(value.items()))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b"true", b"1", False),
        (b"true", b" true", True),
        (b"true", b"false", False),
        (b"1", b"2", False),
        (b'{"a":1}', b'{"a":1,"b":1}', False),
        (b'{"a":1,"b":1}', b'{"a":1,"c":1}', False),
        (b'{"a":1,"b":2}', b'{"b":2,"a":1}', True),
        (b'{"a":{"b":[1]}}', b'{"a":{"b":[2]}}', False),
        (b"[1]", b"[1,1]", False),
        (b"[]", b"{}", False),
        (b"[1,2]", b"[2,1]", False),
        (b"[[1],2]", b"[[1], 2.0]", True),
        (b'{"a":[]}', b'{"a":{}}', False),
        (b"[false]", b"[0.0]", False),
        (b"1e400", b"1e401", False),
        (b"1e400", b"10e399", True),
        (b"-1e400", b"1e400", False),
        (b"1e-400", b"0", True),
        (b'{"a":1}', b'{"a":1', False),
        (b"\xff", b"\xff", True),
        (b'"\xff"', b'"\xfe"', False),
        (b"[" * 100_000, b" " + b"[" * 100_000, False),
        (b"[" * 500 + b"]" * 500, b" " + b"[" * 500 + b"]" * 500, True),
        (b"9" * 5000, b" " + b"9" * 5000, False),
    ],
)
def test_texts_at_the_edges(one: bytes, other: bytes, same: bool) -> None:
    assert same_values(one, other) is same
    assert same_values(other, one) is same
