# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb list``."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from cli.database import reading
from cli.options import JobId, Time, db_option
from cli.output import colors
from cli.output.streams import say

if TYPE_CHECKING:
    from cli.flux_jobs.format_string import OutputFormat
    from joblist.service import Service

__all__ = ["command"]


# By the name of their parameter: filters that one of --stats-only and JOBID does not go with.
_FILTERS = {
    "all_states": "-a",
    "all_users": "-A",
    "user": "--user",
    "states": "--filter",
    "since": "--since",
    "until": "--until",
    "name": "--name",
    "queues": "--queue",
    "include": "--include",
    "count": "--count",
}
_STATS_TAKE = ("all_states", "all_users", "queues")  # they count all jobs of these queues
_NEGATIVE_WIDTH = re.compile(r"(^|\0)(?:-w\0?|--width[=\0])-\d+(?=\0|$)")


class _List(click.Command):
    """Takes a negative number as the value of --width, as `flux jobs` does: lines are whole.

    click takes it for an option, where an option's value may be left out.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        text = "\0".join(args)  # what no argument contains
        words = _NEGATIVE_WIDTH.sub(rf"\1--width={sys.maxsize}", text).split("\0")
        return super().parse_args(ctx, words if args else [])


def _refuse_recursion(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        raise click.UsageError(
            f"{param.opts[0]}: jobs of a job's own instance are in that instance's database; "
            "list them there",
            ctx,
        )


@click.command(
    "list", cls=_List,
    epilog="Example: flux-jobdb list -A --filter=failed --since=-1d -o endreason",
)  # fmt: skip
@db_option
@click.option("-a", "all_states", is_flag=True, help="Jobs in all states.")
@click.option("-A", "all_users", is_flag=True, help="Jobs of all users.")
@click.option("-u", "--user", metavar="USER",
              help='Jobs of this user (name or id); "all": everybody.')  # fmt: skip
@click.option("-f", "--filter", "states", multiple=True, metavar="STATE|RESULT,...",
              help="Jobs in these states or with these results [pending,running].")  # fmt: skip
@click.option("--since", type=Time(), metavar="TIME",
              help="Jobs that were not inactive at TIME; implies -a.")  # fmt: skip
@click.option("--until", type=Time(), metavar="TIME",
              help="Jobs that were submitted by TIME; implies -a.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Jobs with this name.")
@click.option("-q", "--queue", "queues", multiple=True, metavar="QUEUE,...",
              help="Jobs in one of these queues.")  # fmt: skip
@click.option("-i", "--include", metavar="HOSTS|RANKS",
              help="Jobs on one of these; implies -A.")  # fmt: skip
@click.option("-c", "--count", type=click.IntRange(0), default=1000, show_default=True,
              metavar="N", help="At most N jobs; 0: no limit.")  # fmt: skip
@click.option("-o", "--format", "form", metavar="FORMAT",
              help='Columns; "help" lists names, "get-config=NAME" shows one.')  # fmt: skip
@click.option("--sort", default="", metavar="KEY,-KEY,...", help="Sort by these fields.")
@click.option("-n", "--no-header", is_flag=True, help="No column headings.")
@click.option("--suppress-header", "no_header", is_flag=True, hidden=True)
@click.option("-w", "--width", type=int, is_flag=False, flag_value=0, default=-1, metavar="N",
              help="Cut lines to N characters; without N: to the terminal's.")  # fmt: skip
@click.option("--color", type=click.Choice(colors.WHEN), is_flag=False,
              flag_value="always", metavar="WHEN",
              help="Color rows: always (also without WHEN), never, auto.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True,
              help="job-list's attributes and the id as text, a job a line.")  # fmt: skip
@click.option("--stats", is_flag=True, help="Statistics first.")
@click.option("--stats-only", is_flag=True, help="Statistics only; exit 1 if none is active.")
@click.option("--as-of", type=Time(), metavar="TIME", help="The list as of TIME.")
@click.option("-R", "--recursive", "--recurse-all", is_flag=True, hidden=True,
              expose_value=False, callback=_refuse_recursion)  # fmt: skip
@click.option("-L", "--level", type=int, hidden=True, expose_value=False)  # of -R only
@click.option("--threads", type=int, hidden=True, expose_value=False)  # of other instances
@click.argument("jobids", nargs=-1, type=JobId(), metavar="[JOBID]...")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401 - click's, by name
    """List jobs as `flux jobs` does: yours that are active, unless options say otherwise.

    Options, fields and named formats (default, cute, long, deps, endreason) are those of
    flux-jobs(1), over all history, for now or for any past moment. With --since and --until:
    jobs that lived at some time in between.
    """
    from joblist.config import Config  # noqa: PLC0415
    from joblist.service import Service  # noqa: PLC0415

    if options["form"] == "help" or (options["form"] or "").startswith("get-config="):
        _print_formats(options["form"])
        return 0
    _check(ctx, options)
    table = None if options["as_json"] else _table(options["form"], options["sort"])
    constraint = _constraint(options)
    with reading() as store:
        service = Service(store, Config(), as_of=options["as_of"])
        if options["stats"] or options["stats_only"]:
            active = _print_stats(service, options["queues"])
            if options["stats_only"]:
                return 0 if active else 1
        jobs, cut = _jobs(service, constraint, table, options)
    if options["jobids"] and not jobs:
        return 1
    _print(jobs, table, options)
    if cut and not options["no_header"]:
        cut_at = f"warning: output truncated at {options['count']} jobs"
        say(f"{cut_at}: raise --count, or narrow the filter", err=True)
    return 0


def _check(ctx: click.Context, options: dict[str, Any]) -> None:
    """Refuse options that do not go together; say which ones have no effect."""
    given = [
        name
        for name in _FILTERS
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if options["as_json"] and (options["stats"] or options["stats_only"]):
        raise click.UsageError("--json does not go with --stats or --stats-only")
    if options["stats_only"]:
        refused = [_FILTERS[name] for name in given if name not in _STATS_TAKE]
        refused += ["JOBID"] if options["jobids"] else []
        if refused:
            raise click.UsageError(
                f"--stats-only counts all jobs, or those of --queue: leave out "
                f"{', '.join(refused)}"
            )
    since, until = options["since"], options["until"]
    if since is not None and until is not None and until < since:
        raise click.UsageError("--until is before --since")
    for name in ("since", "until"):
        if None not in (options[name], options["as_of"]) and options[name] > options["as_of"]:
            raise click.UsageError(f"--{name} is in the future of --as-of")
    if options["all_states"] and options["states"]:
        say("flux-jobdb: warning: both -a and --filter given, ignoring -a", err=True)
    if options["jobids"] and given:
        names = ", ".join(_FILTERS[name] for name in given)
        say(f"flux-jobdb: warning: {names} ignored, as job ids are given", err=True)


def _constraint(options: dict[str, Any]) -> dict[str, Any]:
    from cli.flux_jobs.filters import Filters, constraint, split  # noqa: PLC0415

    chosen = {name: options[name] for name in Filters._fields}
    chosen |= {name: split(options[name]) for name in ("states", "queues")}
    return constraint(Filters(**chosen))


# -- asking


def _jobs(
    service: Service, constraint: dict[str, Any], table: OutputFormat | None,
    options: dict[str, Any],
) -> tuple[list[bytes], bool]:  # fmt: skip
    """Return the jobs, and whether --count left some out."""
    from cli.flux_jobs import coloring, fields, job_list  # noqa: PLC0415
    from joblist.protocol.errors import RpcError  # noqa: PLC0415
    from projections.notation.jobid import encode  # noqa: PLC0415

    attrs = ["all"]
    if table is not None:
        more = coloring.FIELDS if colors.wanted(options["color"]) else ()
        attrs = sorted(fields.attributes([*table.names, *more]))
    if options["jobids"]:
        jobs, absent = job_list.by_id(service, options["jobids"], attrs)
        for jobid in absent:
            say(f"flux-jobdb: {encode(jobid)}: no such job here", err=True)
        return jobs, False
    try:
        return job_list.matching(
            service, constraint, attrs, since=options["since"] or 0.0, count=options["count"]
        )
    except RpcError as error:
        raise click.UsageError(str(error.text)) from error


# -- printing


def _table(form: str | None, sort: str) -> OutputFormat:
    from cli.flux_jobs import fields, format_string, named_formats  # noqa: PLC0415

    known = named_formats.formats()
    try:
        text = named_formats.chosen(form, known)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        return format_string.OutputFormat(text, fields.heading, sort=sort)
    except ValueError as error:
        raise click.UsageError(f"{error}, with --format {text}") from error


def _print(jobs: list[bytes], table: OutputFormat | None, options: dict[str, Any]) -> None:
    from cli.flux_jobs import coloring, job_list  # noqa: PLC0415

    if table is None:
        sys.stdout.buffer.writelines(job_list.with_ids(jobs))
        return
    from cli.flux_jobs.fields import JobInfo, user_names  # noqa: PLC0415

    now = time.time() if options["as_of"] is None else options["as_of"]
    username = user_names()
    rows = (JobInfo(_decoded(job), now=now, username=username) for job in jobs)
    lines = table.lines_and_rows(
        rows, header=not options["no_header"], width=_width(options["width"])
    )
    if colors.wanted(options["color"]):
        texts = (coloring.colored(line, row) for line, row in lines)
    else:
        texts = (f"{line}\n" for line, _ in lines)
    sys.stdout.writelines(texts)


def _decoded(job: bytes) -> dict[str, Any]:
    """Decode a job, whatever numbers and halves of surrogate pairs are in its texts."""
    import msgspec  # noqa: PLC0415

    from eventstore.events.json_values import MALFORMED  # noqa: PLC0415

    found: dict[str, Any]
    try:
        found = msgspec.json.decode(job)  # in a third of the time
    except MALFORMED:
        try:
            found = json.loads(job)
        except ValueError:  # an integer of more digits than Python converts
            found = json.loads(job, parse_int=float)
    return found


def _width(option: int) -> int | None:
    """Return where lines are cut; None: nowhere."""
    if option == 0 and sys.stdout.isatty():
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    return option if option > 0 else None


def _print_formats(asked: str) -> None:
    """Print the names of all formats, or one as configuration."""
    from cli.flux_jobs import named_formats  # noqa: PLC0415

    known = named_formats.formats()
    if asked != "help":
        try:
            lines = named_formats.as_configuration(asked.partition("=")[2], known)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    else:
        listed = (f"  {name:<12} {form.description}".rstrip() for name, form in known.items())
        lines = ["", "Configured flux-jobs output formats:", "", *listed]
    for line in lines:
        say(line)


def _print_stats(service: Service, queues: tuple[str, ...]) -> bool:
    """Print a line of statistics; returns whether any job is active."""
    from cli.flux_jobs.filters import split  # noqa: PLC0415
    from cli.flux_jobs.job_list import statistics  # noqa: PLC0415

    try:
        found = statistics(service, split(queues))
    except KeyError as error:
        raise click.UsageError(f"no stats available for queue {error.args[0]}") from error
    say(str(found))
    return found.active > 0
