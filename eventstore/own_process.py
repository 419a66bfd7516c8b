# SPDX-License-Identifier: LGPL-3.0
"""How another process of this program is started."""

from __future__ import annotations

import os
import sys


def command(module: str, *arguments: str) -> list[str]:
    """Return the words that call ``main`` of one of our modules with these arguments.

    The process finds its packages where this one finds them, in a checkout or not, and reads
    neither Python's environment variables nor files of ``site``.
    """
    last = len(arguments) + 1
    code = (
        f"import sys; sys.path[:] = sys.argv[{last}:]; "
        f"from {module} import main; main(*sys.argv[1:{last}])"
    )
    path = map(os.path.abspath, sys.path)  # it may run in another folder
    return [sys.executable, "-S", "-E", "-s", "-c", code, *arguments, *path]
