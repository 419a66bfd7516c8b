# SPDX-License-Identifier: LGPL-3.0
"""The program on a database of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import Command


@pytest.fixture
def jobdb(tmp_path: Path) -> Command:
    """Runs the program; its database is not there yet."""
    return Command(tmp_path)
