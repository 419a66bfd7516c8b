# SPDX-License-Identifier: LGPL-3.0
"""The payloads that answer ``list``, one after the other, with places to take a break.

Flux's own clients extend their lists by the ``jobs`` of each response (flux-core,
flux/job/list.py, joblist_pane.c, cmd/job/list.c), so that one response can carry many.
Whoever answers, the module's thread or a reader process, takes the payloads from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import apsw

from joblist.protocol.responses import ListResponses
from joblist.service import Request, Service

MOST_BYTES = 2**20
"""Bytes of jobs from which a response of a stream is sent."""
_MIB = 2**20


def never() -> bool:
    """Send what was found only when it fills a response."""
    return False


def list_answer(
    service: Service,
    db: apsw.Connection,
    request: Request,
    due: Callable[[], bool] = never,
) -> Iterator[bytes]:
    """Yield the payloads that answer a ``list``; raises RpcError, nothing having been yielded.

    Between them come empty ones, at least one for each job that was looked at: places to take
    a break. ``due`` says whether what was found so far is to be sent. Of what is found, one
    response is kept in memory.
    """
    budgets = service.config.budgets
    streaming = request.streaming
    if streaming and service.config.max_comparisons:
        # Exceeding that limit is an error after the first job: see whether it comes.
        yield from (b"" for _ in service.jobs(db, request))
    responses = ListResponses(streaming=streaming, most=budgets.max_jobs)
    size = 0
    with closing(service.jobs(db, request)) as jobs:
        for job in jobs:
            if job:
                responses.collected.append(job)
                size += len(job) + 1
            yield b""
            if not streaming:
                if size > budgets.max_response * _MIB:
                    raise budgets.exceeded("max_response")
            elif size and (
                len(responses.collected) >= budgets.max_jobs or size >= MOST_BYTES or due()
            ):
                yield from responses.take(last=False)
                size = 0
    yield from responses.take(last=True)
