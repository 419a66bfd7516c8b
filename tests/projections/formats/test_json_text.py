# SPDX-License-Identifier: LGPL-3.0
"""JSON text as jansson writes it: literal cases, and agreement with Python's own writer."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.formats.json_text import _dumps_deep, c_string, dumps, escaped, real, string


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, b"{}"),
        ([], b"[]"),
        (
            {"b": [1, -2, None, True], "a": {"c": []}},
            b'{"b":[1,-2,null,true],"a":{"c":[]}}',
        ),
        ([2**63 - 1, -(2**63)], b"[9223372036854775807,-9223372036854775808]"),
        ((0.1, [0.3]), b"[0.10000000000000001,[0.29999999999999999]]"),
        ([0.0, -0.0, 300.0, 0.1], b"[0.0,-0.0,300.0,0.10000000000000001]"),
        ([333.333, 1795384081.968684], b"[333.33300000000003,1795384081.968684]"),
        (
            [1e16, 1e17, 123456789012345680.0],
            b"[10000000000000000.0,1e17,1.2345678901234568e17]",
        ),
        (
            [1e300, 1e5, 1e-4, 1e-5],
            b"[1.0000000000000001e300,100000.0,0.0001,1.0000000000000001e-5]",
        ),
        ([5e-324, 1.5e-7], b"[4.9406564584124654e-324,1.4999999999999999e-7]"),
        (['"\\/', "\b\f\n\r\t"], rb'["\"\\/","\b\f\n\r\t"]'),
        (["\0\x01\x0b\x1f", "\\u001f\x1f"], rb'["\u0000\u0001\u000B\u001F","\\u001f\u001F"]'),
        (
            {"\x1a": "\x7f\x85é\u2028\U0001f600"},
            '{"\\u001A":"\x7f\x85é\u2028\U0001f600"}'.encode(),
        ),
        ({"a": msgspec.Raw(b'{"b": 1}'), "c": 1.0}, b'{"a":{"b": 1},"c":1.0}'),
    ],
)
def test_dumps(value: object, expected: bytes) -> None:
    assert expected == dumps(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "\ud800"])
def test_dumps_refuses(value: object) -> None:
    with pytest.raises(ValueError, match=r"cannot be written|surrogates not allowed"):
        dumps({"a": [value]})


def test_dumps_of_deep_values_is_the_same() -> None:
    member = {"a": [1.0, (), {}, "x\x1f"], "é": None, "z": []}
    value: object = member
    for _ in range(5000):
        value = (0, value, {"d": 1e300})
    expected = b"[0," * 5000 + dumps(member) + b',{"d":1.0000000000000001e300}]' * 5000
    assert expected == dumps(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.5, "0.5"),
        (0.1, "0.10000000000000001"),
        (1e22, "1e22"),
        (1.5e22, "1.5e22"),
        (1.5e-7, "1.4999999999999999e-7"),
        (-2.5e-10, "-2.5000000000000002e-10"),
        (123456789.0, "123456789.0"),
    ],
)
def test_reals(value: float, expected: str) -> None:
    assert expected == real(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"^{value} cannot be written in JSON$"):
        real(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_real_is_read_again_as_a_real(value: float) -> None:
    found = json.loads(real(value))
    assert isinstance(found, float)
    assert math.copysign(1, value) == math.copysign(1, found)
    assert value == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"plain", b"plain"),
        (rb'"\u000b"', rb'"\u000B"'),
        (rb'"\u000b\u001f\u0010"', rb'"\u000B\u001F\u0010"'),
        (rb'"\\u000b"', rb'"\\u000b"'),
        (rb'"\\\u000b"', rb'"\\\u000B"'),
        (rb'"\u00e9\u000a"', rb'"\u00e9\u000A"'),
    ],
)
def test_escapes(text: bytes, expected: bytes) -> None:
    assert expected == escaped(text)


@pytest.mark.parametrize(
    ("text", "seen"), [("", ""), ("ab", "ab"), ("a\0b\0", "a"), ("\0", "")]
)
def test_a_string_as_c_sees_it(text: str, seen: str) -> None:
    assert seen == c_string(text)


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('ab"\\\x0b\x1f\x7fé')
)
VALUES: Any = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("ab\x1f", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_is_what_python_reads(value: object) -> None:
    text = dumps(value)
    plain = json.loads(json.dumps(value))  # tuples are arrays
    assert repr(plain) == repr(json.loads(text))
    assert text == escaped(_dumps_deep(value))
    assert b" " not in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", '""'),
        ('a"é\n', r'"a\"é\n"'),
        ("\x0b\x1f", r'"\u000B\u001F"'),
        ("\\u000b", r'"\\u000b"'),
    ],
)
def test_a_string_by_itself(value: str, expected: str) -> None:
    assert expected == string(value)


@given(st.text() | st.text('"\\\x00\x0b\x1f\x7fé'))
def test_a_string_is_written_as_any_value(value: str) -> None:
    assert dumps(value).decode() == string(value)


def test_raw_text_is_copied() -> None:
    raw = msgspec.Raw(b'{"b": 1.50}')
    assert b'[{"b": 1.50},{"c":{"b": 1.50}}]' == dumps([raw, {"c": raw}])


def test_lists_of_any_depth() -> None:
    for make in (
        lambda inner: [inner],
        lambda inner: (inner, 1.5),
        lambda inner: {"a": [inner]},
    ):
        value: object = 1.0
        for _ in range(3000):
            value = make(value)
        head = {"list": b"[", "tuple": b"[", "dict": b'{"a":['}[type(value).__name__]
        tail = {"list": b"]", "tuple": b",1.5]", "dict": b"]}"}[type(value).__name__]
        assert head * 3000 + b"1.0" + tail * 3000 == dumps(value)
