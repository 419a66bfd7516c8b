# SPDX-License-Identifier: LGPL-3.0
"""Requests of a running module, in the order of their way.

    dispatcher.py       a request comes in: who may ask, whether it waits, what handles it;
                        and how all parts of the running module are put together
    routes.py           the topics: who may send each, when it is answered, its handler
    backlog_gate.py     requests that arrive before the backlog is complete
    handlers.py         what is done with each request, topic by topic
    answers.py          answers of one response
    quick.py            answers to `list` that take little, in the module's thread
    thread_time.py      what the thread may spend on a request, and on a user
    turns.py            requests of users who have had much of it: they wait for their turn
    memory_lists.py     longer lists from a database in memory, turn by turn
    preparing.py        what is answered while there are no views yet
    waiting_list_id.py  `list-id` requests that wait for a job's event or state
    open_requests.py    how many of them may wait or watch
    stats_watchers.py   streams of `job-stats`

Longer lists from a database in a file are for `joblist/readers`. The journal is followed in
`joblist/journal`; nothing here depends on Flux.
"""

__all__ = [
    "answers",
    "backlog_gate",
    "dispatcher",
    "handlers",
    "memory_lists",
    "open_requests",
    "preparing",
    "quick",
    "routes",
    "stats_watchers",
    "thread_time",
    "turns",
    "waiting_list_id",
]
