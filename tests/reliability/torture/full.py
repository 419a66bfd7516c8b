# SPDX-License-Identifier: LGPL-3.0
"""A disk that is really full: a small file system in memory, filled to the last block.

``python -m tests.reliability.torture.full``.

It is mounted in a mount namespace of its own, which needs root or user namespaces; without,
the part is skipped with a reason.

The module must answer all the while, say that it is behind, and catch up; commands must end
with one line; what was stored must be whole. And with any number of blocks left free, the
module must start, or say why it does not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from eventstore.errors import JobdbError
from eventstore.storage.connection import create_or_open
from joblist.journal.follower import DELAYS
from projections.engine.rebuild import refresh
from projections.engine.views import Views
from tests.reliability.torture.report import Line, report
from tests.reliability.torture.workload import contents, fault, ingest, remove
from tests.support.accounting_db import create
from tests.support.fake_bus import SENTINEL, Module
from tests.support.journal_generator import journal

ROOT = Path(__file__).resolve().parents[3]
_SIZE = 6 * 2**20  # bytes of the file system
_INSIDE = "FLUX_JOBDB_FULL_DISK"


class Ballast:
    """A file that occupies the free space but for ``left`` bytes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"

    def fill(self, left: int = 0) -> None:
        self.drop()
        status = os.statvfs(self._path.parent)
        size = max(0, status.f_bavail * status.f_frsize - left)
        with open(self._path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size or 1)

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)


def _ids(module: Module) -> list[int]:
    """Return the ids of a list, whose answer may take several turns of the reactor."""
    asked = module.ask("list", {"max_entries": 0, "attrs": []})
    module.bus.pass_time(0.01)
    (found,) = module.answers(asked)
    return [job["id"] for job in found["jobs"]]


def catches_up(folder: Path, ballast: Ballast, lines: list[bytes]) -> int:
    """Fill the disk while the module runs; returns how many answers it gave meanwhile."""
    path = str(folder / "jobs.sqlite")
    answers = 0
    with create_or_open(path, synchronous="full") as store:
        module = Module(Views(store))
        half = len(lines) // 2
        module.feed(*lines[:half])
        module.bus.pass_time(1)
        before = _ids(module)
        ballast.fill()
        assert "behind" not in module.answer("stats-get")
        for start in range(half, len(lines), 50):
            module.feed(*lines[start : start + 50])
            module.bus.pass_time(1)
            assert set(before) <= set(_ids(module))
            assert sum(module.answer("job-stats")["job_states"].values()) > 0
            answers += 2
        assert "no space left" in module.answer("stats-get")["behind"]["reason"]
        assert sum("behind" in line for line in module.bus.logged) == 1, module.bus.logged
        ballast.drop()
        module.bus.pass_time(2 * DELAYS[-1])
        assert "behind" not in module.answer("stats-get")
        assert "no longer behind" in module.bus.logged[-1]
        module.live.close()
        found = fault(store)
        assert found is None, found
    reference = str(folder.parent / "reference.sqlite")
    ingest(reference, [lines])
    assert contents(reference) == contents(path)
    return answers


def starts_or_says_why(folder: Path, ballast: Ballast, step: int, most: int) -> tuple[int, int]:
    """Start the module with few blocks free; returns the numbers of starts and successes."""
    path = str(folder / "jobs.sqlite")
    before = contents(path)
    wanted = [job[0] for job in before["inactive"]]
    tried = up = 0
    for left in range(0, most, step):
        Path(f"{path}-lock").unlink()  # so that it has to be created again
        ballast.fill(left)
        tried += 1
        try:
            with create_or_open(path) as store:
                views = Views(store)
                refresh(views)
                module = Module(views)
                if module.bus.journals:  # else it could not begin, and will try again
                    module.feed(SENTINEL)
                module.bus.pass_time(10)
                assert len(_ids(module)) == len(wanted)
                up += 1
                module.live.close()
        except JobdbError as error:
            assert "\n" not in str(error)
            assert path in str(error)
        ballast.drop()
        assert before == contents(path), f"{left} bytes were left"
    return tried, up


def commands_end_well(folder: Path, ballast: Ballast, step: int, most: int) -> tuple[int, int]:
    """Run commands that write; returns the numbers of runs and of those that failed."""
    path, to = str(folder / "jobs.sqlite"), str(folder / "accounting.sqlite")
    before = contents(path)
    more = folder.parent / "more.jsonl"
    more.write_bytes(b"".join(line + b"\n" for line in journal(5, seed=5, start=2e9)))
    words: list[list[str]] = [
        ["verify"], ["list", "-A", "-a"], ["stats"], ["gaps"], ["events"],
        ["rebuild"], ["backup", str(folder / "copy")], ["accounting", "--to", to],
        ["accounting", "--json", "--name", "x"],
        ["recover", "--to", str(folder / "new")], ["ingest", str(more)],
    ]  # fmt: skip
    tried = failed = 0
    for left in range(0, most, step):
        for command in words:
            create(to)
            ballast.fill(left)
            done = subprocess.run(
                [sys.executable, "-m", "flux_jobdb", "--db", path, *command],
                cwd=ROOT, capture_output=True, check=False, text=True,
            )  # fmt: skip
            ballast.drop()
            where = f"{command} with {left} bytes left: {done.stderr}"
            assert done.returncode in {0, 1, 3}, where
            assert "Traceback" not in done.stderr, where
            tried, failed = tried + 1, failed + (done.returncode == 1)
            for name in ("copy", "copy.part", "new", f"{path}-consumers", to):
                remove(str(folder / name))
            assert not list(folder.glob("recover-*")), where
            found = contents(path)
            assert all(set(rows) <= set(found[name]) for name, rows in before.items()
                       if name in {"event", "jobspec", "R"}), where  # fmt: skip
    with create_or_open(path) as store:
        refresh(Views(store))
        assert fault(store) is None
    return tried, failed


def _inside(folder: Path, jobs: int, step: int) -> None:
    small = folder / "small"
    small.mkdir()
    options = f"size={_SIZE}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(small)], check=True)
    ballast = Ballast(small)
    answers = catches_up(small, ballast, list(journal(jobs, rate=0.5)))
    tried, up = starts_or_says_why(small, ballast, step, 200_000)
    ran, failed = commands_end_well(small, ballast, step * 24, 400_000)
    part = "full disk"
    report(Line(part, "answers while behind", answers, "the module caught up afterwards"))
    report(
        Line(part, "starts with little space", tried, f"{up} succeeded, the others said why")
    )
    figures = f"{failed} could not, and said so; nothing stored was lost"
    report(Line(part, "commands that write", ran, figures))


def main() -> None:
    """Mount a small file system, and fill it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--step", type=int, default=4096, help="bytes, of what is left free")
    options = parser.parse_args()
    if os.environ.get(_INSIDE):
        _inside(Path(os.environ[_INSIDE]), options.jobs, options.step)
        return
    entered = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
        try:
            tried = subprocess.run([*entered, *mount], check=False, capture_output=True)
            able = tried.returncode == 0
        except FileNotFoundError:
            able = False
        if not able:
            reason = "skipped: no right to mount a small file system here"
            report(Line("full disk", "", 0, "", reason))
            return
        words = [*entered, sys.executable, "-m", __spec__.name, "--jobs", str(options.jobs),
                 "--step", str(options.step)]  # fmt: skip
        done = subprocess.run(words, cwd=ROOT, env={**os.environ, _INSIDE: folder}, check=False)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
