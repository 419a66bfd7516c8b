# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb rejects``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from cli.database import database_path
from cli.options import db_option
from cli.output.streams import say

if TYPE_CHECKING:
    from eventstore.reading.rejects import StoredReject

__all__ = ["command"]

_SHOWN = 60  # bytes of a reject that a line for people shows


@click.command(epilog="Example: flux-jobdb rejects --json | jq -r .reason | sort | uniq -c")
@db_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all bytes.")
def command(as_json: bool) -> None:
    """List what came and could not be stored: batch, job, reason, and how it begins.

    "-" means that the job is not known. Texts are shown as JSON texts. With --json, `data` is
    what came, or `base64` where that is no UTF-8.
    """
    from eventstore.reading.rejects import rejects  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415

    line = _object if as_json else _row
    with open_readonly(database_path()) as store, store.snapshot() as db:
        for reject in rejects(db):
            say(line(reject))


def _name(jobid: int | None) -> str | None:
    """Return the id in f58; a negative one, which is no job's, as the unsigned number it is."""
    from projections.notation.jobid import encode  # noqa: PLC0415

    return None if jobid is None else encode(jobid % 2**64)


def _row(reject: StoredReject) -> str:
    start = json.dumps(reject.data[:_SHOWN].decode(errors="replace"))
    more = "…" if len(reject.data) > _SHOWN else ""
    # The reason may quote what came, too.
    reason = json.dumps(reject.reason)[1:-1]
    return f"{reject.batch:>8} {_name(reject.jobid) or '-':>14} {reason}: {start}{more}"


def _object(reject: StoredReject) -> str:
    from base64 import b64encode  # noqa: PLC0415

    found: dict[str, Any] = {
        "id": reject.jobid,
        "jobid": _name(reject.jobid),
        "reason": reject.reason,
        "batch": reject.batch,
    }
    try:
        found["data"] = reject.data.decode()
    except UnicodeDecodeError:
        found["base64"] = b64encode(reject.data).decode()
    return json.dumps(found)
