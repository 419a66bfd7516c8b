# SPDX-License-Identifier: LGPL-3.0
"""Permissions of files that belong to a database: those that it has, as far as permitted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from eventstore.errors import StoreError
from eventstore.storage import files, schema
from eventstore.storage.connection import create_or_open, open_readonly
from eventstore.storage.sql import value


@pytest.fixture
def like(tmp_path: Path) -> Path:
    found = tmp_path / "jobs.sqlite"
    found.touch()
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("of_database", "wanted"),
    [(0o600, 0o600), (0o640, 0o640), (0o664, 0o664), (0o666, 0o666), (0o777, 0o666),
     (0o444, 0o644), (0o000, 0o600)],
    ids=oct,
)  # fmt: skip
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_a_file_can_be_read_and_written_by_those_who_can_the_database(
    like: Path, of_database: int, wanted: int, umask: int
) -> None:
    """Its owner can always; nobody can execute it."""
    like.chmod(of_database)
    new = like.with_name("cursor")
    before = os.umask(umask)
    try:
        files.create_new(str(new), str(like))
    finally:
        os.umask(before)
    assert wanted == mode(new)


def test_a_file_of_no_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    for name, like in (("a", None), ("b", str(tmp_path / "none"))):
        files.create(str(tmp_path / name), like)
        assert 0o600 == mode(tmp_path / name)


def test_an_existing_file_is_left_as_it_is(like: Path) -> None:
    like.chmod(0o640)
    there = like.with_name("cursor")
    there.write_text("precious")
    there.chmod(0o604)
    files.create(str(there), str(like))
    assert ("precious", 0o604) == (there.read_text(), mode(there))
    with pytest.raises(FileExistsError):
        files.create_new(str(there), str(like))
    assert ("precious", 0o604) == (there.read_text(), mode(there))


@pytest.mark.parametrize(
    ("permitted", "tried", "wanted"),
    [
        # The owner as well; the group alone; neither, where the file has that group, or not.
        ("both", [0], 0o660),
        ("group", [0, -1], 0o660),
        ("none", [0, -1], 0o660),
        ("other", [0, -1], 0o600),
    ],
)
def test_a_group_can_use_a_file_that_was_given_to_it(
    like: Path,
    permitted: str,
    tried: list[int],
    wanted: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []

    def fchown(_: int, owner: int, group: int) -> None:
        asked.append((owner, group))
        if permitted in {"none", "other"} or (permitted == "group" and owner != -1):
            raise PermissionError

    monkeypatch.setattr(os, "fchown", fchown)
    like.chmod(0o660)
    database = like.stat()
    new = like.with_name("cursor")
    if permitted == "other":
        real = os.fstat

        def fstat(file: int) -> os.stat_result:
            found = list(real(file))
            found[stat.ST_GID] += 1
            return os.stat_result(found)

        monkeypatch.setattr(os, "fstat", fstat)
    files.create_new(str(new), str(like))
    assert wanted == mode(new)
    owners = [database.st_uid if owner == 0 else owner for owner in tried]
    assert [(owner, database.st_gid) for owner in owners] == asked


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("folder", [0o555, 0o777])
@pytest.mark.parametrize("with_log", [False, True])
def test_who_may_only_read_reads_what_is_there(
    tmp_path: Path, folder: int, with_log: bool
) -> None:
    """In a folder where nothing can be made, the file alone is read: it is complete."""
    path = tmp_path / "jobs.sqlite"
    create_or_open(str(path)).close()
    path.chmod(0o444)
    for above in path.parents:
        above_mode = mode(above)
        if not above_mode & 0o001:
            above.chmod(above_mode | 0o055)
    if with_log:
        Path(f"{path}-wal").touch(0o444)
    tmp_path.chmod(folder)
    os.seteuid(65534)
    try:
        with open_readonly(str(path)) as store:
            assert not store.writable
            assert 0 == value(store.db, "SELECT count(*) FROM event")
            pragma = store.db.pragma
            assert (-32768, 0) == (pragma("cache_size"), pragma("trusted_schema"))
    finally:
        os.seteuid(0)
        tmp_path.chmod(0o755)


def test_of_a_header_the_name_of_the_format_and_the_id_count(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    start = b"SQLite format 3\0".ljust(68, b"\xff")
    path.write_bytes(start + schema.APPLICATION_ID.to_bytes(4, "big") + b"\xff" * 28)
    schema.check_header(str(path))
    for data in (b"", None):  # nothing that could be another program's
        path.unlink() if data is None else path.write_bytes(data)
        schema.check_header(str(path))


def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jobs.sqlite"
    path.touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    words = r"it cannot be read \(Permission denied\); check its permissions"
    with monkeypatch.context() as refusing:
        refusing.setattr("builtins.open", refuse)
        with pytest.raises(StoreError, match=words):
            schema.check_header(str(path))
