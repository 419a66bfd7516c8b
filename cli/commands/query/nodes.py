# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb nodes``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from cli.database import database_path, reading
from cli.options import Time, db_option
from cli.output.shown import shown
from cli.output.streams import say
from projections.notation.timespec import format_moment

if TYPE_CHECKING:
    from projections.node_queries.history import NodeInterval
    from projections.node_queries.present import NodeState

__all__ = ["command"]

_MOST_JOBS = 3  # that a line of the table names


@click.command(epilog="Example: flux-jobdb nodes --history n[1-4] --since=-7d")
@db_option
@click.option("--as-of", type=Time(), metavar="TIME", help="The nodes as of TIME.")
@click.option("--history", is_flag=True, help="What became of them: an interval a line.")
@click.option("--since", type=Time(), metavar="TIME", help="Intervals not ended by TIME.")
@click.option("--until", type=Time(), metavar="TIME", help="Intervals that began by TIME.")
@click.option("--local", is_flag=True, help="Local times, with their zone.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("hosts", required=False, metavar="[HOSTS]")
def command(
    as_of: float | None,
    history: bool,
    since: float | None,
    until: float | None,
    local: bool,
    as_json: bool,
    hosts: str | None,
) -> int:
    """Show the nodes of the instance, in the order of their ranks, with their jobs.

    HOSTS is a hostlist, as n[1-4]. With --history: when each node was drained (one interval for
    each reason), offline, torpid, excluded, absent from the instance, and when it is unknown.
    Times are in UTC. What is not known is "?", in JSON null.
    """
    if not history and (since is not None or until is not None):
        raise click.UsageError("--since and --until go with --history")
    if history and as_of is not None:
        raise click.UsageError("--as-of does not go with --history; --until does")
    if None not in (since, until) and until < since:  # type: ignore[operator]
        raise click.UsageError("--until is before --since")
    names = None if hosts is None else _names(hosts)
    if history:
        _show_history(names, since, until, local=local, as_json=as_json)
    else:
        _show_nodes(names, as_of, local=local, as_json=as_json)
    return 0


def _names(hosts: str) -> list[str]:
    from projections.formats import hostlist  # noqa: PLC0415

    try:
        found = hostlist.decode(hosts)
    except hostlist.HostlistError as error:
        raise click.UsageError(f"{hosts!r} is no hostlist: {error}") from error
    return list(hostlist.hosts(found))


def _show_nodes(
    names: list[str] | None, as_of: float | None, *, local: bool, as_json: bool
) -> None:
    from projections.node_queries.present import nodes  # noqa: PLC0415

    with reading() as store, store.snapshot() as db:
        found = nodes(db, as_of)
    if not found:
        _say_none()
    if names is not None:
        wanted = set(names)
        found = [node for node in found if node.host in wanted]
    if as_json:
        _print(json.dumps(_object(node), ensure_ascii=False) for node in found)
        return
    say(f"{'RANK':>6} {'HOST':<12} {'STATE':<18} {'DRAINED SINCE':<28} JOBS / REASON")
    _print(_line(node, local=local) for node in found)


def _print(lines: Iterable[str]) -> None:
    """Write lines as `say` does, together."""
    sys.stdout.writelines(f"{shown(line)}\n" for line in lines)


def _say_none() -> None:
    say(
        f"flux-jobdb: {database_path()}: no nodes are known then: `flux-jobdb ingest` stores "
        "the resource journal",
        err=True,
    )


def _object(node: NodeState) -> dict[str, Any]:
    found = node._asdict()
    found["drained"] = None if node.drained is None else node.drained._asdict()
    if node.unknown is None:
        del found["unknown"]
    return found


def _line(node: NodeState, *, local: bool) -> str:
    from projections.notation.jobid import encode  # noqa: PLC0415

    words = [_word(node.up, "up", "offline")]
    words += [word for word in (
        node.torpid and "torpid", node.excluded and "excluded", node.drained and "drained",
    ) if word]  # fmt: skip
    since = "" if node.drained is None else format_moment(node.drained.since, local=local)
    jobs = [encode(jobid) for jobid in node.jobs[:_MOST_JOBS]]
    more = len(node.jobs) - len(jobs)
    text = ",".join(jobs) + (f",+{more}" if more else "")
    reason = (node.drained and node.drained.reason) or node.unknown or ""
    rest = " ".join(part for part in (text, reason) if part)
    return f"{node.rank:>6} {node.host:<12} {','.join(words):<18} {since:<28} {rest}".rstrip()


def _word(value: bool | None, yes: str, no: str) -> str:
    return "?" if value is None else yes if value else no


def _show_history(
    names: list[str] | None,
    since: float | None,
    until: float | None,
    *,
    local: bool,
    as_json: bool,
) -> None:
    from math import inf  # noqa: PLC0415

    from projections.node_queries.history import intervals  # noqa: PLC0415

    first, last = -inf if since is None else since, inf if until is None else until
    with reading() as store, store.snapshot() as db:
        found = intervals(db, names, first, last)
    if as_json:
        _print(json.dumps(_as_object(one), ensure_ascii=False) for one in found)
    else:
        _print(_interval(one, local=local) for one in found)


def _as_object(one: NodeInterval) -> dict[str, Any]:
    names = {"begun": "from"}
    return {names.get(name, name): value for name, value in one._asdict().items()}


def _interval(one: NodeInterval, *, local: bool) -> str:
    begun = format_moment(one.begun, local=local)
    to = "…" if one.to is None else format_moment(one.to, local=local)
    ended = f" ({one.ended})" if one.ended else ""
    return f"{one.host:<12} {one.kind:<8} {begun} {to:<27} {one.reason or ''}{ended}".rstrip()
