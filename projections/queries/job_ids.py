# SPDX-License-Identifier: LGPL-3.0
"""Which job a key stands for, according to the views: for the recovery of damaged databases."""

from __future__ import annotations

JOB_IDS = ("SELECT job, jobid FROM active", "SELECT job, jobid FROM inactive")
"""Queries for (job key, job id), to be given to `eventstore.maintenance.recover.recover`."""
