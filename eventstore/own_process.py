# SPDX-License-Identifier: LGPL-3.0
"""How another process of this program is started."""

from __future__ import annotations

import os
import sys


def command(module: str, *arguments: str, environment: bool = False) -> list[str]:
    """Return the words that call ``main`` of one of our modules with these arguments.

    The process finds its packages where this one finds them, in a checkout or not. Unless
    ``environment`` is set, it reads neither Python's environment variables nor files of
    ``site``.
    """
    last = len(arguments) + 1
    code = (
        f"import sys; sys.path[:] = sys.argv[{last}:]; "
        f"from {module} import main; main(*sys.argv[1:{last}])"
    )
    path = map(os.path.abspath, sys.path)  # it may run in another folder
    flags = () if environment else ("-S", "-E", "-s")
    return [sys.executable, *flags, "-c", code, *arguments, *path]
