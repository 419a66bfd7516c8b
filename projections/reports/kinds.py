# SPDX-License-Identifier: LGPL-3.0
"""The kinds of report, by name."""

from __future__ import annotations

from projections.reports.job_counts import JOBS
from projections.reports.nodes import NODES
from projections.reports.report import Report
from projections.reports.usage import USAGE
from projections.reports.waits import WAITS

KINDS: dict[str, Report] = {"jobs": JOBS, "waits": WAITS, "usage": USAGE, "nodes": NODES}
