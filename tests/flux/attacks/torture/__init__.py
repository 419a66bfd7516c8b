# SPDX-License-Identifier: LGPL-3.0
"""Attacks that take minutes or hours: a search for expensive requests, and a soak."""
