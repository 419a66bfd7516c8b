# SPDX-License-Identifier: LGPL-3.0
"""Starting the program in little time; the memory that work takes in this process."""
