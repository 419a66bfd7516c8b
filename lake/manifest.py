# SPDX-License-Identifier: LGPL-3.0
"""The manifest of a cluster: which files of the lake count, and how far they reach.

It is written aside, synced and renamed, so that it is always a whole one. Files are listed
before they get their names: what a run that was stopped has listed is renamed by the next one,
and what it has not is removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from eventstore.errors import Locked, StoreError
from eventstore.reading.cluster import check_name, cluster
from eventstore.storage.files import sync
from eventstore.storage.sql import fetch

_PART = "._part."
"""How a file's name begins before it is listed; engines leave out names with a dot in front."""
TABLES = ("events", "notices", "jobs", "nodes")
AMENDMENT = "-amendment"
"""How a file's name ends that has what came later for jobs of other files."""


_PATH = re.compile(
    r"(events|jobs|notices|nodes)/cluster=([^/]+)/day=[0-9-]{10}/(shard=\d+/)?\d+-\d+[a-z-]*\.parquet"
)


class File(msgspec.Struct, frozen=True):
    """A file: ``path`` in the lake, its rows, its SHA-256 and its bytes."""

    path: str
    rows: int
    sha256: str
    bytes: int

    @property
    def table(self) -> str:
        """Which table it is of."""
        return self.path.split("/", 1)[0]

    @property
    def day(self) -> str:
        """Which day it is of: ``day=YYYY-MM-DD``."""
        return self.path.split("/")[2]

    @property
    def bounds(self) -> tuple[int, int]:
        """The numbers that its name has: what it has came in between."""
        first, last = self.path.rsplit("/", 1)[1].removesuffix(".parquet").split("-")[:2]
        return int(first), int(last)


class Manifest(msgspec.Struct):
    """``seq``: up to which the store was exported: the last of ``batch``, with its digest.

    ``check``: SHA-256 of all the rest. A manifest that has lost a file of its list is not taken
    for one, since the next run would remove that file.
    """

    cluster: str
    version: int = 1
    seq: int = 0
    batch: int = 0
    digest: str = ""
    jobs: int = 0
    events: int = 0
    files: list[File] = []
    check: str = ""

    def of(self, table: str) -> list[File]:
        """Return the files of a table."""
        return [file for file in self.files if file.table == table]


_decode = msgspec.json.Decoder(Manifest).decode


def path_of(lake: Path, cluster: str) -> Path:
    """Return where the manifest of a cluster is."""
    return lake / "manifest" / f"{cluster}.json"


def clusters(lake: Path) -> list[str]:
    """Return the clusters of a lake."""
    return sorted(path.stem for path in (lake / "manifest").glob("*.json"))


def cluster_of(path: str, db: apsw.Connection, name: str | None) -> str:
    """Return the cluster of the store at ``path``: as it is stored, or else this name.

    Raises StoreError where there is none, or another one.
    """
    known = cluster(db)
    if known is None and name is None:
        raise StoreError("the cluster has no name; give --cluster NAME")
    if None not in {known, name} and known != name:
        raise StoreError(f"{path}: its cluster is {known}, not {name}")
    return check_name(known or name or "")


def read(lake: Path, cluster: str) -> Manifest:
    """Return the manifest of a cluster, an empty one where there is nothing of it.

    Raises StoreError: it is damaged, or lost.
    """
    path = path_of(lake, cluster)
    try:
        found = _decode(path.read_bytes())
    except FileNotFoundError:
        if any(not file.name.startswith(_PART) for file in _present(lake, cluster)):
            raise StoreError(
                f"{path}: it is lost; restore it, or remove the files of {cluster}"
            ) from None
        return Manifest(cluster)
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"{path}: it cannot be read ({error}); restore it") from error
    if found.version != 1 or found.cluster != cluster:
        raise StoreError(f"{path}: it is no manifest of {cluster} of this version")
    if found.check != _check_of(found) or not all(_is_ours(f, cluster) for f in found.files):
        raise StoreError(f"{path}: it was changed, or is damaged; restore it")
    return found


def _check_of(manifest: Manifest) -> str:
    rest = msgspec.structs.replace(manifest, check="")
    return hashlib.sha256(msgspec.json.encode(rest)).hexdigest()


def _is_ours(file: File, cluster: str) -> bool:
    found = _PATH.fullmatch(file.path)
    return found is not None and found[2] == cluster


def _present(lake: Path, cluster: str) -> Iterator[Path]:
    """Yield the files of a cluster that are there, listed or not."""
    for table in TABLES:
        yield from (lake / table / f"cluster={cluster}").rglob("*.parquet")


def is_of(db: apsw.Connection, manifest: Manifest) -> bool:
    """Whether the batch that a manifest reaches to is one of this store's."""
    found = fetch(db, "SELECT last, digest FROM batch WHERE batch = ?", (manifest.batch,))
    return [(seq, digest.hex()) for seq, digest in found] == [(manifest.seq, manifest.digest)]


def check_same(db: apsw.Connection, lake: Path, manifest: Manifest) -> None:
    """Raise StoreError where the lake is not of this store."""
    if manifest.batch and not is_of(db, manifest):
        raise StoreError(f"{lake}: what was exported of {manifest.cluster} is another store's")


def replace(lake: Path, manifest: Manifest, old: Container[str], new: Iterable[File]) -> None:
    """List new files in place of ``old`` ones, by path: from now on, they count."""
    manifest.files = [file for file in manifest.files if file.path not in old]
    manifest.files += new
    _write(lake, manifest)
    settle(lake, manifest)


def _write(lake: Path, manifest: Manifest) -> None:
    path = path_of(lake, manifest.cluster)
    manifest.check = _check_of(manifest)
    aside = path.with_suffix(".part")
    with open(aside, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        os.fsync(file.fileno())
    os.replace(aside, path)
    sync(str(path.parent))


@contextmanager
def locked(lake: Path, cluster: str) -> Iterator[None]:
    """Keep other exporters of this cluster away; raises Locked where there is one."""
    path = path_of(lake, cluster)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror}; name another folder") from error
    try:
        _lock(lock, lake, cluster)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, lake: Path, cluster: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Locked(f"{lake}: another process exports {cluster} to it") from error
    except OSError as error:
        raise StoreError(
            f"{lake}: its file system cannot lock a file ({error.strerror}); name a folder on "
            "another one"
        ) from error


def part_of(path: Path) -> Path:
    """Return the name that a file has before it is listed."""
    return path.with_name(_PART + path.name)


def place_of(lake: Path, path: str) -> Path:
    """Return where a listed file is: an export that was stopped has not named all of them."""
    named = lake / path
    part = part_of(named)
    return part if not named.exists() and part.exists() else named


def settle(lake: Path, manifest: Manifest) -> None:
    """Give listed files their names, and remove what is not listed."""
    listed = {lake / file.path for file in manifest.files}
    for path in listed:
        if not path.exists() and part_of(path).exists():
            os.replace(part_of(path), path)
    for path in list(_present(lake, manifest.cluster)):
        if path not in listed:
            path.unlink()
    for folder in {path.parent for path in listed}:
        sync(str(folder))
