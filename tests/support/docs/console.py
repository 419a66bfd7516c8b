# SPDX-License-Identifier: LGPL-3.0
"""Console blocks of the documents: their commands are run, and their output is compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ELISION = "…"
"""A line of it alone stands for any number of lines; within a line, for some of its text."""
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEAD = re.compile(r"^head [0-9a-f]{64}$")


def commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a page's console blocks, with the lines that follow it."""
    for block in _BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            yield command, [steady(line) for line in lines]


def steady(line: str) -> str:
    """Hide the head digest: times of this moment are in it. Nothing else may differ."""
    return _HEAD.sub("head DIGEST", line)


def output(command: str, folder: Path) -> list[str]:
    """Return what a command prints on both outputs, in a folder, in UTC, without a terminal."""
    env = dict(os.environ, TZ="UTC", LC_ALL="C.UTF-8", PYTHONUTF8="1", COLUMNS="80")
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    text = done.stdout.decode("utf-8")
    return [steady(line) for line in text.rstrip("\n").split("\n")] if text else []


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether lines are those that were printed, but for what is elided."""
    pattern = "".join(
        r"(?:.*\n)*?"
        if line == ELISION
        else ".+".join(map(re.escape, line.split(ELISION))) + r"\n"
        for line in shown
    )
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed)) is not None
