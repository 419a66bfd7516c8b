# SPDX-License-Identifier: LGPL-3.0
"""Bad input through the command line: one clear line, and stored data is not changed."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from cli.input.journal_files import JournalFile
from eventstore.errors import InputError
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.sql import fetch
from tests.support.command import ROOT, Command
from tests.support.journal_generator import EPOCH, journal

GOOD = list(journal(5))


class Run:
    """Runs flux-jobdb on a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobdb = Command(folder)
        self.db = str(self.jobdb.db)

    def __call__(self, *words: str, status: int = 0, stdin: bytes = b"") -> tuple[str, str]:
        done = self.jobdb(*words, status=status, stdin=stdin)
        return done.out, done.err

    def file(self, name: str, lines: list[bytes]) -> str:
        path = self.folder / name
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return str(path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not JSON", "response"),
        (b'{"id":1,"events":[', "response"),
        (b"[]", "response"),
        (b'{"jobs":"all"}', "response"),
        (b'{"id":"x","events":[]}', "response"),
        (b'{"id":1}', "response"),
        (b'{"id":99999999999999999999,"events":[]}', "64 bits"),
        (b'{"id":1,"events":[{"name":"submit"}]}', "timestamp"),
        (b'{"id":1,"events":[{"timestamp":1.0}]}', "name"),
        (b'{"id":1,"events":[{"timestamp":"1","name":"submit"}]}', "timestamp"),
        (b'{"id":1,"events":[{"timestamp":1,"name":5}]}', "name"),
        (b'{"id":1,"events":[{"timestamp":1,"name":"x","context":[]}]}', "context"),
        (b'{"id":1,"events":[{"timestamp":1,"name":"x","context":null}]}', "context"),
        (b'{"id":1,"events":[{"timestamp":1e999,"name":"x"}]}', "event"),
        (b'{"id":1,"events":[{"timestamp":1,"name":"x","context":{"a":"\xff"}}]}', "UTF-8"),
        (b'{"id":1,"events":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "response"),
    ],
)
def test_what_cannot_be_read_is_kept_and_counted(run: Run, line: bytes, reason: str) -> None:
    path = run.file("journal", [*GOOD[:20], line, *GOOD[20:]])
    _, errors = run("ingest", path, status=3)
    assert f"{len(GOOD) - 1} events new" in errors
    assert "1 rejects" in errors
    with create_or_open(run.db) as store:
        ((kept, why),) = store.db.execute("SELECT data, reason FROM reject").fetchall()
    assert kept in line
    assert reason in why
    run("verify")
    _, errors = run("ingest", path, status=3)
    assert "0 events new" in errors
    assert json.loads(run("stats", "--json")[0])["rejects"] == 1


def test_unknown_events_are_stored_like_any(run: Run) -> None:
    line = b'{"id":16777216,"events":[{"timestamp":1.5,"name":"no-such-event","context":{}}]}'
    run("ingest", run.file("journal", [*GOOD, line]))
    assert '"no-such-event"' in run("events", "--raw")[0]


def test_a_truncated_gz_stores_what_came_before(run: Run) -> None:
    lines = list(journal(400))
    data = gzip.compress(b"".join(line + b"\n" for line in lines))
    path = run.folder / "journal.jsonl.gz"
    path.write_bytes(data[: len(data) // 2])
    _, errors = run("ingest", str(path), status=1)
    assert "cannot be read to its end" in errors
    stored = json.loads(run("stats", "--json")[0])["events"]
    assert 1000 < stored < 4400
    path.write_bytes(data)
    assert f"{4400 - stored} events new, {stored} already stored" in run("ingest", str(path))[1]
    run("verify")


def test_files_that_are_not_there(run: Run) -> None:
    assert "No such file" in run("ingest", "/nonexistent/journal", status=1)[1]
    assert "no such database" in run("list", status=1)[1]
    assert "does not exist" in run("--db", "/nonexistent/x", "ingest", "-", status=1)[1]
    assert "Flux" in run("ingest", status=1)[1]  # no FILE: the live instance, and there is none


def test_one_file_that_is_not_there_keeps_no_other_out(run: Run) -> None:
    path = run.file("journal", GOOD)
    _, err = run("ingest", str(run.folder / "none"), path, status=1)
    assert "none: No such file or directory" in err
    assert len(run("list", "-Aan")[0].splitlines()) == 5


def test_more_files_than_a_process_may_have_open(run: Run) -> None:
    paths = [run.file(f"{number}.jsonl", GOOD) for number in range(80)]
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
    done = run.jobdb("ingest", *paths, script=limit)
    assert f"{80 * len(GOOD)} responses" in done.err


def test_a_file_that_is_replaced_meanwhile_is_not_taken_for_it(run: Run) -> None:
    path = run.file("journal", GOOD)
    source = JournalFile(path)
    source.check()
    os.rename(run.file("other", GOOD[:1]), path)
    with pytest.raises(InputError, match="it was replaced meanwhile"):
        list(source.batches())


def test_names_that_are_not_utf_8(run: Run) -> None:
    path = run.file("journal", GOOD)
    (run.folder / os.fsdecode(b"bad\xff.jsonl")).write_bytes(b"\n".join(GOOD))
    done = run.jobdb("ingest", b"bad\xff.jsonl", path, status=1, cwd=run.folder)
    assert "its name is not UTF-8" in done.err
    assert len(run("list", "-Aan")[0].splitlines()) == 5
    os.unlink(run.db)
    for words in (["ingest", path], ["list"]):
        done = run.jobdb("--db", b"\xff.sqlite", *words, status=1, cwd=run.folder)
        assert "UTF-8" in done.err or "no such database" in done.err
    assert not [
        name for name in os.listdir(os.fsencode(run.folder)) if name.startswith(b"\xff")
    ]
    run("ingest", path)
    done = run.jobdb("accounting", "--json", "--name", b"\xff", status=1)
    assert (b"", True) == (done.stdout, "it is not UTF-8" in done.err)
    assert "not UTF-8" in run("sql", "-", stdin=b"SELECT '\xff'", status=1)[1]


@pytest.mark.parametrize("wait", ["inf", "nan", "-1", "3000000"])
def test_a_wait_that_is_none(run: Run, wait: str) -> None:
    run.jobdb("accounting", "--to", "x", "--wait", wait, status=2)


def test_what_cannot_be_replaced_leaves_nothing(run: Run) -> None:
    run("ingest", run.file("journal", GOOD))
    (run.folder / "made" / "place").mkdir(parents=True)
    assert (
        "place: " in run("metrics", "--textfile", str(run.folder / "made/place"), status=1)[1]
    )
    assert ["place"] == os.listdir(run.folder / "made")


def test_a_folder_in_which_no_memory_can_be_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database in it is opened by an address, in which some characters mean something."""
    path = tmp_path / "a#b?c%20" / "jobs.sqlite"
    path.parent.mkdir()
    create_or_open(str(path)).close()
    connection = apsw.Connection

    def opened(name: str, flags: int) -> apsw.Connection:
        if not flags & apsw.SQLITE_OPEN_URI:
            raise apsw.CantOpenError
        return connection(name, flags=flags)

    monkeypatch.setattr(apsw, "Connection", opened)
    with open_readonly(str(path)) as store:
        assert not fetch(store.db, "SELECT * FROM event")


def test_foreign_databases_and_a_second_writer(run: Run) -> None:
    journal_path = run.file("journal", GOOD)
    Path(run.db).write_text("not a database, but a text that is long enough\n" * 99)
    assert "not an SQLite database" in run("ingest", journal_path, status=1)[1]
    Path(run.db).unlink()
    run("ingest", journal_path)
    with create_or_open(run.db):
        assert "is writing it" in run("ingest", journal_path, status=1)[1]
        assert run("events", "--raw")[0].count("\n") == 55
    with create_or_open(run.db) as store:
        store.db.execute("PRAGMA user_version = 99")
    for command in ("ingest -", "list", "verify", "stats", "rebuild"):
        assert "newer flux-jobdb" in run(*command.split(), status=1)[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_database(run: Run) -> None:
    run("ingest", run.file("journal", GOOD))
    run.folder.chmod(0o500)
    Path(run.db).chmod(0o400)
    try:
        assert run("events", "--raw")[0].count("\n") == 55
        assert "permissions" in run("ingest", "-", status=1)[1]
    finally:
        run.folder.chmod(0o700)


def test_a_full_disk(run: Run) -> None:
    run("ingest", run.file("journal", GOOD))
    more = run.file("more", list(journal(3000, seed=4, start=EPOCH + 1e6)))
    size = Path(run.db).stat().st_size + 200_000
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "from cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "--db", run.db, "ingest", more],
        cwd=ROOT, capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert run.db in done.stderr
    run("verify")
    stored = json.loads(run("stats", "--json")[0])["events"]
    assert f"{33000 - stored + 55} events new" in run("ingest", more)[1]
    run("verify")


@pytest.mark.parametrize(
    "words",
    [
        "info nonsense! jobspec",
        "history -- -5",
        "list --as-of whenever",
        "list --filter sleeping",
        "list --user nobody-of-that-name",
        "list -o {nonsense}",
        "rpc",
        "events --after x",
        "no-such-command",
    ],
)
def test_wrong_usage(run: Run, words: str) -> None:
    run("ingest", run.file("journal", GOOD))
    _, errors = run(*words.split(), status=2)
    assert "Error: " in errors


def test_forms_are_named(run: Run) -> None:
    run("ingest", run.file("journal", GOOD))
    assert "f58" in run("history", "!!", status=2)[1].lower()
    assert "ISO 8601" in run("list", "--as-of", "??", status=2)[1]
    assert "no such job" in run("info", "fzzz", "R", status=1)[1]
