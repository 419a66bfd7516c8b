# SPDX-License-Identifier: LGPL-3.0
"""What people meet in the field: faults of whole kinds, tried through the command line."""
