# SPDX-License-Identifier: LGPL-3.0
"""Tests of ``projections/reports/``, and of the view that it reads."""
