# SPDX-License-Identifier: LGPL-3.0
"""Reader processes: they answer what the module's thread must not be held up by.

    messages.py  what the module and a reader say to each other, as bytes
    queue.py     requests that wait: bounded, and who comes next
    shares.py    how much of the readers' time each user has had lately, by how long requests
    pool.py      in the module: gives them to readers, starts and replaces these
    step.py      in the module: where memory ends in the midst of a step, all begins anew
    process.py   in the module: one reader that was started, and the socket to it
    worker.py    the reader: answers one request after the other
    limits.py    what a reader may take, and that it ends with the module

A reader opens the database for reading only. What it answers is made by the same code as the
answers of the module's thread (joblist/service.py, joblist/list_answer.py).
"""

__all__ = ["limits", "messages", "pool", "process", "queue", "shares", "step", "worker"]
