# SPDX-License-Identifier: LGPL-3.0
"""Tests of ``flux_jobdb.open`` and what it returns."""
