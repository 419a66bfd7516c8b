# SPDX-License-Identifier: LGPL-3.0
"""Tests of joblist/readers, and of lists that take long."""
