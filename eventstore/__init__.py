# SPDX-License-Identifier: LGPL-3.0
"""What happened: the append-only store of the job manager's events.

Folders in the order of an event's way, from the journal's bytes to proven rows:

    errors.py       errors, and the one place where those of SQLite are translated
    own_process.py  how another process of this program is started
    deep_json.py    JSON that is nested as deeply as Flux reads it
    bulk_work.py    many objects at once, without Python's cyclic garbage collector
    events/         pure: lines decoded, events compared, compressed and digested
    storage/        the SQLite file: schema, settings, transactions, the writer's lock
    reading/        stored events, in the order of seq or of one job; gaps
    ingest/         appending: one transaction a batch, which views take part in
    maintenance/    verifying, backing up and recovering a store

Nothing here knows of views: those who derive something of the events take part in batches by
`ingest.unit_of_work.Participant`.
"""

__all__ = [
    "bulk_work",
    "deep_json",
    "errors",
    "events",
    "ingest",
    "maintenance",
    "own_process",
    "reading",
    "storage",
]
