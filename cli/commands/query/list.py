# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb list``."""

from __future__ import annotations

import json
import os
import pwd
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from cli.database import reading
from cli.options import JobId, Time, db_option

if TYPE_CHECKING:
    from cli.flux_jobs.format_string import OutputFormat
    from joblist.service import Service

__all__ = ["command"]

_FORMAT = "FLUX_JOBS_FORMAT_DEFAULT"  # environment: as for `flux jobs`


@click.command(
    "list", epilog="Example: flux-jobdb list -A --filter=failed --since=-1d -o endreason"
)
@db_option
@click.option("-a", "all_states", is_flag=True, help="Jobs in all states.")
@click.option("-A", "all_users", is_flag=True, help="Jobs of all users.")
@click.option(
    "-u", "--user", metavar="USER", help='Jobs of this user (name or id); "all": everybody.'
)
@click.option(
    "-f",
    "--filter",
    "states",
    multiple=True,
    metavar="STATE|RESULT,...",
    help="Jobs in these states or with these results [pending,running].",
)
@click.option(
    "--since",
    type=Time(),
    metavar="TIME",
    help="Jobs that were not inactive at TIME; implies -a.",
)
@click.option("-n", "--name", metavar="NAME", help="Jobs with this name.")
@click.option(
    "-q",
    "--queue",
    "queues",
    multiple=True,
    metavar="QUEUE,...",
    help="Jobs in one of these queues.",
)
@click.option(
    "-i", "--include", metavar="HOSTS|RANKS", help="Jobs on one of these; implies -A."
)
@click.option(
    "-c",
    "--count",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    metavar="N",
    help="At most N jobs; 0: no limit.",
)
@click.option("-o", "--format", "form", metavar="FORMAT", help='Columns; "help" lists names.')
@click.option("--sort", default="", metavar="KEY,-KEY,...", help="Sort by these fields.")
@click.option("--no-header", is_flag=True, help="No column headings.")
@click.option("--json", "as_json", is_flag=True, help="job-list's attributes, a job a line.")
@click.option("--stats", is_flag=True, help="Statistics first.")
@click.option("--stats-only", is_flag=True, help="Statistics only; exit 1 if none is active.")
@click.option("--as-of", type=Time(), metavar="TIME", help="The list as of TIME.")
@click.argument("jobids", nargs=-1, type=JobId(), metavar="[JOBID]...")
def command(**options: Any) -> int:  # noqa: ANN401 - click's options, by name
    """List jobs as `flux jobs` does: yours that are active, unless options say otherwise.

    Options, fields and named formats (default, cute, long, deps, endreason) are those of
    flux-jobs(1), over all history, for now or for any past moment.
    """
    from joblist.config import Config  # noqa: PLC0415
    from joblist.service import Service  # noqa: PLC0415

    now = time.time() if options["as_of"] is None else options["as_of"]
    if options["form"] == "help":
        _print_formats()
        return 0
    if options["as_json"] and (options["stats"] or options["stats_only"]):
        raise click.UsageError("--json does not go with --stats or --stats-only")
    constraint = _constraint(options, now)
    table = None if options["as_json"] else _table(options["form"], options["sort"])
    with reading() as store:
        service = Service(store, Config(), as_of=options["as_of"])
        if options["stats"] or options["stats_only"]:
            active = _print_stats(service, options["queues"])
            if options["stats_only"]:
                return 0 if active else 1
        attrs = ["all"] if table is None else _attributes(table)
        if options["jobids"]:
            jobs = _by_id(service, options["jobids"], attrs)
            cut = False
        else:
            jobs, cut = _matching(service, constraint, attrs, options)
    if options["jobids"] and not jobs:
        return 1
    _print(jobs, table, now, header=not options["no_header"])
    if cut and not options["no_header"]:
        cut_at = f"warning: output truncated at {options['count']} jobs"
        click.echo(f"{cut_at}: raise --count, or narrow the filter", err=True)
    return 0


def _constraint(options: dict[str, Any], now: float) -> dict[str, Any]:
    from cli.flux_jobs import filters  # noqa: PLC0415

    if options["since"] is not None and options["since"] > now:
        raise click.BadParameter("is in the future", param_hint="--since")
    states = filters.split(options["states"])
    if not states:
        everything = options["all_states"] or options["since"] is not None
        states = ["pending", "running", "inactive"] if everything else ["pending", "running"]
    user, include = options["user"], options["include"]
    if options["all_users"] or (include is not None and user is None):
        user = "all"
    terms = filters.states_and_results(states) + filters.user(user)
    if options["name"] is not None:
        terms.append({"name": [options["name"]]})
    if options["queues"]:
        terms.append({"queue": filters.split(options["queues"])})
    if include is not None:
        terms += filters.targets(include)
    return {"and": terms}


# -- asking


def _ask(service: Service, topic: str, request: dict[str, Any]) -> bytes:
    from joblist.protocol.requests import Credential  # noqa: PLC0415
    from joblist.service import Request  # noqa: PLC0415
    from projections.formats.json_text import dumps  # noqa: PLC0415

    # As the instance's owner: whoever can read the file can read all of it anyway.
    return service.answer(Request(topic, dumps(request), Credential(), streaming=False))[0]


def _matching(
    service: Service, constraint: dict[str, Any], attrs: list[str], options: dict[str, Any]
) -> tuple[list[bytes], bool]:
    """Return the jobs, and whether --count left some out."""
    import msgspec  # noqa: PLC0415

    from joblist.protocol.errors import RpcError  # noqa: PLC0415

    count = options["count"]
    request = {
        # One more than wanted, to know whether any are left out.
        "max_entries": count + 1 if count else 0,
        "attrs": attrs,
        "since": options["since"] or 0.0,
        "constraint": constraint,
    }
    try:
        answer = _ask(service, "job-list.list", request)
    except RpcError as error:
        raise click.UsageError(str(error.text)) from error
    found = msgspec.json.decode(answer, type=dict[str, list[msgspec.Raw]])["jobs"]
    jobs = [bytes(job) for job in found]
    return jobs[: count or None], bool(count) and len(jobs) > count


def _by_id(service: Service, jobids: Iterable[int], attrs: list[str]) -> list[bytes]:
    import msgspec  # noqa: PLC0415

    from cli.flux_jobs.jobid import encode  # noqa: PLC0415
    from joblist.protocol.errors import RpcError  # noqa: PLC0415

    found = []
    for jobid in jobids:
        try:
            answer = _ask(service, "job-list.list-id", {"id": jobid, "attrs": attrs})
        except RpcError:
            click.echo(f"flux-jobdb: {encode(jobid)}: no such job here", err=True)
        else:
            job = msgspec.json.decode(answer, type=dict[str, msgspec.Raw])["job"]
            found.append(bytes(job))
    return found


# -- printing


def _table(form: str | None, sort: str) -> OutputFormat:
    from cli.flux_jobs import fields, format_string  # noqa: PLC0415

    text = form or os.environ.get(_FORMAT) or "default"
    try:
        return format_string.OutputFormat(
            format_string.format_string(text), fields.heading, sort=sort
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _attributes(table: OutputFormat) -> list[str]:
    from cli.flux_jobs import fields  # noqa: PLC0415

    return sorted(fields.attributes(table.names))


def _print(jobs: list[bytes], table: OutputFormat | None, now: float, *, header: bool) -> None:
    if table is None:
        sys.stdout.buffer.write(b"".join(job + b"\n" for job in jobs))
        return
    from cli.flux_jobs.fields import JobInfo  # noqa: PLC0415

    names = _user_names()
    rows = (JobInfo(json.loads(job), now=now, username=names) for job in jobs)
    try:
        for line in table.lines(rows, header=header):
            click.echo(line)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _user_names() -> Callable[[int], str]:
    from functools import lru_cache  # noqa: PLC0415

    return lru_cache(maxsize=None)(lambda userid: pwd.getpwuid(userid).pw_name)


def _print_formats() -> None:
    from cli.flux_jobs.format_string import FORMATS  # noqa: PLC0415

    width = max(map(len, FORMATS))
    for name, form in FORMATS.items():
        click.echo(f"{name:<{width}}  {form.description}")


def _print_stats(service: Service, queues: tuple[str, ...]) -> bool:
    """Print a line of statistics; returns whether any job is active."""
    from cli.flux_jobs import filters  # noqa: PLC0415

    answer = json.loads(_ask(service, "job-list.job-stats", {}))
    by_name = {stats["name"]: stats for stats in answer["queues"]}
    chosen = [answer]
    if queues:
        try:
            chosen = [by_name[name] for name in filters.split(queues)]
        except KeyError as error:
            raise click.UsageError(f"no stats available for queue {error.args[0]}") from error

    def total(*names: str) -> int:
        return sum(
            stats["job_states"].get(name, 0) + stats.get(name, 0)
            for stats in chosen
            for name in names
        )

    click.echo(
        f"{total('run', 'cleanup')} running, {total('successful')} completed, "
        f"{total('failed', 'canceled', 'timeout')} failed, "
        f"{total('depend', 'priority', 'sched')} pending, "
        f"{total('inactive_purged')} inactive purged"
    )
    return total("total") > total("inactive")
