# SPDX-License-Identifier: LGPL-3.0
"""Errors of the store. Each message is one line: what, where, and what to do.

JobdbError
├── StoreError        the database cannot be used as asked
│   ├── NotOurs       another program's database, or no database at all
│   ├── TooNew        written by a newer flux-jobdb
│   ├── Locked        another process writes it, or is the same consumer
│   ├── Busy          another process holds a lock of SQLite's: it may pass in a moment
│   ├── Gone          the file was moved, deleted or replaced while it was open
│   │   └── LogGone   its -wal, -shm or -lock was: it can be opened anew
│   ├── BeingRebuilt  a view is another version's, and is not rebuilt yet
│   └── Unfit         what is to be stored does not fit a table: repeating it is in vain
└── InputError        what was given to read cannot be read (to its end)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


class JobdbError(Exception):
    """Base of all errors that a user of flux-jobdb can cause or correct."""


class StoreError(JobdbError):
    """The database cannot be used as asked."""


class NotOurs(StoreError):  # noqa: N818 - the name is clearer without Error
    """The file is no flux-jobdb database."""


class TooNew(StoreError):  # noqa: N818
    """The database was written by a newer version of the program."""


class Locked(StoreError):  # noqa: N818
    """Another process has the database open for writing, or is the same consumer of it."""


class Busy(StoreError):  # noqa: N818
    """Another process holds a lock that is needed; it may give it up in a moment."""


class Gone(StoreError):  # noqa: N818
    """The database that is open is no longer what lies at its path."""


class LogGone(Gone):
    """The database's -wal, -shm or -lock file was replaced or deleted; it itself was not."""


class BeingRebuilt(StoreError):  # noqa: N818
    """A view was made by another version of the program, and is not rebuilt yet."""


class Unfit(StoreError):  # noqa: N818
    """A row is too large, or breaks a constraint: another attempt would fail, too."""


class InputError(JobdbError):
    """An input could not be read, or not to its end."""


_HINTS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "no space left; free some, then repeat: what was committed is safe"),
    (apsw.ReadOnlyError, "it cannot be written; check its permissions and its folder's"),
    (apsw.CantOpenError, "it cannot be opened; check the path and the permissions"),
    (apsw.CorruptError, "it is damaged; `flux-jobdb recover` saves what can be saved"),
    (apsw.IOError, "reading or writing failed; check the disk, then repeat"),
)


_UNFIT = (apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError, apsw.RangeError)


@contextmanager
def reachable(path: str) -> Iterator[None]:
    """Turn the system's errors about the file ``path`` into a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; check the disk, then repeat") from error


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn SQLite's errors about the file ``path`` into a StoreError that says what to do.

    NotOurs: it is no SQLite file. Busy: it is locked. Unfit: SQLite never takes this row.
    """
    try:
        yield
    except apsw.NotADBError as error:
        raise NotOurs(f"{path}: not an SQLite database; name another file") from error
    except UnicodeDecodeError as error:
        # All stored text was UTF-8.
        raise StoreError(
            f"{path}: it is damaged; `flux-jobdb recover` saves what can be saved ({error})"
        ) from error
    except _UNFIT as error:
        raise Unfit(f"{path}: cannot be stored: {error}") from error
    except apsw.BusyError as error:
        raise Busy(
            f"{path}: another process holds it; wait for that one to end ({error})"
        ) from error
    except apsw.Error as error:
        for kind, hint in _HINTS:
            if isinstance(error, kind):
                raise StoreError(f"{path}: {hint} ({error})") from error
        raise StoreError(f"{path}: {error}") from error
