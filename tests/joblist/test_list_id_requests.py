# SPDX-License-Identifier: LGPL-3.0
"""``list-id`` requests: the short way to read one, and its answer from one statement."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.ingest.writer import Writer
from joblist.config import Config
from joblist.protocol import requests
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential, read_any_list_id, read_list_id
from joblist.service import NotYet, Request, Service
from projections.job.state import NEW
from tests.support.processes.recursion import recursion_limit
from tests.support.recordings import new_store
from tests.support.strategies import journals

NUMBERS = st.sampled_from(
    [0, 1, -1, 2, 64, 96, 2**31, 2**32 + 64, 2**63 - 1, 2**63, -(2**63), 10**19, 1.0, True, "1",
     None]
)  # fmt: skip
ATTRS = st.lists(
    st.sampled_from(["all", "name", "", "x\0y", "é", 1, None, ["all"], {}]), max_size=3
)
MEMBERS = st.fixed_dictionaries(
    {}, optional={"id": NUMBERS, "attrs": ATTRS | NUMBERS, "state": NUMBERS, "more": NUMBERS}
)
TEXTS = st.tuples(MEMBERS, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans()).map(
    lambda made: json.dumps(made[0], separators=made[1], ensure_ascii=made[2]).encode()
)


def read(way: Callable[[bytes | None], Any], text: bytes | None) -> Any:
    try:
        found = way(text)
    except RpcError as error:
        return error.errno, error.text
    return found.id, list(found.attrs), found.state


@given(TEXTS | st.binary(max_size=40) | st.none())
@example(b'{"id":1,"attrs":["all"],"id":2}')
@example(b'{"id":"x","attrs":["all"],"id":2}')
@example(b'{"id":1,"attrs":[],"state":64}\0{')
@example(b'{"id":1,"attrs":["\\ud800"]}')
@example(b'{"id":1,"attrs":["\xff"]}')
@example(b'{"id":1,"attrs":[],"\xff":1}')
@example(b'{"id":1e2,"attrs":[]}')
@example(b'{"id":9223372036854775808,"attrs":[]}')
@example(b'{"id":-0,"attrs":[]} ')
def test_both_ways_read_the_same(text: bytes | None) -> None:
    assert read(read_any_list_id, text) == read(read_list_id, text)


@pytest.mark.parametrize("name", ["id", "attrs", "state", "more"])
def test_both_ways_read_the_same_where_python_allows_a_thousand_levels(name: str) -> None:
    deep = b'{"%b":%b,"id":1,"attrs":[]}' % (name.encode(), b"[" * 1500 + b"]" * 1500)
    with recursion_limit(1000):
        found = [read(way, deep) for way in (read_any_list_id, read_list_id)]
    assert found[0] == found[1]


def test_what_clients_send_is_read_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "read_any_list_id", None)
    for text in (b'{"id":5,"attrs":["all"]}', b'{"id": 5, "attrs": ["name"], "state": 64}'):
        assert 5 == read_list_id(text).id


def answers(service: Service, jobid: int) -> tuple[Any, ...]:
    request = Request(
        "job-list.list-id", b'{"id":%d,"attrs":["all"]}' % jobid, Credential(), False
    )
    try:
        return tuple(service.answer(request))
    except NotYet as error:
        return (error.errno,)


@given(
    lines=journals(legal=False),
    again=st.lists(st.integers(0, 60), max_size=4),
    cut=st.integers(1, 9),
)
def test_active_jobs_from_memory_give_the_same_answers(
    lines: list[bytes], again: list[int], cut: int
) -> None:
    store, views = new_store()
    plain = Service(store, Config())
    quick = Service(store, Config(), active_of_id=views.newest_active)
    writer = Writer(store, "test", views)
    # Some jobs are submitted once more under their id: the KVS was empty.
    lines = lines + [
        b'{"id":%d,"events":[{"timestamp":%d.5,"name":"submit","context":'
        b'{"userid":7,"urgency":16,"flags":0,"version":1}}]}' % (1000 + at % 3, 10**6 + at)
        for at in again
    ]
    for first in range(0, len(lines), cut):
        writer.append(lines[first : first + cut])
        for jobid in range(1000, 1006):
            assert answers(plain, jobid) == answers(quick, jobid)
    assert {job.key for job in views.unfinished() if job.state != NEW} >= {
        job.key for job in map(views.newest_active, range(1000, 1006)) if job
    }


def test_a_batch_that_is_rolled_back_leaves_the_jobs_of_an_id_as_they_were() -> None:
    store, views = new_store()
    writer = Writer(store, "test", views)
    writer.append([_event(1, 1.5, "submit"), _event(1, 2.5, "validate")])
    assert views.newest_active(1) is not None
    with pytest.raises(RuntimeError, match="after the views"):
        Writer(store, "fails", views, _Failing()).append([
            _event(1, 3.5, "exception"), _event(1, 4.5, "clean"),
            _event(2, 1.5, "submit"), _event(2, 2.5, "validate"),
        ])  # fmt: skip
    assert views.newest_active(1) is not None
    assert views.newest_active(2) is None


_CONTEXTS = {
    "submit": b'{"userid":7,"urgency":16,"flags":0,"version":1}',
    "exception": b'{"type":"cancel","severity":0,"note":""}',
}


def _event(jobid: int, time: float, name: str) -> bytes:
    context = b',"context":%b' % _CONTEXTS[name] if name in _CONTEXTS else b""
    return b'{"id":%d,"events":[{"timestamp":%r,"name":"%b"%b}]}' % (
        jobid, time, name.encode(), context,
    )  # fmt: skip


class _Failing:
    def apply(self, *_: object) -> None:
        raise RuntimeError("after the views")

    def committed(self) -> None:
        pass

    def rolled_back(self) -> None:
        pass
