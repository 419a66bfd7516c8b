# SPDX-License-Identifier: LGPL-3.0
"""Tests of joblist.payload; what is wrong with a text is in test_jansson."""

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from joblist.protocol.payload import (
    PayloadError,
    anything,
    boolean,
    int32,
    int64,
    loads,
    number,
    string,
    text_of,
    unpack,
)
from projections.formats.json_text import dumps
from tests.support.strategies import json_objects

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "recordings"
QUERIES = sorted(RECORDINGS.glob("*/queries.jsonl.gz"))

needs_recordings = pytest.mark.skipif(not QUERIES, reason="no recordings at hand")


def outcome(function: Callable[..., object], *args: object) -> object:
    """Return the result, or the text of the PayloadError."""
    try:
        return function(*args)
    except PayloadError as error:
        return str(error)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (None, None),
        (b"", None),
        (b"\0", b""),
        (b"{}\0", b"{}"),
        (b"{}\0\0", b"{}\0"),
        (b"{}", "flux_msg_get_string: Protocol error"),
    ],
)
def test_text_of(wire: bytes | None, expected: object) -> None:
    assert expected == outcome(text_of, wire)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int32, 5, 5),
        (int32, -1, -1),
        (int32, 2**31 - 1, 2**31 - 1),
        (int32, 2**31, -(2**31)),
        (int32, 2**32 - 1, -1),
        (int32, 2**32 + 7, 7),
        (int32, -(2**63), 0),
        (int32, 2.0, "Expected integer, got real"),
        (int32, "5", "Expected integer, got string"),
        (int32, None, "Expected integer, got null"),
        (int32, True, "Expected integer, got true"),
        (int64, 2**63 - 1, 2**63 - 1),
        (int64, False, "Expected integer, got false"),
        (int64, [], "Expected integer, got array"),
        (number, 1.5, 1.5),
        (number, 3, 3.0),
        (number, 2**53 + 1, 9007199254740992.0),
        (number, True, "Expected real or integer, got true"),
        (number, None, "Expected real or integer, got null"),
        (number, {}, "Expected real or integer, got object"),
        (string, "é", "é"),
        (string, "a\0b", "a"),
        (string, 1, "Expected string, got integer"),
        (string, None, "Expected string, got null"),
        (boolean, False, False),
        (boolean, 1, "Expected true or false, got integer"),
        (anything, None, None),
        (anything, {"a": []}, {"a": []}),
    ],
)
def test_unpack_kinds(
    kind: Callable[[object], object], value: object, expected: object
) -> None:
    obj = {"other": 0, "m": value}
    assert repr(expected) == repr(outcome(unpack, obj, "m", kind))
    assert repr(expected) == repr(outcome(unpack, obj, "m", kind, "default"))


def test_unpack_of_absent_members() -> None:
    expected = "Object item not found: max_entries"
    assert expected == outcome(unpack, {}, "max_entries", int32)
    default = object()
    assert default is unpack({"a": 1}, "since", number, default)
    assert unpack({}, "name", string, None) is None


def test_null_is_not_absent() -> None:
    assert unpack({"constraint": None}, "constraint", anything, 1) is None
    expected = "Expected string, got null"
    assert expected == outcome(unpack, {"name": None}, "name", string, None)


def list_request(payload: bytes | None) -> tuple[object, ...]:
    obj = loads(payload)
    return (
        unpack(obj, "max_entries", int32),
        unpack(obj, "attrs", anything),
        unpack(obj, "since", number, 0.0),
        unpack(obj, "constraint", anything, msgspec.UNSET),
    )


def list_id_request(payload: bytes | None) -> tuple[object, ...]:
    obj = loads(payload)
    return (
        unpack(obj, "id", int64),
        unpack(obj, "attrs", anything),
        unpack(obj, "state", int32, 0),
    )


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            b'{"max_entries":4294967296,"attrs":null,"since":1}',
            (0, None, 1.0, msgspec.UNSET),
        ),
        (b'{"attrs":[],"since":"x"}', "Object item not found: max_entries"),
        (b'{"max_entries":"5","since":"x"}', "Expected integer, got string"),
        (b'{"max_entries":5,"since":"x"}', "Object item not found: attrs"),
        (
            b'{"max_entries":5,"attrs":1,"since":"x"}',
            "Expected real or integer, got string",
        ),
    ],
)
def test_the_first_error_is_reported(payload: bytes, expected: object) -> None:
    assert expected == outcome(list_request, payload)


@given(json_objects)
@settings(deadline=None)
def test_what_is_written_is_read_again(obj: dict[str, object]) -> None:
    assert repr(obj) == repr(loads(dumps(obj)))


class Query(msgspec.Struct):
    topic: str
    responses: list[str]
    request: msgspec.Raw = msgspec.Raw(b"null")
    request_raw: str | msgspec.UnsetType | None = msgspec.UNSET
    error: dict[str, object] = {}

    @property
    def payload(self) -> bytes | None:
        if self.request_raw is msgspec.UNSET:
            return bytes(self.request)
        return None if self.request_raw is None else self.request_raw.encode()


def recorded(path: Path) -> Iterator[Query]:
    decoder = msgspec.json.Decoder(Query)
    with gzip.open(path) as lines:
        yield from map(decoder.decode, lines)


REQUESTS = {"job-list.list": list_request, "job-list.list-id": list_id_request}
OF_JANSSON = re.compile(
    r"invalid payload: (Expected |Object item |payload is |message does |.* (near|expected))"
)


@needs_recordings
@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.parent.name)
def test_recorded_errors(path: Path) -> None:
    refused = 0
    for query in recorded(path):
        if query.topic not in REQUESTS or query.error.get("errno") == 1:
            continue
        actual = outcome(REQUESTS[query.topic], query.payload)
        text = str(query.error.get("errstr"))
        expected = text if OF_JANSSON.match(text) else None
        assert expected == (f"invalid payload: {actual}" if isinstance(actual, str) else None)
        refused += expected is not None
    assert refused > 10


@needs_recordings
@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.parent.name)
def test_recorded_responses_are_written_the_same(path: Path) -> None:
    texts = {text for query in recorded(path) for text in query.responses}
    assert len(texts) > 100
    for text in texts:
        assert text.encode() == dumps(loads(text.encode()))
