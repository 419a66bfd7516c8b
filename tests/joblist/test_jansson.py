# SPDX-License-Identifier: LGPL-3.0
"""Tests of joblist.jansson, and of joblist.protocol.payload.loads where it goes another way.

The literal texts are what libjansson 2.14 and libflux-core 0.88 gave for the same bytes.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joblist.protocol import jansson
from joblist.protocol.payload import PayloadError, loads
from projections.formats.json_text import dumps
from tests.support.processes.recursion import recursion_limit
from tests.support.strategies import json_objects


def outcome(function: Callable[..., object], *args: object) -> object:
    """Return the result, or the text of the PayloadError."""
    try:
        return function(*args)
    except PayloadError as error:
        return str(error)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        # what it begins with
        (None, "message does not have a string payload"),
        (b"", "'[' or '{' expected near end of file"),
        (b" \t\r\n", "'[' or '{' expected near end of file"),
        (b"null", "'[' or '{' expected near 'null'"),
        (b"nonsense", "'[' or '{' expected near 'nonsense'"),
        (b"a234", "'[' or '{' expected near 'a'"),
        (b"1", "'[' or '{' expected near '1'"),
        (b'"x"', "'[' or '{' expected near '\"x\"'"),
        (b"]", "'[' or '{' expected near ']'"),
        (b"\xc3\xa9{}", "'[' or '{' expected near 'é'"),
        (b"\xef\xbb\xbf{}", "'[' or '{' expected near '\ufeff'"),
        (b"\x0b{}", "'[' or '{' expected near '\x0b'"),
        (b"[]", "payload is not a JSON object"),
        (b'[{"a":[1.5]}]', "payload is not a JSON object"),
        # structure
        (b"{", "string or '}' expected near end of file"),
        (b"{,", "string or '}' expected near ','"),
        (b"{1:2}", "string or '}' expected near '1'"),
        (b'{"a":1,}', "string or '}' expected near '}'"),
        (b'{"a":1,,', "string or '}' expected near ','"),
        (b'{"a":"b",,', "string or '}' expected near ','"),
        (b'{"a":"b",:1}', "string or '}' expected near ':'"),
        (b'{"a"', "':' expected near end of file"),
        (b'{"a" 1}', "':' expected near '1'"),
        (b'{"a":', "unexpected token near end of file"),
        (b'{"a":}', "unexpected token near '}'"),
        (b'{"a":1', "'}' expected near end of file"),
        (b'{"a":1]', "'}' expected near ']'"),
        (b'{"a":1 "b":2}', "'}' expected near '\"b\"'"),
        (b"[", "']' expected near end of file"),
        (b"[1", "']' expected near end of file"),
        (b"[1,", "']' expected near end of file"),
        (b"[1,]", "unexpected token near ']'"),
        (b"[,", "unexpected token near ','"),
        (b"[1 2]", "']' expected near '2'"),
        (b"[}", "unexpected token near '}'"),
        (b"{} {}", "end of file expected near '{'"),
        (b"[]x", "end of file expected near 'x'"),
        # words
        (b'{"a":nul}', "invalid token near 'nul'"),
        (b'{"a":NaN}', "invalid token near 'NaN'"),
        (b'{"a":-Infinity}', "invalid token near '-'"),
        (b'{"a":True}', "invalid token near 'True'"),
        (b'{"a":true1}', "'}' expected near '1'"),
        (b'{"a":' + b"n" * 20, f"invalid token near '{'n' * 20}'"),
        (b'{"a":' + b"n" * 21, "invalid token"),
        (b'{"a":/', "invalid token near '/'"),
        (b'{"a":\xf0\x9f\x98\x80}', "invalid token near '\U0001f600'"),
        # numbers
        (b'{"a":01}', "invalid token near '0'"),
        (b'{"a":-01}', "invalid token near '-0'"),
        (b'{"a":-}', "invalid token near '-'"),
        (b'{"a":-.5}', "invalid token near '-'"),
        (b'{"a":+1}', "invalid token near '+'"),
        (b'{"a":1.}', "invalid token near '1.'"),
        (b'{"a":1.e5}', "invalid token near '1.'"),
        (b'{"a":1e}', "invalid token near '1e'"),
        (b'{"a":1e+}', "invalid token near '1e+'"),
        (b'{"a":1.5.5}', "'}' expected near '.'"),
        (b'{"a":0x1}', "'}' expected near 'x'"),
        (b'{"a":9223372036854775808}', "too big integer near '9223372036854775808'"),
        (
            b'{"a":-9223372036854775809}',
            "too big negative integer near '-9223372036854775809'",
        ),
        (b'{"a":100000000000000000000}', "too big integer"),
        (b'{"a":-' + b"9" * 5000, "too big negative integer"),
        (b'{"a":1e400}', "real number overflow near '1e400'"),
        (b'{"a":-1.5E+0400}', "real number overflow near '-1.5E+0400'"),
        # strings
        (b'{"', "premature end of input near '\"'"),
        (b'{"abc', "premature end of input near '\"abc'"),
        (b'{"' + b"a" * 20, "premature end of input"),
        (b'{"ab\ncd"', "unexpected newline near '\"ab'"),
        (b'{"ab\tcd"', "control character 0x9 near '\"ab'"),
        (b'{"ab\x1f', "control character 0x1f near '\"ab'"),
        (b'{"a\\x"', "invalid escape near '\"a\\x'"),
        (b'{"a\\', "invalid escape near '\"a\\'"),
        (b'{"\\u12', "invalid escape near '\"\\u12'"),
        (b'{"\\u12x4"', "invalid escape near '\"\\u12x'"),
        (b'{"\\ud800\\u12"', "invalid escape near '\"\\ud800\\u12\"'"),
        (b'{"\\\xc3\xa9', "invalid escape near '\"\\\udcc3'"),  # half of a character
        (b'{"\\u\xe2\x82\xac', "invalid escape near '\"\\u\udce2'"),
        (b'{"\\ud83d"', "invalid Unicode '\\uD83D' near '\"\\ud83d\"'"),
        (b'{"\\ud83dx"', "invalid Unicode '\\uD83D' near '\"\\ud83dx\"'"),
        (b'{"\\ud83d\\n"', "invalid Unicode '\\uD83D' near '\"\\ud83d\\n\"'"),
        (b'{"\\ud83d\\u0041"', "invalid Unicode '\\uD83D\\u0041' near '\"\\ud83d\\u0041\"'"),
        (b'{"\\ude00"', "invalid Unicode '\\uDE00' near '\"\\ude00\"'"),
        (b'{"\\ud83d followed by more"', "invalid Unicode '\\uD83D'"),
        (b'{"\\ud800\\q"', "invalid escape near '\"\\ud800\\q'"),  # though the later of two
        (b'{"\\u0000', "premature end of input near '\"\\u0000'"),
        (b'{"a\\u0000b":1}', "NUL byte in object key not supported near '\"a\\u0000b\"'"),
        (b'{"x":1,"a\\u0000":2}', "NUL byte in object key not supported near '\"a\\u0000\"'"),
        (b'{"x":"y","a\\u0000":2}', "NUL byte in object key not supported near '\"a\\u0000\"'"),
        # not UTF-8; what stands before it is reported before it
        (b"\xff", "unable to decode byte 0xff"),
        (b'{"a":\x80', "unable to decode byte 0x80"),
        (b'{"a":12\xff', "unable to decode byte 0xff near '12'"),
        (b'{"a":1.\xff', "unable to decode byte 0xff near '1.'"),
        (b'{"a":-\xff', "unable to decode byte 0xff near '-'"),
        (b'{"a":nul\xff', "unable to decode byte 0xff near 'nul'"),
        (
            b'{"a":99999999999999999999\xff',
            "unable to decode byte 0xff near '" + "9" * 20 + "'",
        ),
        (b'{"abc\xc3"', "unable to decode byte 0xc3 near '\"abc'"),
        (b'{"abc\xc3', "unable to decode byte 0xc3 near '\"abc'"),
        (b'{"abcdefghijklmnopqrstuvwxyz\xc3"', "unable to decode byte 0xc3"),
        (b'{"\\\xff', "unable to decode byte 0xff near '\"\\'"),
        (b'{"\xed\xa0\x80"', "unable to decode byte 0xed near '\"'"),  # a surrogate
        (b'{"\xc0\x80"', "unable to decode byte 0xc0 near '\"'"),  # longer than needed
        (b'{"\xf4\x90\x80\x80"', "unable to decode byte 0xf4 near '\"'"),  # above U+10FFFF
        (b"{} \xff", "unable to decode byte 0xff"),
        (b'{"a" 1, "\xff"', "':' expected near '1'"),
        (
            b'{"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9',
            "premature end of input near '\"ééééé'",
        ),
        (b'{"' + b"\xc3\xa9" * 10, "premature end of input"),  # the limit is in bytes
        # a NUL byte is the end
        (b"\0{}", "'[' or '{' expected near end of file"),
        (b'{"a":1\0}', "'}' expected near end of file"),
        (b'{"\xc3\0', "unable to decode byte 0xc3 near '\"'"),
    ],
)
def test_loads_refuses(payload: bytes | None, expected: str) -> None:
    assert expected == outcome(loads, payload)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"{}", {}),
        (b" { } \r\n\t", {}),
        (b"{}\0", {}),
        (b"{}\0 rubbish \xff", {}),
        (b'{"a":1,"b":2,"a":3}', {"a": 3, "b": 2}),
        (b'{"a":[null,true,false,0,-0,[],{}]}', {"a": [None, True, False, 0, 0, [], {}]}),
        (b'{"a":9223372036854775807}', {"a": 2**63 - 1}),
        (b'{"a":-9223372036854775808}', {"a": -(2**63)}),
        (b'{"a":[1.0,-0.0,1e5,2E-3,1e-400]}', {"a": [1.0, -0.0, 100000.0, 0.002, 0.0]}),
        (b'{"a":0.1000000000000000055511151231257827021181583404541015625}', {"a": 0.1}),
        (b'{"a":"1234567890123456789"}', {"a": "1234567890123456789"}),
        (b'{"a":"x\\u0000y"}', {"a": "x\0y"}),
        (b'{"a":"x\\\\u0000y"}', {"a": "x\\u0000y"}),
        (b'{"a\\\\u0000":"\\"\\\\\\/\\b\\f\\n\\r\\t"}', {"a\\u0000": '"\\/\b\f\n\r\t'}),
        (b'{"":"\\u00e9\\uD83D\\ude00\\ue000"}', {"": "é\U0001f600\ue000"}),
        (b'{"\xc3\xa9":"\x7f\xc2\x85\xe2\x80\xa8"}', {"é": "\x7f\x85\u2028"}),
    ],
)
def test_loads_accepts(payload: bytes, expected: object) -> None:
    assert repr(expected) == repr(loads(payload))  # repr tells 1 from 1.0, 0.0 from -0.0
    assert repr(expected) == repr(jansson.parse(payload.partition(b"\0")[0]))


@pytest.mark.parametrize(
    ("arrays", "innermost", "expected"),
    [
        (2046, b"1", None),
        (2047, b"", None),
        (2047, b"1", "maximum parsing depth reached near '1'"),
        (2048, b"", "maximum parsing depth reached near '['"),
        (2047, b"]", "'}' expected near ']'"),
        (2047, b"1e400", "real number overflow near '1e400'"),
        (10000, b"", "maximum parsing depth reached near '['"),
    ],
)
def test_depth(arrays: int, innermost: bytes, expected: str | None) -> None:
    payload = b'{"a":' + b"[" * arrays + innermost + b"]" * arrays + b"}"
    actual = outcome(loads, payload)
    if expected is None:
        assert isinstance(actual, dict)
        assert payload == dumps(actual)
    else:
        assert expected == actual


ROOM = 20000
"""A limit that lets whatever recurses go deeper than jansson does."""


@pytest.mark.parametrize("before", ["", '"w":[[],{},[{}]],'])  # what is closed does not count
@pytest.mark.parametrize("levels", [2046, 2047, 2048, 3000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_does_not_depend_on_the_recursion_limit(
    opening: str, closing: str, levels: int, before: str
) -> None:
    values = [opening] * levels + ["0"]
    too_deep = values[2047:]  # the object around them is the first level
    payload = f'{{{before}"b":{"".join(values)}{closing * levels}}}'.encode()
    with recursion_limit(ROOM):
        actual = outcome(loads, payload)
        if too_deep:
            assert f"maximum parsing depth reached near '{too_deep[0][0]}'" == actual
        else:
            assert payload == dumps(actual)


def test_deep_texts_are_read_where_python_allows_a_thousand_levels() -> None:
    payload = b'{"a":' + b"[" * 1500 + b"]" * 1500 + b"}"
    with recursion_limit(1000):
        found = loads(payload)
    assert payload == dumps(found)


def test_brackets_are_counted_in_what_is_no_utf_8() -> None:
    payload = b'{"a":[' + b"[]," * 2048 + b"\xff"
    assert "unable to decode byte 0xff" == outcome(loads, payload)


def test_objects_count_for_the_depth_like_arrays() -> None:
    def nested(objects: int) -> bytes:
        return b'{"a":' * objects + b"0" + b"}" * objects

    assert nested(2047) == dumps(loads(nested(2047)))
    expected = "maximum parsing depth reached near '0'"
    assert expected == outcome(loads, nested(2048))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"a":"' + b"x" * 2_000_000, "premature end of input"),
        (b'{"a":"' + rb"\n" * 1_000_000, "premature end of input"),
        (b'{"a":' + b"1" * 1_000_000 + b"}", "too big integer"),
        (b'{"a":' + b"1" * 1_000_000 + b".5}", "real number overflow"),
        (b" " * 1_000_000, "'[' or '{' expected near end of file"),
        (b"{" + b"x" * 1_000_000, "string or '}' expected"),
        (b"[" * 1_000_000, "maximum parsing depth reached near '['"),
    ],
    ids=["string", "escapes", "integer", "real", "blanks", "word", "brackets"],
)
def test_megabytes_are_refused(payload: bytes, expected: str) -> None:
    assert expected == outcome(loads, payload)


def test_megabytes_are_accepted() -> None:
    text = "\n\0é" * 50_000
    assert {"a": text} == loads(dumps({"a": text}))


fragments = st.sampled_from(
    [bytes([byte]) for byte in b'{}[]:,"\\/-+.eE019 \n\x00\x1fun\xc3\xa9\xff']
    + [rb"\u0000", rb"\ud83d", rb"\ude00", b"null", b'"a":', b"1" * 19, b"1e999", b"NaN"]
)


@given(json_objects)
@settings(deadline=None, max_examples=50)
def test_the_exact_way_reads_the_same(obj: dict[str, object]) -> None:
    text = dumps(obj)
    assert repr(loads(text)) == repr(jansson.parse(text))
    assert text == dumps(jansson.parse(text))


@given(st.binary(max_size=60) | st.lists(fragments, max_size=15).map(b"".join))
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_an_object_or_an_error(payload: bytes) -> None:
    assert isinstance(outcome(loads, payload), (dict, str))


@given(
    json_objects, st.lists(st.tuples(st.integers(0, 200), fragments), min_size=1, max_size=3)
)
@settings(deadline=None, max_examples=150)
def test_both_ways_agree_on_damaged_texts(
    obj: dict[str, object], damages: list[tuple[int, bytes]]
) -> None:
    text = dumps(obj)
    for position, fragment in damages:
        at = position % (len(text) + 1)
        text = text[:at] + fragment + text[at + 1 :]
    text = text.partition(b"\0")[0]
    exact = outcome(jansson.parse, text)
    expected = "payload is not a JSON object" if isinstance(exact, list) else exact
    assert repr(expected) == repr(outcome(loads, text))


WIDE = b'{"w":[' + b"[],{}," * 1024 + b"0],"
"""So many brackets that their depth has to be looked at."""
pieces = st.lists(
    st.sampled_from(rb'[ { ] } 0 - "a": , " : \\ \" \u0000 .5 e0 9223372036854775807'.split()),
    max_size=12,
).map(b"".join)


@given(json_objects, st.lists(st.tuples(st.integers(0, 200), pieces), max_size=2))
@settings(deadline=None, max_examples=60)
def test_both_ways_agree_where_care_is_needed(
    obj: dict[str, object], damages: list[tuple[int, bytes]]
) -> None:
    text = dumps(obj)
    for position, piece in damages:
        at = 1 + position % len(text)
        text = text[:at] + piece + text[at:]
    text = WIDE + text[1:]
    assert repr(outcome(jansson.parse, text)) == repr(outcome(loads, text))


@given(st.integers(2040, 2050), st.integers(0, 5), st.sampled_from([b"", b"0", b"[]", b'"]"']))
@settings(deadline=None, max_examples=30)
def test_both_ways_agree_about_depth(arrays: int, closed: int, innermost: bytes) -> None:
    deep = b"[" * arrays + innermost + b"]" * (arrays - closed)
    text = b'{"a":' + deep + b',"b":0' * (closed > 0) + b"]" * closed + b',"a":"\\\\[["}'
    with recursion_limit(ROOM):
        assert repr(outcome(jansson.parse, text)) == repr(outcome(loads, text))


@pytest.mark.parametrize(
    "text",
    [
        b'{"x":[' + b"[]," * 5000 + b"0]}",
        b'{"x":"' + b"[" * 5000 + b'"}',
        b'{"x":"' + b'\\"[' * 5000 + b'\\\\"}',
        b'{"x":' + b"[" * 2046 + b"]" * 2046 + b"}",
        b'{"x":[1234567890123456789,9223372036854775807,-9223372036854775808]}',
        b'{"x":[12345678901234567890.5,0.12345678901234567890,12345678901234567890e0]}',
        b'{"12345678901234567890":"12345678901234567890"}',
        rb'{"x":"\u0000","y\\u0000":[]}',
        b'{"x":[' + rb'"\u0000",' * 3000 + b"0]}",
    ],
)
def test_the_exact_way_is_left_to_texts_that_need_it(text: bytes, monkeypatch: Any) -> None:
    expected = jansson.parse(text)
    monkeypatch.setattr(jansson, "parse", None)
    assert dumps(expected) == dumps(loads(text))  # repr is not for deep ones
