# SPDX-License-Identifier: LGPL-3.0
"""What is measured, one noun a file; each has ``measure(bench)``, which yields rows.

storing/  events that go in, views that are made from them, what they take on disk
answers/  what is asked, and the processes that answer
"""

__all__ = ["answers", "storing"]
