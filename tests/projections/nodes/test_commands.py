# SPDX-License-Identifier: LGPL-3.0
"""Nodes on the command line: now, then, what became of them, and why a job ended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eventstore.storage.connection import create_or_open
from projections.formats import hostlist
from projections.node_views import hours
from projections.nodes.reducers import rounded
from tests.support.command import Command
from tests.support.nodes.recordings import drains, node_recordings

MEDIUM = {one.name: one for one in node_recordings()}["medium"]
STATES = ("allocated", "idle", "drained", "offline", "torpid", "excluded", "unknown")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Command:
    found = Command(tmp_path_factory.mktemp("nodes"))
    names = ("journal", "resource-journal", "resource-late")
    done = found("ingest", *(str(MEDIUM.folder / f"{name}.jsonl.gz") for name in names))
    assert "917 events new" in done.err
    return found


def test_nodes_as_of_are_those_of_the_checkpoints(run: Command) -> None:
    for checkpoint in MEDIUM.objects("checkpoints"):
        at = str(checkpoint["time"])
        found = run("nodes", "--as-of", at, "--json").objects
        assert [node["rank"] for node in found] == list(range(8))
        expected = json.loads(checkpoint["resource_status"])
        assert drains(expected) == {
            node["rank"]: (rounded(node["drained"]["since"]), node["drained"]["reason"] or "")
            for node in found if node["drained"]
        }  # fmt: skip
        asked = run("rpc", "resource.status", "--as-of", at).objects[0]
        assert asked == {**expected, "exclude": None}


def test_before_the_first_event_there_are_none(run: Command) -> None:
    done = run("nodes", "--as-of", "1790000000", "--json")
    assert (done.stdout, "no nodes are known" in done.err) == (b"", True)
    done = run("rpc", "resource.status", "--as-of", "1790000000", status=1)
    assert json.loads(done.err)["errno"] == 38


def test_the_history_of_a_node(run: Command) -> None:
    found = run("nodes", "--history", "node7", "--json").objects
    assert {one["host"] for one in found} == {"node7"}
    assert [one["from"] for one in found] == sorted(one["from"] for one in found)
    (lost,) = [one for one in found if one["reason"] == "lost while a job ran"]
    assert (lost["kind"], lost["ended"]) == ("drained", "undrained: is back")
    some = run("nodes", "--history", "node[6-7]", "--until", "1795648050", "--json").objects
    assert {"node6", "node7"} == {one["host"] for one in some}
    assert all(one["from"] <= 1795648050 for one in some)


def test_why_a_job_ended_names_the_node_that_was_lost(run: Command) -> None:
    text = run("why", "ƒDPRQyUj").lines[0]
    for part in ("ended as failed", "type exec", "node failure on node7",
                 "node7 was offline", "lost while a job ran"):  # fmt: skip
        assert part in text
    assert "node7 offline until" in run("history", "ƒDPRQyUj", "--nodes").out
    assert "no such job" in run("why", "1", status=1).err


def test_report_nodes_adds_up(run: Command) -> None:
    (found,) = run("report", "nodes", "--until", "1795648100", "--json").objects
    time = 1795648100 - 1795648007.5508764
    assert sum(found[name] for name in STATES) == pytest.approx(8 * time, abs=1e-4)
    assert "leave it out" in run("report", "nodes", "--group", "user", status=2).err


def test_stored_sums_that_are_wrong_are_named_and_made_anew(
    run: Command, tmp_path: Path
) -> None:
    copy = Command(tmp_path)
    shutil.copy(run.db, copy.db)
    assert "unchanged" in copy("verify").out
    with create_or_open(str(copy.db)) as store, store.transaction() as db:
        hours.store(db, [(7, [1] * len(STATES))], 8)
    said = copy("verify", status=1).err
    assert "table node_hour" in said
    assert "`flux-jobdb rebuild nodes`" in said
    copy("rebuild", "nodes")
    assert "unchanged" in copy("verify").out


def test_events_of_both_journals_are_printed_as_they_came(run: Command) -> None:
    lines = run("events", "--raw").stdout.splitlines()
    assert len(lines) == 917
    assert sum(b'"name":"restart"' in line for line in lines) == 1


def test_jobs_on_a_host_in_a_range_are_exact(run: Command) -> None:
    """However long they live: compared with all jobs, one by one."""
    everything = run("list", "-A", "-a", "-c0", "--json").objects
    for host in ("node4", "node7"):
        for since, until in ((1795648030, 1795648031), (1795648060, 1795648090)):
            window = ("--since", str(since), "--until", str(until))
            found = run("list", "-i", host, *window, "-c0", "--json").objects
            expected = {
                job["id"] for job in everything
                if host in hostlist.hosts(hostlist.decode(job.get("nodelist", "")))
                and job["t_submit"] <= until and job.get("t_inactive", 2e9) > since
            }  # fmt: skip
            assert {job["id"] for job in found} == expected != set()
