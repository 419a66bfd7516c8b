# SPDX-License-Identifier: LGPL-3.0
"""The digest chain, computed a second time: by a model, and by digests that stand here.

Whoever writes a batch and whoever verifies it use the same function, so that no test of these
two sees what it leaves out. The digests of stored batches must stay what they are for ever.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.events.digest_chain import (
    GENESIS,
    Contents,
    Proof,
    content_digest,
    lost_checks,
    numbers_of,
    prove,
)
from eventstore.events.journal_line import Entry
from eventstore.events.records import Notice, Record
from eventstore.maintenance.verify import verify_chain
from eventstore.reading import event_log
from eventstore.storage.connection import MEMORY, Store, create_or_open
from eventstore.storage.sql import fetch
from tests.support.every_row import ingest

NONE = -(2**62)  # stands for a column that is NULL


def record(
    seq: int, jobid: int, stream: int, replayed: bool, anchor: int | None, text: bytes
) -> Record:
    return Record(seq, 7, jobid, stream, replayed, anchor, Entry(1.0, "x", None, text))


def model(previous: bytes, header: tuple[int, int, float], rows: Contents) -> Proof:
    """Put the whole input of a digest together, then hash it once."""
    batch, source, committed = header
    parts = [previous, f"{batch} {source} {committed!r} {len(rows.events)}\n".encode("ascii")]
    columns: tuple[Callable[[Record], int | None], ...] = (
        lambda row: row.seq,
        lambda row: row.jobid,
        lambda row: row.stream,
        lambda row: int(row.replayed),
        lambda row: row.anchor,
        lambda row: len(row.entry.data),
    )
    for column in columns:
        for row in rows.events:
            number = column(row)
            parts.append(struct.pack("<q", NONE if number is None else number))
    parts += [row.entry.data for row in rows.events]
    for letter, payloads in (("j", rows.jobspecs), ("R", rows.Rs)):
        for seq, data in payloads:
            parts += [f"{letter}{seq} {len(data)}\n".encode(), data]
    for notice in rows.notices:
        head = f"n{notice.seq} {notice.time!r} {notice.kind} {len(notice.data)}\n"
        parts += [head.encode(), notice.data]
    for jobid, reason, data in rows.rejects:
        text = reason.encode("utf-8")
        number = NONE if jobid is None else jobid
        parts += [f"r{number} {len(text)} {len(data)}\n".encode(), text, data]
    checked = [row.entry.data for row in rows.events]
    checked += [data for _, data in rows.jobspecs] + [data for _, data in rows.Rs]
    checks = b"".join(zlib.crc32(data).to_bytes(4, "little") for data in checked)
    return Proof(checks, hashlib.sha256(b"".join(parts)).digest())


INT64 = st.integers(-(2**63), 2**63 - 1)
DATA = st.binary(max_size=12)
TIMES = st.floats(allow_nan=False, allow_infinity=False)
PAYLOADS = st.lists(st.tuples(INT64, DATA), max_size=3)
EVENTS = st.builds(record, INT64, INT64, INT64, st.booleans(), st.none() | INT64, DATA)
CONTENTS = st.builds(
    Contents,
    st.lists(EVENTS, max_size=4),
    PAYLOADS,
    PAYLOADS,
    st.lists(
        st.builds(Notice, INT64, TIMES, st.sampled_from(["purge", "gone"]), DATA), max_size=2
    ),
    st.lists(st.tuples(st.none() | INT64, st.text(max_size=5), DATA), max_size=2),
)


@given(st.binary(min_size=32, max_size=32), st.tuples(INT64, INT64, TIMES), CONTENTS)
def test_a_proof_is_that_of_the_model(
    previous: bytes, header: tuple[int, int, float], rows: Contents
) -> None:
    assert model(previous, header, rows) == prove(previous, header, rows)


EMPTY = "5e3bae00c6b4792acf34536c64d61e3ccf0d639b252a31196aa2d3f494e99a7f"
CHECKS = "bf1953bbccaa47a9339a3071014ec8a7"
DIGEST = "68a3fdfe0a02f719dc6304df79d31a2d9c4728cecc37a28cdb03c17bfd0419c9"

FULL = Contents(
    [
        record(5, 11, 0, False, None, b'{"timestamp":1.0,"name":"submit"}'),
        record(6, 12, 1, True, 5, b'{"timestamp":2.5,"name":"clean"}'),
    ],
    [(5, b'{"version":1}')],
    [(6, b'{"version":1,"execution":{}}')],
    [Notice(7, 3.25, "purge", b'{"jobs":[11]}')],
    [(None, "response: é", b"what?"), (11, "event", b"[]")],
)


def test_digests_of_fixed_contents_stay_what_they_are() -> None:
    assert bytes(32) == GENESIS
    empty = prove(GENESIS, (1, 1, 0.5), Contents([], [], [], [], []))
    assert b"" == empty.checks
    assert EMPTY == empty.digest.hex()
    full = prove(empty.digest, (2, 1, 1764115200.25), FULL)
    assert CHECKS == full.checks.hex()
    assert DIGEST == full.digest.hex()


def changed(rows: Contents) -> list[Contents]:
    """Return contents that differ from others in one value each."""
    first, second = rows.events
    events: list[list[Record]] = [
        [second, first],
        [first],
        [record(4, 11, 0, False, None, first.entry.data), second],
        [record(5, 10, 0, False, None, first.entry.data), second],
        [record(5, 11, 1, False, None, first.entry.data), second],
        [record(5, 11, 0, True, None, first.entry.data), second],
        [record(5, 11, 0, False, 0, first.entry.data), second],
        [record(5, 11, 0, False, None, b"{"), second],
    ]
    members: dict[str, list[Any]] = {
        "jobspecs": [[], [(6, b'{"version":1}')], [(5, b'{"version":2}')]],
        "Rs": [[], [(5, b'{"version":1,"execution":{}}')], [(6, b"{}")]],
        "notices": [
            [],
            [Notice(8, 3.25, "purge", b'{"jobs":[11]}')],
            [Notice(7, 3.5, "purge", b'{"jobs":[11]}')],
            [Notice(7, 3.25, "gone", b'{"jobs":[11]}')],
            [Notice(7, 3.25, "purge", b'{"jobs":[12]}')],
        ],
        "rejects": [
            [],
            [rows.rejects[1], rows.rejects[0]],
            [(0, "response: é", b"what?"), rows.rejects[1]],
            [(None, "response: ", b"\xc3\xa9what?"), rows.rejects[1]],
            [(None, "response: é", b"what!"), rows.rejects[1]],
        ],
    }
    found = [rows._replace(events=some) for some in events]
    found += [rows._replace(**{name: some}) for name, all_ in members.items() for some in all_]
    moved = rows._replace(jobspecs=[], Rs=[*rows.jobspecs, *rows.Rs])
    return [*found, moved]


def test_each_value_is_part_of_the_digest() -> None:
    header = (2, 1, 0.5)
    digests = {prove(GENESIS, header, rows).digest for rows in (FULL, *changed(FULL))}
    others = (
        (bytes(31) + b"\1", header),
        (GENESIS, (3, 1, 0.5)),
        (GENESIS, (2, 2, 0.5)),
        (GENESIS, (2, 1, 0.75)),
    )
    digests |= {prove(previous, head, FULL).digest for previous, head in others}
    assert 1 + len(changed(FULL)) + len(others) == len(digests)


@pytest.mark.parametrize("data", [b"", b'{"jobs":[1]}'])
def test_a_content_digest_is_the_first_half_of_the_sha_256(data: bytes) -> None:
    assert hashlib.sha256(data).hexdigest()[:32] == content_digest(data).hex()


@pytest.mark.parametrize(
    ("appended", "left", "count", "lost"),
    [
        ([], [], 5, []),
        ([1, 2, 3], [1, 2, 3], 5, []),
        ([1, 2, 3], [3, 1], 5, [2]),
        ([1, 2, 3], [], 5, [1, 2, 3]),
        ([1, 2, 3], [], 2, [1, 2]),
        ([1, 2, 3], [], 0, []),
        # Events of the same text: as many are lost as are missing.
        ([1, 1, 1, 2], [1], 5, [1, 1, 2]),
        ([1, 1, 1, 2], [1, 1, 1], 5, [2]),
        ([1, 2], [1, 1, 3], 5, [2]),
        ([2**32 - 1, 0], [0], 5, [2**32 - 1]),
    ],
)
def test_the_checks_of_what_a_batch_has_lost(
    appended: list[int], left: list[int], count: int, lost: list[int]
) -> None:
    def packed(numbers: list[int]) -> bytes:
        return struct.pack(f"<{len(numbers)}I", *numbers)

    assert tuple(appended) == numbers_of(packed(appended))
    assert packed(lost) == lost_checks(packed(appended), packed(left), count)


def test_the_chain_of_a_store_is_that_of_the_model() -> None:
    """What readers get of each batch is proven by the model."""
    with create_or_open(MEMORY) as store:
        ingest(store).close("stopped")
        head = GENESIS
        for batch, source, committed, first, last, digest, checks in fetch(
            store.db,
            "SELECT batch, source, committed, first, last, digest, checks FROM batch",
        ):
            rows = stored(store, batch, first, last)
            proof = model(head, (batch, source, committed), rows)
            assert (digest, checks) == (proof.digest, proof.checks), batch
            head = digest
        assert head != GENESIS
        assert head == verify_chain(store).head


def stored(store: Store, batch: int, first: int, last: int) -> Contents:
    """Return a batch's rows as readers get them."""
    rows = list(event_log.records(store.db, first - 1, last))
    events = [row for row in rows if isinstance(row, Record)]
    rejects = "SELECT jobid, reason, data FROM reject WHERE batch = ? ORDER BY reject"
    return Contents(
        events,
        [(row.seq, row.jobspec) for row in events if row.jobspec is not None],
        [(row.seq, row.R) for row in events if row.R is not None],
        [row for row in rows if isinstance(row, Notice)],
        fetch(store.db, rejects, (batch,)),
    )
