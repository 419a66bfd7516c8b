# SPDX-License-Identifier: LGPL-3.0
"""What the documentation says is true: its examples run, its commands are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.generate import journal
from cli.main import COMMANDS
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open, fetch
from projections.definitions.builtin import BUILTIN
from projections.engine.rebuild import refresh
from projections.engine.views import Views

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_projection_is_short_and_counts() -> None:
    text = (ROOT / "docs" / "projections.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    example = ROOT / "examples" / "site_views" / "site_views.py"
    assert example.read_text(encoding="utf-8") == code
    names: dict[str, object] = {}
    exec(compile(code, "docs/projections.md", "exec"), names)

    assert len(code.splitlines()) <= 41
    with create_or_open(":memory:") as store:
        plain = Views(store, BUILTIN)
        Writer(store, "test", plain.advance).append(journal(300))
        both = Views(store, [*BUILTIN, names["usage"]])  # type: ignore[list-item]
        assert refresh(both) == ["usage"]
        expected = fetch(
            store.db,
            "SELECT userid, count(*) FROM inactive WHERE t_run > 0 GROUP BY 1 ORDER BY 1",
        )
        assert expected == fetch(
            store.db, "SELECT userid, sum(jobs) FROM usage GROUP BY 1 ORDER BY 1"
        )
        assert len(expected) > 3


@pytest.mark.parametrize("page", ["README.md", "docs"])
def test_commands_that_pages_name_exist(page: str) -> None:
    path = ROOT / page
    pages = [path] if path.is_file() else sorted(path.glob("*.md"))
    for file in pages:
        named = re.findall(
            r"flux-jobdb (?:--db \S+ )?([a-z]+)\b", file.read_text(encoding="utf-8")
        )
        assert set(named) - set(COMMANDS) == set(), file.name


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"## {name}" in text
