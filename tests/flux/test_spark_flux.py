# SPDX-License-Identifier: LGPL-3.0
"""The example of Spark in an allocation: on two brokers, its sums are those of a database."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.flux.instance import ROOT, program
from tests.support.journal_generator import journal
from tests.support.needs import spark_is_there

pytestmark = [pytest.mark.flux, pytest.mark.spark]

SCRIPT = """
id=$(flux batch --nodes=2 --output=$OUT/said rebuild.sh core_hours.py $OUT/lake)
flux job status $id
"""


def test_the_example_gives_the_core_hours_of_the_report(tmp_path: Path) -> None:
    spark_is_there()
    flux, jobdb = program(), Command(tmp_path)
    jobdb.ingest(list(journal(500, rate=0.0005)))
    jobdb("export", "--cluster=tuolumne", str(tmp_path / "lake"))
    words = ("report", "usage", "--by=month", "--group=bank", "--tz=UTC", "--csv")
    reported = csv.DictReader(jobdb(*words).out.splitlines())
    expected = {
        (row["period"][:7], row["bank"] or "-"): (float(row["core_seconds"]), row["jobs"])
        for row in reported
    }
    subprocess.run(
        [flux, "start", "--test-size=2", "bash", "-c", SCRIPT],
        cwd=ROOT / "examples" / "spark",
        env={**os.environ, "OUT": str(tmp_path), "PYTHON": sys.executable},
        timeout=600,
        check=True,
    )
    lines = (tmp_path / "said").read_text("utf-8").splitlines()
    found = [line.split() for line in lines if line.startswith("tuolumne ")]
    assert expected.keys() == {(month, bank) for _, month, bank, *_ in found}
    assert len(expected) > 10
    for _, month, bank, hours, jobs in found:
        seconds, count = expected[month, bank]
        assert float(hours) == pytest.approx(seconds / 3600, abs=0.00051)
        assert count == jobs
