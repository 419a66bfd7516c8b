# SPDX-License-Identifier: LGPL-3.0
"""flux-accounting's database: all known schemas are filled, no other table is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.accounting.feed import consumer_of, feed
from cli.accounting.flux_accounting_db import Target
from eventstore.ingest.writer import Writer
from projections.queries.accounting_feed import finished_jobs
from tests.cli.conftest import Site
from tests.support.accounting_db import COLUMNS, LAYOUTS, create, rows
from tests.support.journal_generator import journal
from tests.support.recordings import new_store


@pytest.mark.parametrize("version", LAYOUTS)
def test_older_schemas_get_the_columns_they_have(version: int, tmp_path: Path) -> None:
    store, views = new_store()
    Writer(store, "test", views).append(journal(20))
    wanted = [column.split()[0] for column in COLUMNS[: LAYOUTS[version]]]
    expected = [
        {
            name: str(value) if name == "id" else value
            for name, value in record._asdict().items()
        }
        for _, record in finished_jobs(store.db, 0, 10**6)
    ]
    with store, Target(create(tmp_path / "a.db", version)) as target:
        assert (20, 0, []) == feed(store, target, consumer_of(store, target))
    expected = [{name: row[name] for name in wanted} for row in expected]
    assert sorted(expected, key=lambda row: row["id"]) == rows(tmp_path / "a.db")


def test_no_other_table_is_written(site: Site) -> None:
    written = set()

    def watch(operation: int, table: str | None, *_: object) -> int:
        if operation in (9, 18, 23):  # SQLITE_DELETE, SQLITE_INSERT, SQLITE_UPDATE
            written.add(table)
        return 0

    site.finish(5, 1)
    with Target(site.target) as target:
        target.db.authorizer = watch
        feed(site.store, target, consumer_of(site.store, target))
    assert {"jobs"} == written
