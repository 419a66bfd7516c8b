# SPDX-License-Identifier: LGPL-3.0
# ruff: noqa: N999 - the file's name is the module's, for Flux
"""The broker module that takes the place of flux-core's job-list: load it by this file.

    flux module remove job-list
    flux module load PATH/job-list.py [NAME=VALUE]...

Each NAME is a setting of [job-list] (docs/broker-module.md), and takes precedence over what is
configured. `flux-jobdb install` makes Flux load it at each start.

Flux runs this file by its path, in a process of its own, with the Python that Flux was built
with. Its packages are in the folder that holds `joblist/`, and come first on the path: no
other package of such a name can take their place. Installed from a wheel, that folder is
`site-packages/flux_jobdb`, and what flux-jobdb depends on lies in `site-packages`, which is
added behind all that Flux has, so that it hides nothing of Flux's. In a checkout, the
dependencies have to be on Flux's path already (FLUX_PYTHONPATH_PREPEND).
"""

from __future__ import annotations

import site
import sys
from pathlib import Path
from typing import Any

_HOME = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_HOME))
if (_HOME / "__main__.py").is_file():  # installed: this is the package flux_jobdb
    site.addsitedir(str(_HOME.parent))


def mod_main(handle: Any, *arguments: str) -> None:  # noqa: ANN401 - flux.Flux
    """Run the module until it is removed; raises OSError if it cannot be run."""
    from joblist.broker import connection, entry  # noqa: PLC0415 - found only now

    entry.run(connection.module(handle), arguments)
