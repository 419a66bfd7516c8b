# SPDX-License-Identifier: LGPL-3.0
"""A second opinion on what job-list answers, that shares nothing with the reducers.

The reducers go through a job's events one by one and keep a state. Here nothing is kept:
each attribute is a function of the whole history so far (`answer.py`), written from the RFCs
and from what flux-core 0.88 does. Both must say the same after every event.

- `events.py`: what an event is, which contexts are of its form, where a job's life begins.
- `states.py`: when a job entered which state (RFC 21).
- `jobspec.py`, `resource_set.py`: what job-list reads from a jobspec (RFC 14, 25) and an R
  (RFC 20, 22, 29).
- `annotations.py`: what `annotations` and `memo` events amount to (RFC 21, 27).
- `answer.py`: all attributes of one job.
- `instance.py`: all jobs of one instance: lists, their order, stats, restarts, purges.
- `product.py`: the only file that imports what is tested.
"""
