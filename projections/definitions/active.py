# SPDX-License-Identifier: LGPL-3.0
"""The active-jobs view: which jobs are neither new nor inactive, and their ids.

Attributes of active jobs are not stored here: queries compute them from the job's state, which
the engine keeps in the table ``fold`` under the same key.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.storage.sql import script
from projections.definitions.interface import Put
from projections.job.state import INACTIVE, NEW, Job


class Active:
    """Jobs between ``validate`` and ``clean``: the table ``active``."""

    name = "active"
    version = 2
    schema = script(__file__, "active.sql")

    def rows(self, job: Job) -> Sequence[Put]:
        """Return one row, the job's key and id, while the job is active."""
        if job.state in {NEW, INACTIVE}:
            return ()
        return (Put("active", (job.key, job.id)),)
