# SPDX-License-Identifier: LGPL-3.0
"""What is given to the program: journals of any origin, texts that name a time."""
