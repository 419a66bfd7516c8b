# SPDX-License-Identifier: LGPL-3.0
"""Fixtures: the time of New York; a job database and a flux-accounting database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.accounting.feed import consumer_of, feed
from cli.accounting.flux_accounting_db import Target
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from projections.engine.views import Views
from tests.cli.test_commands import Run
from tests.support.accounting_db import create
from tests.support.journal_generator import EPOCH, journal


class Site:
    """A job database and a flux-accounting database, in files."""

    def __init__(self, folder: Path) -> None:
        self.db = str(folder / "jobs.sqlite")
        self.target = create(folder / "FluxAccounting.db")
        self.run = Run(self.db)
        self.store = create_or_open(self.db)
        self.views = Views(self.store)

    def ingest(self, lines: list[bytes]) -> None:
        Writer(self.store, "test", self.views).append(lines)

    def finish(self, jobs: int, seed: int) -> None:
        self.ingest(list(journal(jobs, seed, start=EPOCH + seed * 1e6)))

    def feed(self, since: float = 0.0) -> tuple[int, int]:
        with Target(self.target) as target:
            outcome = feed(self.store, target, consumer_of(self.store, target), since)
        assert [] == outcome.refused
        return outcome[:2]

    @property
    def jobs(self) -> set[int]:
        return {jobid for (jobid,) in fetch(self.store.db, "SELECT id FROM accounting")}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have local time be that of New York, with its two changes a year."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
        time.tzset()
        yield
    time.tzset()
