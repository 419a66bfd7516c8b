# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb accounting``: what the command prints, counts and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click import UsageError

from cli.accounting.feed import Outcome, consumer_of, feed
from cli.accounting.flux_accounting_db import Target
from projections.queries.accounting_feed import JobRecord
from tests.cli.conftest import Site
from tests.support.journal_generator import EPOCH


def test_to_prints_how_many_were_added(site: Site) -> None:
    site.finish(12, 1)
    before = Path(site.target).read_bytes()
    printed = site.run("accounting", "--to", site.target, "--dry-run")
    assert f"12 jobs would be added to {site.target}\n" == printed
    assert before == Path(site.target).read_bytes()
    assert not Path(site.db + "-consumers").exists()
    # The store is open for writing all the while, as a broker module has it.
    assert f"12 jobs added to {site.target}\n" == site.run("accounting", "--to", site.target)
    assert f"0 jobs added to {site.target}\n" == site.run("accounting", "--to", site.target)
    Path(site.db + "-consumers").unlink()
    again = site.run("accounting", "--to", site.target, "--since", str(EPOCH))
    assert f"0 jobs added to {site.target}, 12 were there\n" == again


def test_json_prints_jobs_and_remembers_by_name(site: Site) -> None:
    site.finish(6, 1)
    everything = site.run("accounting", "--json")
    found = [json.loads(line) for line in everything.splitlines()]
    assert sorted(site.jobs) == sorted(job["id"] for job in found)
    assert sorted(job["seq"] for job in found) == [job["seq"] for job in found]
    assert ["seq", *JobRecord._fields, "jobid"] == list(found[0])
    assert found[0]["bank"] == found[0]["jobspec"]["attributes"]["system"]["bank"]
    assert "R_lite" in found[0]["R"]["execution"]

    assert everything == site.run("accounting", "--json", "--name", "a", "--dry-run")
    assert everything == site.run("accounting", "--json", "--name", "a")
    assert "" == site.run("accounting", "--json", "--name", "a")
    site.finish(2, 2)
    assert 2 == site.run("accounting", "--json", "--name", "a").count("\n")
    assert 8 == site.run("accounting", "--json", "--name", "b").count("\n")
    late = site.run("accounting", "--json", "--since", str(EPOCH + 1.9e6))
    assert 2 == late.count("\n")


def test_usage(site: Site) -> None:
    for words in (
        [],
        ["--to", site.target, "--json"],
        ["--explain", "1", "--json"],
        ["--explain", "1", "--follow"],
        ["--to", site.target, "--name", "a"],
        ["--to", site.target, "--follow", "--dry-run"],
        ["--explain", "no-job-id!"],
        ["--to", site.target, "--since", "no time"],
    ):
        with pytest.raises(UsageError):
            site.run("accounting", *words)


def test_an_outcome_is_counted(site: Site) -> None:
    with Target(site.target) as target:
        empty = feed(site.store, target, consumer_of(site.store, target))
    assert Outcome(0, 0, []) == empty
