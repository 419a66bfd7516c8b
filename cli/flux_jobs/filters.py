# SPDX-License-Identifier: LGPL-3.0
"""Translates filter options of `flux jobs` to RFC 31 constraints, as flux.job.JobList does."""

from __future__ import annotations

import os
import pwd
from typing import Any, NamedTuple

import click

from projections.formats import hostlist, idset
from projections.job.state import COMBINED_STATES, LISTED_STATES, RESULTS

__all__ = ["Filters", "Term", "constraint", "split"]

# By name, the single states that it stands for.
_STATES = {
    named.key: [one.key for one in LISTED_STATES if one.mask & named.mask]
    for named in (*LISTED_STATES, *COMBINED_STATES)
}
_RESULTS = tuple(result.key for result in RESULTS)

Term = dict[str, list[Any]]


class Filters(NamedTuple):
    """The filter options of `list`; times are seconds since the epoch, None: not given."""

    states: list[str]
    all_states: bool
    all_users: bool
    user: str | None
    name: str | None
    queues: list[str]
    include: str | None
    since: float | None
    until: float | None


def constraint(chosen: Filters) -> dict[str, Any]:
    """Return the constraint of RFC 31 for what was chosen.

    `since` is no constraint but a member of job-list's request, and is left out here. Raises
    click.BadParameter.
    """
    states = chosen.states
    if not states:
        times = (chosen.since, chosen.until)
        everything = chosen.all_states or any(time is not None for time in times)
        states = ["pending", "running", *(["inactive"] if everything else [])]
    user = chosen.user
    if chosen.all_users or (chosen.include is not None and user is None):
        user = "all"
    terms = _states_and_results(states) + _user(user)
    if chosen.name is not None:
        terms.append({"name": [_text(chosen.name)]})
    if chosen.queues:
        terms.append({"queue": [_text(queue) for queue in chosen.queues]})
    if chosen.include is not None:
        terms += _targets(chosen.include)
    if chosen.until is not None:
        terms.append({"t_submit": [f"<={chosen.until!r}"]})
    return {"and": terms}


def _text(argument: str) -> str:
    """Return an argument as JSON can have it: bytes that are not UTF-8 match nothing."""
    return argument.encode(errors="surrogateescape").decode(errors="replace")


def split(values: tuple[str, ...]) -> list[str]:
    """Split values at commas; empty parts are left out."""
    return [part for value in values for part in value.split(",") if part]


def _states_and_results(names: list[str]) -> list[Term]:
    """Return the constraint for jobs in one of these states, or with one of these results."""
    states: list[str] = []
    results: list[str] = []
    for name in names:
        if name.lower() in _STATES:
            states += _STATES[name.lower()]
        elif name.lower() in _RESULTS:
            results.append(name.lower())
        else:
            known = ", ".join((*_STATES, *_RESULTS))
            raise click.BadParameter(
                f"{name!r}: expected one of {known}", param_hint="--filter"
            )
    terms: list[Term] = [{"states": states}] if states else []
    terms += [{"results": results}] if results else []
    return [{"or": terms}] if len(terms) > 1 else terms


def _user(name: str | None) -> list[Term]:
    """Return the constraint for a user's jobs (name or id); "all": everybody; None: oneself."""
    if name == "all":
        return []
    if name is None:
        return [{"userid": [os.getuid()]}]
    try:
        return [{"userid": [pwd.getpwnam(name).pw_uid]}]
    except KeyError:
        if name.isdecimal():
            return [{"userid": [int(name)]}]
    raise click.BadParameter(f"{name!r}: there is no such user", param_hint="--user")


def _targets(text: str) -> list[Term]:
    """Return the constraint for jobs on these ranks (RFC 22) or hosts (RFC 29)."""
    try:
        idset.decode(text)
    except idset.IdsetError:
        pass
    else:
        return [{"ranks": [text]}]
    try:
        hostlist.decode(text)
    except hostlist.HostlistError as error:
        message = f"{text!r} is neither an idset of ranks nor a hostlist: {error}"
        raise click.BadParameter(message, param_hint="--include") from error
    return [{"hostlist": [text]}]
