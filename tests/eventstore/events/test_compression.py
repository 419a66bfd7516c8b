# SPDX-License-Identifier: LGPL-3.0
"""Fewer bytes are kept than came, and those that came are given back."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.events import compression
from eventstore.events.compression import (
    DIGITS,
    FORMS,
    SHORTEST,
    WHOLE,
    Deflater,
    inflate,
    lengthen,
    lengthen_all,
    shorten,
)
from eventstore.events.journal_line import Entry, decode_event
from eventstore.ingest.writer import Writer
from eventstore.maintenance.recover import recover
from eventstore.maintenance.verify import verify_chain
from eventstore.reading.event_log import entry
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.schema import SCHEMA_VERSION
from projections.engine.rebuild import refresh
from projections.engine.views import Views
from tests.support.recordings import events_of, recordings

OLD = Path(__file__).parents[2] / "data" / "schema-1.sqlite.gz"


def again(data: bytes) -> Entry:
    """Decode an event, and read it back from what would be stored of it."""
    found = decode_event(data)
    assert isinstance(found, Entry)
    form, kept = shorten(data, found.timestamp, found.name, found.context)
    back = entry(found.timestamp, found.name, form, kept)
    assert data == back.data
    assert (found.timestamp, found.name, found.context) == (
        back.timestamp,
        back.name,
        back.context,
    )
    return back


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b'{"timestamp":1795390190.5213618,"name":"validate"}', DIGITS),
        (b'{"timestamp":1795390190.0,"name":"x","context":{}}', DIGITS),
        (b'{"timestamp":0.10000000000000001,"name":"x","context":{"a":[1]}}', DIGITS),
        (b'{"timestamp":0.1,"name":"x","context":{"a":[1]}}', SHORTEST),
        (b'{"timestamp":1795390190,"name":"x"}', WHOLE),
        (b'{"timestamp":1795390191,"name":"x"}', WHOLE),
        (b'{"timestamp":9007199254740992.0,"name":"x"}', DIGITS),
        (b'{"timestamp":9007199254740992,"name":"x"}', WHOLE),
        (b'{"timestamp":1e300,"name":"x"}', WHOLE),
        (b'{"timestamp":1e-10,"name":"x"}', SHORTEST),
        (b'{"timestamp":1.5,"name":"%b","context":{"%d":"%%"}}', DIGITS),
        (b'{"timestamp":1.0,"name":"\\u0078"}', WHOLE),
        (b'{"timestamp":1.0,"name":"a\\"b"}', WHOLE),
        (b'{"name":"x","timestamp":1.0}', WHOLE),
        (b'{"timestamp":1.0, "name":"x"}', WHOLE),
        (b'{"timestamp":1.0,"name":"x","context":{},"more":1}', WHOLE),
        (b'{"timestamp":1.0,"name":"x","name":"y"}', WHOLE),
        ('{"timestamp":1.0,"name":"ƒ","context":{"ƒ":1}}'.encode(), DIGITS),
        (b'{"timestamp":1.0,"name":"%b"}' % (b"n" * 64), DIGITS),
        (b'{"timestamp":1.0,"name":"%b"}' % (b"n" * 65), WHOLE),
    ],
)
def test_an_events_text_comes_back(data: bytes, form: int) -> None:
    assert form == again(data).form


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=80),
    st.none() | st.dictionaries(st.text(), st.integers() | st.text()),
    st.sampled_from([(",", ":"), (", ", ": ")]),
    st.booleans(),
)
def test_any_events_text_comes_back(
    timestamp: float,
    name: str,
    context: dict[str, object] | None,
    separators: tuple[str, str],
    ascii_only: bool,
) -> None:
    event = {"timestamp": timestamp, "name": name}
    if context is not None:
        event["context"] = context
    text = json.dumps(event, separators=separators, ensure_ascii=ascii_only)
    again(text.encode(errors="replace"))


_TIMES = st.floats(0.0, 2.0**54) | st.sampled_from([1e-10, 1.0, 2.0**53, 1790000000.25])


@given(
    _TIMES,
    st.sampled_from(["%.17g", "%r", "%d", "%.17g.0"]),
    st.text('ab%"\\', max_size=5),
    st.none() | st.just('{"a":"%b"}'),
)
def test_the_short_way_keeps_what_the_long_way_does(
    time: float, written: str, name: str, context: str | None
) -> None:
    text = f'{{"timestamp":{written % time},"name":{json.dumps(name)}'
    data = (text + ("}" if context is None else f',"context":{context}}}')).encode()
    found = decode_event(data)
    if not isinstance(found, Entry):
        return
    event = (data, found.timestamp, found.name, found.context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "_WHOLE_ONLY", 0.0)
        long_way = shorten(*event)
    assert long_way == shorten(*event)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(FORMS),
            _TIMES | st.floats(),
            st.sampled_from(["submit", "%b", "\udc80", 'a"', "n" * 65]),
            st.sampled_from([b"", b"{}", b'{"a":"%b"}']),
        )
    )
)
@example([(DIGITS, inf, "x", b""), (DIGITS, -inf, "x", b"")])
def test_texts_of_many_events_are_those_of_each(
    rows: list[tuple[int, float, str, bytes]],
) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * 4
    forms, times, names, kept = columns
    assert [lengthen(*row) for row in rows] == lengthen_all(forms, times, names, kept)


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_payloads_come_back(payloads: list[bytes]) -> None:
    deflater = Deflater()
    kept = {key: row for key, *row in (deflater.keep(k, p) for k, p in enumerate(payloads))}
    for key, (base, data) in kept.items():
        base_data = None if base is None else kept[base][1]
        assert base is None or kept[base][0] is None
        assert payloads[key] == inflate(data, base_data)


@pytest.mark.parametrize("size", [1, 2**13, 2**15 + 1, 2**18 - 1, 2**18, 2**18 + 1])
def test_payloads_of_any_size_come_back(size: int) -> None:
    deflater = Deflater()
    random_ = random.Random(size)
    base, same = random_.randbytes(size), bytes(size)
    for key, payload in enumerate((base, same, base, base[::-1], base + same)):
        _, of, kept = deflater.keep(key, payload)
        assert payload == inflate(kept, None if of is None else base)


def test_a_base_has_255_followers() -> None:
    deflater = Deflater()
    bases = [deflater.keep(key, b"payload %d" % key)[1] for key in range(7, 600)]
    first, second, third = [None] + [7] * 255, [None] + [263] * 255, [None] + [519] * 80
    assert first + second + third == bases


def test_payloads_of_more_than_256_kib_are_not_deflated() -> None:
    deflater = Deflater()
    deflater.keep(1, b"base")
    assert 1 == deflater.keep(2, bytes(2**18))[1]
    assert (3, None, bytes(2**18 + 1)) == deflater.keep(3, bytes(2**18 + 1))
    assert 1 == deflater.keep(4, b"base")[1]  # the base is not replaced by it
    too_long = zlib.compressobj(1, zlib.DEFLATED, -13)
    data = too_long.compress(bytes(2**18 + 1)) + too_long.flush()
    with pytest.raises(ValueError, match=r"^not deflated with this base$"):
        inflate(data, b"")


def test_the_window_is_8_kib_in_both_directions() -> None:
    """Databases last: what was deflated once is read later, by this version and others."""
    base = random.Random(1).randbytes(2**14)
    deflater = Deflater()
    deflater.keep(1, base)
    for payload in (base[: 2**13], base[2**12 :][:2000], base[2**13 :]):
        _, _, kept = deflater.keep(2, payload)
        assert payload == zlib.decompressobj(-13, base).decompress(kept)
    far = zlib.compressobj(9, zlib.DEFLATED, -13, 9, zdict=base)
    data = far.compress(base[2**13 + 300 :][:100]) + far.flush()
    assert len(data) < 20
    assert base[2**13 + 300 :][:100] == inflate(data, base)


@pytest.mark.parametrize(
    ("data", "base", "reason"),
    [
        ("text", None, "not bytes"),
        (5, None, "not bytes"),
        ("text", b"base", "bytes-like object is required"),
        (None, b"base", "bytes-like object is required"),
        (b"\xff" * 9, b"base", "invalid block type"),
        (b"", b"base", "not deflated with this base"),
    ],
)
def test_why_a_payload_cannot_be_inflated(data: Any, base: bytes | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        inflate(data, base)


def test_a_payload_that_is_none_stays_none() -> None:
    absent: Any = None
    assert inflate(absent, None) is None
    assert b"" == inflate(b"", None)


def test_a_damaged_payload_is_refused_and_a_large_one_is_kept_as_it_came() -> None:
    deflater = Deflater()
    large = bytes(2**20)
    assert (1, None, large) == deflater.keep(1, large)
    base, other = b'{"version":1,"resources":[1,2,3]}', b'{"version":1,"resources":[1,2,4]}'
    deflater.keep(2, base)
    _, of, data = deflater.keep(3, other)
    assert of == 2
    assert len(data) < len(other) / 2
    for wrong in (data[:-1], data + b"x", b"", b"\xff" * 9):
        with pytest.raises(ValueError, match=r"."):
            inflate(wrong, base)


def test_recorded_events_leave_most_of_their_text_out() -> None:
    for recording in recordings():
        with create_or_open(":memory:") as store:
            Writer(store, "test").append(recording.journal(1))
            events = events_of(store)
            whole = sum(event.entry.form == WHOLE for event in events)
            assert whole == 0, recording.name


def test_an_older_database_is_brought_up_to_date(tmp_path: Path) -> None:
    path = str(tmp_path / "old.sqlite")
    (recording,) = (found for found in recordings() if found.name == "private")
    Path(path).write_bytes(gzip.decompress(OLD.read_bytes()))
    with open_readonly(path) as store:
        assert store.db.pragma("user_version") == SCHEMA_VERSION
        before = verify_chain(store)
        assert before.fault is None
        assert len(events_of(store)) == before.events > 1000
    with create_or_open(path) as store:
        views = Views(store)
        refresh(views)
        counts = Writer(store, "again", views).append(recording.journal(1))
        assert (0, before.events) == (counts.new, counts.known)
        Writer(store, "more", views).append([b'{"id":7,"events":[]}', b"what?"])
        assert verify_chain(store).fault is None


def test_an_older_database_is_recovered(tmp_path: Path) -> None:
    path, new = str(tmp_path / "old.sqlite"), str(tmp_path / "new.sqlite")
    Path(path).write_bytes(gzip.decompress(OLD.read_bytes()))
    found = recover(path, new)
    assert found.losses == []
    with create_or_open(new) as store:
        assert found.head == verify_chain(store).head
    with open_readonly(path) as store:
        assert found.head == verify_chain(store).head
