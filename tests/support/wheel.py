# SPDX-License-Identifier: LGPL-3.0
"""The wheel, built from the sdist; and all tests against it, away from the checkout.

    python -m tests.support.wheel [OPTION of pytest]...

builds it, installs it with all extras in ``build/wheel-venv``, copies tests, benchmarks,
documents and examples (and no package of ours) to a temporary folder, and runs the tests there:
``from eventstore…`` is found in site-packages. Needs a package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("tests", "bench", "docs", "examples", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")
COPIED += ("etc", "Makefile", "pyproject.toml", "hatch_build.py", ".pre-commit-config.yaml")
OF_THE_SOURCES = (
    "tests/house/test_architecture.py",
    "tests/house/test_contents.py",
    "tests/house/test_promises.py",
    "tests/house/test_wheel.py",
    "tests/house/test_bench.py::test_the_command_compares_and_says_what_it_found",
)
"""Tests of the source tree itself, or that run another checkout."""


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from it, into a folder; return both."""
    # No isolation: the back end is a dependency of the tests, so that no network is needed.
    words = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(words, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def packages(python: Path) -> Path:
    """Return the folder of an environment's site-packages."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


def main(options: list[str]) -> int:
    """Test the wheel; return pytest's exit status."""
    venv = ROOT / "build" / "wheel-venv"
    python = venv / "bin" / "python"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, wheel = build(folder)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"{wheel}[dev]"], check=True)
        away = folder / "away"
        away.mkdir()
        for part in COPIED:
            if (ROOT / part).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / part, away / part, ignore=ignored)
            elif (ROOT / part).exists():
                shutil.copy(ROOT / part, away / part)
        env = dict(os.environ, PYTHONPATH=str(packages(python) / "flux_jobdb"))
        env["PATH"] = f"{venv / 'bin'}:{env['PATH']}"
        left_out = [
            f"--{'deselect' if '::' in name else 'ignore'}={name}" for name in OF_THE_SOURCES
        ]
        words = [python, "-m", "pytest", "-q", "-n", "2", *left_out, *options]
        return subprocess.run(words, cwd=away, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
