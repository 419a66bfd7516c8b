# SPDX-License-Identifier: LGPL-3.0
"""What job-list makes of payloads that nobody should send, one case at a time."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from eventstore import deep_json
from eventstore.events.journal_line import Response, decode_line
from eventstore.events.records import Record
from projections.formats.json_text import dumps
from projections.job.attributes import answer
from projections.job.reducers import fold

deep_json.allow()

SLOT = {"type": "slot", "count": 2, "with": [{"type": "core", "count": 1}]}
JOBSPEC = {
    "version": 1,
    "resources": [SLOT],
    "tasks": [{"command": ["app"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 60}},
}
SUBMIT = {"userid": 7, "urgency": 16, "version": 1}


def after(*events: tuple[str, Any], jobspec: Any = JOBSPEC, R: Any = None) -> dict[str, Any]:  # noqa: N803
    """Return the answer for a job to which these happened after its submission."""
    records = []
    for seq, (name, context) in enumerate([("submit", SUBMIT), ("validate", None), *events], 1):
        event = {"timestamp": float(seq), "name": name}
        event |= {} if context is None else {"context": context}
        payload = {"jobspec": jobspec} if name == "submit" else {}
        payload |= {"R": R} if name == "alloc" else {}
        found = decode_line(json.dumps({"id": 5, "events": [event], **payload}).encode())
        assert isinstance(found, Response)
        payloads = found.jobspec, found.R
        records.append(Record(seq, 5, 5, 1, False, None, found.entries[0], *payloads))
    job = fold(None, records)
    assert job is not None
    return answer(job)


def allocated(lite: Any, **execution: Any) -> dict[str, Any]:
    found = after(("alloc", None), R={"version": 1, "execution": {"R_lite": lite, **execution}})
    return {key: found.get(key) for key in ("nnodes", "ncores", "ranks", "nodelist")}


UNREAD = {"nnodes": None, "ncores": 2, "ranks": None, "nodelist": None}
ONE = [{"rank": "0", "children": {"core": "0-3"}}]
READ = {"nnodes": 1, "ncores": 4, "ranks": "0", "nodelist": "n0"}


def test_an_urgency_is_taken_as_a_c_integer() -> None:
    assert after(("urgency", {"urgency": 2**32 + 5}))["urgency"] == 5
    assert after(("urgency", {"urgency": 32}))["urgency"] == 16


@pytest.mark.parametrize("member", ["userid", "urgency", "version"])
def test_a_submit_with_a_number_of_more_than_64_bits_changes_nothing(member: str) -> None:
    again = {"userid": 8, "urgency": 1, "version": 0} | {member: 2**64}
    assert after() == after(("submit", again))


def test_an_empty_memo_clears_nulls_even_where_no_memo_fits() -> None:
    odd = ("annotations", {"annotations": {"user": 5, "gone": None}})
    assert after(odd, ("memo", {}))["annotations"] == {"user": 5}
    assert after(odd, ("memo", {"m": 1}))["annotations"] == {"user": 5, "gone": None}


def test_resources_within_resources_are_not_counted() -> None:
    found = after(jobspec=JOBSPEC | {"resources": [[SLOT]]})
    assert "ncores" not in found
    assert after()["ncores"] == 2


def test_r_without_ranks_and_hosts_has_none_of_them() -> None:
    nothing = {"nnodes": 0, "ncores": 0, "ranks": "", "nodelist": ""}
    assert allocated([]) == nothing == allocated([], nodelist=[])


def test_a_nodelist_of_null_names_no_host() -> None:
    assert allocated(ONE, nodelist=None) == UNREAD
    assert allocated(ONE) == UNREAD | {"nnodes": 1, "ranks": "0"}


def test_what_is_no_text_in_a_nodelist_is_passed_over() -> None:
    assert allocated(ONE, nodelist=[5, "n0", None]) == READ


def test_properties_of_null_are_none() -> None:
    assert allocated(ONE, nodelist=["n0"], properties=None) == UNREAD
    assert allocated(ONE, nodelist=["n0"], properties={}) == READ


@pytest.mark.parametrize("kind", ["core", "gpu"])
def test_a_rank_has_each_of_its_children_once(kind: str) -> None:
    def twice(second: str) -> dict[str, Any]:
        entries = [("0-1", "0"), ("1", second)]
        lite = [{"rank": rank, "children": {kind: ids}} for rank, ids in entries]
        return allocated(lite, nodelist=["n[0-1]"])

    assert twice("0") == UNREAD
    assert twice("1")["ranks"] == "[0-1]"
    assert twice("1")["ncores"] == (3 if kind == "core" else 0)


@pytest.mark.parametrize(
    ("names", "nodelist"),
    [
        (["f00[1-2]"], "f[001-002]"),
        (["f0[9-10]"], "f[09,010]"),
        (["f0[8-9,10]"], "f[08-09,010]"),
        (["9[1-2]"], "[91-92]"),
        (["n[1]-ib0", "n[1]-ib1"], "n1-ib[0-1]"),
        (["n[1]a[10],n[1]a[11]"], "n1a[10-11]"),
        (["n[9-10]"], "n[9-10]"),
        (["n1844674407370955161[4-6]"], "n[18446744073709551614-18446744073709551615]"),
        (["n[1,3]"], "n[1,3]"),
    ],
)
def test_the_names_of_a_nodelist_are_read_one_by_one(names: list[str], nodelist: str) -> None:
    """As rlist_nodelist() does (flux-core, librlist/rlist.c)."""
    two = [{"rank": "0-1", "children": {"core": "0"}}]
    three = [{"rank": "0-2", "children": {"core": "0"}}]
    lite = three if names[0].endswith(("8-9,10]", "4-6]")) else two
    assert allocated(lite, nodelist=names)["nodelist"] == nodelist


def test_names_that_do_not_parse_alone_leave_nodelist_and_cores_as_they_were() -> None:
    two = [{"rank": "0-1", "children": {"core": "0"}}]
    found = allocated(two, nodelist=["a]b[1-2]"])
    assert (2, "[0-1]", None) == (found["nnodes"], found["ranks"], found["nodelist"])
    assert found["ncores"] == UNREAD["ncores"]


def test_a_version_is_taken_as_a_c_integer() -> None:
    r = {"version": 2**32 + 1, "execution": {"R_lite": ONE, "nodelist": ["n0"]}}
    assert after(("alloc", None), R=r)["ranks"] == "0"
    assert "ranks" not in after(("alloc", None), R=r | {"version": 2**64 + 1})


def nested(levels: int, value: Any, name: str | None = None) -> Any:
    for _ in range(levels):
        value = [value] if name is None else {name: value}
    return value


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 13), reason="Python 3.12 reads no more than 1,500 levels"
)
@pytest.mark.parametrize("name", [None, "a"])
def test_what_is_nested_as_deeply_as_flux_reads(name: str | None) -> None:
    deep = nested(2040, 1, name)  # jansson reads 2048 levels, those of the message included
    found = after(("memo", {"x": deep}), ("memo", {"y": 2}))["annotations"]["user"]
    assert found["y"] == 2
    assert dumps(found["x"]) == dumps(deep)
    spec = JOBSPEC | {"tasks": [{"command": ["deep"], "slot": "task", "x": deep}]}
    assert after(jobspec=spec)["name"] == "deep"
