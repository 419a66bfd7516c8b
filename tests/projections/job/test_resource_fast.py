# SPDX-License-Identifier: LGPL-3.0
"""The short way through an R says what the long way says."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.events.journal_line import Response, decode_line
from projections.constraints import interval_index
from projections.formats import hostlist, idset
from projections.job import resource_set
from projections.job.resource_fast import Listed, read_usual
from projections.job.resource_set import _decode_r, _usual, general, read_r
from projections.job.state import Job
from tests.support.recordings import recordings

RANKS = [
    *("0", "3", "0-3", "[2-5]", "0,2", "0-3,5", "3-2", "2-2", "00", "01-2", "", "x", "[]"),
    *("4294967295", "999999999", "1000000000", "0-999999999", "[0-3", "1-", " 1"),
]
HOSTS = [
    *("node1", "node[1-4]", "n[01-04]", "n[8-11]", "n[1,3]", "n1,n2", "1", "[1-4]", "n", ""),
    *("n[1-4]-ib", "n[4-1]", "n[2-2]", "rack1-n[000-003]", "n0[1-4]", "é[1-4]", "n\n[1-4]"),
    *("n[1-4", "n1]", "n[1-2000000]", "n[ 1-4]", "n٣", "n9999999999999999999"),
    "n[18446744073709551615-18446744073709551615]",
]
NAMES = st.sampled_from(["batch", "a^b"])
CORES = ["0", "0-3", "[0-7]", "0,2,4", "", "x", "3-1", 4, None, ["0"]]


@given(st.sampled_from(RANKS) | st.text("0123456789-,[] x", max_size=8))
def test_a_range_of_ids_is_what_decode_reads(text: str) -> None:
    one = idset.one_range(text)
    if one is not None:
        assert idset.decode(text) == (one,)
        assert idset.encode((one,), brackets=text.startswith("[")) in {text, text[1:-1]}
        (interval,) = interval_index.rank_intervals((one,))
        assert interval == interval_index.rank_range(*one)


@given(st.sampled_from(HOSTS) | st.text("0123456789-,[] nN", max_size=10))
@example("n" * 201 + "1")
@example("n" * 300 + "[1-4]")
def test_a_range_of_hosts_is_what_decode_reads(text: str) -> None:
    one = hostlist.one_range(text)
    if one is not None:
        assert hostlist.decode(text) == (one,)
        assert hostlist.encode((one,)) == text
        assert interval_index.host_intervals((one,)) == (interval_index.host_range(one),)


def test_most_lists_are_one_range() -> None:
    assert [(0, 0), (3, 3), (0, 3), (2, 5)] == list(map(idset.one_range, RANKS[:4]))
    assert all(hostlist.one_range(text) is not None for text in HOSTS[:3])


def both(text: bytes) -> bool:
    """Compare both ways; returns whether this R is usual."""
    try:
        form = _decode_r(text)
    except msgspec.DecodeError:
        return False
    short = _usual(form.execution)
    assert short is None or short == general(form.execution)
    return short is not None


def test_recorded_resources() -> None:
    seen = usual = 0
    for recording in recordings():
        for line in recording.lines("backlog"):
            found = decode_line(line)
            if isinstance(found, Response) and found.R is not None:
                seen += 1
                usual += both(found.R)
    assert usual > seen / 2 > 100


@given(
    rank=st.sampled_from(RANKS),
    names=st.sampled_from(HOSTS),
    core=st.sampled_from(CORES),
    gpu=st.sampled_from(["absent", *CORES]),
    properties=st.none() | st.dictionaries(NAMES, st.sampled_from(RANKS)),
    twice=st.sampled_from([False, False, False, True]),
)  # fmt: skip
def test_resources_of_all_kinds(
    rank: str, names: str, core: Any, gpu: Any, properties: Any, twice: bool
) -> None:
    children = {"core": core} | ({} if gpu == "absent" else {"gpu": gpu})
    lite = [{"rank": rank, "children": children}] * (1 + twice)
    execution = {"R_lite": lite, "nodelist": [names] * (1 + twice), "expiration": 5.5}
    if properties is not None:
        execution["properties"] = properties
    both(json.dumps({"version": 1, "execution": execution}).encode())


@pytest.mark.parametrize(
    ("rank", "children", "nodelist", "expected"),
    [
        ("3", {"core": "0-3"}, ["n7"], Listed(1, "3", "n7", 4)),
        ("0-1", {"gpu": "0", "core": "0,2"}, ["n[1-2]"], Listed(2, "[0-1]", "n[1-2]", 4)),
        ("[4-6]", {"core": "1", "gpu": "0-7"}, ["a[3-5]"], Listed(3, "[4-6]", "a[3-5]", 3)),
        ("0", {}, ["n0"], Listed(1, "0", "n0", 0)),
        ("0-1", {"gpu": "0-3"}, ["n[0-1]"], Listed(2, "[0-1]", "n[0-1]", 0)),
        ("0-1", {"core": "0"}, ["n[0-2]"], None),
        ("0-2", {"core": "0"}, ["n[0-1]"], None),
        ("0", {"core": "x"}, ["n0"], None),
        ("0", {"core": 5}, ["n0"], None),
        ("0", [], ["n0"], None),
        ("0", {"core": "0"}, "n0", None),
        ("0", {"core": "0"}, [], None),
        ("0-1", {"core": "0"}, ["n0", "n1"], None),
        ("0", {"core": "0"}, [5], None),
        ("0,2", {"core": "0"}, ["n[0-1]"], None),
        ("0-1", {"core": "0"}, ["n0,n1"], None),
    ],
)
def test_what_the_short_way_reads(
    rank: str, children: Any, nodelist: Any, expected: Listed | None
) -> None:
    assert expected == read_usual(rank, children, nodelist)
    lite = [{"rank": rank, "children": children}]
    both(
        json.dumps({"version": 1, "execution": {"R_lite": lite, "nodelist": nodelist}}).encode()
    )


@pytest.mark.parametrize("tasks", [{}, {"tasks_per_node": 3}, {"tasks_per_core": 2}])
@given(rank=st.sampled_from(RANKS[:6]), names=st.sampled_from(HOSTS[:6]))
def test_a_job_is_the_same_either_way(tasks: dict[str, int], rank: str, names: str) -> None:
    execution = {"R_lite": [{"rank": rank, "children": {"core": "0-1"}}], "nodelist": [names]}
    text = json.dumps({"version": 1, "execution": execution}).encode()
    short, long = (Job(1, 1, 1, R=text, **tasks) for _ in range(2))  # type: ignore[arg-type]
    read_r(short)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resource_set, "_usual", lambda _: None)
        read_r(long)
    assert short == long
