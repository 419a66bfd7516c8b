# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb metrics``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click

from cli.database import database_path
from cli.options import db_option

__all__ = ["command"]


@click.command(
    epilog="Example: flux-jobdb metrics --textfile /var/lib/node_exporter/jobdb.prom"
)
@db_option
@click.option("--textfile", metavar="FILE", help="Write to FILE, replacing it atomically.")
@click.option("--users", type=click.IntRange(min=0), default=0, metavar="N",
              help="Name N users, those who have most nodes now.")  # fmt: skip
def command(textfile: str | None, users: int) -> None:
    """Print metrics in the Prometheus text format, for a scrape or node_exporter's textfiles.

    Numbers of jobs by queue and state, of jobs that ended by result, of nodes by state; what is
    stored, what is missing, and how long ago the last event came. No job is named, and no user
    without --users.
    """
    from web.pages.metrics import text  # noqa: PLC0415

    found = text(database_path(), users)
    if textfile is None:
        sys.stdout.buffer.write(found)
    else:
        _replace(Path(textfile), found)


def _replace(path: Path, data: bytes) -> None:
    """Write a file as a whole: a reader sees the old one, or the new one."""
    from eventstore.errors import StoreError  # noqa: PLC0415

    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror}; name a file that can be written"
        ) from error
