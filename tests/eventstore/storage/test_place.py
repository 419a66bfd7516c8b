# SPDX-License-Identifier: LGPL-3.0
"""What may be a database's path, and what is done where its files go away."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from eventstore.errors import Gone, LogGone, StoreError
from eventstore.maintenance.verify import verify_chain
from eventstore.storage import place
from eventstore.storage.connection import Store, create_or_open, open_readonly
from eventstore.storage.sql import value

Opener = Callable[[str], Store]
COUNT = "SELECT count(*) FROM source"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite"


def append(store: object) -> None:
    with store.transaction() as db:  # type: ignore[attr-defined]
        db.execute("INSERT INTO source (name, started) VALUES ('a', 1.0)")


def sources(path: Path) -> int:
    with open_readonly(str(path)) as store:
        return int(value(store.db, COUNT))


# -- what may be there


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as file:
        os.chdir(path.parent)
        file.bind(path.name)


def _device(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("make", "name"),
    [(_folder, "a directory"), (_pipe, "a pipe"), (_socket, "a socket"), (_device, "a device")],
)
def test_what_is_no_file_is_refused(
    path: Path, make: Callable[[Path], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    make(path)
    with pytest.raises(StoreError) as caught:
        create_or_open(str(path))
    assert f"{path}: {name}, no database; name a file" == str(caught.value)
    assert [path] == list(path.parent.iterdir())
    assert not Path("/dev/null-lock").exists()


@pytest.mark.parametrize("opener", [create_or_open, open_readonly])
def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path, opener: Opener) -> None:
    with pytest.raises(StoreError, match=r"\\udc80': its name is not UTF-8; name another file"):
        opener(str(tmp_path / "\udc80"))
    assert [] == list(tmp_path.iterdir())


def test_a_link_is_what_it_leads_to(path: Path) -> None:
    real = path.parent / "there" / "real.sqlite"
    real.parent.mkdir()
    path.symlink_to(real)
    with create_or_open(str(path)) as store:
        append(store)
        assert {"real.sqlite", "real.sqlite-wal", "real.sqlite-shm", "real.sqlite-lock"} == {
            file.name for file in real.parent.iterdir()
        }
        assert [path, real.parent] == sorted(path.parent.iterdir())
        path.unlink()
        path.symlink_to(real.with_name("other"))
        with pytest.raises(Gone, match="no longer there"):
            append(store)
    assert 1 == sources(real)


# By statfs(2) and the file systems' own headers.
NETWORK = [
    (26985, "NFS"), (20859, "SMB"), (0xFF534D42, "CIFS"), (0xFE534D42, "SMB2"),
    (198183888, "Lustre"), (0x47504653, "GPFS"), (12805120, "Ceph"), (0x19830326, "BeeGFS"),
    (0xAAD7AAEA, "PanFS"), (0x20030528, "OrangeFS"), (0x5346414F, "AFS"), (0x6B414653, "AFS"),
    (18225520, "GFS2"), (0x7461636F, "OCFS2"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), NETWORK)
def test_a_network_file_system_is_refused_unless_it_is_allowed(
    path: Path, kind: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def kind_of(folder: str) -> int:
        asked.append(folder)
        return kind - 2**32 if kind >= 2**31 else kind  # as a signed number of 32 bits

    monkeypatch.setattr(place, "f_type", kind_of)
    with pytest.raises(StoreError) as caught:
        create_or_open(str(path))
    assert f"a network file system ({name})" in str(caught.value)
    assert [str(path.parent)] == asked
    assert [] == list(path.parent.iterdir())
    create_or_open(str(path), network=True).close()
    assert 0 == sources(path)  # reading is no matter
    monkeypatch.setenv(place.ALLOWED, "1")
    create_or_open(str(path)).close()
    monkeypatch.setenv(place.ALLOWED, "0")
    with pytest.raises(StoreError, match="network"):
        create_or_open(str(path))


def test_the_kind_of_a_file_system_is_what_the_system_says(tmp_path: Path) -> None:
    said = subprocess.run(
        ["stat", "-f", "-c", "%t", str(tmp_path)], capture_output=True, text=True, check=False
    )
    if said.returncode:
        pytest.skip("no stat(1) that says it")
    assert int(said.stdout, 16) == place.f_type(str(tmp_path)) & 0xFFFFFFFF
    assert 0 == place.f_type(str(tmp_path / "none"))


def _no_library(_: object) -> object:
    raise OSError


@pytest.mark.parametrize("library", [_no_library, lambda _: object()])
def test_a_system_that_says_no_kind_of_file_system_has_none(
    tmp_path: Path, library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctypes.CDLL", library)
    assert 0 == place.f_type(str(tmp_path))


# -- whether it still is there


def _moved(path: Path) -> None:
    path.rename(path.with_name("moved"))


def _deleted(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    create_or_open(str(other)).close()
    other.replace(path)


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (_moved, "is no longer there"),
        (_deleted, "is no longer there"),
        (_replaced, "is another file now"),
    ],
)
def test_nothing_is_appended_to_what_has_gone(
    path: Path, away: Callable[[Path], None], words: str
) -> None:
    with create_or_open(str(path)) as store:
        append(store)
        away(path)
        for _ in range(2):
            with pytest.raises(Gone, match=words) as caught:
                append(store)
            assert Gone is caught.type
        assert 1 == value(store.db, COUNT)


def test_what_has_been_moved_is_complete_and_can_come_back(path: Path) -> None:
    with create_or_open(str(path)) as store:
        store.db.execute("PRAGMA wal_autocheckpoint = 0")
        append(store)
        assert Path(f"{path}-wal").stat().st_size
        moved = path.rename(path.with_name("moved"))
        with pytest.raises(Gone):
            append(store)
        # Without its log, which would be lost, or be taken for another one's.
        assert 0 == Path(f"{path}-wal").stat().st_size
        copy = path.with_name("copy")
        copy.write_bytes(moved.read_bytes())
        assert 1 == sources(copy)
        moved.rename(path)
        append(store)
    assert 2 == sources(path)
    with open_readonly(str(path)) as store:
        assert verify_chain(store).fault is None


def test_a_log_that_is_left_harms_nobody_who_takes_the_place(path: Path) -> None:
    """The worst case: the writer dies when another database has just been put there."""
    other = path.with_name("other")
    with create_or_open(str(other)) as store:
        append(store)
        append(store)
    with create_or_open(str(path)) as store:
        store.db.execute("PRAGMA wal_autocheckpoint = 0")
        append(store)
        other.replace(path)
        with pytest.raises(Gone):
            append(store)
        copy = path.with_name("copy")
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    assert 2 == sources(copy)
    assert 2 == sources(path)


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-lock"])
@pytest.mark.parametrize("replaced", [False, True])
def test_what_lies_beside_it_is_missed_and_nothing_is_lost(
    path: Path, suffix: str, replaced: bool
) -> None:
    with create_or_open(str(path)) as store:
        store.db.execute("PRAGMA wal_autocheckpoint = 0")
        append(store)
        file = Path(f"{path}{suffix}")
        file.unlink()
        if replaced:
            file.touch()
        with pytest.raises(LogGone, match=f"{suffix}: was deleted or replaced"):
            append(store)
    assert 1 == sources(path)
    with create_or_open(str(path)) as store:
        append(store)
    assert 2 == sources(path)
