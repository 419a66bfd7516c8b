# SPDX-License-Identifier: LGPL-3.0
"""What the program shows: to people, to pipes, to other programs."""
