# SPDX-License-Identifier: LGPL-3.0
"""Tests of the pages and of the metrics."""
