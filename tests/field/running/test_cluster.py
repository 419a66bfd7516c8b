# SPDX-License-Identifier: LGPL-3.0
"""The name of a cluster: given once, proven like events, and no other one is let in."""

from __future__ import annotations

from pathlib import Path

import pytest

import flux_jobdb
from eventstore.maintenance.recover import recover
from tests.support.command import Command
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
