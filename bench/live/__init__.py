# SPDX-License-Identifier: LGPL-3.0
"""Beside flux-core's own module, in a running Flux: see ../README.md."""
