# SPDX-License-Identifier: LGPL-3.0
"""Tests of ``eventstore/events/``."""
