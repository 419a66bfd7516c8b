# SPDX-License-Identifier: LGPL-3.0
"""Requests of a running module that wait, watch, or have to wait for their turn."""
