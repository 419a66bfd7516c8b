# SPDX-License-Identifier: LGPL-3.0
"""Several databases asked at once: one answer, in which each row says what cluster it is of.

Each database is asked by a process of its own, all at the same time. Rows come in the order of
the databases, and within each as it has them; nothing is gathered, so that memory is bounded. A
cluster that has no name is called by its file's.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import click

from cli.output.csv_cells import harmless
from cli.output.shown import shown

__all__ = ["BY_ITSELF", "COMMANDS", "Asked", "asked", "by_cluster", "command_of", "run"]

COMMANDS = ("list", "nodes", "report", "sql")
"""What can be asked of several databases."""

BY_ITSELF = "web"
"""What opens several databases by itself."""

_DB = "--db"
_STATS = "--stats-only"
_HELP = ("-h", "--help")
_BARE = ("--no-header", "--suppress-header", _STATS)
"""Options with which a table has no heading; -n is one too, also among others (-Aan)."""


class Asked(NamedTuple):
    """The databases of a command line, and what is left of it."""

    paths: list[str]
    words: list[str]


def asked(words: Sequence[str]) -> Asked:
    """Take `--db` out of a command line; who asks for help asks no database."""
    paths: list[str] = []
    rest: list[str] = []
    pending = iter(words)
    for word in pending:
        if word == "--":
            rest += [word, *pending]
        elif word == _DB:
            paths += [next(pending, "")]
        elif word.startswith(f"{_DB}="):
            paths.append(word.removeprefix(f"{_DB}="))
        else:
            rest.append(word)
    return Asked([] if set(_HELP) & set(rest) else paths, rest)


def command_of(given: Asked) -> str:
    """Return the command that is to be run, "" where there is none."""
    return next((word for word in given.words if not word.startswith("-")), "")


def run(given: Asked) -> int:
    """Ask all databases, and print what they say; returns the highest exit status.

    With --stats-only the lowest one: it is 0 if a job is active in one of them.
    """
    command = command_of(given)
    if command not in COMMANDS:
        known = ", ".join((*COMMANDS, BY_ITSELF))
        raise click.UsageError(f"--db is given several times: {known} take that, {command} not")
    clusters = list(by_cluster(given.paths))
    program = [sys.executable, "-m", "flux_jobdb"]
    children = [
        subprocess.Popen(  # noqa: S603 - this program
            [*program, _DB, path, *given.words],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        for path in given.paths
    ]
    try:
        outputs = [child.stdout for child in children if child.stdout is not None]
        sys.stdout.flush()
        for data in _merged(given.words, clusters, outputs):
            sys.stdout.buffer.write(data)
        outcomes = [child.wait() for child in children]
        return min(outcomes) if _STATS in given.words else max(outcomes)
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
            if child.stdout is not None:
                child.stdout.close()
            child.wait()


def by_cluster(paths: Sequence[str]) -> dict[str, str]:
    """Return databases by cluster, in order; raises UsageError where two have the same."""
    from eventstore.reading.cluster import cluster  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415

    found: dict[str, str] = {}
    for path in paths:
        with open_readonly(path) as store, store.snapshot() as db:
            name = cluster(db) or Path(path).stem
        if name in found:
            raise click.UsageError(
                f"two of the databases are of {name}; leave one out, or name clusters by ingest"
            )
        found[name] = path
    return found


def _merged(
    words: Sequence[str], names: Sequence[str], outputs: Sequence[IO[bytes]]
) -> Iterator[bytes]:
    if "--json" in words:
        return _objects(names, outputs)
    if "--csv" in words:
        return _cells(names, outputs)
    return _lines(names, outputs, bare=any(map(_is_bare, words)))


def _is_bare(word: str) -> bool:
    return word in _BARE or re.match("-[aA]*n", word) is not None


def _objects(names: Iterable[str], outputs: Iterable[IO[bytes]]) -> Iterator[bytes]:
    """Put the member "cluster" first in each object, which is a line."""
    for name, output in zip(names, outputs, strict=True):
        first = b'{"cluster":' + json.dumps(name).encode()
        for line in output:
            rest = line[1:].lstrip()
            yield first + (b"" if rest.startswith(b"}") else b",") + rest


def _cells(names: Iterable[str], outputs: Iterable[IO[bytes]]) -> Iterator[bytes]:
    """Put the column `cluster` first; the heading comes once."""
    for number, (name, output) in enumerate(zip(names, outputs, strict=True)):
        text = io.TextIOWrapper(output, "utf-8", newline="")
        for place, row in enumerate(csv.reader(text)):
            if place or not number:
                written = io.StringIO(newline="")
                column = harmless(name) if place else "cluster"
                csv.writer(written, lineterminator="\r\n").writerow([column, *row])
                yield written.getvalue().encode()


def _lines(
    names: Sequence[str], outputs: Iterable[IO[bytes]], *, bare: bool
) -> Iterator[bytes]:
    """Put the cluster in front of each line; a heading that is the one before comes once."""
    width = max(map(len, (*names, "CLUSTER")))
    last = b""
    for name, output in zip(names, outputs, strict=True):
        label = shown(name).ljust(width).encode() + b"  "
        for place, line in enumerate(output):
            if place or bare:
                yield label + line
            elif line != last:
                last = line
                yield b"CLUSTER".ljust(width) + b"  " + line
