# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb web``."""

from __future__ import annotations

import click

from cli.database import database_path, reading
from cli.options import Invocation, db_option
from cli.output.streams import say

__all__ = ["command"]


@click.command(
    epilog="Example: flux-jobdb web --uds /run/flux-jobdb/web.sock --user-header X-Remote-User"
)
@db_option
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N",
              help="On this port of 127.0.0.1 [a free one].")  # fmt: skip
@click.option("--uds", metavar="PATH", help="On a unix socket (mode 0660), for a proxy.")
@click.option("--user-header", "header", metavar="NAME",
              help="The header in which the proxy names the user; with --uds.")  # fmt: skip
@click.option("--admin", "admins", multiple=True, metavar="USER",
              help="Sees everybody's jobs in private mode; may be repeated.")  # fmt: skip
@click.option("--admin-group", "groups", multiple=True, metavar="GROUP",
              help="So do members of this group; may be repeated.")  # fmt: skip
@click.option("--config", metavar="FILE", help="The instance's configuration (TOML).")
def command(
    port: int,
    uds: str | None,
    header: str | None,
    admins: tuple[str, ...],
    groups: tuple[str, ...],
    config: str | None,
) -> None:
    """Serve the history as pages (extra `web`). Nothing can be changed by them.

    Prints one line with the address when it answers. On a port of the loopback interface, the
    address has a token, and whoever has it sees what you see. On a unix socket, a proxy that
    has authenticated the user names the user in a header; in private mode (of --config) users
    see their own jobs. With --db several times, the pages show several clusters.
    """
    from eventstore.errors import StoreError  # noqa: PLC0415
    from joblist.config import Config, from_tables, read_tables  # noqa: PLC0415

    if (uds is None) != (header is None):
        raise click.UsageError("--uds and --user-header go together")
    try:
        from web.server.serving import serve  # noqa: PLC0415 - what only this needs
        from web.viewers import Access  # noqa: PLC0415
        from web.viewers import admins as of  # noqa: PLC0415
    except ImportError as error:
        if (error.name or "").split(".")[0] not in {"starlette", "uvicorn", "jinja2"}:
            raise
        raise StoreError("web needs more packages: pip install 'flux-jobdb[web]'") from error
    settings = Config() if config is None else from_tables(read_tables(config))
    try:
        access = Access(settings, header, None, of(admins, groups))
    except KeyError as error:
        raise click.UsageError(f"--admin-group: {error.args[0]}") from error
    invocation = click.get_current_context().find_object(Invocation) or Invocation()
    paths: str | dict[str, str] = invocation.databases or database_path()
    for path in invocation.databases.values() or [database_path()]:
        invocation.db = path
        with reading():  # views of another version are made now, not when somebody asks
            pass
    serve(paths, access, uds=uds, port=port, say=say)
