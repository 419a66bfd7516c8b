# SPDX-License-Identifier: LGPL-3.0
"""Instances of Flux for tests: scripts that run in one. Skipped where there is no Flux."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from flux_jobdb import HOME

ROOT = Path(__file__).resolve().parents[3]
# What scripts begin with: short names for what they do.
PRELUDE = """
set -e
tool() { flux python $ROOT/tests/support/flux/tool.py "$@"; }
ours() { flux module load $PACKAGES/joblist/job-list.py "$@"; }
away() { flux module remove job-list; }
guest() { FLUX_HANDLE_USERID=4201 FLUX_HANDLE_ROLEMASK=0x2 "$@"; }
"""
# More cores than the machine has, so that many mock jobs run at once, and those of users.
CONFIG = """
[exec.testexec]
allow-guests = true
[resource]
noverify = true
[[resource.config]]
hosts = "{host}"
cores = "0-63"
"""


class Instances:
    """Starts instances; their files are in ``folder``, which scripts know as $OUT."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        config = folder / "config"
        config.mkdir()
        host = socket.gethostname()
        (config / "flux.toml").write_text(CONFIG.format(host=host), "utf-8")
        self.options = [f"--config-path={config}"]
        self.env = dict(os.environ, ROOT=str(ROOT), PACKAGES=HOME, OUT=str(folder))
        self.env["COVERAGE_PROCESS_START"] = ""
        self.env["FLUX_PYTHONPATH_PREPEND"] = f"{sysconfig.get_path('purelib')}:{HOME}"

    def __call__(self, script: str, *options: str, status: int = 0) -> str:
        """Run a script to its end; returns what it said."""
        done = subprocess.run(
            self._words(script, *options),
            capture_output=True,
            check=False,
            text=True,
            env=self.env,
            timeout=300,
            cwd=self.folder,
        )
        assert status == done.returncode, done.stderr
        return done.stdout

    def start(self, script: str, *options: str) -> subprocess.Popen[str]:
        """Start a script that says something when it is where the test wants it."""
        return subprocess.Popen(
            self._words(script, *options),
            stdout=subprocess.PIPE,
            text=True,
            env=self.env,
            cwd=self.folder,
        )

    def _words(self, script: str, *options: str) -> list[str]:
        words = [self.program, "start", *self.options, *options]
        return [*words, "bash", "-c", PRELUDE + script]

    def answer(self, name: str) -> Any:
        """Return the JSON that a script left in a file."""
        return json.loads((self.folder / name).read_text("utf-8"))


def program() -> str:
    """Return the path of the program ``flux``, where its Python can use what this one has."""
    found = shutil.which("flux")
    if found is None:
        pytest.skip("no flux on the PATH")
    code = "import sys; print(*sys.version_info[:2])"
    version = subprocess.run(
        [found, "python", "-c", code], capture_output=True, text=True, check=False
    )
    if version.stdout.split() != [str(part) for part in sys.version_info[:2]]:
        pytest.skip(f"Flux has another Python: {version.stdout or version.stderr}")
    return found
