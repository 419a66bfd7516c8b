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
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import click

from cli.output.csv_cells import harmless
from cli.output.shown import shown
from cli.output.streams import read_input, say
from eventstore.own_process import command as own_process

__all__ = ["BY_ITSELF", "COMMANDS", "Asked", "asked", "by_cluster", "command_of", "run"]

COMMANDS = ("list", "nodes", "report", "sql")
"""What can be asked of several databases."""

BY_ITSELF = "web"
"""What opens several databases by itself."""

_DB = "--db"
_STATS = "--stats-only"
_HELP = ("-h", "--help")
_BARE = {"list": ("no_header", "stats_only"), "nodes": ("history",)}
"""Options with which the lines of a command have no heading, by their names in the code."""
_FIELD = 2**31 - 1
"""Characters of the longest cell: csv's own limit is 131,072."""


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


def run(given: Asked, program: click.Group) -> int:
    """Ask all databases, and print what they say; returns the highest exit status.

    ``program`` has the commands.

    With --stats-only the lowest one: it is 0 if a job is active in one of them, unless one of
    them cannot be asked.
    """
    command = command_of(given)
    if command not in COMMANDS:
        known = ", ".join((*COMMANDS, BY_ITSELF))
        raise click.UsageError(f"--db is given several times: {known} take that, {command} not")
    clusters = list(by_cluster(given.paths))
    heading = _heading(program, command, given.words)
    statement = read_input("a statement") if command == "sql" and "-" in given.words else b""
    children = [_child(path, given.words, statement) for path in given.paths]
    try:
        outputs = [child.stdout for child in children if child.stdout is not None]
        sys.stdout.flush()
        if _STATS in given.words:
            return _stats(clusters, children)
        for data in _merged(heading, given.words, clusters, outputs):
            sys.stdout.buffer.write(data)
        return max(map(_status, clusters, children))
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
            if child.stdout is not None:
                child.stdout.close()
            child.wait()


def _child(path: str, words: Sequence[str], statement: bytes) -> subprocess.Popen[bytes]:
    """Start the program for one database, with this on standard input."""
    program = own_process("cli.main", _DB, path, *words, environment=True)
    if not statement:
        return subprocess.Popen(  # noqa: S603 - this program
            program, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
    with tempfile.TemporaryFile() as given:
        given.write(statement)
        given.seek(0)
        return subprocess.Popen(program, stdout=subprocess.PIPE, stdin=given)  # noqa: S603


def _status(name: str, child: subprocess.Popen[bytes]) -> int:
    """Wait for a child; returns its exit status: 1 where it was killed, which is said."""
    status = child.wait()
    if status >= 0:
        return status
    how = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
    say(f"flux-jobdb: {name}: the process that asked it was killed ({how})", err=True)
    return 1


def _stats(names: Sequence[str], children: Sequence[subprocess.Popen[bytes]]) -> int:
    """Print statistics, a line each; returns 1 if no job is active, or one cannot be asked."""
    statuses: list[int] = []
    answered = True
    for name, child in zip(names, children, strict=True):
        assert child.stdout is not None
        lines = child.stdout.readlines()
        answered &= bool(lines)
        sys.stdout.buffer.writelines(_labels(names, name) + line for line in lines)
        statuses.append(_status(name, child))
    return min(statuses) if answered else max(statuses)


def by_cluster(paths: Sequence[str]) -> dict[str, str]:
    """Return databases by cluster, in order; raises UsageError where two have the same."""
    from eventstore.reading.cluster import cluster  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415

    found: dict[str, str] = {}
    if not all(paths):
        raise click.UsageError(f"{_DB} is empty: name a database")
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
    heading: int | None,
    words: Sequence[str],
    names: Sequence[str],
    outputs: Sequence[IO[bytes]],
) -> Iterator[bytes]:
    if "--json" in words:
        return _objects(names, outputs)
    if "--csv" in words:
        return _cells(names, outputs)
    return _lines(names, outputs, heading)


def _heading(program: click.Group, command: str, words: Sequence[str]) -> int | None:
    """Return which line of a command's output is its heading; None: it has none."""
    found = program.get_command(click.Context(program), command)
    assert found is not None
    rest = list(words)
    rest.remove(command)
    # What is wrong with the words is said by each child.
    options = found.make_context(command, rest, resilient_parsing=True).params
    if any(options.get(name) for name in _BARE.get(command, ())):
        return None
    return 1 if options.get("stats") else 0


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
        csv.field_size_limit(_FIELD)
        for place, row in enumerate(csv.reader(text)):
            if place or not number:
                written = io.StringIO(newline="")
                column = harmless(name) if place else "cluster"
                csv.writer(written, lineterminator="\r\n").writerow([column, *row])
                yield written.getvalue().encode()


def _lines(
    names: Sequence[str], outputs: Iterable[IO[bytes]], heading: int | None
) -> Iterator[bytes]:
    """Put the cluster in front of each line; a heading that is the one before comes once."""
    last = b""
    for name, output in zip(names, outputs, strict=True):
        label = _labels(names, name)
        for place, line in enumerate(output):
            if place != heading:
                yield label + line
            elif line != last:
                last = line
                yield _labels(names, "CLUSTER") + line


def _labels(names: Sequence[str], name: str) -> bytes:
    """Return a name as it stands in front of lines."""
    width = max(map(len, (*names, "CLUSTER")))
    return shown(name).ljust(width).encode() + b"  "
