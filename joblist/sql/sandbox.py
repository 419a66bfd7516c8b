# SPDX-License-Identifier: LGPL-3.0
"""The process of a guest's statement. It has a socket, an empty database in memory, and limits.

Everything that it may need is imported first. Then it is locked up (limits.py): it can open no
file, start no process, and takes no more memory. Only then it reads the statement.
"""

from __future__ import annotations

import os
import socket
import time
from importlib import import_module

import apsw

from joblist.sql.limits import HEAP, SQLITE, lock_up, too_long
from joblist.sql.messages import (
    Batch,
    Close,
    Closed,
    Done,
    Found,
    Line,
    More,
    Names,
    Open,
    Table,
    Task,
    decode_batch,
    decode_task,
)
from joblist.sql.tables import Remote, declared
from projections.sql.functions import DETERMINISTIC, TABLES, register
from projections.sql.statement import SqlError, run

_TOGETHER = 200  # rows that are sent at a time
_LONGEST = 300  # characters of an error

# What a statement may call: what depends on its arguments alone, and the time.
_FUNCTIONS = frozenset({
    "abs", "avg", "char", "coalesce", "concat", "concat_ws", "count", "cume_dist", "date",
    "datetime", "dense_rank", "first_value", "format", "glob", "group_concat", "hex", "ifnull",
    "if", "iif", "instr", "json", "json_array", "json_array_length", "json_extract",
    "json_group_array", "json_group_object", "json_object", "json_quote", "json_type",
    "json_valid", "julianday", "lag", "last_value", "lead", "length", "like", "lower", "ltrim",
    "max", "median", "min", "nth_value", "ntile", "nullif", "octet_length", "percent_rank",
    "percentile", "printf", "quote", "rank", "replace", "round", "row_number", "rtrim", "sign",
    "strftime", "string_agg", "substr", "substring", "sum", "time", "timediff", "total", "trim",
    "typeof", "unicode", "unixepoch", "upper", "->", "->>", "acos", "asin", "atan", "atan2",
    "ceil", "ceiling", "cos", "degrees", "exp", "floor", "ln", "log", "log10", "log2", "mod",
    "pi", "pow", "power", "radians", "sin", "sqrt", "tan", "trunc",
    *(function.__name__ for function in DETERMINISTIC), "when",
})  # fmt: skip
_OWN_TABLES = frozenset({*TABLES, "json_each", "json_tree"})


def main() -> None:
    """Run the statement that comes through standard input, which is a socket; then end."""
    line = Line(socket.socket(fileno=os.dup(0)))
    try:
        task = decode_task(line.receive())
        _import_for(task.sql)
        lock_up(task.limits)
        try:
            _answer(line, task)
            line.send(Done())
        except SqlError as error:
            line.send(Done(str(error)[:_LONGEST]))
        except (MemoryError, apsw.NoMemError):
            line.send(Done("the statement takes more memory than it may have"))
    except Closed:
        pass
    os._exit(0)


def _import_for(sql: str) -> None:
    """Import what functions import when they are called: later, no file can be opened."""
    time.localtime()
    for word, name in (("jobid", "mnemonicode"), ("when", "parsedatetime")):
        if word in sql.lower():
            import_module(name)


def _answer(line: Line, task: Task) -> None:
    db = _database(line, task.tables)
    end = time.monotonic() + task.limits.seconds

    def go_on() -> None:
        if time.monotonic() > end:
            raise SqlError(too_long(task.limits.seconds))

    found = run(db, task.sql, go_on)
    line.send(Names(found.names))
    rows: list[tuple[object, ...]] = []
    for row in found.rows:
        rows.append(row)
        if len(rows) >= _TOGETHER or len(str(row)) > 2**16:
            line.send(Found(rows))
            rows = []
    if rows:
        line.send(Found(rows))


def _database(line: Line, tables: list[Table]) -> apsw.Connection:
    apsw.hard_heap_limit(HEAP)
    db = apsw.Connection(":memory:")
    db.execute("PRAGMA temp_store = MEMORY")
    register(db)
    for table in tables:
        _add(db, line, table)
    db.execute("PRAGMA query_only = ON")
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    db.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    for limit, most in SQLITE.items():
        db.limit(limit, most)
    db.authorizer = _authorizer(frozenset(table.name for table in tables) | _OWN_TABLES)
    return db


def _add(db: apsw.Connection, line: Line, table: Table) -> None:
    if table.rows is None:

        def ask(request: Open | More) -> Batch:
            line.send(request)
            return decode_batch(line.receive())

        def say(request: Close) -> None:
            line.send(request)

        db.create_module(
            table.name,
            Remote(table, ask, say),  # type: ignore[arg-type]
            use_bestindex_object=True,
            eponymous_only=True,
            read_only=True,
        )
        return
    db.execute(f"CREATE TABLE {table.name} ({declared(table)})")
    marks = ", ".join("?" * len(table.columns))
    db.executemany(f"INSERT INTO {table.name} VALUES ({marks})", table.rows)


def _authorizer(tables: frozenset[str]) -> apsw.Authorizer:
    def allowed(
        action: int, first: str | None, second: str | None, _: str | None, __: str | None
    ) -> int:
        if action in {apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE}:
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_READ and (first in tables or second == ""):
            return apsw.SQLITE_OK  # no column: of `WITH n AS (…) SELECT 1 FROM n`, too
        if action == apsw.SQLITE_FUNCTION and second in _FUNCTIONS:
            return apsw.SQLITE_OK
        return apsw.SQLITE_DENY

    return allowed
