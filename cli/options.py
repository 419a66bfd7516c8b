# SPDX-License-Identifier: LGPL-3.0
"""Options and types of argument that several commands take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.output.streams import say

__all__ = ["Invocation", "JobId", "Time", "db_option"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Invocation:
    """What holds for a run of the program, whatever the command; click's ``ctx.obj``.

    ``db``: the database that was named; None: by default. ``databases``: several, by the names
    of their clusters. ``debug``: show where an unforeseen
    exception was raised.
    """

    def __init__(self) -> None:
        self.db: str | None = None
        self.databases: dict[str, str] = {}
        self.debug = False


def _set_db(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Invocation).db = value


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Invocation).debug = True


def db_option(command: _F) -> _F:
    """Add the options that every command has, and that also stand before it."""
    command = click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_set_debug,
        help="Show where an unforeseen exception was raised.",
    )(command)
    return click.option(
        "--db",
        metavar="PATH",
        expose_value=False,
        callback=_set_db,
        help="The database [$FLUX_JOBDB, the instance's, ./jobdb.sqlite].",
    )(command)


class JobId(click.ParamType["int"]):
    """A job id in any form that Flux takes."""

    name = "JOBID"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the id as a number."""
        from projections.notation.jobid import parse  # noqa: PLC0415

        try:
            return value if isinstance(value, int) else parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Time(click.ParamType["float"]):
    """A point in time: seconds since the epoch, ISO 8601, or what `flux jobs --since` takes.

    One in the future is refused: nothing is stored of it. On a terminal, the moment that was
    understood is said on standard error.
    """

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds since the epoch."""
        from projections.notation.timespec import parse_time  # noqa: PLC0415

        if isinstance(value, float):  # a default
            return value
        now = time.time()
        try:
            seconds = parse_time(str(value), now=now)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds > now:
            self.fail(f"{value!r} is in the future: {_moment(seconds)}", param, ctx)
        if sys.stderr.isatty() and param is not None and not (ctx and ctx.resilient_parsing):
            say(f"flux-jobdb: {param.opts[0]} is {_moment(seconds)}", err=True)
        return seconds


def _moment(seconds: float) -> str:
    """Return a time in UTC, and in local time where that is another."""
    from projections.notation.timespec import format_moment  # noqa: PLC0415

    utc, local = format_moment(seconds), format_moment(seconds, local=True)
    return utc if local.endswith("+00:00") else f"{utc} ({local})"
