# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb rpc``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from cli.common import Time, db_option, reading

if TYPE_CHECKING:
    from eventstore.store import Store


@click.command(
    epilog="""Example: flux-jobdb rpc job-list.list '{"max_entries":5,"attrs":["all"]}'"""
)
@db_option
@click.option("--userid", type=int, default=0, show_default=True, help="Who asks.")
@click.option("--rolemask", type=int, default=1, show_default=True, help="In which roles.")
@click.option("--streaming", is_flag=True, help="As a streaming request.")
@click.option("--config", "config", metavar="FILE", help="The instance's configuration (TOML).")
@click.option(
    "--as-of", type=Time(), metavar="TIME", help="As job-list would have answered then."
)
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
    """Answer a job-list request as the broker module would.

    TOPIC is job-list.list, list-id, list-attrs, job-stats or stats-get (with "job-list." in
    front); REQUEST is JSON, or - for standard input. Each response payload is a line. An
    error goes to standard error as {"errno":N,"errstr":"..."}, with exit status 1.
    """
    from joblist.config import read_tables  # noqa: PLC0415

    tables = {} if config is None else read_tables(config)
    if (batch is None) == (topic is None):
        raise click.UsageError("give either a TOPIC or --batch FILE")
    with reading() as store:
        if batch is not None:
            _answer_batch(store, batch, tables, as_of)
            return 0
        text = sys.stdin.read() if request_text == "-" else request_text
        question = {
            "topic": topic,
            "userid": userid,
            "rolemask": rolemask,
            "streaming": streaming,
            "request_raw": text,
        }
        responses, error = _answer(store, question, tables, as_of)
    for response in responses:
        click.echo(response)
    if error is not None:
        sys.stderr.buffer.write(error + b"\n")
        return 1
    return 0


def _answer_batch(store: Store, path: str, tables: dict[str, Any], as_of: float | None) -> None:
    from cli.inputs import Input  # noqa: PLC0415

    out = sys.stdout.buffer
    for lines in Input(path).batches():
        for number, line in enumerate(lines, start=1):
            try:
                question = json.loads(line)
                topic = question["topic"]
            except (ValueError, TypeError, KeyError) as error:
                raise click.UsageError(
                    f"{path}: request {number} is not a JSON object with a topic: {error}"
                ) from error
            del topic
            mine = dict(tables)
            for name, table in question.get("config", {}).items():
                mine[name] = {**mine.get(name, {}), **table}
            responses, error_text = _answer(store, question, mine, as_of)
            texts = b",".join(json.dumps(r.decode()).encode() for r in responses)
            tail = b"" if error_text is None else b',"error":' + error_text
            out.write(b'{"responses":[%b]%b}\n' % (texts, tail))


def _answer(
    store: Store, question: dict[str, Any], tables: dict[str, Any], as_of: float | None
) -> tuple[list[bytes], bytes | None]:
    """Return the responses, and the error as JSON."""
    from joblist.config import from_tables  # noqa: PLC0415
    from joblist.errors import RpcError  # noqa: PLC0415
    from joblist.requests import Credential  # noqa: PLC0415
    from joblist.service import Request, Service  # noqa: PLC0415
    from projections.jsontext import dumps  # noqa: PLC0415

    if "request_raw" in question:
        raw = question["request_raw"]
        text = None if raw is None else str(raw).encode()
    else:
        text = dumps(question.get("request"))
    credential = Credential(int(question.get("userid", 0)), int(question.get("rolemask", 1)))
    request = Request(question["topic"], text, credential, bool(question.get("streaming")))
    try:
        return Service(store, from_tables(tables), as_of=as_of).answer(request), None
    except RpcError as error:
        return [], dumps({"errno": error.errno, "errstr": _printable(error.text)})


def _printable(text: str | None) -> str | None:
    """Return a text that can be written: bytes that are no UTF-8 become U+FFFD."""
    return text and text.encode(errors="surrogateescape").decode(errors="replace")
