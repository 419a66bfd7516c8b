# SPDX-License-Identifier: LGPL-3.0
"""Colors of rows, as `flux jobs` has them: by result; blue for instances of Flux."""

from __future__ import annotations

from cli.flux_jobs.fields import JobInfo

__all__ = ["FIELDS", "colored"]

FIELDS = ("result", "uri")
"""What the color depends on."""

_BY_RESULT = {
    "COMPLETED": "\033[01;32m",  # green
    "FAILED": "\033[01;31m",  # red
    "CANCELED": "\033[37m",  # gray
    "TIMEOUT": "\033[01;31m",
}
_INSTANCE = "\033[01;34m"  # blue
_RESET = "\033[0;0m"


def colored(line: str, job: JobInfo | None) -> str:
    """Return a line with its end in a job's color; None: a heading, which has none."""
    result = job["result"] if job is not None else ""
    color = _BY_RESULT.get(str(result), "")
    if job is not None and not result and job["uri"]:
        color = _INSTANCE
    return f"{color}{line}\n{_RESET}" if color else f"{line}\n"
