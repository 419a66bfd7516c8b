# SPDX-License-Identifier: LGPL-3.0
"""The fields of `flux jobs -o`, computed from the attributes of a job-list answer.

Names, headings and values are those of flux-jobs(1), OUTPUT FORMAT, and of JobInfo and
JobInfoFormat in Flux's Python module flux.job.info.
"""

import json
import os
import pwd
import re
import signal
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

from projections.job import state
from projections.job.clock import comparable
from projections.notation import jobid
from projections.notation.timespec import format_duration

__all__ = [
    "RESULTS",
    "STATES",
    "Field",
    "JobInfo",
    "Missing",
    "Names",
    "attributes",
    "field",
    "heading",
    "user_names",
]


class Names(NamedTuple):
    """The three names of a state or a result, as `flux jobs` prints them."""

    long: str
    short: str
    emoji: str


STATES = {one.mask: Names(one.name, one.abbreviation, one.emoji) for one in state.STATES}
RESULTS = {one.mask: Names(one.name, one.abbreviation, one.emoji) for one in state.RESULTS}
_UNKNOWN = Names("(unknown)", "?", "?")
_NO_RESULT = Names("", "", "\N{IDEOGRAPHIC SPACE}")


class Missing:
    """The value of an annotation that a job lacks: prints as "", sorts as a text."""

    def __str__(self) -> str:
        return ""


class JobInfo:
    """A job as a mapping from field names to values, each computed when it is asked for."""

    __slots__ = ("attrs", "now", "username")

    def __init__(
        self, attrs: Mapping[str, Any], *, now: float, username: Callable[[int], str]
    ) -> None:
        """Wrap the attributes of one job in a `job-list.list` answer.

        `now` (seconds since the epoch) is the reference for run times and estimates. `username`
        maps a user id to what is shown for it.
        """
        self.attrs = attrs
        self.now = now
        self.username = username

    def __getitem__(self, name: str) -> object:
        """Return the value of a field; KeyError if there is no field of that name."""
        return field(name).value(self)


class Field(NamedTuple):
    """A field: its heading, the job-list attributes that it needs, its value for a job."""

    heading: str
    attrs: tuple[str, ...]
    value: Callable[[JobInfo], object]


@lru_cache(maxsize=256)
def field(name: str) -> Field:
    """Return the field `name`, which may be any member of the annotations; else KeyError."""
    if name in _FIELDS:
        return _FIELDS[name]
    head, _, rest = name.partition(".")
    if not rest or head not in ("annotations", "sched", "user", "instance"):
        raise KeyError(name)
    if head == "instance":
        return _instance(_HEADINGS.get(name, rest.upper().removeprefix("RESOURCES.")))
    path = rest if head == "annotations" else name
    return _annotation(_HEADINGS.get(path, path.upper()), path)


def heading(name: str) -> str:
    """Return the heading of the field `name`; KeyError if there is none."""
    return field(name).heading


def attributes(names: Iterable[str]) -> set[str]:
    """Return the job-list attributes that the fields `names` need besides `id`."""
    return {attr for name in names for attr in field(name).attrs}


def user_names() -> Callable[[int], str]:
    """Return what names users by their ids; each is looked up once, also one without a name."""

    @cache
    def name(userid: int) -> str:
        try:
            return pwd.getpwuid(userid).pw_name
        except (KeyError, OverflowError):
            return str(userid)

    return name


class _JobId(int):
    """A job id that sorts and pads as a number, and prints as f58."""

    def __str__(self) -> str:
        return jobid.encode(self)


def _encoded_id(form: str) -> Field:
    return Field("JOBID", (), lambda job: jobid.encode(job.attrs["id"], form))


def _attribute(heading: str, name: str, unset: object = "") -> Field:
    return Field(heading, (name,), lambda job: job.attrs.get(name, unset))


def _annotation(heading: str, path: str) -> Field:
    """Make a field of the member `path` of the annotations, e.g. user.tags[0]."""
    keys = re.findall(r"[^.\[\]]+", path)
    return Field(heading, ("annotations",), lambda job: _member(job, keys))


def _member(job: JobInfo, keys: list[str]) -> object:
    value = job.attrs.get("annotations", {})
    for key in keys:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return Missing()
    if isinstance(value, dict):
        return json.dumps(value) if value else ""
    return value


def _instance(heading: str) -> Field:
    """Make an `instance.` field; always empty, since its value lives in the job's instance."""
    return Field(heading, ("annotations", "state", "result"), lambda _: Missing())


def _state(job: JobInfo) -> Names:
    return STATES.get(job.attrs.get("state", 0), _UNKNOWN)


def _result(job: JobInfo) -> Names:
    return RESULTS.get(job.attrs["result"], _UNKNOWN) if "result" in job.attrs else _NO_RESULT


def _status(job: JobInfo) -> Names:
    return _result(job) if _state(job).long == "INACTIVE" else _state(job)


def _username(job: JobInfo) -> str:
    userid = job.attrs.get("userid")
    return "" if userid is None else job.username(userid)


def _runtime(job: JobInfo) -> float | str:
    """Return seconds, or "-" where the clock was set meanwhile."""
    start, end = job.attrs.get("t_run", 0.0), job.attrs.get("t_cleanup", 0.0)
    if start <= 0:
        return 0.0
    end = end if end > 0 else job.now
    return end - start if comparable(start, end) else "-"


def _time_remaining(job: JobInfo) -> float:
    running = _state(job).long == "RUN"
    return max(job.attrs.get("expiration", 0.0) - job.now, 0.0) if running else 0.0


def _return_code(job: JobInfo) -> int | str:
    """Return the exit code, the negative signal number, or flux-core's code for no status."""
    status = job.attrs.get("waitstatus")
    if status is None:
        # Canceled before it ran, or failed by an exception before it ran.
        return {"CANCELED": -128, "FAILED": 1}.get(_result(job).long, "")
    if os.WIFSIGNALED(status):
        return -os.WTERMSIG(status)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else ""


def _dependencies(job: JobInfo) -> str:
    return ",".join(_dependency(text, job.now) for text in job.attrs.get("dependencies", ()))


def _dependency(text: str, now: float) -> str:
    """Show a begin-time as a local time, with the date unless it is that of `now`."""
    match = re.fullmatch(r"begin-time=(\d{1,11}(?:\.\d*)?)", text)
    if not match:
        return text
    try:
        begin = datetime.fromtimestamp(float(match[1]))
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return text
    date = "" if begin.date() == datetime.fromtimestamp(now).date() else f"{begin:%b%d-}"
    return f"begin@{date}{begin:%H:%M:%S}".removesuffix(":00" if begin.second == 0 else "")


def _contextual_info(job: JobInfo) -> object:
    state = _state(job).long
    if state == "PRIORITY":
        return "priority-wait"
    if state == "DEPEND":
        return f"depends:{_dependencies(job)}"
    if state == "SCHED":
        return _why_waiting(job)
    return job.attrs.get("nodelist", "")


def _why_waiting(job: JobInfo) -> str:
    estimate = _member(job, ["sched", "t_estimate"])
    if isinstance(estimate, (int, float)):
        wait = estimate - job.now
        return "eta:now" if wait < 0 else f"eta:{format_duration(wait)}"
    if job.attrs.get("urgency") == 0:
        return "held"
    return "priority-hold" if job.attrs.get("priority") == 0 else ""


def _contextual_time(job: JobInfo) -> object:
    waiting = _state(job).long in ("PRIORITY", "DEPEND", "SCHED")
    return job.attrs.get("duration", 0.0) if waiting else _runtime(job)


def _inactive_reason(job: JobInfo) -> str:
    if _state(job).long != "INACTIVE":
        return ""
    result = _result(job).long
    if result == "CANCELED":
        return _why_canceled(job)
    if result == "FAILED":
        return _why_failed(job)
    return "Timeout" if result == "TIMEOUT" else f"Exit {_return_code(job)}"


def _why_canceled(job: JobInfo) -> str:
    note = job.attrs.get("exception_note")
    told = job.attrs.get("exception_occurred") and job.attrs.get("exception_type") == "cancel"
    return f"Canceled: {note}" if told and note else "Canceled"


def _why_failed(job: JobInfo) -> str:
    """Return the fatal exception; for type exec the exit code's meaning."""
    attrs = job.attrs
    kind = attrs.get("exception_type")
    fatal = attrs.get("exception_occurred") and attrs.get("exception_severity") == 0
    if fatal and kind != "exec":
        note = attrs.get("exception_note")
        return f"Exception: type={kind}" + (f" note={note}" if note else "")
    return _exit_reason(_return_code(job))


_SHELL_CODES: dict[int | str, str] = {
    126: "Command invoked cannot execute",
    127: "command not found",
    128: "Invalid argument to exit",
}


def _exit_reason(code: int | str) -> str:
    """Explain an exit code by the shell's convention: 128 + N is signal N."""
    if isinstance(code, int) and code > 128:
        number = code - 128
        name = signal.strsignal(number) if number in signal.valid_signals() else None
        return name or f"Signaled {number}"
    return _SHELL_CODES.get(code, f"Exit {code}")


def _uri(job: JobInfo) -> str:
    return str(_member(job, ["user", "uri"]))


def _local_uri(job: JobInfo) -> str:
    """Return the URI as it is on the host that it names: ssh://host/path gives local:///path."""
    scheme, _, rest = _uri(job).partition("://")
    if scheme != "ssh":
        return _uri(job)
    path = re.sub("/+", "/", "/" + rest.partition("/")[2])
    return f"local://{path}"


# Attributes printed unchanged; unset, those of _TEXTS are "" and those of _TIMES 0.0.
_TEXTS = (
    *("name", "cwd", "queue", "project", "bank", "ntasks", "ncores", "nnodes"),
    *("ranks", "nodelist", "success"),
)
_TIMES = (
    *("t_submit", "t_depend", "t_priority", "t_sched", "t_run", "t_cleanup", "t_inactive"),
    *("duration", "expiration"),
)
_EXCEPTION = ("occurred", "severity", "type", "note")

_FIELDS = {
    "id": Field("JOBID", (), lambda job: _JobId(job.attrs["id"])),
    **{f"id.{form}": _encoded_id(form) for form in jobid.FORMS},
    **{name: _attribute(name.upper(), name) for name in _TEXTS},
    **{name: _attribute(name.upper(), name, 0.0) for name in _TIMES},
    **{
        f"exception.{name}": _attribute(f"EXCEPTION-{name.upper()}", f"exception_{name}")
        for name in _EXCEPTION
    },
    "userid": _attribute("UID", "userid"),
    "username": Field("USER", ("userid",), _username),
    "urgency": _attribute("URG", "urgency"),
    "priority": _attribute("PRI", "priority"),
    "waitstatus": _attribute("WSTATUS", "waitstatus"),
    "returncode": Field("RC", ("waitstatus", "result"), _return_code),
    "state": Field("STATE", ("state",), lambda job: _state(job).long),
    "state_single": Field("S", ("state",), lambda job: _state(job).short),
    "state_emoji": Field("STATE", ("state",), lambda job: _state(job).emoji),
    "result": Field("RESULT", ("result",), lambda job: _result(job).long),
    "result_abbrev": Field("RS", ("result",), lambda job: _result(job).short),
    "result_emoji": Field("RESULT", ("result",), lambda job: _result(job).emoji),
    "status": Field("STATUS", ("state", "result"), lambda job: _status(job).long),
    "status_abbrev": Field("ST", ("state", "result"), lambda job: _status(job).short),
    "status_emoji": Field("STATUS", ("state", "result"), lambda job: _status(job).emoji),
    "runtime": Field("RUNTIME", ("t_run", "t_cleanup"), _runtime),
    "t_remaining": Field("T_REMAINING", ("expiration", "state"), _time_remaining),
    "dependencies": Field("DEPENDENCIES", ("dependencies",), _dependencies),
    "contextual_info": Field(
        "INFO",
        ("state", "dependencies", "annotations", "nodelist", "priority", "urgency"),
        _contextual_info,
    ),
    "contextual_time": Field(
        "TIME", ("state", "t_run", "t_cleanup", "duration"), _contextual_time
    ),
    "inactive_reason": Field(
        "INACTIVE-REASON",
        ("state", "result", "waitstatus", *(f"exception_{name}" for name in _EXCEPTION)),
        _inactive_reason,
    ),
    "annotations": _annotation("ANNOTATIONS", ""),
    "sched": _annotation("SCHED", "sched"),
    "user": _annotation("USER", "user"),
    "uri": Field("URI", ("annotations",), _uri),
    "uri.local": Field("URI", ("annotations",), _local_uri),
}

# Headings of annotations and instance fields that are not their names in capitals.
_HEADINGS = {
    "sched.t_estimate": "T_ESTIMATE",
    "sched.reason_pending": "REASON",
    "sched.resource_summary": "RESOURCES",
    "instance.stats.total": "NJOBS",
    "instance.utilization": "CORE%",
    "instance.gpu_utilization": "GPU%",
    "instance.progress": "PROG",
    "instance.resources.all.ncores": "CORES",
    "instance.resources.all.ngpus": "GPUS",
    "instance.resources.all.nnodes": "NODES",
    **{
        f"instance.resources.{state}.{kind}": heading
        for state, heading in (
            *(("up", "UP"), ("down", "DOWN")),
            *(("allocated", "USED"), ("free", "FREE")),
        )
        for kind in ("ncores", "ngpus", "nnodes")
    },
}
