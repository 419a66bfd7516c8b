# SPDX-License-Identifier: LGPL-3.0
"""What SQLite and the system say of a file becomes one line: where, what, and what to do.

The errors are real ones, not made by their names. And what is done around long work.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import apsw
import pytest

from eventstore.bulk_work import default_processes, rare_collections, without_collections
from eventstore.errors import Busy, NotOurs, StoreError, Unfit, reachable, translated
from eventstore.own_process import command
from eventstore.storage import schema
from eventstore.storage.connection import MEMORY, create_or_open

READ_ONLY = apsw.SQLITE_OPEN_READONLY


def database(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE IF NOT EXISTS t (x INTEGER PRIMARY KEY, y TEXT NOT NULL)")
    return db


def no_database(path: Path) -> None:
    path.write_bytes(b"what is no database, and long enough to be taken for one" * 20)
    with closing(apsw.Connection(str(path))) as db:
        db.execute("SELECT * FROM sqlite_schema")


def no_utf8(path: Path) -> None:
    with closing(database(path)) as db:
        db.execute("INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT))")
        db.execute("SELECT y FROM t").fetchall()


def breaks_a_constraint(path: Path) -> None:
    with closing(database(path)) as db:
        db.execute("INSERT INTO t VALUES (1, NULL)")


def of_another_type(path: Path) -> None:
    with closing(database(path)) as db:
        db.execute("INSERT INTO t VALUES ('x', 'y')")


def too_big(path: Path) -> None:
    with closing(database(path)) as db:
        db.execute("SELECT zeroblob(?)", (2**31 - 1,)).fetchall()


def held(path: Path) -> None:
    with closing(database(path)) as db, closing(database(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        db.execute("INSERT INTO t VALUES (1, 'y')")


def full(path: Path) -> None:
    with closing(database(path)) as db:
        db.execute("PRAGMA max_page_count = 4")
        db.execute("INSERT INTO t VALUES (1, ?)", ("x" * 10**6,))


def read_only(path: Path) -> None:
    database(path).close()
    with closing(apsw.Connection(str(path), flags=READ_ONLY)) as db:
        db.execute("INSERT INTO t VALUES (1, 'y')")


def not_there(path: Path) -> None:
    apsw.Connection(str(path / "none" / "jobs.sqlite"))


def damaged(path: Path) -> None:
    with closing(database(path)) as db:
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, "x" * 1000) for n in range(50)])
        size = db.pragma("page_size")
    data = bytearray(path.read_bytes())
    data[size:] = b"\xee" * (len(data) - size)
    path.write_bytes(data)
    with closing(apsw.Connection(str(path))) as db:
        db.execute("SELECT y FROM t").fetchall()


def no_such_table(path: Path) -> None:
    with closing(database(path)) as db:
        db.execute("SELECT * FROM none")


@pytest.mark.parametrize(
    ("happens", "kind", "said"),
    [
        (no_database, NotOurs, "name another file"),
        (no_utf8, StoreError, "recover"),
        (breaks_a_constraint, Unfit, "cannot be stored"),
        (of_another_type, Unfit, "cannot be stored"),
        (too_big, Unfit, "cannot be stored"),
        (held, Busy, "another process holds it"),
        (full, StoreError, "no space left"),
        (read_only, StoreError, "cannot be written; check its permissions"),
        (not_there, StoreError, "cannot be opened"),
        (damaged, StoreError, "recover"),
        (no_such_table, StoreError, "no such table: none"),
    ],
)
def test_an_error_of_sqlite_is_one_line_of_its_kind(
    happens: Callable[[Path], None], kind: type[StoreError], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "jobs.sqlite"
    with pytest.raises(StoreError) as raised, translated(str(path)):
        happens(path)
    assert raised.type is kind
    text = str(raised.value)
    assert text.startswith(f"{path}: ")
    assert said in text
    assert "\n" not in text


def test_an_error_of_the_system_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none"
    words = "No such file or directory; check"
    with pytest.raises(StoreError, match=words) as raised, reachable(str(path)):
        path.read_bytes()
    assert str(raised.value).startswith(f"{path}: ")


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    for wrapper in (translated, reachable):
        with pytest.raises(ZeroDivisionError), wrapper(str(tmp_path)):
            raise ZeroDivisionError


def test_what_goes_wrong_with_a_database_in_memory_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no lock to be given up."""

    def fail(_: apsw.Connection) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(schema, "create", fail)
    with pytest.raises(ZeroDivisionError):
        create_or_open(MEMORY)


@pytest.mark.parametrize("enabled", [True, False])
def test_bulk_work_leaves_the_collector_as_it_was(enabled: bool) -> None:
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        found = []
        with suppress(ZeroDivisionError), without_collections():
            found.append(gc.isenabled())
            raise ZeroDivisionError
        assert found == [False]
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_collections_are_rare_for_as_long_as_it_takes() -> None:
    before, during = gc.get_threshold(), []
    with suppress(ZeroDivisionError), rare_collections():
        during += [gc.get_threshold()[0], gc.get_freeze_count()]
        raise ZeroDivisionError
    assert 200_000 == during[0]
    assert during[1] > 1000  # objects that were there before
    assert (before, 0) == (gc.get_threshold(), gc.get_freeze_count())


@pytest.mark.parametrize(
    ("cores", "processes"), [(None, 1), (1, 1), (3, 3), (4, 4), (5, 4), (64, 4)]
)
def test_bulk_work_has_a_process_a_core_and_at_most_four(
    cores: int | None, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert processes == default_processes()


@pytest.mark.parametrize("given", [(), ("one",), ("one", "", "a b'\"")])
def test_another_process_is_given_arguments_and_path(
    given: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "said.py").write_text(
        "import json, sys\n"
        "def main(*given):\n"
        "    flags = sys.flags.no_site, sys.flags.ignore_environment, sys.flags.no_user_site\n"
        "    print(json.dumps([given, sys.path, flags, sys.executable]))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    words = command("said", *given)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(words, cwd=elsewhere, capture_output=True, text=True, check=True)
    found, path, flags, executable = json.loads(done.stdout)
    assert (list(given), sys.executable) == (found, executable)
    assert [str(tmp_path), *map(str, sys.path[1:])] == path
    assert [1, 1, 1] == flags
