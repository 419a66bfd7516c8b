# SPDX-License-Identifier: LGPL-3.0
"""The name of a cluster: given once, proven like events, and no other one is let in."""

from __future__ import annotations

from pathlib import Path

import pytest

import flux_jobdb
from eventstore.errors import StoreError
from eventstore.maintenance.recover import recover
from eventstore.reading.cluster import cluster
from eventstore.storage.connection import create_or_open, open_readonly
from joblist.broker import entry
from projections.engine.views import Views
from tests.support.command import Command
from tests.support.fake_bus import SENTINEL, Instance, backlog, life
from tests.support.journal_generator import journal

LINES = b"\n".join(journal(5))


def test_it_is_given_once(jobdb: Command) -> None:
    jobdb("ingest", "--cluster", "tuolumne", "-", stdin=LINES)
    assert "tuolumne" == jobdb.stats()["cluster"]
    with flux_jobdb.open(str(jobdb.db)) as db:
        assert "tuolumne" == db.cluster
    for words in (("--cluster", "tuolumne"), ()):
        assert "0 events new" in jobdb("ingest", *words, "-", stdin=LINES).err
    refused = jobdb("ingest", "--cluster", "elcap", "-", stdin=LINES, status=1).err
    assert "its cluster is tuolumne, not elcap" in refused
    assert 1 == sum("its cluster" in line for line in refused.splitlines())
    jobdb("verify")


def test_a_database_may_be_named_later(jobdb: Command) -> None:
    jobdb.ingest(list(journal(5)))
    assert "cluster" not in jobdb.stats()
    before = jobdb("events", "--raw").stdout
    head = jobdb("verify", "--json").objects[0]["head"]
    jobdb("ingest", "--cluster", "elcap", "-", stdin=LINES)
    assert "elcap" == jobdb.stats()["cluster"]
    assert before == jobdb("events", "--raw").stdout
    assert head != jobdb("verify", "--json").objects[0]["head"]
    states = {row["state"] for row in jobdb("projections", "--json").objects}
    assert {"current"} == states
    assert 5 == len(jobdb("list", "-Aa", "-n").lines)


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65, "é", "a/b", "a\nb"])
def test_what_is_no_name_is_refused(jobdb: Command, name: str) -> None:
    refused = jobdb("ingest", f"--cluster={name}", "-", stdin=LINES, status=1).err
    assert "no name of a cluster" in refused
    assert 0 == jobdb.stats().get("events", 0)


def test_a_backup_that_is_recovered_has_it(jobdb: Command, tmp_path: Path) -> None:
    jobdb("ingest", "--cluster", "elcap", "-", stdin=LINES)
    head = jobdb("verify", "--json").objects[0]["head"]
    done = recover(str(jobdb.db), str(tmp_path / "new.sqlite"))
    assert [] == done.losses
    assert head == done.head.hex()
    other = Command(tmp_path, "new.sqlite")
    assert "elcap" == other.stats()["cluster"]


def instance_of(name: str | None, folder: Path) -> Instance:
    """Return an instance whose configuration names its cluster; one job has ended in it."""
    found = Instance({"job-list": {"cluster": name} if name else {}}, rundir=str(folder))

    def script() -> None:
        for line in (backlog(life(1)), SENTINEL):
            found.arrived(line)
        found.pass_time(1)

    found.script = script
    return found


def record(jobdb: Command, instance: Instance) -> int:
    with create_or_open(str(jobdb.db)) as store:
        return entry.record(instance, Views(store)).new


def test_an_instance_tells_its_cluster(jobdb: Command) -> None:
    """Recorded by `ingest` or by the module, it gets into no database of another cluster."""
    assert 0 < record(jobdb, instance_of("tuolumne", jobdb.folder))
    assert "tuolumne" == jobdb.stats()["cluster"]
    before = jobdb("events").out
    with pytest.raises(StoreError, match="its cluster is tuolumne, not elcap"):
        record(jobdb, instance_of("elcap", jobdb.folder))
    jobdb("ingest", "--cluster", "tuolumne", "-", stdin=b"")
    for name in ("tuolumne", None):
        assert 0 == record(jobdb, instance_of(name, jobdb.folder))
    assert before == jobdb("events").out
    jobdb("verify")


def test_the_module_does_not_serve_from_a_database_of_another(tmp_path: Path) -> None:
    path = tmp_path / "jobdb.sqlite"
    entry.run(instance_of("tuolumne", tmp_path))
    with open_readonly(str(path)) as store, store.snapshot() as db:
        assert "tuolumne" == cluster(db)
    for _ in range(2):  # it knows itself again
        entry.run(instance_of("tuolumne", tmp_path))
    other = instance_of("elcap", tmp_path)
    with pytest.raises(OSError, match="its cluster is tuolumne, not elcap"):
        entry.run(other)
    assert "its cluster is tuolumne, not elcap" in other.logged[0]
    wrong = instance_of("a b", tmp_path)
    with pytest.raises(OSError, match=r"job-list\.cluster"):
        entry.run(wrong)
