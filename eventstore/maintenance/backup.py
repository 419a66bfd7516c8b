# SPDX-License-Identifier: LGPL-3.0
"""Backups of a store in use: a copy of one snapshot, verified before it gets its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from eventstore.errors import StoreError, reachable, translated
from eventstore.events.digest_chain import GENESIS
from eventstore.maintenance.verify import Verified, verify_chain
from eventstore.storage import files
from eventstore.storage.connection import Store, open_readonly
from eventstore.storage.sql import value

Progress = Callable[[int, int], None]
"""Called with (done, total) pages."""

_PAGES = 1024  # copied at a time: 8 MiB


class Backup(NamedTuple):
    """What the backup holds; ``size`` is in bytes."""

    verified: Verified
    size: int


def backup(store: Store, to: str, progress: Progress = lambda done, total: None) -> Backup:
    """Copy the store as it is now into the new file ``to``; a writer may go on meanwhile.

    Raises StoreError if ``to`` exists, cannot be written, or the copy fails verification:
    ``to`` is not made then.
    """
    if Path(to).exists():
        raise StoreError(f"{to}: exists already; name a new file")
    part = f"{to}.part"
    try:
        files.create_new(part)
    except FileExistsError as error:
        raise StoreError(
            f"{part}: exists already; another backup is going on, or one died: remove it"
        ) from error
    except OSError as error:
        raise StoreError(f"{to}: cannot be written ({error.strerror})") from error
    try:
        head = _copy(store, part, progress)
        with open_readonly(part) as copy:
            verified = verify_chain(copy)
        if verified.fault is None and verified.head != head:
            verified = verified._replace(fault="it lacks the last batches")
        if verified.fault is not None:
            raise StoreError(
                f"{to}: the copy is not whole: {verified.fault}; verify the source"
            )
        with reachable(to):
            _publish(part, to)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(part + suffix).unlink(missing_ok=True)
    return Backup(verified, Path(to).stat().st_size)


def _copy(store: Store, part: str, progress: Progress) -> bytes:
    """Copy the pages of one snapshot; returns its head digest."""
    # Without a snapshot that is held, each commit makes SQLite copy from the beginning.
    with store.snapshot() as db, _of_the_copy(part):
        # A snapshot begins with the first query.
        sql = "SELECT digest FROM batch ORDER BY batch DESC LIMIT 1"
        head = value(db, sql) or GENESIS
        with closing(apsw.Connection(part)) as target:
            with target.backup("main", db, "main") as copying:
                while not copying.done:
                    copying.step(_PAGES)
                    done = copying.page_count - copying.remaining
                    progress(done, copying.page_count)
            # One file, without a log beside it.
            target.execute("PRAGMA synchronous = EXTRA")
            target.execute("PRAGMA journal_mode = DELETE")
    return bytes(head)


@contextmanager
def _of_the_copy(part: str) -> Iterator[None]:
    """Turn SQLite's errors into those of the copy; damage is the source's, and is raised."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError):
        raise
    except apsw.FullError as error:  # it says "not an error": that is the source's state
        raise StoreError(f"{part}: no space left; free some, then repeat") from error
    except apsw.Error:
        with translated(part):
            raise


def _publish(part: str, to: str) -> None:
    """Give the file its name, and sync both; raises StoreError if the name is taken."""
    files.sync(part)
    try:
        os.link(part, to)
    except FileExistsError as error:
        raise StoreError(f"{to}: exists already; name a new file") from error
    files.sync(str(Path(to).resolve().parent))
