# SPDX-License-Identifier: LGPL-3.0
"""The options of each command in docs/commands.md, as the program declares them.

    python -m tests.support.docs.command_reference

writes the block of each command anew, below its heading. A test compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click

from cli.main import COMMANDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "commands.md"
# A heading, and the block that follows it, if there is one already.
_SECTION = re.compile(r"^## ([a-z]+)\n\n(?:```text\n.*?\n```\n\n)?", re.MULTILINE | re.DOTALL)
EVERYWHERE = ("db", "debug")
_WIDTH = 88


def block(name: str) -> str:
    """Return a command's usage and options, one below the other."""
    command = import_module(f"cli.commands.{COMMANDS[name].folder}.{name}").command
    context = click.Context(command, info_name=f"flux-jobdb {name}")
    formatter = click.HelpFormatter(width=_WIDTH)
    formatter.write_usage(
        context.command_path, " ".join(command.collect_usage_pieces(context)), prefix=""
    )
    options = list(_options(command, context))
    if options:
        formatter.write_text("")
        formatter.write_dl(options, col_max=30)
    lines = [line.rstrip() for line in formatter.getvalue().splitlines()]
    return "```text\n" + "\n".join(lines).strip() + "\n```"


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each option's names and help, but for those that all commands have."""
    names = [option.name for option in command.params]
    assert set(EVERYWHERE) <= set(names), command.name
    for option in command.params:
        if option.name in EVERYWHERE:
            continue
        record = option.get_help_record(context)
        if record is not None and isinstance(option, click.Option):
            default = option.default if option.show_default else None
            tail = "" if default is None else f" [{default}]"
            yield record[0], f"{option.help or ''}{tail}"


def written(text: str) -> str:
    """Return the page with the block of each command below its heading."""

    def section(found: re.Match[str]) -> str:
        name = found[1]
        return f"## {name}\n\n{block(name)}\n\n" if name in COMMANDS else found[0]

    return _SECTION.sub(section, text)


if __name__ == "__main__":
    old = PAGE.read_text(encoding="utf-8")
    new = written(old)
    PAGE.write_text(new, encoding="utf-8")
    print(f"{PAGE.name}: {'as it was' if old == new else 'written'}", file=sys.stderr)
