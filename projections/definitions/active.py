# SPDX-License-Identifier: LGPL-3.0
"""The active-jobs view: jobs that are neither new nor inactive, with their attributes.

Lists take the attributes of active jobs from their states, which the engine keeps in the table
``fold`` under the same key. The columns here are for the public view `jobs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eventstore.storage.sql import script
from projections.definitions import job_columns
from projections.definitions.interface import Add, Bulk, Put, Puts
from projections.job.attributes import values_of
from projections.job.state import INACTIVE, NEW, Job


class Active(Bulk):
    """Jobs between ``validate`` and ``clean``: the table ``active``."""

    name = "active"
    version = 3
    schema = script(__file__, "active.sql")

    def rows(self, job: Job) -> Sequence[Put]:
        """Return one row while the job is active."""
        if job.state in {NEW, INACTIVE}:
            return ()
        columns = job_columns.of_active(values_of(job))
        return (Put("active", (job.key, job.id, job.stream, *columns)),)

    def finished(self, jobs: Sequence[Job], puts: Puts, sums: Counter[Add]) -> None:
        """Add nothing: inactive jobs have no rows here."""
