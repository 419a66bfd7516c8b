# SPDX-License-Identifier: LGPL-3.0
"""Nodes of a running Flux of four brokers: after each step they are what Flux itself says.

The instance starts six times: one boot is killed, and one is followed by nobody.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import open_readonly
from projections.engine.verify_views import differing
from projections.formats import hostlist
from projections.node_queries.present import NodeState, nodes
from projections.node_queries.status import status
from projections.nodes.reducers import rounded
from tests.support.flux.instance import Instances, program
from tests.support.nodes.recordings import drains, printed_drains, ranks

pytestmark = pytest.mark.flux

CONFIG = """
[resource]
noverify = true
{exclude}
[[resource.config]]
hosts = "n[0-3]"
cores = "0-3"
[exec.testexec]
allow-guests = true
[tbon]
torpid_min = "1s"
torpid_max = "3s"
"""
# What Flux says, with the time, once our module has stored all that came before.
STEP = """
step() {  # NAME
    sleep 0.6
    flux python -c 'import time; print(time.time())' >$OUT/$1.time
    tool ask resource.status >$OUT/$1.status
    flux resource drain -no '{timestamp}|{state}|{status}|{ranks}|{nodelist}|{reason}' \\
        >$OUT/$1.drain
    flux resource status -s all -no '{state}|{status}|{ranks}' >$OUT/$1.all
    flux resource list -s all,up,down,free,allocated -no '{state}|{nodelist}' >$OUT/$1.list
    echo $1 >>$OUT/steps
    tool ask job-list.job-stats >/dev/null
    cp $OUT/jobdb.sqlite $OUT/$1.sqlite; cp $OUT/jobdb.sqlite-wal $OUT/$1.sqlite-wal || true
}
up() { flux python -c "
import flux, sys, time
h = flux.Flux()
for _ in range(200):
    if h.rpc('resource.status', nodeid=0).get()['online'] == sys.argv[1]: sys.exit(0)
    time.sleep(0.1)
sys.exit('not online: ' + sys.argv[1])" $1; }
"""
FIRST = """
flux module remove job-list
ours dbpath=$OUT/jobdb.sqlite
up 0-3
step empty
flux resource drain 1 bad dimm
flux resource drain 2
step drained
flux resource drain --update 1-2 both
flux resource drain --force 1 other reason
step reasons
flux resource drain --force --force n2 by host name
flux submit -N1 --requires=host:n3 -n1 --setattr=exec.test.run_duration=100s true
flux resource drain 3 with a job
step draining
flux resource undrain 1 --reason=replaced || flux resource undrain 1
step undrained
flux overlay disconnect 3
up 0-2
step lost
kill -9 $(flux exec -r 2 flux getattr broker.pid)
up 0-1
step killed
flux python -c "$BUSY" >$OUT/busy
flux cancel --all
flux module remove sched-simple
flux module reload resource
flux module load sched-simple
sleep 2
step reloaded
"""
SECOND = """
flux module remove job-list
ours dbpath=$OUT/jobdb.sqlite
up 0-3
step restarted
flux resource undrain 2
step end
"""


THIRD = """
flux module remove job-list
ours dbpath=$OUT/jobdb.sqlite
up 0-3
flux resource drain 0 before a crash
flux resource drain 2 also
step before-crash
echo crashed >>$OUT/steps
kill -9 $(flux getattr broker.pid)
sleep 100
"""
AFTER_CRASH = """
flux module remove job-list
ours dbpath=$OUT/jobdb.sqlite
up 0-3
step after-crash
flux resource drain 1 seen
"""
MISSED = """
up 0-3
flux resource undrain 3
flux resource drain 2 unseen
flux resource undrain 1
flux python -c 'import time; print(time.time())' >$OUT/unseen
"""
LAST = """
flux module remove job-list
ours dbpath=$OUT/jobdb.sqlite
up 0-3
step after-missed
flux resource drain 0 seen again
step last
"""
# Drains a node while jobs come and go; prints how long the database took to show it.
BUSY = """
import flux, os, sqlite3, subprocess, time
submit = "flux submit --cc=1-300 -q --setattr=exec.test.run_duration=0.05s true"
jobs = subprocess.Popen(submit.split())
time.sleep(1.0)
began = time.time()
flux.Flux().rpc("resource.drain", {"targets": "1", "reason": "busy"}, nodeid=0).get()
while True:
    db = sqlite3.connect(os.environ["OUT"] + "/jobdb.sqlite")
    if db.execute("SELECT 1 FROM nodes WHERE reason = 'busy'").fetchall():
        break
    db.close()
    time.sleep(0.01)
print(time.time() - began)
flux.Flux().rpc("resource.undrain", {"targets": "1"}, nodeid=0).get()
jobs.wait()
"""


class Four(Instances):
    """Instances of four brokers, whose files outlive them."""

    def __init__(self, folder: Path, exclude: str = "") -> None:
        super().__init__(program(), folder)
        (folder / "config" / "flux.toml").write_text(CONFIG.format(exclude=exclude), "utf-8")
        state = folder / "state"
        state.mkdir(exist_ok=True)
        self.env["BUSY"] = BUSY
        self.options += [
            "--test-size=4", "--test-hosts=n[0-3]", "--test-exit-mode=leader",
            f"-Sstatedir={state}", "-Stbon.topo=kary:0",
        ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nodes")
    Four(folder)(STEP + FIRST)
    for exclude, script, code in (
        ('exclude = "n1"', SECOND, 0), ("", THIRD, 137), ("", AFTER_CRASH, 0),
        ("", MISSED, 0), ("", LAST, 0),
    ):  # fmt: skip
        shutil.rmtree(folder / "config")
        Four(folder, exclude)(STEP + script, status=code)
    return folder


AFTERWARDS = ("after-missed", "last")
"""Steps behind the boot of which nothing was recorded."""


def steps(folder: Path) -> list[str]:
    """Return the steps that are known as a whole."""
    found = (folder / "steps").read_text("utf-8").split()
    return [step for step in found if step not in {*AFTERWARDS, "crashed"}]


def said(folder: Path, step: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{step}.status").read_text("utf-8"))
    return found


def test_after_each_step_they_are_what_flux_says(folder: Path) -> None:
    assert len(steps(folder)) == 12
    for step in steps(folder):
        expected = said(folder, step)
        with open_readonly(str(folder / f"{step}.sqlite")) as store, store.snapshot() as db:
            found = nodes(db)
            ours = json.loads(status(db) or b"{}")
        assert expected == ours, step
        assert ranks(expected["online"]) == {node.rank for node in found if node.up}, step
        assert ranks(expected["exclude"]) == {node.rank for node in found if node.excluded}
        assert drains(expected) == {
            node.rank: (rounded(node.drained.since), node.drained.reason or "")
            for node in found if node.drained is not None
        }  # fmt: skip


def test_as_of_each_step_afterwards(folder: Path) -> None:
    with open_readonly(str(folder / "jobdb.sqlite")) as store, store.snapshot() as db:
        for step in steps(folder):
            time = float((folder / f"{step}.time").read_text("utf-8"))
            assert said(folder, step) == json.loads(status(db, time) or b"{}"), step
        assert differing(db) is None
        assert verify_chain(store).fault is None


def printed(folder: Path, step: str) -> dict[str, Any]:
    """Return what `flux resource` printed, as sets of ranks and hosts."""
    states: dict[str, set[int]] = {}
    for line in (folder / f"{step}.all").read_text("utf-8").splitlines():
        state, _, text = line.split("|")
        states.setdefault(state.removesuffix("*"), set()).update(ranks(text))
    drained = printed_drains((folder / f"{step}.drain").read_text("utf-8"))
    lists = dict(
        line.split("|") for line in (folder / f"{step}.list").read_text("utf-8").splitlines()
    )
    return {
        "drain": {rank: one[:2] for rank, one in drained.items()},
        "drained": states["drained"] | states["draining"],
        "draining": states["draining"],
        "torpid": states["torpid"],
        "exclude": states["exclude"],
        "allocated": set(hostlist.hosts(hostlist.decode(lists["allocated"]))),
    }


def ours(found: list[NodeState]) -> dict[str, Any]:
    drained = {node.rank: node for node in found if node.drained}
    return {
        "drain": {
            rank: (rounded(node.drained.since), node.drained.reason or "")
            for rank, node in drained.items() if node.drained
        },
        "drained": set(drained),
        "draining": {rank for rank, node in drained.items() if node.jobs},
        "torpid": {node.rank for node in found if node.torpid},
        "exclude": {node.rank for node in found if node.excluded},
        "allocated": {node.host for node in found if node.jobs},
    }  # fmt: skip


def test_they_are_what_flux_resource_prints(folder: Path) -> None:
    for step in steps(folder):
        with open_readonly(str(folder / f"{step}.sqlite")) as store, store.snapshot() as db:
            assert printed(folder, step) == ours(nodes(db)), step


def test_a_drain_is_seen_within_a_second_while_jobs_run(folder: Path) -> None:
    taken = float((folder / "busy").read_text("utf-8"))
    print(f"a drain was seen after {taken:.3f} s")
    assert taken < 1.0


def test_what_nobody_followed_is_not_known(folder: Path) -> None:
    """Behind it, what is said is what Flux says; what cannot be known is null."""
    unseen = float((folder / "unseen").read_text("utf-8"))
    with open_readonly(str(folder / "jobdb.sqlite")) as store, store.snapshot() as db:
        assert {node.unknown is not None for node in nodes(db, unseen)} == {True}
        assert {node.up for node in nodes(db, unseen)} == {None}
        for step in AFTERWARDS:
            time = float((folder / f"{step}.time").read_text("utf-8"))
            found = nodes(db, time)
            expected = said(folder, step)
            assert ranks(expected["online"]) == {node.rank for node in found if node.up}
            known = {node.rank for node in found if node.unknown is None}
            theirs = {rank: one for rank, one in drains(expected).items() if rank in known}
            assert theirs == {
                rank: one for rank, one in ours(found)["drain"].items() if rank in known
            }, step
