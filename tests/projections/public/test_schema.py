# SPDX-License-Identifier: LGPL-3.0
"""The public schema as a contract: its columns, its version, its presence in any database."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import apsw
import pytest

from eventstore.errors import StoreError
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.sql import fetch
from projections.definitions.interface import check
from projections.engine.rebuild import rebuild, refresh
from projections.engine.views import Views, unsettled
from projections.public.schema import NAMES, VERSION, VIEWS, is_published, withdraw
from tests.support.recordings import new_store

ROOT = Path(__file__).parents[3]

COLUMNS = {
    "jobs": (
        "id userid urgency priority t_submit t_depend t_priority t_sched t_run t_cleanup "
        "t_inactive state name cwd queue project bank ntasks ncores duration nnodes ranks "
        "nodelist success exception_occurred exception_type exception_severity exception_note "
        "result expiration annotations waitstatus dependencies t_purged stream"
    ),
    "events": "seq jobid timestamp name context stream",
    "purges": "seq jobid timestamp stream",
    "gaps": "kind jobid since until why stream",
    "usage": "hour queue userid bank project jobs started node_seconds core_seconds",
    "nodes": "host rank up torpid excluded t_drained reason unknown",
    "node_states": "host kind t_from t_to t_drained reason ended",
    "contract": "version",
}
"""The contract. A name may be added, at the end of a line, with another VERSION; a line may be
added. Nothing may be taken away, renamed or moved: what needs that is a view of another name.
"""


def columns(db: apsw.Connection, name: str) -> str:
    return " ".join(column for _, column, *_ in fetch(db, f"PRAGMA table_info({name})"))


def test_columns_are_those_of_the_contract() -> None:
    store, _ = new_store()
    assert set(COLUMNS) == set(NAMES) == {*VIEWS, "contract"}
    assert {name: columns(store.db, name) for name in NAMES} == COLUMNS
    assert fetch(store.db, "SELECT version FROM contract") == [(VERSION,)]


def test_the_page_has_all_columns_in_their_order() -> None:
    text = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    for name in VIEWS:
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == COLUMNS[name].split()


def test_views_use_old_functions_of_sqlite_only() -> None:
    """Those that a client's SQLite has, if it is not older than 3.38 (2022)."""
    store, _ = new_store()
    called: set[str] = set()

    def note(action: int, _: str | None, name: str | None, *__: str | None) -> int:
        if action == apsw.SQLITE_FUNCTION and name is not None:
            called.add(name)
        return apsw.SQLITE_OK

    store.db.authorizer = note
    for name in VIEWS:
        fetch(store.db, f"SELECT * FROM {name}")
    store.db.authorizer = None
    assert "substr" in called
    assert called <= {
        "coalesce", "count", "instr", "json_valid", "lead", "length", "max", "min", "nullif",
        "strftime", "substr",
    }  # fmt: skip


def test_they_stay_through_a_rebuild_and_come_back_where_they_are_missing() -> None:
    store, views = new_store()
    rebuild(views)
    assert is_published(store.db)
    with store.transaction() as db:
        withdraw(db)
        assert not is_published(db)
    Views(store)
    assert is_published(store.db)


def test_one_of_another_definition_is_replaced() -> None:
    store, _ = new_store()
    store.db.execute("DROP VIEW events; CREATE VIEW events AS SELECT 1 AS seq")
    store.db.execute("UPDATE contract SET version = 0")
    assert not is_published(store.db)
    assert unsettled(store.db)
    Views(store)
    assert columns(store.db, "events") == COLUMNS["events"]
    assert fetch(store.db, "SELECT version FROM contract") == [(VERSION,)]
    assert not unsettled(store.db)


def test_an_old_database_gets_them(tmp_path: Path) -> None:
    path = str(tmp_path / "old.sqlite")
    old = ROOT / "tests" / "data" / "schema-1.sqlite.gz"
    Path(path).write_bytes(gzip.decompress(old.read_bytes()))
    with create_or_open(path) as store:
        refresh(Views(store))
    with open_readonly(path) as store:
        assert is_published(store.db)
        (jobs,) = fetch(store.db, "SELECT count(*) FROM jobs")[0]
        counts = "SELECT (SELECT count(*) FROM inactive) + (SELECT count(*) FROM active)"
        assert jobs == fetch(store.db, counts)[0][0] > 100


def test_a_table_of_a_site_is_left_alone() -> None:
    """It may have been there before its name was taken."""
    store, _ = new_store()
    store.db.execute("DROP VIEW purges; CREATE TABLE purges (mine)")
    Views(store)
    assert columns(store.db, "purges") == "mine"


@pytest.mark.parametrize("taken", NAMES)
def test_no_projection_takes_one_of_the_names(taken: str) -> None:
    class Site:
        name = "site"
        version = 1
        schema = f"CREATE TABLE {taken.upper()} (job INTEGER PRIMARY KEY);\n"

        def rows(self, job: object) -> list[object]:
            return []

    with pytest.raises(StoreError, match=f"its table {taken.upper()} has a name of the public"):
        check(Site())  # type: ignore[arg-type]
