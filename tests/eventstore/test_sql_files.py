# SPDX-License-Identifier: LGPL-3.0
"""SQL in files: statements by name; an old schema becomes what a new database has."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from eventstore.storage.connection import MEMORY, create_or_open
from eventstore.storage.sql import fetch, statements

OLD = Path(__file__).parents[1] / "data" / "schema-1.sqlite.gz"


def test_statements_are_read_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "some.sql").write_text(
        "-- SPDX-License-Identifier: LGPL-3.0\n-- Prose.\n\n"
        "-- name: first\n-- What it returns.\nSELECT 1\nFROM job;\n\n"
        "-- name: second\nSELECT ';' -- kept\n",
        encoding="utf-8",
    )
    expected = {"first": "SELECT 1\nFROM job", "second": "SELECT ';' -- kept"}
    for module in ("some.py", "some.cpython-312-x86_64-linux-gnu.so"):
        assert expected == statements(str(tmp_path / module))


def test_a_migrated_database_has_the_columns_and_triggers_of_a_new_one(tmp_path: Path) -> None:
    path = str(tmp_path / "old.sqlite")
    Path(path).write_bytes(gzip.decompress(OLD.read_bytes()))
    with create_or_open(path) as old, create_or_open(MEMORY) as new:
        for table in [name for (name,) in fetch(new.db, _NAMES)]:
            columns = f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')"
            assert fetch(new.db, columns) == fetch(old.db, columns)
        triggers = [
            {name: re.sub(r"\s+", " ", sql) for name, sql in fetch(store.db, _TRIGGERS)}
            for store in (old, new)
        ]
        assert triggers[0] == triggers[1]
        assert len(triggers[0]) == 20


_NAMES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
_TRIGGERS = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
