# SPDX-License-Identifier: LGPL-3.0
"""The command: ``flux-jobdb``, or ``python -m flux_jobdb``."""

from __future__ import annotations

import sys

from flux_jobdb import HOME


def main() -> None:
    """Run the command line, and exit.

    The process is the command's own: its packages go before others of the same names, such as a
    folder ``cli`` in the current directory.
    """
    sys.path[:] = [HOME, *(path for path in sys.path if path != HOME)]
    from cli.main import main as run  # noqa: PLC0415 - found only now

    run()


if __name__ == "__main__":
    main()
