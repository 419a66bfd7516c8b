# SPDX-License-Identifier: LGPL-3.0
"""How fast, how large, how much memory: see README.md."""
