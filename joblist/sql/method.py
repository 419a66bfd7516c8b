# SPDX-License-Identifier: LGPL-3.0
"""The method ``job-list.sql``: {"query":S,"max_rows":N} (docs/broker-module.md).

A reader process answers it (joblist/readers/), and the statement runs in a process of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from errno import EINVAL, EPROTO
from typing import Any

import apsw

from joblist.protocol import payload
from joblist.protocol.errors import RpcError
from joblist.protocol.payload import PayloadError, int32, string, unpack
from joblist.service import Request, Service
from joblist.sql.guest import Statement
from joblist.sql.limits import Limits
from joblist.sql.messages import Names
from joblist.sql.visible import of
from projections.formats.json_text import dumps
from projections.sql.statement import SqlError

TOPIC = "job-list.sql"


def sql_answer(
    service: Service,
    db: apsw.Connection,
    request: Request,
    due: Callable[[], bool],
) -> Iterator[bytes]:
    """Yield the payloads of the answer, and empty ones to look at other things in between.

    {"columns":[…],"rows":[[…],…]}, and "truncated":true in the last one where there were more
    rows than asked for, or than are given. Raises RpcError.
    """
    query, limits = _read(request.text)
    statement = Statement(db, query, of(db, service.config, request.credential), limits)
    columns: tuple[str, ...] = ()
    held: list[Any] = []
    try:
        with closing(statement.messages()) as messages:
            for found in messages:
                if isinstance(found, Names):
                    columns = found.names
                else:
                    held += found or ()
                if request.streaming and held:
                    yield _payload(columns, held)
                    held = []
                yield b""
    except SqlError as error:
        raise RpcError(EINVAL, str(error)) from error
    yield _payload(columns, held, truncated=statement.cut)


def _read(text: bytes | None) -> tuple[str, Limits]:
    try:
        members = payload.loads(text)
        query = unpack(members, "query", string)
        most = unpack(members, "max_rows", int32, Limits().rows)
    except PayloadError as error:
        raise RpcError(EPROTO, f"invalid payload: {error}") from error
    if most < 0:
        raise RpcError(EPROTO, "invalid payload: max_rows < 0 not allowed")
    return query, Limits(rows=min(most, Limits().rows))


def _payload(columns: tuple[str, ...], rows: list[Any], *, truncated: bool = False) -> bytes:
    found: dict[str, Any] = {
        "columns": columns,
        "rows": [[_plain(value) for value in row] for row in rows],
    }
    return dumps(found | ({"truncated": True} if truncated else {}))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of SQL
    """Return a value as JSON has it: bytes as hexadecimal digits, infinity as null."""
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value
