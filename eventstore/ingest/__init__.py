# SPDX-License-Identifier: LGPL-3.0
"""Appending what a source brings, in the order in which a batch passes through.

writer.py           the entry: opens a source, appends batches, closes it
isolation.py        a line that cannot be stored is set aside, the others are stored
unit_of_work.py     a batch's transaction, and who is told how it ended
intake.py           takes lines: what is stored is recognised, the rest becomes rows
intake.sql          its statements
resource_intake.py  the same for what the resource module sends
job_places.py       which job a response is about, and how far it is read and stored
stored_events.py    what is stored of a job, read where that is needed
stored_events.sql   its queries
backlog.py          what a complete backlog shows, or does not show
batch_rows.py       the rows of a batch, gathered and written
inserts.py          the statements that append rows
inserts.sql         their text
counts.py           responses, events and rejects in numbers
"""

__all__ = [
    "backlog",
    "batch_rows",
    "counts",
    "inserts",
    "intake",
    "isolation",
    "job_places",
    "resource_intake",
    "stored_events",
    "unit_of_work",
    "writer",
]
