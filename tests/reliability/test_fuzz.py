# SPDX-License-Identifier: LGPL-3.0
"""Malformed responses, requests and databases: some of what `make torture` tries, and more."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EINVAL, EPROTO
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.maintenance.recover import recover
from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import Store, create_or_open, open_readonly
from eventstore.storage.sql import fetch
from projections.engine.rebuild import rebuild, refresh
from projections.engine.views import Views
from tests.reliability.torture import hostile
from tests.reliability.torture.targets import Databases, Requests, Responses, Target
from tests.reliability.torture.workload import fault
from tests.support.damage import alter
from tests.support.fake_bus import Module, life
from tests.support.journal_generator import journal

GOOD = list(journal(4, rate=0.1))


@contextmanager
def no_hang() -> Iterator[None]:
    """Fail a test that hangs."""

    def late(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzzing(make: Callable[[], Target], count: int) -> Callable[[], None]:
    """Return a test that tries some inputs, each made in up to three steps."""

    def test() -> None:
        target = make()
        seeds = target.seeds()

        @settings(max_examples=count)
        @given(st.integers(0, len(seeds) - 1), st.integers(1, 3), st.randoms())
        def tried(index: int, steps: int, random_: random.Random) -> None:
            data = seeds[index]
            for _ in range(steps):
                data = target.mutate(data, random_)
            with no_hang():
                target.try_(data)

        try:
            for data in seeds[:count]:
                with no_hang():
                    target.try_(data)
            tried()
        finally:
            target.close()

    return test


test_responses = fuzzing(Responses, 200)
test_requests = fuzzing(Requests, 200)
test_databases = fuzzing(Databases, 10)


# -- by name


def store_with(lines: list[bytes]) -> tuple[Store, Views]:
    store = create_or_open(":memory:")
    views = Views(store)
    Writer(store, "test", views).append(lines)
    return store, views


def of(job: int, event: bytes, extra: bytes = b"") -> bytes:
    return b'{"id":%d,"events":[%b]%b}' % (job, event, extra)


DEEP_LIST, DEEP_OBJECT = hostile.DEEP
NAMED = {
    "deep context": of(5, b'{"timestamp":1,"name":"memo","context":{"a":%b}}' % DEEP_LIST),
    "deep annotations": of(
        5, b'{"timestamp":1,"name":"annotations","context":{"annotations":%b}}' % DEEP_OBJECT
    ),
    "deep jobspec": of(5, b'{"timestamp":1,"name":"submit"}', b',"jobspec":' + DEEP_OBJECT),
    "deep R": of(5, b'{"timestamp":1,"name":"alloc"}', b',"R":' + DEEP_LIST),
    "a name of a megabyte": of(5, b'{"timestamp":1,"name":%b}' % hostile.MEGABYTE),
    "a job's name of a megabyte": of(
        5,
        b'{"timestamp":1,"name":"submit","context":{"userid":1}}',
        b',"jobspec":{"attributes":{"system":{"job":{"name":%b}}}}' % hostile.MEGABYTE,
    ),
    "beyond 64 bits": of(5, b'{"timestamp":1,"name":"priority","context":{"priority":%b}}'
                         % (b"9" * 400)),
    "a user beyond 64 bits": of(
        5,
        b'{"timestamp":1,"name":"submit","context":{"userid":%b,"urgency":1e9}}' % (b"9" * 30),
    ),
    "NUL": of(5, b'{"timestamp":1,"name":"a\\u0000b","context":{"\\u0000":"\\u0000"}}'),
    "a raw NUL": of(5, b'{"timestamp":1,"name":"a\0b"}'),
    "invalid UTF-8": of(5, b'{"timestamp":1,"name":"\xff\xfe"}'),
    "a lone surrogate": of(5, b'{"timestamp":1,"name":"\\ud800"}'),
    "negative": of(-7, b'{"timestamp":1,"name":"submit","context":{"userid":-5}}'),
    "the lowest": of(-(2**63), b'{"timestamp":1,"name":"submit"}'),
    "NaN": of(5, b'{"timestamp":NaN,"name":"submit"}'),
    "infinite": of(5, b'{"timestamp":1e999,"name":"submit"}'),
    "1e300": of(5, b'{"timestamp":1e300,"name":"submit"}'),
    "the latest time of all": of(5, b'{"timestamp":1.7976931348623157e308,"name":"submit"}'),
    "before all times": of(5, b'{"timestamp":-1e300,"name":"submit"}'),
    "events of the sentinel": of(-1, b'{"timestamp":1,"name":"submit"}'),
    "a purge of nothing": b'{"jobs":[]}',
    "a purge with more in it": b'{"jobs":[7],"batch":{"x":null}}',
    "a purge of the same, again and again": b'{"jobs":[7%b]}' % (b",7" * 1000),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_hostile_lines_are_kept_and_harm_nothing(name: str) -> None:
    with no_hang():
        store, views = store_with([*life(7), *GOOD[:20]])
        before = fetch(store.db, "SELECT count(*) FROM event")[0][0]
        writer = Writer(store, "hostile", views)
        purge = b'{"jobs":[7]}'
        lines = [NAMED[name], purge, *GOOD[20:], NAMED[name]]
        counts = writer.append(lines)
        assert counts.new + counts.known + counts.rejected >= len(GOOD[20:])
        kept = b"".join(
            data for table in ("event", "reject", "notice", "jobspec", "R")
            for (data,) in fetch(store.db, f"SELECT data FROM {table} ORDER BY 1")
        )  # fmt: skip
        sent = NAMED[name]
        inner = sent[sent.find(b"[") + 1 : sent.rfind(b"]")]
        assert sent in kept or inner.split(b"],")[0] in kept
        assert (
            fetch(store.db, "SELECT count(*) FROM event")[0][0] >= before + len(GOOD[20:]) - 1
        )
        assert fault(store) is None
        rebuild(views)
        assert fault(store) is None


def test_repeated_and_interleaved_ids_are_jobs_of_their_own() -> None:
    lines = [line for start in (1000.0, 2000.0, 3000.0) for line in life(7, start)]
    store, _ = store_with([*lines, *lines])
    assert fetch(store.db, "SELECT count(*) FROM job") == [(3,)]
    assert fetch(store.db, "SELECT count(*) FROM event") == [(30,)]
    assert fault(store) is None


def test_times_of_notices_are_finite() -> None:
    store, _ = store_with([*life(7), NAMED["the latest time of all"], b'{"jobs":[7]}'])
    ((time,),) = fetch(store.db, "SELECT time FROM notice")
    assert isfinite(time)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1.5", (EPROTO, None)),
        ("[]", (EPROTO, None)),
        ("{", (EPROTO, None)),
        ("[" * 10_000, (EPROTO, None)),
        ('{"job-list":5}', (EINVAL, "[job-list] must be a table")),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused(
    text: str, error: tuple[int, str | None]
) -> None:
    store = create_or_open(":memory:")
    module = Module(Views(store))
    asked = module.ask("config-reload")
    assert [None] == module.answers(asked)
    request = asked.request._replace(text=text.encode())
    asked = asked._replace(request=request)
    module.live.handle(asked)
    assert [error] == module.answers(asked)
    assert module.bus.logged == []


def damaged(folder: Path, *statements: str) -> str:
    """Return a database that statements have damaged, without its triggers."""
    path = str(folder / "jobs.sqlite")
    with create_or_open(path) as store:
        Writer(store, "test", Views(store)).append([*life(7), b'{"jobs":[7]}', b"odd"])
    alter(path, *statements)
    return path


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET seq = 9223372036854775807 WHERE seq = 3",
        "UPDATE event SET seq = -9223372036854775808 WHERE seq = 3",
        "UPDATE event SET anchor = 'x' WHERE seq = 3",
        "UPDATE event SET replayed = 9 WHERE seq = 3",
        "UPDATE event SET data = 'text' WHERE seq = 3",
        "UPDATE event SET timestamp = 'x' WHERE seq = 3",
        "UPDATE event SET name = x'00' WHERE seq = 3",
        "UPDATE event SET name = CAST(x'ff' AS TEXT) WHERE seq = 3",
        "UPDATE reject SET reason = CAST(x'ff' AS TEXT)",
        "UPDATE event SET form = 'x' WHERE seq = 3",
        "UPDATE event SET form = 9 WHERE seq = 3",
        "UPDATE notice SET time = 9e999",
        "UPDATE notice SET time = x'00'",
        "UPDATE notice SET kind = 'odd'",
        "UPDATE notice SET data = x'ff'",
        "UPDATE batch SET batch = 9223372036854775807",
        "UPDATE batch SET last = 9223372036854775807",
        "UPDATE batch SET source = 'x'",
        "UPDATE job SET jobid = 'x'",
        "UPDATE job SET key = 9223372036854775807",
        "UPDATE source SET name = x'00'",
        "UPDATE reject SET reason = x'00'",
        "UPDATE reject SET jobid = 9e999",
        "UPDATE jobspec SET data = 'text'",
        "UPDATE jobspec SET base = seq",
        "UPDATE jobspec SET base = 999",
        "UPDATE jobspec SET base = 'x'",
    ],
)
def test_columns_of_another_kind_are_found_and_left_behind(
    tmp_path: Path, statement: str
) -> None:
    path = damaged(tmp_path, statement)
    new = str(tmp_path / "new.sqlite")
    with no_hang():
        with open_readonly(path) as store:
            named = verify_chain(store).fault
        assert named is not None or "source" in statement
        with create_or_open(path) as store:
            try:
                views = Views(store)
                rebuild(views)
                Writer(store, "more", views).append([*life(7), *life(8)])
            except StoreError as error:
                assert "recover" in str(error) or "cannot be stored" in str(error)
        found = recover(path, new)
        assert found.events >= (0 if "job SET" in statement else 9)
        with create_or_open(new) as store:
            refresh(Views(store))
            assert fault(store) is None


def test_mutations_are_malformed_in_many_ways() -> None:
    seen = set()
    for number in range(300):
        data = hostile.mutate(GOOD[1], random.Random(number))
        try:
            seen.add(type(json.loads(data)).__name__)
        except (ValueError, RecursionError) as error:
            seen.add(type(error).__name__)
    assert {"dict", "JSONDecodeError", "UnicodeDecodeError"} <= seen


def test_a_damaged_view_is_reported(tmp_path: Path) -> None:
    path = damaged(tmp_path, "UPDATE view SET tables = x'00' WHERE name = 'stats'")
    with pytest.raises(StoreError, match="recover"), create_or_open(path) as store:
        rebuild(Views(store))
    recover(path, str(tmp_path / "new.sqlite"))
    with create_or_open(str(tmp_path / "new.sqlite")) as store:
        refresh(Views(store))
        assert fault(store) is None


@pytest.mark.parametrize("version", [-1, 0, 1])
def test_a_damaged_version_is_reported_and_left_behind(tmp_path: Path, version: int) -> None:
    path = damaged(tmp_path, f"PRAGMA user_version = {version}")
    for opened in (open_readonly, create_or_open):
        with pytest.raises(StoreError):
            opened(path)
    found = recover(path, str(tmp_path / "new.sqlite"))
    assert found.losses == []
    with create_or_open(str(tmp_path / "new.sqlite")) as store:
        refresh(Views(store))
        assert fault(store) is None
