# SPDX-License-Identifier: LGPL-3.0
"""The bounds of what one request, one user and all users together may take: one table.

Each is a member of `Budgets`, and a setting of [job-list] of the same name. What goes beyond a
bound gets an error response, with the errno and the words that stand beside it here. A test
compares this table with the one in docs/broker-module.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from errno import E2BIG, EAGAIN, EMSGSIZE, ENOMEM, ETIMEDOUT
from typing import Any, NamedTuple

from joblist.protocol.errors import RpcError


class Bound(NamedTuple):
    """One bound: its setting, its default, what it counts, and the error beyond it.

    ``text`` is None where nothing can exceed it: it says how much there is.
    """

    name: str
    default: int
    unit: str
    errno: int
    text: str | None


def _bound(default: int, unit: str, errno: int = 0, text: str | None = None) -> Any:  # noqa: ANN401
    return field(default=default, metadata={"unit": unit, "errno": errno, "text": text})


@dataclass(frozen=True)
class Budgets:
    """The bounds in force. All are at least 1."""

    max_request: int = _bound(
        4096,
        "KiB of a request",
        EMSGSIZE,
        "the request has more than {} KiB",
    )
    max_operators: int = _bound(
        50_000,
        "operators of a constraint",
        E2BIG,
        "the constraint has more than {} operators",
    )
    max_values: int = _bound(
        500_000,
        "values of all operators of a constraint",
        E2BIG,
        "the constraint has more than {} values",
    )
    max_readers: int = _bound(3, "processes that answer long requests")
    max_reader_memory: int = _bound(
        224,
        "MiB that a reader may take for one answer",
        ENOMEM,
        "the answer takes more than {} MiB of memory to find; ask for less",
    )
    max_reader_seconds: int = _bound(
        60,
        "seconds of processor time for one answer",
        ETIMEDOUT,
        "the answer takes more than {} s to find; ask for less",
    )
    max_jobs: int = _bound(1000, "jobs in one response of a stream")
    max_thread_request: int = _bound(
        16,
        "KiB of a request that the module reads itself; longer ones are for readers",
        EMSGSIZE,
        "a request of more than {} KiB cannot wait for a job, nor ask a database in memory",
    )
    max_response: int = _bound(
        32,
        "MiB of one response that is no stream",
        EMSGSIZE,
        "the answer has more than {} MiB; ask for a stream, or for fewer jobs",
    )
    max_waits_user: int = _bound(
        8192,
        "list-id requests of one user that wait for a job",
        EAGAIN,
        "{} requests of this user wait for jobs; try again later",
    )
    max_waits: int = _bound(
        32768,
        "list-id requests of all users that wait for a job",
        EAGAIN,
        "{} requests wait for jobs; try again later",
    )
    max_turns_user: int = _bound(
        8192,
        "requests of one user, who has sent many lately, that wait for their turn",
        EAGAIN,
        "{} requests of this user wait for their turn; try again later",
    )
    max_turns: int = _bound(
        32768,
        "requests of all such users that wait for their turn",
        EAGAIN,
        "{} requests wait for their turn; try again later",
    )
    max_lookups: int = _bound(64, "job ids that are looked up in the KVS at once; others wait")
    max_watchers_user: int = _bound(
        64,
        "streams of job-stats of one user",
        EAGAIN,
        "{} requests of this user watch job-stats; try again later",
    )
    max_watchers: int = _bound(
        512,
        "streams of job-stats of all users",
        EAGAIN,
        "{} requests watch job-stats; try again later",
    )
    max_open_user: int = _bound(
        256,
        "lists of one user that are not answered yet",
        EAGAIN,
        "{} requests of this user are not answered yet; try again later",
    )
    max_open: int = _bound(
        1024,
        "lists of all users that are not answered yet",
        EAGAIN,
        "{} requests are not answered yet; try again later",
    )
    max_open_bytes: int = _bound(
        32,
        "MiB of requests that wait, a user's half of it",
        EAGAIN,
        "too many large requests are not answered yet; try again later",
    )

    def exceeded(self, name: str) -> RpcError:
        """Return the error of what exceeds the bound ``name``."""
        bound = _BY_NAME[name]
        assert bound.text is not None
        return RpcError(bound.errno, bound.text.format(getattr(self, name)))


def table() -> Iterator[Bound]:
    """Yield all bounds, as they stand here."""
    for one in fields(Budgets):
        about = one.metadata
        default: int = getattr(Budgets, one.name)
        yield Bound(one.name, default, about["unit"], about["errno"], about["text"])


_BY_NAME = {bound.name: bound for bound in table()}
