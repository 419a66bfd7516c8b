# SPDX-License-Identifier: LGPL-3.0
# ruff: noqa: N999 - the file's name is the module's, for Flux
"""The broker module that takes the place of flux-core's job-list: load it by this file.

    flux module remove job-list
    flux module load PATH/job-list.py [NAME=VALUE]...

Each NAME is a setting of [job-list] (see docs/broker-module.md), and goes before what is
configured. `flux-jobdb install` puts the module in place for good.

Flux imports this file by its path, with the Python that Flux was built with. What it needs
is looked for by the place of this file: its own packages, and the environment that
`flux_jobdb` is installed in.
"""

from __future__ import annotations

import site
import sys
from pathlib import Path
from typing import Any

# Our packages go before others of the same names.
_HOME = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_HOME))
if (_HOME / "__main__.py").is_file():  # installed, as the package flux_jobdb
    # Dependencies are behind all that Flux has, so that nothing of it is hidden.
    site.addsitedir(str(_HOME.parent))


def mod_main(handle: Any, *arguments: str) -> None:  # noqa: ANN401 - flux.Flux
    """Run the module until it is removed; raises OSError where it cannot be run."""
    from joblist.broker import connection, entry  # noqa: PLC0415 - found only now

    entry.run(connection.module(handle), arguments)
