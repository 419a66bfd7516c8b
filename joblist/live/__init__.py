# SPDX-License-Identifier: LGPL-3.0
"""Requests of a running module, in the order of their way.

    dispatcher.py       a request comes in: who may ask, whether it waits, what handles it;
                        and how all parts of the running module are put together
    routes.py           the topics: who may send each, when it is answered, its handler
    backlog_gate.py     requests that arrive before the backlog is complete
    handlers.py         what is done with each request, topic by topic
    answers.py          answers of one response
    list_responses.py   answers to `list`, sent in slices, turn by turn
    snapshots.py        the connections that these answers are read by
    preparing.py        what is answered while there are no views yet
    waiting_list_id.py  `list-id` requests that wait for a job's event or state
    stats_watchers.py   streams of `job-stats`

The journal is followed in `joblist/journal`; nothing here depends on Flux.
"""

__all__ = [
    "answers",
    "backlog_gate",
    "dispatcher",
    "handlers",
    "list_responses",
    "preparing",
    "routes",
    "snapshots",
    "stats_watchers",
    "waiting_list_id",
]
