# SPDX-License-Identifier: LGPL-3.0
"""What the wheel has beside the sources: a stub by which type checkers find the public names.

`flux_jobdb/__init__.py` imports them from `projections`, which an installation has inside of
`flux_jobdb`: Python finds it there by sys.path, mypy and pyright do not. The stub is the same
file with these imports made relative.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STUB = "flux_jobdb/__init__.pyi"


class Stub(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the stub to a wheel; an editable installation finds the folders in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the stub into a temporary folder."""
        if version == "editable":
            return
        source = Path(self.root, "flux_jobdb", "__init__.py").read_text(encoding="utf-8")
        self._folder = TemporaryDirectory()
        path = Path(self._folder.name, "__init__.pyi")
        path.write_text(re.sub(r"(?m)^( +from )(?=projections)", r"\1.", source), "utf-8")
        build_data["force_include"][str(path)] = STUB
