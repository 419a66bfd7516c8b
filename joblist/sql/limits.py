# SPDX-License-Identifier: LGPL-3.0
"""What a guest's statement may take: time, memory, rows and bytes of its answer."""

from __future__ import annotations

import resource

import apsw
from msgspec import Struct


class Limits(Struct, frozen=True):
    """Bounds of one statement; see docs/sql.md."""

    seconds: float = 5.0  # until it is ended, and of processor time
    memory: int = 200 * 2**20  # bytes of address space
    rows: int = 10_000  # of the answer
    answer: int = 16 * 2**20  # bytes of the answer


def too_long(seconds: float) -> str:
    """Return the words for a statement that takes too long."""
    return f"the statement takes longer than {seconds:g} s: ask for less"


HEAP = 64 * 2**20
"""Bytes that SQLite may have."""
LONGEST = 4 * 2**20
"""Bytes of a text or a row."""

SQLITE = {
    apsw.SQLITE_LIMIT_LENGTH: LONGEST,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    apsw.SQLITE_LIMIT_COLUMN: 200,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 100,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    apsw.SQLITE_LIMIT_VDBE_OP: 50_000,
    apsw.SQLITE_LIMIT_FUNCTION_ARG: 32,
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 500,
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER: 1,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def lock_up(limits: Limits) -> None:
    """Bound this process for good: no more memory, processor time, files or processes."""
    seconds = int(limits.seconds) + 1
    _bound(resource.RLIMIT_AS, limits.memory)
    _bound(resource.RLIMIT_CPU, seconds)
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_FSIZE, 0)
    _bound(resource.RLIMIT_NOFILE, 0)  # those that are open stay so; no other can be opened
    _bound(resource.RLIMIT_NPROC, 0)


def _bound(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))
