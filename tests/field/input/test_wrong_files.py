# SPDX-License-Identifier: LGPL-3.0
"""Files that are no journal: refused before anything is stored, or read where they can be."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import resource
import sqlite3
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.field_jobs import job, recorded

CASE = recorded("odd-clocks")
JOURNAL = b"".join(line + b"\n" for line in CASE)
USERS = b"".join(b"user%d:x:%d:100::/home/user%d:/bin/sh\n" % (i, i, i) for i in range(26))
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 40
# An empty frame of Zstandard (RFC 8878), which Python reads from 3.14 on.
ZSTD = b"\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00\x99\xe9\xd8\x51"


def _database() -> bytes:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a, b)")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"row\n{i}") for i in range(2000)])
    return db.serialize()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("passwd")
        member.size = len(USERS)
        tar.addfile(member, io.BytesIO(USERS))
    return buffer.getvalue()


def _eventlog() -> bytes:
    """What `flux job eventlog -f json` prints: events without their job."""
    return b"".join(
        json.dumps(one).encode() + b"\n"
        for line in job(1)
        for one in json.loads(line)["events"]
    )


WRONG: dict[str, Callable[[], bytes]] = {
    "users": lambda: USERS,
    "one line of text": lambda: b"hello\n",
    "text without a line end": lambda: b"hello",
    "a database": _database,
    "a program": lambda: Path(sys.executable).read_bytes()[:200_000],
    "a picture": lambda: PNG,
    "an archive": _tar,
    "zipped text": lambda: gzip.compress(USERS),
    "binary zeros": lambda: bytes(2**20),
    "random bytes": lambda: bytes((i * i * 7 + 13) % 251 for i in range(50_000)),
    "CSV": lambda: b"id,name,state\n" + b"1,app,RUN\n" * 50,
    "HTML": lambda: b"<!DOCTYPE html>\n<html>\n<body>404</body>\n</html>\n",
    "JSON of another shape": lambda: b'{"a":1}\n{"b":[2]}\n' * 20,
    "JSON numbers": lambda: b"1\n2\n3\n",
    "a list of responses": lambda: b"[" + b",".join(CASE) + b"]\n",
    "a journal laid out for people": lambda: json.dumps(
        [json.loads(line) for line in CASE], indent=2
    ).encode(),
    "an eventlog": _eventlog,
    "a journal in UTF-16": lambda: JOURNAL.decode().encode("utf-16"),
    "a log with JSON in it": lambda: b"".join(b"Nov 20 flux[1]: " + li + b"\n" for li in CASE),
}


def give(jobdb: Command, name: str, data: bytes) -> str:
    path = jobdb.folder / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_is_no_journal_is_refused(jobdb: Command, kind: str) -> None:
    path = give(jobdb, "given", WRONG[kind]())
    done = jobdb("ingest", path, status=1)
    assert path in done.err
    assert "--force" in done.err
    assert done.err.count("\n") <= 2  # the reason, and the summary that is always there
    stats = jobdb.stats()
    assert [0] * 3 == [stats.get(name, 0) for name in ("rejects", "events", "sources")]


@pytest.mark.parametrize("kind", ["users", "binary zeros"])
def test_standard_input_that_is_no_journal_is_refused(jobdb: Command, kind: str) -> None:
    assert "--force" in jobdb("ingest", "-", stdin=WRONG[kind](), status=1).err
    assert not jobdb.stats().get("rejects")


@pytest.mark.parametrize("kind", ["users", "JSON of another shape"])
def test_who_means_it_can_force_it(jobdb: Command, kind: str) -> None:
    data = WRONG[kind]()
    done = jobdb("ingest", "--force", give(jobdb, "given", data), status=3)
    assert f"{len(data.splitlines())} rejects" in done.err
    assert jobdb.stats()["rejects"] == len(set(data.splitlines()))


def test_a_wrong_file_among_right_ones_stores_nothing_of_itself(jobdb: Command) -> None:
    right, also = give(jobdb, "right", JOURNAL), give(jobdb, "also", b"\n".join(job(9)))
    done = jobdb("ingest", right, give(jobdb, "wrong", USERS), also, status=1)
    assert "wrong" in done.err
    assert jobdb.stats().get("rejects", 0) == 0
    assert "90 events new" not in jobdb("ingest", "--force", right, also).err


ONE_BAD = {
    "text at its head": b"# recorded on Monday\n" + JOURNAL,
    "a torn line at its head": JOURNAL[10:],
    "a log line at its head": b"flux-jobdb: connecting\n" + JOURNAL,
    "a mark of byte order": b"\xef\xbb\xbf" + JOURNAL,
    "an odd line in the middle": JOURNAL.replace(b"\n", b"\nnot JSON\n", 1),
    "an object of another shape": b'{"version":1}\n' + JOURNAL,
}


@pytest.mark.parametrize("kind", ONE_BAD)
def test_a_journal_with_one_bad_line_is_a_journal(jobdb: Command, kind: str) -> None:
    done = jobdb("ingest", give(jobdb, "given", ONE_BAD[kind]), status=(0, 3))
    assert jobdb.stats()["events"] == 80
    assert ("1 rejects" in done.err) == (done.status == 3)


def test_a_file_of_purges_is_a_journal(jobdb: Command) -> None:
    jobdb.ingest(CASE)
    jobdb("ingest", give(jobdb, "purges", b'{"jobs":[16777216]}\n'))
    assert jobdb.stats()["purges"] == 1


@pytest.mark.parametrize("data", [b"", b"\n", b"\n \n\t\n"], ids=["empty", "a line", "blanks"])
def test_an_empty_file_is_an_empty_journal(jobdb: Command, data: bytes) -> None:
    assert "0 events new" in jobdb("ingest", give(jobdb, "given", data)).err


def test_what_is_no_file_is_named(jobdb: Command) -> None:
    for path in (str(jobdb.folder), str(jobdb.folder / "absent"), "/proc/self/mem"):
        done = jobdb("ingest", path, status=1)
        assert path in done.err


def test_an_endless_line_is_refused_before_memory_is_full(jobdb: Command) -> None:
    limit = 600 * 2**20

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = jobdb("ingest", "/dev/zero", status=1, preexec_fn=bounded)
    assert "/dev/zero" in done.err


READ: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("named", [True, False], ids=["by its name", "by its first bytes"])
@pytest.mark.parametrize("kind", READ)
def test_what_python_can_decompress_is_read(jobdb: Command, kind: str, named: bool) -> None:
    suffix = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz"}[kind] if named else ""
    path = give(jobdb, f"journal{suffix}", READ[kind](JOURNAL))
    assert "80 events new, 0 already stored; 0 rejects" in jobdb("ingest", path).err
    stdin = READ[kind](JOURNAL)
    assert "80 already stored; 0 rejects" in jobdb("ingest", "-", stdin=stdin).err


@pytest.mark.parametrize("kind", ["bzip2", "xz"])
def test_a_torn_archive_stores_what_came_before(jobdb: Command, kind: str) -> None:
    data = b"".join(line + b"\n" for n in range(1, 400) for line in job(n, name=f"x{n * n}"))
    whole = READ[kind](data) if kind == "xz" else b"".join(
        bz2.compress(data[i : i + 100_000]) for i in range(0, len(data), 100_000)
    )  # fmt: skip
    path = give(jobdb, "journal", whole[: len(whole) * 3 // 4])
    assert "cannot be read to its end" in jobdb("ingest", path, status=1).err
    assert 0 < jobdb.stats()["events"] < 3990
    assert "3990 events" not in jobdb("ingest", give(jobdb, "journal", whole)).err
    assert jobdb.stats()["events"] == 3990


@pytest.mark.parametrize("name", ["journal.jsonl.zst", "journal"])
def test_zstandard_is_read_or_refused_by_name(jobdb: Command, name: str) -> None:
    done = jobdb("ingest", give(jobdb, name, ZSTD), status=(0, 1))
    assert (done.status == 0) == (sys.version_info >= (3, 14))
    assert done.status == 0 or "zst" in done.err.lower()
    assert not jobdb.stats().get("rejects")


def test_rejects_are_shown_with_their_reasons(jobdb: Command) -> None:
    bad = [b"not JSON", b'{"id":5,"events":[{"name":"submit"}]}', b"\x1b[2J\x9b\xff"]
    jobdb.ingest([*CASE, *bad], status=3)
    rows = jobdb("rejects", "--json").objects
    assert [None, 5, None] == [row["id"] for row in rows]
    assert rows[1]["jobid"] == "ƒ6"
    assert "timestamp" in rows[1]["reason"]
    assert all(row["reason"] for row in rows)
    shown = jobdb("rejects")
    assert len(shown.lines) == 3
    assert "not JSON" in shown.out
    assert "timestamp" in shown.out
    assert shown.out.replace("\n", "").isprintable()


def test_a_named_file_that_disappears_is_named(jobdb: Command) -> None:
    target = jobdb.folder / "gone"
    link = jobdb.folder / "link"
    os.symlink(target, link)
    assert str(link) in jobdb("ingest", str(link), status=1).err
