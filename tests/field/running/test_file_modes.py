# SPDX-License-Identifier: LGPL-3.0
"""Who may read what the program writes: nobody else, or who may read the database."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventstore.storage.files import create
from tests.support.command import Command, eventually, running, write
from tests.support.field_jobs import job, recorded

CASE = recorded("odd-clocks")
UMASKS = [0o000, 0o022, 0o077]


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of all files in a folder; folders in it are the owner's alone."""
    found = {}
    for entry in os.scandir(folder):
        try:
            if entry.is_dir():
                assert stat.S_IMODE(entry.stat().st_mode) == 0o700, entry.name
                continue
            found[entry.name] = stat.S_IMODE(entry.stat().st_mode)
        except FileNotFoundError:  # gone meanwhile
            continue
    return found


@contextmanager
def watched(folder: Path) -> Iterator[Callable[[], set[tuple[str, int]]]]:
    """Look at a folder all the while; yields what returns the modes that were seen."""
    seen: set[tuple[str, int]] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.update(modes(folder).items())

    thread = threading.Thread(target=look)
    thread.start()

    def found() -> set[tuple[str, int]]:
        over.set()
        thread.join()
        return seen | set(modes(folder).items())

    try:
        yield found
    finally:
        found()


@pytest.mark.parametrize("umask", UMASKS, ids=oct)
def test_a_new_database_is_for_its_owner_alone(jobdb: Command, umask: int) -> None:
    with (
        watched(jobdb.folder) as seen,
        running(jobdb.start("ingest", "-", umask=umask)) as process,
    ):
        assert eventually((jobdb.folder / "jobs.sqlite-wal").exists, 20)
        begun = set(modes(jobdb.folder).items())
        write(process.stdin, *CASE)
        process.communicate()
        found = seen() | begun
    assert {"jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-lock"} <= {name for name, _ in found}
    assert {0o600} == {mode for _, mode in found}, found


@pytest.mark.parametrize("mode", [0o660, 0o640, 0o600], ids=oct)
def test_files_beside_a_database_are_as_open_as_it_is(jobdb: Command, mode: int) -> None:
    jobdb.ingest(CASE, umask=0o077)
    for name in modes(jobdb.folder):
        if name != "jobs.sqlite":
            (jobdb.folder / name).unlink()
    jobdb.db.chmod(mode)
    umask = 0o022 if mode == 0o600 else 0o077
    with running(jobdb.start("ingest", "-", umask=umask)) as process:
        assert eventually((jobdb.folder / "jobs.sqlite-wal").exists, 20)
        jobdb("accounting", "--json", "--name", "w", umask=umask)
        found = modes(jobdb.folder)
        process.communicate()
    # Who can open the lock file can lock it: it is for those who may write.
    writers = mode if mode & 0o020 else mode & 0o700
    wanted = dict.fromkeys(("", "-wal", "-shm", "-consumers"), mode) | {"-lock": writers}
    assert {f"jobs.sqlite{suffix}": mode for suffix, mode in wanted.items()} == {
        name: found[name] for name in (f"jobs.sqlite{suffix}" for suffix in wanted)
    }


MAKING = {
    "accounting --name": ("accounting", "--json", "--name", "w"),
    "recover": ("recover", "--to", "new.sqlite"),
    "backup": ("backup", "copy.sqlite"),
    "rebuild": ("rebuild",),
}


@pytest.mark.parametrize("name", MAKING)
def test_whatever_a_command_writes_is_no_more_open(jobdb: Command, name: str) -> None:
    jobdb.ingest(CASE, umask=0o077)
    with watched(jobdb.folder) as seen:
        jobdb(*MAKING[name], umask=0)
        found = seen()
    assert {0o600} == {mode for _, mode in found}, found


def test_a_copy_of_an_open_database_is_no_more_open_than_it(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    jobdb.db.chmod(0o640)
    jobdb("recover", "--to", "new.sqlite", umask=0)
    jobdb("backup", "copy.sqlite", umask=0)
    found = modes(jobdb.folder)
    for name in ("new.sqlite", "copy.sqlite"):
        assert found[name] in {0o600, 0o640}, (name, oct(found[name]))


def test_a_database_that_is_open_to_all_stays_so(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    jobdb.db.chmod(0o644)
    jobdb.ingest(job(2))
    assert modes(jobdb.folder)["jobs.sqlite"] == 0o644


@pytest.mark.parametrize("umask", UMASKS, ids=oct)
def test_what_flux_has_to_read_is_readable(jobdb: Command, umask: int) -> None:
    """The reverse: Flux reads its configuration as another user than the one who wrote it."""
    jobdb.folder.chmod(0o755)
    jobdb("install", "--dir", "new/modprobe", umask=umask)
    written = jobdb.folder / "new" / "modprobe" / "modprobe.d" / "flux-jobdb.toml"
    found = {
        path: stat.S_IMODE(path.stat().st_mode) for path in (written, *written.parents[:3])
    }
    assert [0o644, 0o755, 0o755, 0o755] == list(found.values())


def test_a_link_to_a_database_is_protected_as_itself(jobdb: Command) -> None:
    real = jobdb.folder / "real"
    real.mkdir(0o700)
    (jobdb.folder / "jobs.sqlite").symlink_to("real/there.sqlite")
    jobdb.ingest(CASE, umask=0)
    jobdb("accounting", "--json", "--name", "w", umask=0)
    found = modes(real)
    assert {"there.sqlite", "there.sqlite-lock", "there.sqlite-consumers"} <= set(found)
    assert {0o600} == set(found.values())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_what_root_makes_beside_a_database_is_its_owners(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    for path in list(jobdb.folder.iterdir()):
        if path != jobdb.db:
            path.unlink()
    os.chown(jobdb.db, 65534, 65533)
    jobdb.db.chmod(0o640)
    jobdb.ingest(job(2))
    jobdb("accounting", "--json", "--name", "w")
    for path in jobdb.folder.iterdir():
        status = path.stat()
        mode = 0o600 if path.name.endswith("lock") else 0o640
        assert (65534, 65533, mode) == (status.st_uid, status.st_gid, status.st_mode & 0o777)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_a_group_that_cannot_be_given_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who is not in the database's group: the user's own group is another one."""

    def refuse(*_: object) -> None:
        raise PermissionError

    like, path = tmp_path / "like", tmp_path / "path"
    like.touch()
    os.chown(like, -1, 65533)
    like.chmod(0o664)
    monkeypatch.setattr(os, "fchown", refuse)
    create(str(path), str(like))
    assert 0o604 == stat.S_IMODE(path.stat().st_mode)
