# SPDX-License-Identifier: LGPL-3.0
"""In a Flux broker, or connected to one: what surrounds the service.

    entry.py       serves until told to stop; or records only
    serving.py     the stages of serving: views are made anew, the database is opened again
    settings.py    the settings in force, and where the database is
    instance.py    what entry.py needs of a connection, as a protocol
    connection.py  that connection, by Flux's Python bindings, its callbacks guarded
    journal_stream.py  the responses of a journal, one after the other
    heap.py        memory of large messages goes back to the system
    keepalive.py   a message now and then, so that requests go on coming

Only `connection.py` imports flux.
"""

__all__ = [
    "connection",
    "entry",
    "heap",
    "instance",
    "journal_stream",
    "keepalive",
    "serving",
    "settings",
]
