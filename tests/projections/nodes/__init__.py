# SPDX-License-Identifier: LGPL-3.0
"""Tests of the nodes: reducers, views and answers."""
