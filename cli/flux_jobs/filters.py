# SPDX-License-Identifier: LGPL-3.0
"""Translates filter options of `flux jobs` to RFC 31 constraints, as flux.job.JobList does."""

from __future__ import annotations

import os
import pwd
from typing import Any

import click

from projections.formats import hostlist, idset
from projections.job.state import COMBINED_STATES, LISTED_STATES, RESULTS

__all__ = ["Term", "split", "states_and_results", "targets", "user"]

# By name, the single states that it stands for.
_STATES = {
    named.key: [one.key for one in LISTED_STATES if one.mask & named.mask]
    for named in (*LISTED_STATES, *COMBINED_STATES)
}
_RESULTS = tuple(result.key for result in RESULTS)

Term = dict[str, list[Any]]


def split(values: tuple[str, ...]) -> list[str]:
    """Split values at commas; empty parts are left out."""
    return [part for value in values for part in value.split(",") if part]


def states_and_results(names: list[str]) -> list[Term]:
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


def user(name: str | None) -> list[Term]:
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


def targets(text: str) -> list[Term]:
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
