# SPDX-License-Identifier: LGPL-3.0
"""Storing: events that go in, views that are made from them, what they take on disk.

append.py      ingest of a recorded journal
disk.py        bytes a job
replay.py      a backlog of known jobs
rebuild.py     all projections, from the events
verify.py      the chain and the views, by one process and by several
accounting.py  the feed of flux-accounting
spark.py       all tables from a lake, by Spark, by a loop, by a rebuild; only where it is named
"""

__all__ = ["accounting", "append", "disk", "rebuild", "replay", "spark", "verify"]
