# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb serve``."""

from __future__ import annotations

from errno import EEXIST

import click

from cli.options import Invocation, db_option

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb serve purge=follow")
@db_option
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]...")
@click.pass_context
def command(ctx: click.Context, settings: tuple[str, ...]) -> int:
    """Answer job-list's requests, over an ordinary connection to the broker.

    The same service as the broker module, in a process of its own, outside of the broker's
    environment. Unload job-list first. Settings are those of [job-list] in the instance's
    configuration, which those given here override. SIGHUP reloads the configuration; SIGTERM
    ends it.
    """
    from cli.instance import connected  # noqa: PLC0415
    from eventstore.errors import JobdbError  # noqa: PLC0415
    from joblist.broker.connection import SERVICE  # noqa: PLC0415
    from joblist.broker.entry import run  # noqa: PLC0415

    link = connected()
    given = ctx.ensure_object(Invocation).db
    arguments = [*settings, *([f"dbpath={given}"] if given else [])]
    try:
        run(link, arguments)
    except OSError as error:
        if error.errno == EEXIST:
            raise JobdbError(
                f"{SERVICE}: the service is registered; `flux module remove {SERVICE}` first"
            ) from error
        raise JobdbError(f"{SERVICE}: {error.strerror}") from error
    return 0
