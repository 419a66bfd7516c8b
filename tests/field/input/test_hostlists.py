# SPDX-License-Identifier: LGPL-3.0
"""Jobs on hosts that no limit of ours was made for: stored, finished, and found by host."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.command import Command
from tests.support.fake_bus import Module
from tests.support.field_jobs import SENTINEL, job, recorded, response

ODD = range(1, 2 * 10_241, 2)
ORDINARY = 16777216  # the job before the odd one
# Texts of a nodelist, how many hosts those are, and the last of them.
WIDE: dict[str, tuple[list[str], int, str]] = {
    "more ranges than a bracket may have": (
        [",".join(f"n{i}" for i in ODD)], 10_241, f"n{ODD[-1]}"),
    "that many in several texts": ([f"n[{i}]" for i in ODD], 10_241, f"n{ODD[-1]}"),
    "that many with zeros before": (
        [",".join(f"n{i:06}" for i in ODD)], 10_241, f"n{ODD[-1]:06}"),
    "that many of two prefixes": (
        [f"{p}{i}" for p, i in product("ab", ODD)], 20_482, f"b{ODD[-1]}"),
    "that many twice": ([f"n{i}" for i in ODD] * 2, 20_482, f"n{ODD[-1]}"),
    "names that end in no digit": ([f"n{i}-ib" for i in ODD], 10_241, f"n{ODD[-1]}-ib"),
    "more hosts than a range may have": (["n[0-1048575]", "n1048576"], 2**20 + 1, "n1048576"),
    "a range that grows over brackets": (
        [f"n[{i * 2**19}-{(i + 1) * 2**19 - 1}]" for i in range(4)], 2**21, f"n{2**21 - 1}"),
    "numbers of twenty digits": (
        [f"n{10**18 + i}" for i in ODD], 10_241, f"n{10**18 + ODD[-1]}"),
}  # fmt: skip

BROKEN: dict[str, object] = {
    "an open bracket": ["n[1-2"],
    "a bracket in a suffix": ["n[1]a]b"],
    "brackets in a suffix": ["n[1-2][3-4]"],
    "a closed one": ["n1]"],
    "no number": ["n[a-b]"],
    "a range that goes down": ["n[5-1]"],
    "an endless range": [f"n[0-{2**64 - 1}]"],
    "too many ranges in a bracket": ["n[" + ",".join(map(str, ODD)) + "]"],
    "an empty text": [""],
    "no texts": [],
    "null": None,
    "a number": 5,
    "numbers": [1, 2],
    "an object": {"n": 1},
    "a text": "node[1-2]",
    "a list in a list": [["n1"]],
    "a name of 5000 characters": ["n" * 5000],
    "a number of 100 digits": ["n" + "9" * 100],
    "a control character": ["n\n1"],
    "a character that is not ASCII": ["nœud1"],
}
RANKS = {
    "not adjacent": ",".join(map(str, ODD)),
    "beyond 31 bits": str(2**31),
    "beyond 64 bits": str(2**70),
    "not a set": "all",
    "empty": "",
}


def among_others(**odd: object) -> list[bytes]:
    """Return the journal of an ordinary job, an odd one, and another ordinary one."""
    jobs = (job(1), job(2, **odd), job(3))  # type: ignore[arg-type]
    return [SENTINEL, *(line for lines in jobs for line in lines)]


def ids(jobdb: Command, *words: str) -> set[str]:
    """Return the decimal ids that a list has."""
    return set(jobdb("list", "-Aa", "--no-header", "-o", "{id.dec}", *words).lines)


def test_a_finished_job_on_10241_hosts_is_stored_and_found_by_host(jobdb: Command) -> None:
    done = jobdb.ingest(recorded("hostlist-ranges"))
    assert "30 events new, 0 already stored; 0 rejects" in done.err
    assert ids(jobdb) == {"16777216", "33554432", "50331648"}
    assert ids(jobdb, "-f", "inactive") == {"16777216", "33554432", "50331648"}
    for target in ("n0", "n20480", "n[7-8]", "5", "10240"):
        assert "33554432" in ids(jobdb, "-i", target), target
    assert ids(jobdb, "-i", "n1") == set()
    jobdb("verify")
    jobdb("rebuild")
    assert ids(jobdb, "-i", "n0") == {"33554432"}


def test_a_running_job_on_10241_hosts_is_found_by_rank(jobdb: Command) -> None:
    jobdb.ingest(recorded("hostlist-ranges-running"))
    assert ids(jobdb, "-f", "running") == ids(jobdb, "-i", "5") == {"16777216"}


def test_a_running_job_on_10241_hosts_is_found_by_host(jobdb: Command) -> None:
    jobdb.ingest(recorded("hostlist-ranges-running"))
    assert ids(jobdb, "-i", "n0") == ids(jobdb, "-i", "n20480") == {"16777216"}
    assert ids(jobdb, "-i", "n1") == set()


def test_the_module_stores_a_clean_of_10241_hosts_and_finds_the_job(module: Module) -> None:
    module.feed(*recorded("hostlist-ranges")[1:])
    module.bus.pass_time(1)
    assert [] == [line for line in module.bus.logged if "fail" in line]
    inactive = {"constraint": {"states": ["inactive"]}}
    assert len(module.ids(**inactive)) == 3
    assert module.ids(constraint={"hostlist": ["n20480"]}) == [33554432]
    assert module.ids(constraint={"and": [{"hostlist": ["n0"]}, inactive["constraint"]]}) == [
        33554432
    ]


@pytest.mark.parametrize("last", ["clean", "start"])
@pytest.mark.parametrize("name", WIDE)
def test_hosts_beyond_every_limit_are_found(module: Module, name: str, last: str) -> None:
    nodelist, count, host = WIDE[name]
    module.feed(*among_others(nodelist=nodelist, ranks=f"0-{count - 1}", last=last)[1:])
    module.bus.pass_time(1)
    found = module.ids(constraint={"hostlist": [host]})
    assert (found, module.ids(constraint={"hostlist": ["nowhere"]})) == ([2 << 24], [])
    state = {"states": ["inactive" if last == "clean" else "running"]}
    assert 2 << 24 in module.ids(constraint=state)
    assert [] == module.bus.logged


@pytest.mark.parametrize("nodelist", BROKEN.values(), ids=BROKEN)
def test_a_nodelist_that_is_none_harms_no_job(module: Module, nodelist: object) -> None:
    module.feed(*among_others(nodelist=nodelist)[1:])
    module.bus.pass_time(1)
    assert {1 << 24, 2 << 24, 3 << 24} == set(
        module.ids(constraint={"states": ["inactive"]})
    ), module.bus.logged
    assert [] == [line for line in module.bus.logged if "Traceback" in line]
    assert 1 << 24 in module.ids(constraint={"hostlist": ["node1"]})


@pytest.mark.parametrize("ranks", RANKS.values(), ids=RANKS)
def test_ranks_that_are_many_or_none_harm_no_job(module: Module, ranks: str) -> None:
    module.feed(*among_others(ranks=ranks)[1:])
    module.bus.pass_time(1)
    assert len(module.ids(constraint={"states": ["inactive"]})) == 3, module.bus.logged
    assert [] == [line for line in module.bus.logged if "Traceback" in line]
    assert 1 << 24 in module.ids(constraint={"ranks": ["0"]})


def test_all_of_these_at_once_go_through_the_command_line(jobdb: Command) -> None:
    odd = [*BROKEN.values()]
    lines = [line for n, nodelist in enumerate(odd, 1) for line in job(n, nodelist=nodelist)]
    done = jobdb.ingest(lines)
    assert f"{len(lines)} events new, 0 already stored; 0 rejects" in done.err
    assert len(ids(jobdb)) == len(odd)
    jobdb("verify")


UNFORESEEN = """
import sys
from eventstore.ingest import intake
real = intake.decode_any
def decode_any(line):
    if b"unforeseen" in line:
        raise ZeroDivisionError("nobody thought of this")
    return real(line)
intake.decode_any = decode_any
"""


def test_an_exception_that_nobody_foresaw_costs_one_line(jobdb: Command) -> None:
    odd = response(9, {"timestamp": 1.5, "name": "unforeseen"}, {"timestamp": 2, "name": "x"})
    lines = [*job(1), odd, *job(2)]
    stdin = b"".join(line + b"\n" for line in lines)
    done = jobdb("ingest", "-", stdin=stdin, status=3, script=UNFORESEEN)
    assert "20 events new, 0 already stored; 1 rejects" in done.err
    assert ids(jobdb) == {"16777216", "33554432"}
    assert jobdb.stats()["rejects"] == 1
    jobdb("verify")


def test_such_a_line_is_taken_once_the_program_is_mended(jobdb: Command) -> None:
    odd = response(9, {"timestamp": 1.5, "name": "unforeseen"}, {"timestamp": 2, "name": "x"})
    stdin = b"".join(line + b"\n" for line in [*job(1), odd])
    jobdb("ingest", "-", stdin=stdin, status=3, script=UNFORESEEN)
    assert "2 events new, 10 already stored; 0 rejects" in jobdb("ingest", "-", stdin=stdin).err
