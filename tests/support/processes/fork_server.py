# SPDX-License-Identifier: LGPL-3.0
"""Runs the program in forks of a process that has imported it: a start costs a millisecond.

    python -m tests.support.processes.fork_server

reads a request a line (JSON) and answers each with the exit status. For what depends on the
environment that an interpreter starts in (locale, encodings, streams that are closed or no
files) start a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from flux_jobdb import HOME

_PACKAGES = ("eventstore", "projections", "joblist", "cli")


def _preload() -> None:
    """Import what commands would import when they run."""
    for package in _PACKAGES:
        for path in sorted(Path(HOME, package).rglob("*.py")):
            name = ".".join(path.relative_to(HOME).with_suffix("").parts)
            if name.replace(".", "").isidentifier():  # job-list.py is run by its path
                import_module(name.removesuffix(".__init__"))
    import_module("parsedatetime")


def _run(words: list[str], folder: str, environment: Mapping[str, str]) -> NoReturn:
    """Run the program in this process: its streams are files in ``folder``."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    folders = environment["PYTHONPATH"].split(":")
    sys.path[:0] = [path for path in folders if path not in sys.path]
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        file = os.open(f"{folder}/{name}", os.O_RDONLY if mode == "r" else os.O_WRONLY)
        os.dup2(file, number)
        os.close(file)
        stream = open(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
    sys.argv = ["flux-jobdb", *words]
    sys.modules["__main__"].__package__ = None  # the program's name is that of argv
    status = 1
    try:
        import_module("flux_jobdb.__main__").main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - a test is to see what it was
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    """Answer requests until there are no more."""
    _preload()
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os.chdir(request["cwd"])
            _run(request["words"], request["folder"], request["environment"])
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)


if __name__ == "__main__":
    main()
