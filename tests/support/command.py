# SPDX-License-Identifier: LGPL-3.0
"""The program as its users start it: a process with arguments, an environment and streams.

PROGRAM is the one place that says how it is started. Where neither the environment nor a stream
is out of the ordinary, the process is a fork of one that has imported the program
(fork_server.py).
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from flux_jobdb import HOME

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ":".join(dict.fromkeys((str(ROOT), HOME)))
"""Where processes find the tests and our packages: in two places, where a wheel is tested."""
MODULE = "flux_jobdb"
PROGRAM = (sys.executable, "-m", MODULE)
MAIN = f"from {MODULE}.__main__ import main\nmain()\n"
"""What ends a script that changes something before the program runs."""

COLUMNS = 80
"""How wide a terminal is."""
_PATIENCE = 60.0  # seconds after which a process is taken for hung
_MEASURED = "COVERAGE_PROCESS_START" in os.environ
"""Whether coverage is measured in each process, which a fork does not start."""
_OF_START = ("LC_", "LANG", "PYTHON")
"""How the names begin of what counts when Python starts; a fork takes _OF_FORKS over."""
_OF_FORKS = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
_INHERITED = ("PATH", "TMPDIR", "COVERAGE_PROCESS_START")


class Done(NamedTuple):
    """A process that has ended; a negative status is the signal that ended it."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """Standard output as text; bytes that are no UTF-8 are kept as surrogates."""
        return self.stdout.decode(errors="surrogateescape")

    @property
    def err(self) -> str:
        """Standard error as text."""
        return self.stderr.decode(errors="surrogateescape")

    @property
    def lines(self) -> list[str]:
        """The lines of standard output: only a line feed ends one."""
        return self.out.removesuffix("\n").split("\n") if self.stdout else []

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The lines of standard output, decoded as JSON."""
        return [json.loads(line) for line in self.lines]


class Command:
    """Runs the program on the database ``db``, in a clean environment."""

    def __init__(self, folder: Path, name: str = "jobs.sqlite") -> None:
        self.folder = folder
        self.db = folder / name

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment: nothing of the user's own settings, and ``more``."""
        found = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        found |= {"HOME": str(self.folder), "FLUX_JOBDB": str(self.db), "TZ": "UTC"}
        found |= {"PYTHONPATH": PACKAGES}
        return found | ({"LC_ALL": "C.UTF-8"} if more is None else dict(more))

    def __call__(
        self, *words: str | bytes, status: int | tuple[int, ...] = 0, stdin: bytes = b"",
        **how: Any,
    ) -> Done:  # fmt: skip
        """Run it to its end, which must be ``status``, without a traceback."""
        done = self.run(*words, stdin=stdin, **how)
        wanted = (status,) if isinstance(status, int) else status
        assert done.status in wanted, (done.status, done.err[-2000:])
        assert b"Traceback" not in done.stderr, done.err[-2000:]
        assert b"Exception ignored" not in done.stderr, done.err[-2000:]
        return done

    def run(self, *words: str | bytes, stdin: bytes | int = b"", **how: Any) -> Done:
        """Run it to its end, whatever that is. ``how`` is as for `start`."""
        environment = self.environment(how.get("env"))
        if isinstance(stdin, bytes) and how.keys() <= {"env"} and _can_be_forked(environment):
            return _server().run(words, stdin, self.folder, environment)
        data = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        done = subprocess.run(
            self._words(words, how), check=False, timeout=_PATIENCE, **data, **self._how(how)
        )
        return Done(done.returncode, done.stdout or b"", done.stderr or b"")

    def start(self, *words: str | bytes, **how: Any) -> subprocess.Popen[bytes]:
        """Start it with pipes. ``how``: ``env`` beside the clean one, ``script`` to run first.

        Other members are those of `subprocess.Popen`.
        """
        how.setdefault("stdin", subprocess.PIPE)
        return subprocess.Popen(self._words(words, how), **self._how(how))

    def shell(self, script: str, **how: Any) -> Done:
        """Run a script of bash in which ``jobdb`` is the program."""
        jobdb = " ".join(PROGRAM)
        text = f'jobdb() {{ {jobdb} "$@"; }}\n{script}'
        done = subprocess.run(
            ["bash", "-c", text], check=False, timeout=_PATIENCE, **self._how(how)
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def on_terminal(
        self, *words: str, streams: tuple[str, ...] = ("stderr",), **how: Any
    ) -> Done:
        """Run it with some of its streams on a terminal; what that shows is ``stderr``."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, COLUMNS, 0, 0))
        how |= dict.fromkeys(streams, theirs)
        process = self.start(*words, stdin=subprocess.DEVNULL, **how)
        os.close(theirs)
        shown = _all_of(ours)
        out = process.communicate(timeout=_PATIENCE)[0]
        os.close(ours)
        return Done(process.returncode, out or b"", shown.replace(b"\r\n", b"\n"))

    def ingest(self, lines: list[bytes], **how: Any) -> Done:
        """Store lines of a journal."""
        return self("ingest", "-", stdin=b"".join(line + b"\n" for line in lines), **how)

    def stats(self) -> dict[str, Any]:
        """Return the counts; no members where there is no database yet."""
        if not self.db.exists():
            return {}
        done = self.run("stats", "--json")
        return {} if done.status else done.objects[0]

    def _words(self, words: tuple[str | bytes, ...], how: dict[str, Any]) -> list[str | bytes]:
        script = how.pop("script", None)
        start = PROGRAM if script is None else (sys.executable, "-c", script + MAIN)
        return [*start, *words]

    def _how(self, how: dict[str, Any]) -> dict[str, Any]:
        how.setdefault("stdout", subprocess.PIPE)
        how.setdefault("stderr", subprocess.PIPE)
        how.setdefault("cwd", self.folder)
        return how | {"env": self.environment(how.pop("env", None))}


def _can_be_forked(environment: Mapping[str, str]) -> bool:
    """Whether Python would start in this environment as the fork server did."""
    of_start = {name: text for name, text in environment.items() if name.startswith(_OF_START)}
    of_start = {name: of_start[name] for name in of_start.keys() - _OF_FORKS}
    return of_start == {"LC_ALL": "C.UTF-8"} and not _MEASURED


class _ForkServer:
    """The process that forks the program."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.processes.fork_server"],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        atexit.register(self._stop)

    def run(
        self, words: tuple[str | bytes, ...], stdin: bytes, cwd: Path, env: Mapping[str, str]
    ) -> Done:
        """Run the program to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            streams = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
            for path, data in zip(streams, (stdin, b"", b""), strict=True):
                path.write_bytes(data)
            request = {"words": list(map(os.fsdecode, words)), "cwd": str(cwd),
                       "folder": folder, "environment": env}  # fmt: skip
            write(self._process.stdin, json.dumps(request).encode())
            ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE)
            if not ready:  # or it would keep those waiting that come after it
                self._stop()
                _server.cache_clear()
            assert ready, f"{words} hangs"
            status = int(self._process.stdout.readline())
            return Done(status, *(path.read_bytes() for path in streams[1:]))

    def _stop(self) -> None:
        """Kill it, with what it has forked."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@cache
def _server() -> _ForkServer:
    return _ForkServer(Command(ROOT).environment())


@contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Kill a process that is still there when the test is over."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def write(file: IO[bytes] | None, *lines: bytes) -> None:
    """Write lines into a pipe at once."""
    assert file is not None
    file.write(b"".join(line + b"\n" for line in lines))
    file.flush()


def eventually(holds: Callable[[], bool], seconds: float = 6.0, pause: float = 0.1) -> bool:
    """Whether something becomes true in time: much longer than it should take."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def _all_of(terminal: int) -> bytes:
    """Read until nobody has the terminal open any more."""
    found = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says EIO
            return found
        if not part:
            return found
        found += part
