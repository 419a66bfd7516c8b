# SPDX-License-Identifier: LGPL-3.0
"""Response payloads of all topics, as JSON text: the one place where they are put together.

The forms are those of flux-core's job-list (list.c, job-list.c, stats.c). Whoever answers,
the broker module in slices or ``Service.answer`` at once, takes its payloads from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from projections.formats.json_text import dumps
from projections.job.attributes import ATTRIBUTES

VERSION = 1
"""Of the protocol of streamed lists; the first response of a stream has it (list.c)."""


class ListResponses:
    """Cuts a list of jobs into the payloads of its responses.

    A request that does not stream gets one response, even if no job matches. A stream has
    at most ``most`` jobs in a response, none without a job, and ends with ENODATA, which is
    no payload. Add the JSON texts of jobs to ``collected``, and send what ``take`` returns.
    """

    def __init__(self, *, streaming: bool, most: int) -> None:
        self.collected: list[bytes] = []
        self._streaming = streaming
        self._most = most
        self._begun = False

    def take(self, *, last: bool) -> Iterator[bytes]:
        """Return the payloads that can be sent now; ``last``: no job is added after this."""
        jobs, begun = self.collected, self._begun
        if not self._streaming:
            if last:
                yield b'{"jobs":[%b]}' % b",".join(jobs)
            return
        self.collected, self._begun = [], begun or bool(jobs)
        for first in range(0, len(jobs), self._most):
            version = b"" if begun or first else b',"version":%d' % VERSION
            yield b'{"jobs":[%b]%b}' % (b",".join(jobs[first : first + self._most]), version)


def one_job(job: bytes) -> bytes:
    """Return the payload that answers ``list-id`` with a job's JSON text."""
    return b'{"job":%b}' % job


def attributes() -> bytes:
    """Return the payload that answers ``list-attrs``."""
    return dumps({"attrs": [*ATTRIBUTES, "all"]})


def job_stats(stats: Mapping[str, object]) -> bytes:
    """Return the payload that answers ``job-stats``; ``stats`` as projections count them."""
    return dumps(stats)


class Facts(NamedTuple):
    """Members of ``stats-get`` about the running module, which are not in the database.

    ``lookups``: ids that are being looked up in the KVS; ``waits``: ids that are waited for;
    ``watchers``: streams of job-stats; ``behind``: what the store lacks, None if it lacks
    nothing.
    """

    lookups: int = 0
    waits: int = 0
    watchers: int = 0
    behind: Mapping[str, object] | None = None


def stats_get(pending: int, running: int, inactive: int, facts: Facts) -> bytes:
    """Return the payload that answers ``stats-get``: numbers of jobs, and the facts."""
    found: dict[str, object] = {
        "jobs": {"pending": pending, "running": running, "inactive": inactive},
        "idsync": {"lookups": facts.lookups, "waits": facts.waits},
        "stats_watchers": facts.watchers,
    }
    if facts.behind is not None:  # job-list has no such member: it keeps no database
        found["behind"] = dict(facts.behind)
    return dumps(found)
