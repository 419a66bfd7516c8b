# SPDX-License-Identifier: LGPL-3.0
"""Options and types of argument that several commands take."""

from __future__ import annotations

import time

import click

__all__ = ["JobId", "Time", "db_option"]


def _remember(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.obj = value


db_option = click.option(
    "--db",
    metavar="PATH",
    expose_value=False,
    callback=_remember,
    help="The database [$FLUX_JOBDB, else ./jobdb.sqlite].",
)


class JobId(click.ParamType["int"]):
    """A job id in any form that Flux takes."""

    name = "JOBID"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the id as a number."""
        from cli.flux_jobs.jobid import parse  # noqa: PLC0415

        try:
            return value if isinstance(value, int) else parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Time(click.ParamType["float"]):
    """A point in time: seconds since the epoch, ISO 8601, or what `flux jobs --since` takes."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds since the epoch."""
        from cli.flux_jobs.timespec import parse_time  # noqa: PLC0415

        try:
            return (
                value if isinstance(value, float) else parse_time(str(value), now=time.time())
            )
        except ValueError as error:
            self.fail(str(error), param, ctx)
