# SPDX-License-Identifier: LGPL-3.0
"""What is damaged, lost, full, hostile or odd: a line says so, and what was right stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lake.asking import (
    check_back,
    export,
    finished_texts,
    newest,
    rows,
    stored_jobs,
    texts,
)
from tests.support import field_jobs
from tests.support.command import Command
from tests.support.journal_generator import journal

COMMANDS = ((), ("--compact",), ("--verify",))


@pytest.fixture
def jobdb(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def lake(jobdb: Command, tmp_path: Path) -> Path:
    """A lake of 30 jobs."""
    jobdb.ingest(list(journal(30)))
    export(jobdb, tmp_path / "lake")
    return tmp_path / "lake"


def contents(lake: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in lake.rglob("*.*") if path.is_file()}


def changed(**members: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda found: {**found, **members}


def with_path(path: str) -> Callable[[dict[str, Any]], Any]:
    """Return what puts a path in place of that of the first file."""

    def change(found: dict[str, Any]) -> dict[str, Any]:
        first, *rest = found["files"]
        return {**found, "files": [{**first, "path": path}, *rest]}

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None, lambda _: [], lambda _: {}, changed(files=[]), changed(seq=0, batch=0),
        changed(seq=10**30), changed(version=2), changed(cluster="elcap"), changed(events=1),
        changed(digest="00"), with_path("/etc/passwd"), with_path("../../x.parquet"),
        with_path("x"), lambda found: {**found, "files": found["files"] * 2},
    ],
)  # fmt: skip
def test_a_manifest_that_was_changed_is_refused(
    jobdb: Command, lake: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    manifest = lake / "manifest" / "tuolumne.json"
    manifest.write_text(json.dumps(change(json.loads(manifest.read_bytes()))))
    before = contents(lake)
    for words in COMMANDS:
        said = jobdb("export", "--cluster=tuolumne", *words, str(lake), status=1).err
        assert str(manifest) in said
        assert 1 == said.count("\n")
    other = Command(lake.parent, "other.sqlite")
    assert str(manifest) in other("ingest", str(lake), status=1).err
    assert before == contents(lake)


def test_a_manifest_that_was_cut_or_lost_is_refused(jobdb: Command, lake: Path) -> None:
    manifest = lake / "manifest" / "tuolumne.json"
    whole, before = manifest.read_bytes(), contents(lake)
    for size in range(0, len(whole) - 3, 97):
        manifest.write_bytes(whole[:size])
        assert "restore it" in jobdb(
            "export", "--cluster=tuolumne", str(lake), status=1
        ).err  # fmt: skip
    manifest.unlink()
    another = Command(lake.parent, "another.sqlite")
    another.ingest(list(journal(3, seed=5)))
    for one in (jobdb, another):
        assert "it is lost" in one("export", "--cluster=tuolumne", str(lake), status=1).err
    manifest.write_bytes(whole)
    assert before == contents(lake)
    export(jobdb, lake, "--verify")


def test_nothing_is_made_of_a_lake_that_is_damaged(lake: Path) -> None:
    (path,) = (lake / "events").rglob("*.parquet")
    data = path.read_bytes()
    for broken in (data[:100] + bytes([data[100] ^ 1]) + data[101:], data[:-5], b"", None):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.mkdir() if broken is None else path.write_bytes(broken)
        other = Command(lake.parent, "other.sqlite")
        said = other("ingest", str(lake), status=1).err
        assert path.name in said
        assert "unforeseen" not in said
        assert 0 == other.stats()["events"]


def test_a_damaged_file_does_not_stop_joining_without_a_word(
    jobdb: Command, lake: Path
) -> None:
    jobdb.ingest(field_jobs.job(1))
    jobdb.ingest(list(journal(60)))
    export(jobdb, lake)
    path = min((lake / "events").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-50])
    said = jobdb("export", "--cluster=tuolumne", "--compact", str(lake), status=1).err
    assert str(lake) in said
    assert "unforeseen" not in said


@pytest.mark.parametrize("words", [(), ("--compact",)], ids=["export", "compact"])
def test_a_full_disk_leaves_what_was_there(
    jobdb: Command, lake: Path, words: tuple[str, ...]
) -> None:
    before = contents(lake)
    jobdb.ingest(list(journal(1500)))
    script = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))\n"
    said = jobdb(
        "export", "--cluster=tuolumne", *words, str(lake), script=script, status=1
    ).err  # fmt: skip
    assert "File too large" in said
    assert before.items() <= contents(lake).items()
    export(jobdb, lake, *words)
    assert finished_texts(jobdb) == texts(lake)
    assert not [path for path in lake.rglob("*") if "part" in path.name]


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "-x", "x\n", "é", "a" * 65, ".."])
def test_a_name_that_is_none_of_a_folder_is_refused(
    jobdb: Command, tmp_path: Path, name: str
) -> None:
    jobdb.ingest(list(journal(1)))
    said = jobdb("export", f"--cluster={name}", str(tmp_path / "lake"), status=1).err
    assert "no name of a cluster" in said
    assert not (tmp_path / "lake").exists()


def test_clusters_whose_names_look_like_files_of_others(jobdb: Command, tmp_path: Path) -> None:
    jobdb.ingest(list(journal(3)))
    lake = tmp_path / "lake"
    names = ["a", "a.lock", "a.json", "a.part", "a.b"]
    for _ in range(2):
        for name in names:
            jobdb("export", "--cluster", name, str(lake))
    for name in names:
        jobdb("export", "--cluster", name, "--verify", str(lake))
        assert 1 == len(list((lake / "events" / f"cluster={name}").rglob("*.parquet")))


def shifted(number: int, start: float) -> list[bytes]:
    """Return the lines of a job that begins at another time."""
    lines = [json.loads(line) for line in field_jobs.job(number)]
    first = lines[0]["events"][0]["timestamp"]
    for line in lines:
        for event in line["events"]:
            event["timestamp"] += start - first
    return [json.dumps(line, separators=(",", ":")).encode() for line in lines]


def test_odd_times_and_days(jobdb: Command, tmp_path: Path) -> None:
    """Clocks that go back, the ends of days, and times that are in no calendar."""
    starts = [1790000000.0, 0.0, 86390.0, 86391.0, 1e-300, 253402300799.0, 253402300800.0,
              1e18, 1e300, 1790000000.0 - 86400, 1789999999.0]  # fmt: skip
    lake = tmp_path / "lake"
    for number, start in enumerate(starts, 1):
        jobdb.ingest(shifted(number, start))
        if number % 4 == 0:
            export(jobdb, lake)
    export(jobdb, lake)
    for _ in range(2):
        export(jobdb, lake, "--verify")
        assert finished_texts(jobdb) == texts(lake)
        assert stored_jobs(jobdb.db, "state = 'INACTIVE'") == newest(lake)
        days = {path.parts[-3] for path in (lake / "events").rglob("*.parquet")}
        assert {"day=1970-01-01", "day=1970-01-02", "day=9999-12-31"} <= days
        export(jobdb, lake, "--compact")
    check_back(jobdb, lake, tmp_path)


def test_odd_texts_go_there_and_back(jobdb: Command, tmp_path: Path) -> None:
    """Surrogates, control characters, numbers that no double has, members that come twice."""
    notes = [
        rb'"\ud800"', rb'"\u0000"', '"\u2028é\U0001f600"'.encode(), b"1e400", b"-0",
        b"123456789012345678901234567890", b'{"a":1,"a":2}', b"[]", b'"%b"' % (b"x" * 70000),
    ]  # fmt: skip
    lines = field_jobs.job(1)
    form = b'{"id":16777216,"events":[{"timestamp":%d.%d,"name":"odd","context":{"note":%b}}]}'
    for number, note in enumerate(notes, 1):
        lines.insert(2, form % (field_jobs.EPOCH + 1, number, note))
    jobdb.run("ingest", "-", stdin=b"\n".join(lines))
    lake = tmp_path / "lake"
    export(jobdb, lake)
    assert finished_texts(jobdb) == texts(lake)
    assert sum(b'"odd"' in text for text in texts(lake)) > 5  # others are no JSON
    export(jobdb, lake, "--verify")
    check_back(jobdb, lake, tmp_path)


def test_ids_that_came_again_rejects_and_jobs_that_wait(jobdb: Command, tmp_path: Path) -> None:
    """Two jobs of one id, of instances one after the other; a line that is none; a late end."""
    lake, day = tmp_path / "lake", 86400.0
    again = field_jobs.job(1, start=field_jobs.EPOCH + day)
    waits = field_jobs.job(1, start=field_jobs.EPOCH + 2 * day)
    jobdb.run("ingest", "-", stdin=b"\n".join([*field_jobs.job(1), b'{"id":1,"events":7}']))
    export(jobdb, lake)
    jobdb.ingest([*again, *waits[:-1]])
    export(jobdb, lake)
    assert [1, 2] == sorted(row["stream"] for row in rows(lake, "jobs"))
    assert 20 == len(texts(lake))
    jobdb.ingest(waits)
    export(jobdb, lake, "--compact")
    assert finished_texts(jobdb) == texts(lake)
    assert stored_jobs(jobdb.db, "state = 'INACTIVE'") == newest(lake)
    assert 3 == len(newest(lake))
    export(jobdb, lake, "--verify")
    check_back(jobdb, lake, tmp_path)


@pytest.mark.parametrize("name", ["invalidate", "depend"])
def test_a_job_that_has_not_finished_any_longer(
    jobdb: Command, tmp_path: Path, name: str
) -> None:
    """Events that Flux does not send for a job that has ended; then more of the same job."""
    lake = tmp_path / "lake"
    jobdb.ingest([*field_jobs.job(1), *field_jobs.job(2), *field_jobs.job(3)[:-1]])
    export(jobdb, lake)
    for second, late in ((50, name), (51, "memo")):
        event = field_jobs.event(field_jobs.EPOCH + second, late, {"late": second})
        jobdb.ingest([field_jobs.response(1 << 24, event)])
        export(jobdb, lake, "--verify")
        export(jobdb, lake)
        export(jobdb, lake, "--verify")
        assert late in [row["name"] for row in rows(lake, "events")][-1:]
    made, finished = Command(tmp_path, "other.sqlite"), "state = 'INACTIVE'"
    for words in ((), ("--compact",)):
        export(jobdb, lake, *words)
        export(jobdb, lake, "--verify")
        assert 22 == len(texts(lake))
        made.db.unlink(missing_ok=True)
        made("ingest", str(lake))
        made("verify")
        assert stored_jobs(jobdb.db, finished) == stored_jobs(made.db, finished)
    ids = {row["id"] for row in rows(lake, "jobs") if row["state"] == "INACTIVE"}
    assert ids == {2 << 24}


def test_files_that_a_stopped_export_has_not_named_are_verified(
    jobdb: Command, lake: Path
) -> None:
    for path in [*lake.rglob("*.parquet")]:
        path.rename(path.with_name("._part." + path.name))
    export(jobdb, lake, "--verify")
    other = Command(lake.parent, "other.sqlite")
    other("ingest", str(lake))
    assert finished_texts(jobdb) == other("events", "--raw").stdout.splitlines()
