# SPDX-License-Identifier: LGPL-3.0
"""The accounting feed: finished jobs that ran, as flux-accounting wants them.

The view does not repeat jobspec and R: it refers to them where the event store has them, by
seq, and holds only what was updated since. The row's own key is the highest seq of the job's
events, so that consumers can ask for what is new (engine/consumer_cursor.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.storage.sql import script
from projections.definitions.interface import Put
from projections.job.attributes import ATTRIBUTES
from projections.job.state import INACTIVE, RUN, Job


class Accounting:
    """Finished jobs that ran: the table ``accounting``."""

    name = "accounting"
    version = 1
    schema = script(__file__, "accounting.sql")

    def rows(self, job: Job) -> Sequence[Put]:
        """Return one row, once a job that ran is inactive."""
        if job.state != INACTIVE or not job.states_mask & RUN:
            return ()
        times = (job.t_submit, job.t_run, job.t_inactive)
        texts = (
            job.R_seq or None,
            job.jobspec_seq or None,
            None if job.R_seq else job.R,
            b"[%b]" % b",".join(job.jobspec_updates) if job.jobspec_updates else None,
        )
        row = (job.seq, job.key, job.id, job.userid, *times, ATTRIBUTES["ranks"](job), *texts)
        return (Put("accounting", row),)
