# SPDX-License-Identifier: LGPL-3.0
"""Starting the program in little time; memory, its end, and depth of calls in this process."""
