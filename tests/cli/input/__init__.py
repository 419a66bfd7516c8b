# SPDX-License-Identifier: LGPL-3.0
"""Files and pipes of lines."""
