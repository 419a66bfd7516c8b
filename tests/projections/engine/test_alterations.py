# SPDX-License-Identifier: LGPL-3.0
"""Each column of each view is altered, rows are lost and added: `verify` names the table.

All tables that are not of the event store are tried, but for those in BESIDE.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from eventstore.events.resource_line import encode_end
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import MEMORY, create_or_open
from eventstore.storage.sql import fetch
from projections.engine.verify_views import differing
from projections.engine.views import Views, first_fault
from projections.node_queries import settle
from tests.support.every_row import ingest
from tests.support.lives import Step, text_of
from tests.support.payloads import RESOURCE_SETS, spec

BESIDE = {
    "rebuild": "how far a rebuild has come: it has no rows but during one",
    "contract": "the version of the public schema, which is made again when the file is opened",
    "view": "how far each view is: tested below",
}
"""Tables with which rows of views have nothing to do."""
_SUMS = {"node_hour", "node_settled"}  # how far sums reach, and the sums, are told together
FREE = 10**6
"""Added to a key, this gives one that no row has."""
_DAY = 86400.0


def moved(jobid: int, time: float, ran: float) -> Iterator[bytes]:
    """Yield the life of a job with all attributes, which has been in two queues."""
    jobspec = spec(queue="debug", project="p", bank="A", cwd="/c", job={"name": "n"})
    steps: list[tuple[float, Step]] = [
        (0, ("submit", {"userid": 7, "urgency": 16, "version": 1}, {"jobspec": jobspec})),
        (1, ("dependency-add", {"description": "after=1"}, {})),
        (2, ("validate", None, {})),
        (3, ("jobspec-update", {"attributes.system.queue": "batch"}, {})),
        (4, ("depend", None, {})),
        (5, ("priority", {"priority": 3}, {})),
        (6, ("alloc", {"annotations": {"sched": {"x": 1}}}, {"R": RESOURCE_SETS[1]})),
        (6, ("memo", {"m": 1}, {})),
        (6, ("exception", {"type": "x", "severity": 1, "note": "why"}, {})),
        (ran, ("finish", {"status": 256}, {})),
        (ran, ("clean", None, {})),
    ]
    return (text_of(jobid, time + after, step) for after, step in steps)


def resources() -> Iterator[bytes]:
    """Yield what the resource module says: two nodes for three hours, one of them drained."""
    for time, name, context in (
        (3600.0, "restart", {"ranks": "0-1", "nodelist": "n[1-2]", "online": "0"}),
        (3610.0, "online", {"idset": "1"}),
        (5000.0, "drain", {"idset": "1", "nodelist": "n2", "reason": "x", "overwrite": 0}),
        (9000.0, "undrain", {"idset": "1", "nodelist": "n2"}),
        (9100.0, "drain", {"idset": "0", "nodelist": "n1", "reason": "y", "overwrite": 0}),
        (9200.0, "torpid", {"idset": "0"}),
        (15000.0, "offline", {"idset": "1"}),
    ):
        event = {"timestamp": time, "name": name, "context": context}
        yield json.dumps({"events": [event]}).encode()
    yield encode_end("clean", 16000.0)
    restart = {"ranks": "0-1", "nodelist": "n[1-2]", "online": "0"}
    event = {"timestamp": 17000.0, "name": "restart", "context": restart}
    yield json.dumps({"events": [event]}).encode()


@pytest.fixture(scope="module")
def db() -> Iterator[apsw.Connection]:
    with create_or_open(MEMORY) as store:
        views = Views(store)
        Writer(store, "resources", views, boot="0").append(resources())
        ingest(store, views)
        writer = Writer(store, "more", views, boot="c")
        writer.append([*moved(50, 8000.0, 100.0), *moved(51, 9000.0, 40 * _DAY)])
        writer.append(list(moved(52, 9500.0, 100.0))[:-1])
        assert settle.settle(store.db) == 3
        yield store.db


def tables(db: apsw.Connection) -> list[str]:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    with create_or_open(MEMORY) as bare:
        of_events = {name for (name,) in fetch(bare.db, sql)}
    return [name for (name,) in fetch(db, sql) if name not in {*of_events, *BESIDE}]


def columns_of(db: apsw.Connection, table: str) -> list[str]:
    return [name for (name,) in fetch(db, f"SELECT name FROM pragma_table_info('{table}')")]


def chosen(db: apsw.Connection, table: str) -> list[dict[str, Any]]:
    """Return two rows: those with the most and the fewest values."""
    names = columns_of(db, table)
    rows = [dict(zip(names, row, strict=True)) for row in fetch(db, f"SELECT * FROM {table}")]
    rows.sort(key=lambda row: sum(value is not None for value in row.values()), reverse=True)
    return rows if len(rows) < 2 else [rows[0], rows[-1]]


def fault(db: apsw.Connection) -> str | None:
    """Return what `verify` says of the views."""
    return first_fault(db) or differing(db) or settle.differing(db)


def altered(db: apsw.Connection, sql: str, bindings: tuple[Any, ...]) -> str | None:
    """Return the fault after a statement, which is undone; "" where it cannot be done."""
    db.execute("SAVEPOINT altered")
    try:
        db.execute(sql, bindings)
        return fault(db) if db.changes() else ""
    except (apsw.ConstraintError, apsw.MismatchError):
        return ""
    finally:
        db.execute("ROLLBACK TO altered")
        db.execute("RELEASE altered")


def other(value: Any) -> Any:
    """Return a value that is near to another one, so that a careless look takes it for it."""
    if isinstance(value, str):
        return value + " "
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1]) if value else b"\0"
    return 1 if value is None else value + 1


def where(row: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    return " AND ".join(f"{name} IS ?" for name in row), tuple(row.values())


def changes(table: str, row: dict[str, Any]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Yield what is done to a row, and the statement with its bindings."""
    this, bindings = where(row)
    key, *_ = row
    free = row[key] + FREE if isinstance(row[key], int | float) else other(row[key])
    for name, value in row.items():
        sql = f"UPDATE {table} SET {name} = ? WHERE {this}"
        yield name, sql, (free if name == key else other(value), *bindings)
    yield "lost", f"DELETE FROM {table} WHERE {this}", bindings
    added = {**row, key: free}
    marks = ", ".join("?" * len(added))
    names = ", ".join(added)
    yield "added", f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(added.values())


def test_all_columns_of_all_views(db: apsw.Connection) -> None:
    assert fault(db) is None
    assert {"fold", "inactive", "stats", "node_time", "report_alone"} < set(tables(db))
    for table in tables(db):
        tried = set()
        for row in chosen(db, table):
            for what, sql, bindings in changes(table, row):
                found = altered(db, sql, bindings)
                if found != "":
                    tried.add(what)
                    assert found is not None, (table, what, row)
                    names = _SUMS if table in _SUMS else {table}
                    assert names & set(re.findall(r"table (\w+)", found)), (what, found)
        assert tried == {*columns_of(db, table), "lost", "added"}, table
    assert fault(db) is None


def test_how_far_a_view_is(db: apsw.Connection) -> None:
    for (name,) in fetch(db, "SELECT name FROM view"):
        for by in (-1, 1):
            sql = "UPDATE view SET checkpoint = checkpoint + ? WHERE name = ?"
            found = altered(db, sql, (by, name))
            assert found, (name, by)
            assert name in found
