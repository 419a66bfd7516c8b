# SPDX-License-Identifier: LGPL-3.0
"""Damage: found by verify, named; recover saves the rest, rebuild mends the views."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result

from cli.main import cli
from eventstore.errors import StoreError
from eventstore.ingest.writer import Writer
from eventstore.maintenance.recover import recover
from eventstore.maintenance.verify import verify_chain
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.sql import fetch
from projections.engine.rebuild import refresh
from projections.engine.views import Views
from projections.queries.job_ids import JOB_IDS
from tests.reliability.torture.workload import batches, contents, fault, later, opened

PARTS = batches(60, 50)
EVENTS = "SELECT seq, job, replayed, anchor, data FROM event"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database; tests damage copies of it."""
    path = tmp_path_factory.mktemp("sound") / "jobs.sqlite"
    with create_or_open(str(path)) as store:
        writer = Writer(store, "journal", Views(store))
        for part in PARTS:
            writer.append(part)
        writer.close()
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> str:
    return str(shutil.copy(sound, tmp_path / "jobs.sqlite"))


def run(path: str, *words: str) -> Result:
    result = CliRunner().invoke(cli, ["--db", path, *words], standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, StoreError):
        raise result.exception
    return result


def change(path: str, *statements: str) -> None:
    """Change the database as somebody would who means harm."""
    db = apsw.Connection(path)
    for (name,) in fetch(db, "SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        sql = fetch(db, "SELECT sql FROM sqlite_schema WHERE name = ?", (name,))[0][0]
        db.execute(f"DROP TRIGGER {name}")
        statements = (*statements, sql)
    for statement in statements:
        db.execute(statement)
    db.close()


def flip(path: str, at: int, bit: int = 1) -> None:
    data = bytearray(Path(path).read_bytes())
    data[at] ^= bit
    Path(path).write_bytes(data)


def pages_of(path: str, name: str) -> list[int]:
    """Return where the pages of a table or index are in the file; the root comes first."""
    db = apsw.Connection(path)
    found = fetch(db, "SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,))
    root = found[0][0] if found else 1  # the list of tables itself does not name itself
    db.close()
    data = Path(path).read_bytes()
    size = int.from_bytes(data[16:18], "big")

    def below(page: int) -> list[int]:
        base = (page - 1) * size
        start = base + (100 if page == 1 else 0)  # behind the file's header
        if data[start] not in {2, 5}:
            return [start]
        cells = int.from_bytes(data[start + 3 : start + 5], "big")
        ends = [start + 12 + 2 * i for i in range(cells)]
        children = [base + int.from_bytes(data[e : e + 2], "big") for e in ends] + [start + 8]
        found = [start]
        for child in children:
            found += below(int.from_bytes(data[child : child + 4], "big"))
        return found

    return below(root)


def test_a_flipped_byte_is_found_or_matters_to_nothing(path: str) -> None:
    whole = Path(path).read_bytes()
    before = contents(path)
    random_ = random.Random(1)
    found = 0
    for _ in range(200):
        Path(path).write_bytes(whole)
        flip(path, random_.randrange(100, len(whole)), 1 << random_.randrange(8))
        try:
            with open_readonly(path) as store:
                clean = fault(store) is None
        except StoreError:
            clean = False
        if clean:
            assert before == contents(path)
        found += not clean
    assert found > 30  # a quarter of the bytes matter, give or take


@pytest.mark.parametrize(
    ("statement", "named", "mended"),
    [
        ("UPDATE inactive SET answer = answer || '1' WHERE job = 5", "inactive",
         "rebuild"),
        ("DELETE FROM span", "table span", "rebuild"),
        ("UPDATE stats SET failed = failed + 1", "projection stats", "rebuild"),
        ("INSERT INTO active (job, jobid, stream, userid, t_submit, state)"
         " VALUES (999, 1, 1, 1, 1.0, 'RUN')", "table active", "rebuild"),
        ("DROP INDEX inactive_by_name", "index inactive_by_name is missing", "rebuild"),
        ("DROP INDEX event_by_job", "index event_by_job of table event is missing", "recover"),
        ("DELETE FROM purged", "notice", "recover"),
        ("UPDATE purged SET job = job + 1000", "notice", "recover"),
        ("INSERT INTO gone VALUES (3, 5)", "table gone has 1 rows", "recover"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_found_and_mended(
    path: str, tmp_path: Path, statement: str, named: str, mended: str
) -> None:
    before = contents(path)
    change(path, statement)
    done = run(path, "verify")
    assert done.return_value == 1
    assert named in done.stderr
    assert f"`flux-jobdb {mended}`" in done.stderr
    if mended == "rebuild":
        run(path, "rebuild")
        repaired = path
    else:
        repaired = str(tmp_path / "new.sqlite")
        assert run(path, "recover", "--to", repaired).return_value == 0
    assert run(repaired, "verify").return_value == 0
    assert before == contents(repaired)


@pytest.mark.parametrize("table", ["inactive", "span", "fold", "active", "inactive_by_name"])
@pytest.mark.parametrize("where", [0, 5])
def test_views_with_damaged_pages_are_rebuilt(path: str, table: str, where: int) -> None:
    before = contents(path)
    for start in pages_of(path, table):
        flip(path, start + where, 0x70)
    with open_readonly(path) as store:
        assert fault(store) is not None
    run(path, "rebuild")
    assert run(path, "verify").return_value == 0
    assert before == contents(path)


def events_of(path: str) -> dict[int, tuple[object, ...]]:
    with open_readonly(path) as store:
        return {row[0]: row for row in fetch(store.db, EVENTS)}


def check_recovery(path: str, to: str, most_lost: int) -> set[int]:
    """Recover, and compare; returns the seqs that were lost, which must have been named."""
    sound = events_of(path.replace("jobs.sqlite", "sound.sqlite"))
    found = recover(path, to, job_ids=JOB_IDS)
    with create_or_open(to) as store:
        refresh(Views(store))
        assert fault(store) is None
    saved = events_of(to)
    assert saved.items() <= sound.items()
    lost = sound.keys() - saved.keys()
    assert len(lost) <= most_lost
    assert bool(lost) == any(loss.startswith("event") for loss in found.losses)
    # The same journal, given again, fills the gap.
    store, views = opened(to)
    with store:
        writer = Writer(store, "again", views)
        for part in PARTS:
            writer.append(part)
        assert len(lost) == writer.counts.new
        assert fault(store) is None
    assert sorted(row[4] for row in sound.values()) == sorted(
        row[4] for row in events_of(to).values()
    )  # type: ignore[type-var]
    return lost


@pytest.fixture
def damaged(sound: Path, tmp_path: Path) -> Callable[[], str]:
    """Return a path to damage, with the sound database beside it."""
    shutil.copy(sound, tmp_path / "sound.sqlite")
    return lambda: str(shutil.copy(sound, tmp_path / "jobs.sqlite"))


def test_nothing_is_lost_of_what_is_not_damaged(
    damaged: Callable[[], str], tmp_path: Path
) -> None:
    path, to = damaged(), str(tmp_path / "new.sqlite")
    assert check_recovery(path, to, 0) == set()
    Path(to).unlink()
    with open_readonly(path) as store:
        head = verify_chain(store).head
    assert head == recover(path, to).head


def test_a_changed_event_is_set_aside(damaged: Callable[[], str], tmp_path: Path) -> None:
    path, to = damaged(), str(tmp_path / "new.sqlite")
    page = pages_of(path, "event")[-1]
    flip(path, Path(path).read_bytes().index(b'{"status":', page) + 4)
    done = run(path, "verify")
    assert done.return_value == 1
    (seq,) = check_recovery(path, to, 1)
    with open_readonly(to) as store:
        (reject,) = fetch(store.db, "SELECT reason, data FROM reject WHERE reason GLOB 'rec*'")
    assert f"event {seq}: its bytes were changed" in reject[0]
    assert b'"context":{"st`tus":' in reject[1]
    assert f"event {seq}:" in done.stderr


@pytest.mark.parametrize("table", ["event", "jobspec", "batch", "job", "event_by_job"])
def test_damaged_pages_cost_what_they_held(
    damaged: Callable[[], str], tmp_path: Path, table: str
) -> None:
    path = damaged()
    pages = pages_of(path, table)
    flip(path, pages[len(pages) // 2], 0x70)
    assert run(path, "verify").return_value in {1, None}
    check_recovery(path, str(tmp_path / "new.sqlite"), 200)


def test_the_caller_tells_which_tables_name_jobs(
    damaged: Callable[[], str], tmp_path: Path
) -> None:
    """The table job is lost, with its index: the views know which job a key stands for."""
    path, to = damaged(), str(tmp_path / "new.sqlite")
    for name in ("job", "sqlite_autoindex_job_1"):
        for start in pages_of(path, name):
            flip(path, start, 0x70)
    found = recover(path, str(tmp_path / "alone.sqlite"))
    assert any(loss.endswith("its job is not known") for loss in found.losses)
    assert run(path, "recover", "--to", to).return_value == 0
    assert check_recovery(path, str(tmp_path / "again.sqlite"), 0) == set()


def test_a_lost_source_is_named(damaged: Callable[[], str], tmp_path: Path) -> None:
    path, to = damaged(), str(tmp_path / "new.sqlite")
    change(path, "DELETE FROM source")
    done = run(path, "verify")
    assert "batch 1: its source is missing" in done.stderr
    found = recover(path, to, job_ids=JOB_IDS)
    assert ["source 1: its row is lost"] == found.losses
    run(to, "rebuild")
    assert run(to, "verify").return_value == 0


def test_a_job_that_was_slipped_in_is_left_out(
    damaged: Callable[[], str], tmp_path: Path
) -> None:
    path, to = damaged(), str(tmp_path / "new.sqlite")
    change(path, "INSERT INTO job VALUES (999, 12345, 1)")
    assert "job 12345 (key 999): no event is of this job" in run(path, "verify").stderr
    found = recover(path, to, job_ids=JOB_IDS)
    assert ["job 12345 (key 999): no event is of it"] == found.losses
    with open_readonly(to) as store:
        assert fetch(store.db, "SELECT 1 FROM job WHERE key = 999") == []


def test_what_was_recovered_is_recovered_again(
    damaged: Callable[[], str], tmp_path: Path
) -> None:
    """With holes that it had before, and even where nothing says any more that it has."""
    path, once = damaged(), str(tmp_path / "once.sqlite")
    change(path, "DELETE FROM event WHERE seq IN (10, 11)")
    assert recover(path, once, job_ids=JOB_IDS).losses
    for statement in ("", "UPDATE source SET outcome = 5 WHERE outcome = 'recovered'"):
        twice = str(tmp_path / f"twice{len(statement)}.sqlite")
        change(once, *filter(None, [statement]))
        recover(once, twice, job_ids=JOB_IDS)
        with create_or_open(twice) as store:
            refresh(Views(store))
            assert fault(store) is None
            sources = "SELECT count(*) FROM source WHERE outcome = 'recovered'"
            assert fetch(store.db, sources) == [(1,)]


def test_a_truncated_file(damaged: Callable[[], str], tmp_path: Path) -> None:
    path = damaged()
    with open(path, "r+b") as file:
        file.truncate(Path(path).stat().st_size * 3 // 4)
    with pytest.raises(StoreError, match="flux-jobdb recover"):
        open_readonly(path)
    check_recovery(path, str(tmp_path / "new.sqlite"), 10**6)


def test_a_list_of_tables_that_cannot_be_read_as_a_whole(
    damaged: Callable[[], str], tmp_path: Path
) -> None:
    leaves = pages_of(damaged(), "sqlite_schema")[1:]
    assert len(leaves) > 2
    for number, leaf in enumerate(leaves[1:]):  # the first one has the store's own tables
        path = damaged()
        flip(path, leaf, 0x70)
        with pytest.raises(StoreError, match="flux-jobdb recover"):
            open_readonly(path)
        assert check_recovery(path, str(tmp_path / f"new{number}.sqlite"), 0) == set()


def test_a_missing_and_a_foreign_log(
    damaged: Callable[[], str], tmp_path: Path, sound: Path
) -> None:
    path = damaged()
    other = str(tmp_path / "other.sqlite")
    logged = b""
    for name, lines in ((path, later(3)), (other, later(40, seed=3))):
        store, views = opened(name)
        with store:
            store.db.execute("PRAGMA wal_autocheckpoint = 0")
            Writer(store, "more", views).append(lines)
            shutil.copy(name, name + ".copy")
            shutil.copy(name + "-wal", name + ".copy-wal")
            logged = logged or verify_chain(store).head
    # Without its log, the database is that of the last checkpoint, and whole.
    alone = str(shutil.copy(path + ".copy", tmp_path / "alone.sqlite"))
    with open_readonly(alone) as store:
        assert fault(store) is None
    assert events_of(str(sound)) == events_of(alone)
    # What is missing shows by a digest that was logged.
    done = run(alone, "verify", "--head", logged.hex())
    assert done.return_value == 1
    assert f"events after seq {max(events_of(alone))} are missing" in done.stderr
    assert run(path, "verify", "--head", logged.hex()).return_value == 0
    assert run(alone, "verify", "--head", bytes(32).hex()).return_value == 0
    # With another one's log, it is a mixture, which recover takes apart.
    shutil.copy(path + ".copy", path)
    shutil.copy(other + ".copy-wal", path + "-wal")
    try:
        with open_readonly(path) as store:
            assert fault(store) is not None
    except StoreError:
        pass
    shutil.copy(path + ".copy", path)
    shutil.copy(other + ".copy-wal", path + "-wal")
    found = recover(path, str(tmp_path / "new.sqlite"))
    assert found.events >= len(events_of(str(sound))) * 9 // 10


def test_recover_refuses_what_it_cannot_do(path: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="exists already"):
        recover(path, path)
    with pytest.raises(StoreError, match="no such database"):
        recover(str(tmp_path / "none"), str(tmp_path / "new"))
    Path(path).write_bytes(bytes(100_000))
    with pytest.raises(StoreError, match="nothing of it can be read"):
        recover(path, str(tmp_path / "new"))
