# SPDX-License-Identifier: LGPL-3.0
"""Nodes of a running Flux of four brokers: after each step they are what Flux itself says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import open_readonly
from projections.engine.verify_views import differing
from projections.node_queries.present import nodes
from projections.node_queries.status import status
from projections.nodes.reducers import rounded
from tests.support.flux.instance import Instances, program
from tests.support.nodes.recordings import drains, ranks

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
    flux resource drain -no '{ranks}|{nodelist}|{reason}' >$OUT/$1.drain
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


class Four(Instances):
    """Instances of four brokers, whose files outlive them."""

    def __init__(self, folder: Path, exclude: str = "") -> None:
        super().__init__(program(), folder)
        (folder / "config" / "flux.toml").write_text(CONFIG.format(exclude=exclude), "utf-8")
        state = folder / "state"
        state.mkdir(exist_ok=True)
        self.options += [
            "--test-size=4", "--test-hosts=n[0-3]", "--test-exit-mode=leader",
            f"-Sstatedir={state}", "-Stbon.topo=kary:0",
        ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nodes")
    Four(folder)(STEP + FIRST)
    config = folder / "config"
    for file in config.iterdir():
        file.unlink()
    config.rmdir()
    Four(folder, 'exclude = "n1"')(STEP + SECOND)
    return folder


def steps(folder: Path) -> list[str]:
    return (folder / "steps").read_text("utf-8").split()


def said(folder: Path, step: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{step}.status").read_text("utf-8"))
    return found


def test_after_each_step_they_are_what_flux_says(folder: Path) -> None:
    assert len(steps(folder)) == 9
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
