# SPDX-License-Identifier: LGPL-3.0
"""What is installed: one name in site-packages, with all of the sources, and working there."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import flux_jobdb
from flux_jobdb import FOLDERS, Consumer
from tests.support.wheel import ROOT, build, packages

OTHERS = [path for name in ("web/static", "web/templates", "etc/grafana")
          for path in (ROOT / name).rglob("*")]  # fmt: skip
UNITS = sorted((ROOT / "etc").glob("*.service"))
JOURNAL = ROOT / "tests" / "data" / "basic" / "journal.jsonl.gz"
KINDS = (".py", ".sql", ".typed")


class Site(NamedTuple):
    """An environment with the wheel in it, and nothing of the checkout."""

    sdist: Path
    wheel: Path
    python: Path
    packages: Path

    def run(
        self, *words: str, cwd: Path, path: Sequence[Path] = (), status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, with ``path`` as PYTHONPATH."""
        env = {key: text for key, text in os.environ.items() if not key.startswith("PYTHON")}
        env["PYTHONPATH"] = os.pathsep.join(map(str, path))
        program = self.python.with_name(words[0])
        done = subprocess.run(
            [program, *words[1:]], cwd=cwd, env=env, capture_output=True, text=True, check=False
        )
        assert status == done.returncode, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("wheel")
    sdist, wheel = build(folder)
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    # Dependencies are those of this environment; a .pth file's folder is no site folder, so
    # that an editable installation in it does not lead back to the checkout.
    target = packages(python)
    (target / "dependencies.pth").write_text(f"{packages(Path(sys.executable))}\n", "utf-8")
    install(python, wheel)
    return Site(sdist, wheel, python, target)


def install(python: Path, *what: Path) -> None:
    """Install without dependencies, and without asking an index."""
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    options = ["--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, *options, *what], check=True)


def sources(*folders: str) -> set[str]:
    """Return the files of folders of the checkout that belong to the program."""
    return {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in KINDS
    }


def foreign(folder: Path, name: str = "cli") -> Path:
    """Make a package of somebody else's that has the name of one of ours."""
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('somebody else')\n", "utf-8")
    return package


def test_the_wheel_has_one_name_and_all_of_the_sources(site: Site) -> None:
    with zipfile.ZipFile(site.wheel) as file:
        names = set(file.namelist())
    roots = {name.split("/")[0] for name in names}
    assert {"flux_jobdb", "flux_jobdb-0.1.0.dist-info"} == roots
    units = {f"flux_jobdb/etc/{path.name}" for path in UNITS}
    units |= {f"flux_jobdb/{path.relative_to(ROOT)}" for path in OTHERS if path.is_file()}
    assert len(units) > 20

    found = {name for name in names if name.startswith("flux_jobdb/")}
    expected = sources("flux_jobdb") | {f"flux_jobdb/{name}" for name in sources(*FOLDERS)}
    assert expected | units | {"flux_jobdb/__init__.pyi"} == found
    assert {"flux_jobdb/py.typed", "flux_jobdb/eventstore/storage/schema.sql"} <= found


def test_the_sdist_has_what_the_checkout_has(site: Site) -> None:
    with tarfile.open(site.sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    expected = sources("flux_jobdb", *FOLDERS, "tests", "bench", "examples")
    expected |= {"README.md", "Makefile", "pyproject.toml", "hatch_build.py", ".gitignore"}
    expected |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.*")}
    expected |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/data/**/*.*")}
    assert set() == expected - names


@pytest.mark.parametrize("words", [("flux-jobdb",), ("python", "-m", "flux_jobdb")])
def test_the_command_goes_before_a_foreign_package(
    site: Site, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """On PYTHONPATH, and in the current directory, which ``python -m`` puts first."""
    for name in FOLDERS:
        foreign(tmp_path, name)
    shown = site.run(*words, "--help", cwd=tmp_path, path=[tmp_path])
    assert "ingest" in shown.stdout
    site.run(*words, "ingest", str(JOURNAL), cwd=tmp_path, path=[tmp_path])
    listed = site.run(*words, "list", "-A", "-a", "--json", cwd=tmp_path, path=[tmp_path])
    assert 5 < len(listed.stdout.splitlines())
    site.run(*words, "rebuild", cwd=tmp_path, path=[tmp_path])
    site.run(*words, "verify", cwd=tmp_path, path=[tmp_path])


@pytest.mark.parametrize("name", FOLDERS)
def test_a_foreign_package_on_the_path_is_one_clear_error(
    site: Site, tmp_path: Path, name: str
) -> None:
    other = foreign(tmp_path, name)
    done = site.run(
        "python", "-c", "from flux_jobdb import Put", cwd=site.python.parent, path=[tmp_path],
        status=1,
    )  # fmt: skip
    assert f"ImportError: flux_jobdb: {other} " in done.stderr.splitlines()[-1]
    assert "rename it" in done.stderr.splitlines()[-1]
    assert 1 == done.stderr.count("Error:")


def test_a_foreign_module_that_is_loaded_is_one_clear_error(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cli.py").write_text("", "utf-8")
    code = "import cli, flux_jobdb"
    done = site.run("python", "-c", code, cwd=site.python.parent, path=[tmp_path], status=1)
    assert f"ImportError: flux_jobdb: {tmp_path / 'cli.py'} " in done.stderr.splitlines()[-1]


def test_importing_loads_nothing_and_changes_no_path(site: Site, tmp_path: Path) -> None:
    foreign(tmp_path)
    code = (
        "import sys; before = list(sys.path); import flux_jobdb\n"
        "heavy = {'apsw', 'msgspec', 'click', 'projections'}\n"
        "print(before == sys.path, heavy & {*sys.modules})"
    )
    done = site.run("python", "-c", code, cwd=site.python.parent, path=[tmp_path])
    assert "True set()\n" == done.stdout


def test_public_names_behind_the_programs_own(site: Site, tmp_path: Path) -> None:
    code = (
        "import sys, flux_jobdb\nfrom flux_jobdb import *\n"
        "print(Put.__module__, Job.__module__, Consumer.__module__, RUN, __version__)\n"
        "print(sys.path[-1]); flux_jobdb.Putt"
    )
    done = site.run("python", "-c", code, cwd=tmp_path, status=1)
    first, last = done.stdout.splitlines()
    assert first.endswith(f"projections.job.state {Consumer.__module__} 16 0.1.0")
    assert str(site.packages / "flux_jobdb") == last
    assert "module 'flux_jobdb' has no attribute 'Putt'" in done.stderr


def test_a_type_checker_knows_the_public_names(site: Site, tmp_path: Path) -> None:
    """By the stub: the folders' own imports are not found inside of a package."""
    names = [name for name in flux_jobdb.__all__ if name != "__version__"]
    program = f"import flux_jobdb\nfrom flux_jobdb import {', '.join(names)}\n"
    program += "".join(f"reveal_type({name})\n" for name in names)
    program += "reveal_type(Job.t_run)\nflux_jobdb.Putt\n"
    (tmp_path / "program.py").write_text(program, "utf-8")
    words = ["-m", "mypy", "--strict", "--no-incremental", "--python-executable", site.python]
    done = subprocess.run(
        [sys.executable, *words, "program.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    *types, attribute, wrong, _ = done.stdout.splitlines()
    assert len(names) == sum("Revealed type is" in line for line in types)
    assert [] == [line for line in types if "Any" in line.partition("is ")[2][:6]]
    assert 'Revealed type is "float"' in attribute
    assert 'Module has no attribute "Putt"' in wrong


def test_the_broker_modules_file_finds_its_packages(site: Site, tmp_path: Path) -> None:
    """As Flux loads it: by path. A foreign package of the name comes earlier."""
    for name in FOLDERS:
        foreign(tmp_path, name)
    path = site.packages / "flux_jobdb" / "joblist" / "job-list.py"
    code = (
        f"import runpy; names = runpy.run_path({str(path)!r})\n"
        "import joblist.broker.entry as entry; print('mod_main' in names, entry.__file__)"
    )
    done = site.run("python", "-c", code, cwd=tmp_path, path=[tmp_path])
    assert f"True {path.parent / 'broker' / 'entry.py'}\n" == done.stdout


def test_install_names_the_installed_file(site: Site, tmp_path: Path) -> None:
    path = site.packages / "flux_jobdb" / "joblist" / "job-list.py"
    done = subprocess.run(
        [site.python.with_name("flux-jobdb"), "install", "--dir", tmp_path],
        env={"PATH": os.devnull}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    written = (tmp_path / "modprobe.d" / "flux-jobdb.toml").read_text("utf-8")
    assert f'[job-list]\nmodule = "{path}"\n' in written
    assert f"flux module load {path}\n" in done.stdout
    assert path.is_file()
