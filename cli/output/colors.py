# SPDX-License-Identifier: LGPL-3.0
"""When output has colors, as `flux jobs --color` has it."""

from __future__ import annotations

import os
import sys

__all__ = ["WHEN", "wanted"]

WHEN = ("always", "never", "auto")


def wanted(when: str | None) -> bool:
    """Whether there are colors: on a terminal, unless `when` or $NO_COLOR say otherwise."""
    if when is None:
        when = "never" if os.environ.get("NO_COLOR") else "auto"
    return when == "always" or (when == "auto" and sys.stdout.isatty())
