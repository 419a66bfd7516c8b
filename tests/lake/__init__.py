# SPDX-License-Identifier: LGPL-3.0
"""The lake: what is exported, incrementally, and the store that is made of it."""
