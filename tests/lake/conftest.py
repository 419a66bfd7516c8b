# SPDX-License-Identifier: LGPL-3.0
"""The lake of all recordings, made once for those who replay it (the xdist group "lakes")."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A `tests.lake.sources.Sources`: the lake, and the databases of its clusters."""
    lakes = pytest.importorskip("tests.lake.sources")
    return lakes.with_all(tmp_path_factory.mktemp("lakes"))
