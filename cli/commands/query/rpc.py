# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb rpc``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from msgspec import UNSET, Raw, Struct, UnsetType

from cli.database import reading
from cli.options import Time, db_option
from cli.output.streams import read_input, say
from eventstore.events.json_values import MALFORMED

if TYPE_CHECKING:
    from eventstore.storage.connection import Store
    from joblist.service import Request

__all__ = ["command"]


class _Question(Struct):
    """A line of a batch; ``request_raw``, the payload's text itself, replaces ``request``."""

    topic: str
    userid: int = 0
    rolemask: int = 1
    streaming: bool = False
    request: Raw = Raw(b"null")
    request_raw: str | UnsetType | None = UNSET
    config: dict[str, dict[str, Any]] = {}


@click.command(
    epilog="""Example: flux-jobdb rpc job-list.list '{"max_entries":5,"attrs":["all"]}'"""
)
@db_option
@click.option(
    "--userid", type=int, default=0, show_default=True, help="The requester's user id."
)
@click.option(
    "--rolemask", type=int, default=1, show_default=True, help="The requester's roles (RFC 12)."
)
@click.option("--streaming", is_flag=True, help="As a streaming request.")
@click.option("--config", "config", metavar="FILE", help="The instance's configuration (TOML).")
@click.option("--as-of", type=Time(), metavar="TIME", help="The answer as of TIME.")
@click.option("--batch", metavar="FILE", help="A request a line (JSON), an answer a line.")
@click.argument("topic", required=False)
@click.argument("request_text", required=False, metavar="[REQUEST]")
def command(
    userid: int,
    rolemask: int,
    streaming: bool,
    config: str | None,
    as_of: float | None,
    batch: str | None,
    topic: str | None,
    request_text: str | None,
) -> int:
    """Answer a job-list request as the broker module would, or resource.status as Flux does.

    TOPIC is job-list.list, list-id, list-attrs, job-stats or stats-get (with "job-list." in
    front), or resource.status, in which null stands for what is not known. REQUEST is JSON, or
    - for standard input. Each response payload is a line. An error goes to standard error as
    {"errno":N,"errstr":"..."}, with exit status 1.
    """
    from joblist.config import read_tables  # noqa: PLC0415

    tables = {} if config is None else read_tables(config)
    if (batch is None) == (topic is None):
        raise click.UsageError("give either a TOPIC or --batch FILE")
    with reading() as store:
        if batch is not None:
            _answer_batch(store, batch, tables, as_of)
            return 0
        text = read_input("a request") if request_text == "-" else _payload(request_text)
        request = _request(str(topic), text, userid, rolemask, streaming)
        responses, error = _answer(store, request, tables, as_of)
    for response in responses:
        sys.stdout.buffer.write(response + b"\n")
    if error is not None:
        say(error.decode(), err=True)  # harmful characters are escaped as JSON does it
        return 1
    return 0


def _payload(text: str | None) -> bytes | None:
    return None if text is None else text.encode(errors="surrogateescape")


def _answer_batch(store: Store, path: str, tables: dict[str, Any], as_of: float | None) -> None:
    from cli.input.line_files import LineFile  # noqa: PLC0415

    out = sys.stdout.buffer
    number = 0
    for lines in LineFile(path, patience=0.0).batches():
        for line in lines:
            number += 1
            question = _question(line, f"{path}: request {number}")
            raw = question.request_raw
            text = bytes(question.request) if isinstance(raw, UnsetType) else _payload(raw)
            who = (question.userid, question.rolemask)
            request = _request(question.topic, text, *who, question.streaming)
            mine = {name: {**tables.get(name, {}), **t} for name, t in question.config.items()}
            responses, error = _answer(store, request, {**tables, **mine}, as_of)
            texts = b",".join(json.dumps(r.decode()).encode() for r in responses)
            tail = b"" if error is None else b',"error":' + error
            out.write(b'{"responses":[%b]%b}\n' % (texts, tail))
        out.flush()


def _question(line: bytes, where: str) -> _Question:
    import msgspec  # noqa: PLC0415

    try:
        return msgspec.json.decode(line, type=_Question)
    except MALFORMED as error:
        raise click.UsageError(
            f"{where} is not a request that --batch takes: {error}"
        ) from error


def _request(
    topic: str, text: bytes | None, userid: int, rolemask: int, streaming: bool
) -> Request:
    from joblist.protocol.requests import Credential  # noqa: PLC0415
    from joblist.service import Request  # noqa: PLC0415

    return Request(topic, text, Credential(userid, rolemask), streaming)


def _answer(
    store: Store, request: Request, tables: dict[str, Any], as_of: float | None
) -> tuple[list[bytes], bytes | None]:
    """Return the responses, and the error as JSON."""
    from joblist.config import from_tables  # noqa: PLC0415
    from joblist.protocol.errors import RpcError  # noqa: PLC0415
    from joblist.service import Service  # noqa: PLC0415
    from projections.formats.json_text import dumps  # noqa: PLC0415

    if request.topic == "resource.status":
        return _resource_status(store, as_of)
    try:
        return Service(store, from_tables(tables), as_of=as_of).answer(request), None
    except RpcError as error:
        return [], dumps({"errno": error.errno, "errstr": _printable(error.text)})


def _resource_status(store: Store, as_of: float | None) -> tuple[list[bytes], bytes | None]:
    from errno import ENOSYS  # noqa: PLC0415
    from math import inf  # noqa: PLC0415

    from projections.formats.json_text import dumps  # noqa: PLC0415
    from projections.node_queries.status import status  # noqa: PLC0415

    with store.snapshot() as db:
        found = status(db, inf if as_of is None else as_of)
    if found is not None:
        return [found], None
    text = "what the resource module would have said then is not known"
    return [], dumps({"errno": ENOSYS, "errstr": text})


def _printable(text: str | None) -> str | None:
    """Return a text that can be written: bytes that are not UTF-8 become U+FFFD."""
    return text and text.encode(errors="surrogateescape").decode(errors="replace")
