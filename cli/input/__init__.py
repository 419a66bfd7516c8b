# SPDX-License-Identifier: LGPL-3.0
"""Reading files and pipes line by line.

journal_files.py   recorded journals: what is none is refused
line_files.py      lines in batches, from files, and from pipes as they come
decompression.py   gzip, bzip2, xz and Zstandard, told by the first bytes
stop_signals.py    signals that end reading, not storing
"""

__all__ = ["decompression", "journal_files", "line_files", "stop_signals"]
