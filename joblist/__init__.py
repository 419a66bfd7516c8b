# SPDX-License-Identifier: LGPL-3.0
"""The broker module: the protocol of flux-core's job-list, answered from the views.

In the order of a request's way:

    job-list.py        what Flux loads by its path, in place of its own job-list
    broker/            the connection to Flux, the settings, coming up and going down
    live/              requests of a running module: routed, deferred, waiting, sent in slices
    readers/           processes that answer what would hold up others
    sql/               SQL of guests, in processes that never have the database open
    journal/           follows the job manager's journal, and goes on when the store fails
    protocol/          requests, responses and errors as bytes, and nothing else (pure)
    service.py         the answer to one request, now or at a past moment
    list_answer.py     the payloads that answer a list, for the thread and for readers
    visibility.py      which jobs the sender of a request may see
    config.py          what a site configures: [job-list], [access], [queues]
    ports.py           what the service needs of Flux, as protocols: messages, timers, journal
    run_queue.py       how long a thread could have run, and had no processor
    callback_guard.py  where exceptions of callbacks end: logged, and the module goes on

Only `broker/connection.py` imports flux, so that everything else runs without it.
"""

__all__ = [
    "broker",
    "callback_guard",
    "config",
    "journal",
    "list_answer",
    "live",
    "ports",
    "protocol",
    "readers",
    "run_queue",
    "service",
    "sql",
    "visibility",
]
