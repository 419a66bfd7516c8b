# SPDX-License-Identifier: LGPL-3.0
"""What job-list reads from R (RFC 20), one rule at a time (flux-core, job_data.c, librlist)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from projections.formats import hostlist, idset
from projections.formats.json_text import dumps
from projections.job.attributes import answer
from projections.job.resource_set import Allocation, gpus, parse_r, read_r, update_r
from projections.job.state import Job

LITE = [
    {"rank": "0-1", "children": {"core": "0-3", "gpu": "0"}},
    {"rank": "2", "children": {"core": "0-1"}},
]
HOSTS = ["n[0-1]", "n2"]


def r(lite: Any = LITE, version: Any = 1, **execution: Any) -> bytes:
    found = {"version": version, "execution": {"R_lite": lite, **execution}}
    return json.dumps(found).encode()


def read(text: bytes, **members: Any) -> Job:
    job = Job(1, 1, 1, states_mask=127, R=text, R_seq=7, **members)
    read_r(job)
    return job


def test_ranks_hosts_and_cores_of_several_entries() -> None:
    job = read(r(nodelist=HOSTS, expiration=5.5))
    assert (3, 10, "0-2", "n[0-2]", 5.5) == (
        job.nnodes, job.ncores, (job.ranks or "").strip("[]"), job.nodelist, job.expiration
    )  # fmt: skip
    one = read(r(LITE[:1], nodelist=HOSTS[:1]))
    assert (2, 8, "n[0-1]") == (one.nnodes, one.ncores, one.nodelist)


@pytest.mark.parametrize(
    ("expiration", "known"), [(0, 0.0), (0.0, 0.0), (0.5, 0.5), (-1, 0.0), (-0.5, 0.0)]
)
def test_the_least_expiration_is_none(expiration: float, known: float) -> None:
    assert known == read(r(expiration=expiration)).expiration
    assert 0.0 == read(r()).expiration


def test_no_expiration_is_written_as_zero() -> None:
    assert b'"expiration":0.0' in dumps(answer(read(r()), ["expiration"]))


@pytest.mark.parametrize(
    ("version", "read"),
    [
        (1, True), (2**32 + 1, True), (2**33 + 1, True), (1 - 2**32, True), (2**62 + 1, True),
        (0, False), (2, False), (-1, False), (65, False), (2**31 + 1, False), (2**32, False),
        (2**32 + 2, False), (2**64 + 1, False),
    ],
)  # fmt: skip
def test_a_version_is_1_as_a_c_integer(version: int, read: bool) -> None:
    assert read == (parse_r(r(version=version)) is not None)


@pytest.mark.parametrize(("expiration", "known"), [(5.5, 5.5), (0.5, 0.5), (0, 0.0), (-1, 0.0)])
def test_what_an_r_allocates(expiration: float, known: float) -> None:
    hosts = hostlist.decode("n[0-2]")
    found = parse_r(r(nodelist=HOSTS, expiration=expiration))
    assert Allocation(((0, 2),), hosts, 10, known) == found
    assert Allocation(((0, 2),), None, 10, 0.0) == parse_r(r())
    assert Allocation((), (), 0, 0.0) == parse_r(r([]))
    assert Allocation(((0, 1),), None, 8, 0.0) == parse_r(r(LITE[:1]))


def test_tasks_that_depend_on_nodes_and_cores() -> None:
    assert 21 == read(r(nodelist=HOSTS), tasks_per_node=7).ntasks
    assert 70 == read(r(nodelist=HOSTS), tasks_per_core=7).ntasks
    assert 5 == read(r(nodelist=HOSTS), ntasks=5).ntasks
    # Without hosts, cores are not known.
    bare = read(r(), tasks_per_core=7, ntasks=-1, ncores=-1)
    assert (3, -1, -1, None) == (bare.nnodes, bare.ntasks, bare.ncores, bare.nodelist)


WRONG = [
    b"", b"{", b"[]", b"5", b'{"version":1}',
    b'{"version":1,"execution":{"R_lite":[],"x":"\xff"',
    b'{"version":1,"execution":{"nodelist":["\xff"],"R_lite":[]}}',
    b'{"a":' * 100_000, r(version=2), r(version=0), r(version="1"),
    r([{"rank": "x", "children": {}}]), r([{"rank": 0, "children": {}}]), r([5]), r([{}]),
    r([{"rank": "0", "children": {"core": 5}}]), r([{"rank": "0", "children": {"core": "x"}}]),
    r(nodelist=["n[0-1]"]), r(nodelist=["n[0-3]"]), r(nodelist=["n["]),
    r(expiration="1"), r(starttime="1"), r(nslots="1"), r(properties=[]),
    r(properties={"p": "3"}), r(properties={"p": "0-3"}), r(properties={"p": "x"}),
    r(properties={"p": 5}), *(r(properties={f"a{c}b": "0"}) for c in "^&'\"`|()"),
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_an_r_of_another_form_says_nothing(text: bytes) -> None:
    assert parse_r(text) is None
    assert 0 == gpus(text)
    job = read(text, ntasks=1, tasks_per_node=2)
    assert Job(1, 1, 1, states_mask=127, R=text, R_seq=7, ntasks=1, tasks_per_node=2) == job


def test_properties_of_its_ranks() -> None:
    for targets in ("0", "0-2", "1,2", "2"):
        assert read(r(properties={"p": targets})).nnodes == 3
    assert read(r(properties={"p": "0", "q": "1-2"})).nnodes == 3
    assert parse_r(r(properties={"p": "0", "q": "3"})) is None


@pytest.mark.parametrize(
    ("properties", "is_read"),
    [
        ({"p": "0-1"}, True), ({"p": "0"}, True), ({"p": "0-1", "q": "1"}, True), ({}, True),
        ({"p": "3"}, False), ({"p": "0-2"}, False), ({"p": "x"}, False),
        ({"a^b": "0-1"}, False), ({"p": "0-1", "q": "2"}, False), ({"q": "2", "p": "0"}, False),
    ],
)  # fmt: skip
def test_properties_of_an_r_of_one_entry(properties: dict[str, str], is_read: bool) -> None:
    job = read(r(LITE[:1], nodelist=HOSTS[:1], properties=properties))
    assert ((2, 8) if is_read else (-1, -1)) == (job.nnodes, job.ncores)


def test_gpus_of_all_ranks() -> None:
    assert 2 == gpus(r())
    assert 0 == gpus(r(LITE[1:]))
    assert 7 == gpus(r([*LITE, {"rank": "5", "children": {"gpu": "0-4"}}]))


def test_an_update_changes_the_expiration_only() -> None:
    job = read(r(nodelist=HOSTS, expiration=5.0))
    update_r(job, {"nodelist": ["x"], "version": 2})
    assert (5.0, 7, "n[0-2]") == (job.expiration, job.R_seq, job.nodelist)
    update_r(job, {"expiration": 9.0})
    assert (9.0, 0, "n[0-2]") == (job.expiration, job.R_seq, job.nodelist)
    assert json.loads(job.R or b"") == json.loads(r(nodelist=HOSTS, expiration=9.0))
    none = Job(1, 1, 1)
    update_r(none, {"expiration": 9.0})
    assert Job(1, 1, 1) == none


@pytest.mark.parametrize("text", [b"5", b"[]", b"{", b'{"a":' * 100_000])
def test_an_update_of_what_is_no_r(text: bytes) -> None:
    job = Job(1, 1, 1, R=text, R_seq=7)
    update_r(job, {"expiration": 9.0})
    assert Job(1, 1, 1, R=text, R_seq=7) == job


def test_an_update_reads_r_even_where_it_was_not_read() -> None:
    job = Job(1, 1, 1, R=r(nodelist=HOSTS, expiration=5.0), R_seq=7)
    update_r(job, {})
    assert (5.0, 7, 3) == (job.expiration, job.R_seq, job.nnodes)
    # It is shown from RUN on.
    assert "expiration" not in answer(job)


def test_what_is_read_is_in_the_caches_of_texts() -> None:
    """Ranges need no second decoding: the index of the list takes them from there."""
    job = read(r([{"rank": "71-75", "children": {"core": "0"}}]))
    calls = []
    original = idset._coalesce  # every decoding ends there

    def counted(ranges: Any) -> Any:
        calls.append(ranges)
        return original(ranges)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idset, "_coalesce", counted)
        assert ((71, 75),) == idset.decode(job.ranks or "")
    assert [] == calls
