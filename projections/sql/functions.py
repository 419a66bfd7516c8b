# SPDX-License-Identifier: LGPL-3.0
"""Flux's types as functions of SQL (docs/sql.md): job ids, durations, hostlists, idsets.

NULL gives NULL. A value that is none of the type raises ValueError, which ends the statement.
Table-valued functions make their rows one by one, so that a list of a million hosts takes no
more memory than its text.
"""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import apsw

from projections.formats import hostlist, hostlist_runs, idset
from projections.formats.json_text import dumps
from projections.job.state import COMBINED_STATES, RESULTS, STATES
from projections.notation import jobid as job_ids
from projections.notation.timespec import format_duration, parse_time
from projections.sql.list_tables import ListTables

MOST_EXPANDED = 100_000
"""Hosts or ids that are written into one text; `hosts` and `ranks` have no such bound."""

_STATES = {state.mask: state.name for state in (*STATES, *COMBINED_STATES)}
_RESULTS = {result.mask: result.name for result in RESULTS}


def f58(jobid: object) -> str:
    """Return a job id in base 58, as Flux shows it (RFC 19)."""
    return job_ids.encode(_integer(jobid, "a job id") % 2**64)


def jobid(text: object) -> int:
    """Return the job id that a text is, in any form that Flux takes."""
    found = text if isinstance(text, int) else job_ids.parse(_text(text, "a job id"))
    return found if found < 2**63 else found - 2**64  # as SQLite has integers


def fsd(seconds: object) -> str:
    """Return a duration as a Flux Standard Duration (RFC 23)."""
    if not isinstance(seconds, int | float):
        raise _no(seconds, "a number of seconds")
    return format_duration(seconds)


def when(text: object) -> float:
    """Return a point in time as seconds since the epoch: `-1d`, ISO 8601, English."""
    return parse_time(_text(text, "a time"), now=time.time())


def state_name(number: object) -> str | None:
    """Return what Flux calls a state, given as its number; NULL: there is none."""
    return _STATES.get(_integer(number, "the number of a state"))


def result_name(number: object) -> str | None:
    """Return what Flux calls a result, given as its number; NULL: there is none."""
    return _RESULTS.get(_integer(number, "the number of a result"))


def hostlist_count(text: object) -> int:
    """Return the number of hosts, duplicates included."""
    return hostlist.count(_hosts(text))


def hostlist_contains(text: object, host: object) -> bool:
    """Return whether a host is in the list; padding counts, as in Flux: n01 is not n1."""
    return hostlist.find(_hosts(text), _text(host, "a host")) >= 0


def hostlist_intersects(one: object, other: object) -> bool:
    """Return whether two lists have a host in common."""
    return hostlist_runs.intersects(_hosts(one), _hosts(other))


def hostlist_expand(text: object) -> str:
    """Return the hosts as a JSON array."""
    found = _hosts(text)
    _check_size(hostlist.count(found), "hosts")
    return dumps(list(hostlist.hosts(found))).decode()


def idset_count(text: object) -> int:
    """Return the number of ids."""
    return idset.count(_ids(text))


def idset_contains(text: object, member: object) -> bool:
    """Return whether an id is in the set."""
    return idset.contains(_ids(text), _integer(member, "an id"))


def idset_intersects(one: object, other: object) -> bool:
    """Return whether two sets have an id in common."""
    return idset.intersects(_ids(one), _ids(other))


def idset_expand(text: object) -> str:
    """Return the ids as a JSON array, in ascending order."""
    found = _ids(text)
    _check_size(idset.count(found), "ranks")
    return dumps([number for lo, hi in found for number in range(lo, hi + 1)]).decode()


DETERMINISTIC: tuple[Callable[..., Any], ...] = (
    f58, jobid, fsd, state_name, result_name,
    hostlist_count, hostlist_contains, hostlist_intersects, hostlist_expand,
    idset_count, idset_contains, idset_intersects, idset_expand,
)  # fmt: skip
"""Functions whose value depends on their arguments alone."""


def user_name(userid: object) -> str:
    """Return a user's name on this machine, the number as text where there is none."""
    number = _integer(userid, "a user id")
    try:
        return pwd.getpwuid(number).pw_name
    except (KeyError, OverflowError):
        return str(number)


TABLES = ("hosts", "ranks")
"""Table-valued functions."""


def register(db: apsw.Connection) -> None:
    """Give a connection all functions but `user_name`, which asks the system."""
    for function in DETERMINISTIC:
        add(db, function, deterministic=True)
    add(db, when)
    for name, column, make in (("hosts", "host", _host_rows), ("ranks", "rank", _rank_rows)):
        tables = ListTables(column, make)
        db.create_module(
            name,
            tables,  # type: ignore[arg-type]
            use_bestindex_object=True,
            eponymous_only=True,
            read_only=True,
        )


def add(
    db: apsw.Connection, function: Callable[..., Any], *, deterministic: bool = False
) -> None:
    """Give a connection one function, under its own name."""
    arguments = function.__code__.co_argcount

    @wraps(function)
    def called(*given: object) -> Any:  # noqa: ANN401 - any value of SQL
        return None if None in given else function(*given)

    db.create_scalar_function(function.__name__, called, arguments, deterministic=deterministic)


def _host_rows(text: object) -> Iterator[str]:
    yield from hostlist.hosts(_hosts(text))


def _rank_rows(text: object) -> Iterator[int]:
    for lo, hi in _ids(text):
        yield from range(lo, hi + 1)


def _hosts(text: object) -> hostlist.Hostlist:
    found = hostlist.decode_own(_text(text, "a hostlist"))
    if found is None:
        raise _no(text, "a hostlist")
    return found


def _ids(text: object) -> idset.Ranges:
    try:
        return idset.decode(_text(text, "an idset"))
    except idset.IdsetError as error:
        raise ValueError(f"{text!a:.100} is not an idset: {error}") from None


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):  # a list of one, as `idset_count(3)`
        return str(value)
    raise _no(value, what)


def _integer(value: object, what: str) -> int:
    if isinstance(value, int):
        return value
    raise _no(value, what)


def _no(value: object, what: str) -> ValueError:
    return ValueError(f"{value!a:.100} is not {what}")


def _check_size(size: int, table: str) -> None:
    if size > MOST_EXPANDED:
        raise ValueError(
            f"{size} of them are too many for a text: {table}() gives them row by row"
        )
