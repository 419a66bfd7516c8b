# SPDX-License-Identifier: LGPL-3.0
"""An instance of Flux with the module in job-list's place; clients come from outside of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.flux.instance import PRELUDE, ROOT, Instances

CLIENTS = ROOT / "tests" / "flux" / "attacks" / "clients.py"
GUEST_ID = 4201
GUEST = {"FLUX_HANDLE_USERID": str(GUEST_ID), "FLUX_HANDLE_ROLEMASK": "0x2"}
"""Credentials of a guest, which the instance's owner may take on (flux-core, connector.c)."""
# The held job is one whose state can be waited for, for as long as one likes.
_SCRIPT = """
{load}
flux submit --quiet --urgency=hold true
echo $(flux getattr broker.pid) $FLUX_URI
read -r _ || true
flux cancel --all --quiet || true
"""
_LOAD = "away; flux module load $PACKAGES/joblist/job-list.py {}"
_BESIDE = "flux module load --name={} $PACKAGES/joblist/job-list.py {}"
# An attacker computes on a machine of its own, so to speak: it takes no processor from others.
# Where Linux groups processes by session, nice counts only within a group, which has its own.
_STEP_BACK = [
    "sh", "-c", 'echo 10 2>/dev/null >/proc/self/autogroup; exec nice -n 10 "$@"', "sh",
]  # fmt: skip
THEIRS = bool(os.environ.get("ATTACK_THEIRS"))
"""Whether flux-core's own module is attacked, in the broker's process: to compare figures."""


class Attacked:
    """An instance that runs until ``stop``, or until an attack has ended it.

    With another name as ``service``, the module runs beside flux-core's.
    """

    def __init__(
        self, run: Instances, arguments: str = "", *options: str, service: str = "job-list"
    ) -> None:
        self._run = run
        self.folder = run.folder
        self.log = run.folder / f"broker-{time.monotonic_ns()}.log"
        self.service = service
        load = _LOAD.format(arguments)
        if service != "job-list":
            load = _BESIDE.format(service, arguments)
        script = PRELUDE + _SCRIPT.format(load="" if THEIRS else load)
        words = [*run.options, f"-Slog-filename={self.log}", *options, "bash", "-c", script]
        # It must not be the tests' process group: what Flux ends, it ends with its group.
        self._process = subprocess.Popen(
            [run.program, "start", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the log has it
            text=True,
            env=run.env,
            cwd=run.folder,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        if len(said) != 2:
            self._end()
            raise AssertionError(f"the instance did not start: {self.logged()[-2000:]}")
        self.broker, self.uri = int(said[0]), said[1]
        self.module = self.find_module()

    # -- processes

    def find_module(self) -> int:
        """Return the process of the module; LookupError where there is none."""
        if THEIRS:
            return self.broker
        for pid in children(self.broker):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if any(word.endswith(b"/job-list.py") for word in words):
                    return pid
        raise LookupError("the module has no process")

    @property
    def alive(self) -> bool:
        """Whether the instance runs, with the same process of the module."""
        if self._process.poll() is not None:
            return False
        try:
            return self.find_module() == self.module
        except LookupError:
            return False

    def stop(self) -> int:
        """End the instance, and what an attack may have left of it; returns its exit status."""
        left = [] if THEIRS else family(self.module)
        try:
            return self._end()
        finally:
            for pid in left:
                with contextlib.suppress(OSError):
                    if b"job-list" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)

    def _end(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(10)
        finally:
            self._process.stdout.close()

    # -- clients

    @property
    def env(self) -> dict[str, str]:
        """The environment of a client of the owner."""
        env = self._run.env
        path = f"{env['FLUX_PYTHONPATH_PREPEND']}:{ROOT}"  # clients import tests
        return {**env, "FLUX_URI": self.uri, "FLUX_PYTHONPATH_PREPEND": path}

    def flux(self, *words: str, guest: bool = False, timeout: float = 60) -> str:
        """Run a command of Flux's; returns all that it said, errors included."""
        done = subprocess.run(
            [self._run.program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={**self.env, **GUEST} if guest else self.env,
            timeout=timeout,
            cwd=self.folder,
        )
        return done.stdout

    def client(
        self,
        *words: str,
        guest: bool = False,
        userid: int = GUEST_ID,
        output: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start one of `clients.py`'s clients; what it says comes by a pipe, or to a file."""
        env = self.env
        if guest:
            env = {**env, **GUEST, "FLUX_HANDLE_USERID": str(userid)}
        nice = _STEP_BACK if guest else []
        with open(output or os.devnull, "ab") as file:
            return subprocess.Popen(
                [*nice, self._run.program, "python", str(CLIENTS), *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if output is None else file,
                text=True,
                env=env,
                cwd=self.folder,
                start_new_session=guest,
            )

    def ask(self, topic: str, request: str = "{}", *, guest: bool = False) -> str:
        """Return the answer to one request: JSON, or ``error ERRNO TEXT``; what takes more
        than a minute is such an error, too."""
        with self.client("ask", f"{self.service}.{topic}", guest=guest) as client:
            try:
                said, _ = client.communicate(request, 60)
            except subprocess.TimeoutExpired:
                client.kill()
                return "error 110 no answer within a minute"
        return said.strip()

    def logged(self) -> str:
        """Return the broker's log, which outlives it."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, and that are still there."""
    found: list[int] = []
    tasks: list[str] = []
    with contextlib.suppress(OSError):
        tasks = os.listdir(f"/proc/{pid}/task")
    for task in tasks:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/task/{task}/children").read_text("ascii")
            found += map(int, text.split())
    return found


def family(pid: int) -> list[int]:
    """Return a process and all that come from it."""
    found = [pid]
    for member in found:
        found += children(member)
    return found


def until(condition: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Wait for something; returns whether it came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())
