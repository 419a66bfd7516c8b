# SPDX-License-Identifier: LGPL-3.0
"""What goes on while it runs: side files, clocks, several at once, views of sites."""
