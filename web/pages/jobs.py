# SPDX-License-Identifier: LGPL-3.0
"""Jobs by filters that stand in the address, so that an address is a question.

A page ends with a key: when its last job became inactive, and its id. The next page begins
behind it, however long the history is. Active jobs come first, all on the first pages. Of
several clusters, the active jobs come first, too, then those that ended last; a key has a part
for each.
"""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from cli.flux_jobs.fields import user_names
from cli.flux_jobs.filters import Filters, constraint
from projections.constraints import query_text
from projections.job.state import RESULTS, STATES
from projections.notation.jobid import encode
from web.asking import Asking

PAGE = 100
"""Jobs of a page."""
MOST_ACTIVE = 2000
"""Active jobs that are shown: `flux-jobdb list` has all."""
FIELDS = ("user", "states", "queue", "name", "include", "since", "until", "q")
COLUMNS = (
    "jobid", "user", "state", "result", "name", "queue", "bank", "nnodes", "ncores", "nodelist",
    "t_submit", "t_run", "t_cleanup", "t_inactive", "duration", "priority", "exception_note",
)  # fmt: skip
"""Of the CSV and the JSON of a page."""
_STATES = {one.mask: one.name for one in STATES}
_RESULTS = {one.mask: one.name for one in RESULTS}
_NAMES = sorted({one.key for one in (*STATES, *RESULTS)} | {"active", "pending", "running"})


def page(askings: Sequence[Asking], given: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows."""
    found = matching(askings, given)
    return {
        "jobs": found.jobs,
        "next": found.next,
        "cut": MOST_ACTIVE if found.cut else None,
        "given": {name: given.get(name, "") for name in FIELDS},
        "names": _NAMES,
        "command": command(askings, given),
    }


def columns(askings: Sequence[Asking]) -> tuple[str, ...]:
    """Return the columns for machines; `cluster` is the first where there are several."""
    return ("cluster", *COLUMNS) if askings[0].cluster else COLUMNS


def rows(askings: Sequence[Asking], given: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the jobs of a page for machines: words for states, ids as text."""
    names = columns(askings)
    return [{name: cell(job, name) for name in names} for job in matching(askings, given).jobs]


def cell(job: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    """Return what stands in a column."""
    if name == "jobid":
        return encode(job["id"])
    if name == "user":
        return user_name(job["userid"])
    if name == "state":
        return _STATES.get(job["state"])
    if name == "result":
        return _RESULTS.get(job.get("result", 0))
    return job.get(name)


def user_name(userid: int) -> str:
    """Return a user's name, the number as text where there is none; a minute old at most."""
    return _names(time.monotonic() // 60)(userid)


@lru_cache(1)
def _names(_minute: float) -> Callable[[int], str]:
    return user_names()


class Matching(NamedTuple):
    """The jobs of a page; ``next``: the key of the next; ``cut``: more active ones are left."""

    jobs: list[dict[str, Any]]
    next: str | None
    cut: bool


def matching(askings: Sequence[Asking], given: Mapping[str, str]) -> Matching:
    """Return the jobs of a page; raises ValueError."""
    keys = given["after"].split(";") if given.get("after") else [""] * len(askings)
    if len(keys) != len(askings):
        raise ValueError("after: this page was of other clusters")
    active: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    more = cut = False
    for asking, key in zip(askings, keys, strict=True):
        found = _of_one(asking, {**given, "after": key})
        more |= found.more
        cut |= found.cut
        for job in found.jobs:
            job["cluster"] = asking.cluster
            (ended if "t_inactive" in job else active).append(job)
    ended.sort(key=lambda job: -job["t_inactive"])  # stable: each cluster's order stays
    room = max(PAGE - len(active), 0)
    more |= len(ended) > room
    shown = [*active, *ended[:room]]
    lasts = {job["cluster"]: _key_of(job) for job in shown}
    following = [lasts.get(asking.cluster) or key or f"{_LATEST!r},0"
                 for asking, key in zip(askings, keys, strict=True)]  # fmt: skip
    return Matching(shown, ";".join(following) if more else None, cut)


def _key_of(job: Mapping[str, Any]) -> str:
    return f"{job.get('t_inactive', _LATEST)!r},{job['id']}"


class _Found(NamedTuple):
    """A cluster's jobs of a page; ``more``: others follow; ``cut``: there are more active."""

    jobs: list[dict[str, Any]]
    more: bool
    cut: bool


def _of_one(asking: Asking, given: Mapping[str, str]) -> _Found:
    """Return a cluster's jobs of a page."""
    asked = _constraint(asking, given)
    since = asking.time(given, "since") or 0.0

    def jobs(*terms: dict[str, Any], most: int) -> list[dict[str, Any]]:
        return asking.jobs({"and": [asked, *terms]}, most=most, since=since)

    cut = False
    if not given.get("after"):
        active = jobs({"states": ["active"]}, most=MOST_ACTIVE + 1)
        shown, cut = active[:MOST_ACTIVE], len(active) > MOST_ACTIVE
        ended = jobs(_INACTIVE, most=max(PAGE - len(shown), 0) + 1)
    else:
        time, jobid = _key(given["after"])
        behind = {"t_inactive": [f"<={time!r}"]}
        # Those that ended at the same time come first; the ones up to the key were shown.
        alike = jobs(behind, {"t_inactive": [f">={time!r}"]}, most=MOST_ACTIVE)
        places = [place for place, job in enumerate(alike) if job["id"] == jobid]
        first = places[0] + 1 if places else 0
        shown, ended = [], jobs(_INACTIVE, behind, most=first + PAGE + 1)[first:]
    more = len(ended) > PAGE - len(shown)
    return _Found([*shown, *ended[: max(PAGE - len(shown), 0)]], more, cut)


_INACTIVE = {"states": ["inactive"]}
_LATEST = 1e300  # the key of a page that ends with an active job


def command(askings: Sequence[Asking], given: Mapping[str, str]) -> str:
    """Return the command line that gives the same jobs."""
    options = {"user": "-u", "states": "-f", "queue": "-q", "name": "--name", "include": "-i",
               "since": "--since", "until": "--until"}  # fmt: skip
    asking = askings[0]
    given = {**given, **exact(asking, given)}
    moment = [f"--as-of {quoted(given['at'])}"] if given.get("at") else []
    if given.get("q"):  # which `list` has no option for
        members = {
            "max_entries": 0, "since": asking.time(given, "since") or 0.0, "attrs": ["all"],
            "constraint": _constraint(asking, given),
        }  # fmt: skip
        text = msgspec.json.encode(members).decode()
        asked = " ".join(["rpc", *moment, "job-list.list", quoted(text)])
        places = databases(askings) or [""]  # `rpc` asks one database
        return "; ".join(f"flux-jobdb {place} {asked}".replace("  ", " ") for place in places)
    words = ["flux-jobdb list", *databases(askings), "--count 0"]
    words += [] if given.get("user") else ["-A"]
    words += [] if given.get("states") else ["-a"]
    for name, option in options.items():
        if given.get(name):
            words.append(f"{option} {quoted(given[name])}")
    return " ".join([*words, *moment])


def exact(asking: Asking, given: Mapping[str, str]) -> dict[str, str]:
    """Return the times of an address as the command line is to have them.

    At a past moment, others are relative to that one, which a command does not know.
    """
    if asking.at is None:
        return {}
    times = {name: asking.time(given, name) for name in ("since", "until")} | {"at": asking.at}
    return {
        name: repr(min(time, asking.at)) for name, time in times.items() if time is not None
    }


def databases(askings: Sequence[Asking]) -> list[str]:
    """Return the options that name databases, where there are several."""
    return [f"--db {quoted(asking.path)}" for asking in askings if asking.cluster]


def quoted(text: str) -> str:
    """Return a word for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _constraint(asking: Asking, given: Mapping[str, str]) -> dict[str, Any]:
    states = [word for word in given.get("states", "").split(",") if word]
    found: dict[str, Any] = constraint(
        Filters(
            states=states,
            all_states=not states,
            all_users=not given.get("user"),
            user=given.get("user") or None,
            name=given.get("name") or None,
            queues=[word for word in given.get("queue", "").split(",") if word],
            include=given.get("include") or None,
            since=None,
            until=asking.time(given, "until"),
        )
    )
    if not given.get("q"):
        return found
    return {"and": [found, query_text.parse(given["q"], _number_of)]}


def _number_of(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"{name!r}: there is no such user") from None


def _key(text: str) -> tuple[float, int]:
    ended, _, jobid = text.partition(",")
    try:
        return float(ended), int(jobid)
    except ValueError:
        raise ValueError(
            f"after={text!a:.100}: expected the key of a page, as its link has it"
        ) from None
