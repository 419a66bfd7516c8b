# SPDX-License-Identifier: LGPL-3.0
"""Runs inside a Flux instance, with Flux's Python: makes jobs, asks questions.

work FIRST COUNT      submits mock jobs of three users and meddles with them
guests COUNT USER …   submits mock jobs of users, also of those who are not known here
drain                 waits until no job is active
ask TOPIC [REQUEST]   prints the response
ask-each TOPIC        prints list-id's answers for the jobs whose ids come on standard input
eventlogs             prints {JOBID: eventlog} of these jobs
overtake              asks for a list, and then for one job: prints what comes, in order
leave                 asks for a list and dies as soon as something comes
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time
from typing import Any

import flux  # type: ignore[import-not-found]
import flux.kvs  # type: ignore[import-not-found]
from flux.constants import FLUX_RPC_STREAMING  # type: ignore[import-not-found]
from flux.job import JobID  # type: ignore[import-not-found]

_HOLD, _DEFAULT = 0, 16
_ALL = {"max_entries": 0, "attrs": ["all"]}


def jobspec(number: int) -> str:
    """Return a jobspec; its program is not run, but takes some time."""
    system: dict[str, object] = {
        "duration": 0,
        "cwd": "/tmp",
        "environment": {},
        "shell": {},
    }
    attributes: dict[str, object] = {"system": system}
    run: dict[str, object] = {"run_duration": f"{(number % 7 + 1) / 100}s"}
    if number % 11 == 0:
        run["mock_exception"] = "run"
    system["exec"] = {"test": run}
    task = {"command": [f"app{number % 5}"], "slot": "task", "count": {"per_slot": 1}}
    core = {"type": "core", "count": 1}
    slot = {"type": "slot", "count": 1, "label": "task", "with": [core]}
    spec = {"version": 1, "resources": [slot], "tasks": [task], "attributes": attributes}
    return json.dumps(spec)


def signed(text: str, userid: int) -> str:
    """Return a jobspec as instances take it that do not look closely (mechanism "none")."""
    header = f"version\0i1\0userid\0i{userid}\0mechanism\0snone\0".encode()
    parts = (base64.b64encode(part).decode() for part in (header, text.encode()))
    return ".".join([*parts, "none"])


def connection_of(userid: int) -> Any:
    """Connect as the instance's owner who acts for another user."""
    os.environ["FLUX_HANDLE_USERID"] = str(userid)
    try:
        return flux.Flux()
    finally:
        del os.environ["FLUX_HANDLE_USERID"]


def work(first: int, count: int) -> None:
    own = flux.Flux()
    users = [(uid, connection_of(uid)) for uid in (os.getuid(), 4201, 4202)]
    pending = []
    for number in range(first, first + count):
        urgency = _HOLD if number % 10 == 3 else _DEFAULT
        userid, handle = users[number % 3]
        request = {"J": signed(jobspec(number), userid), "urgency": urgency, "flags": 0}
        pending.append((number, handle.rpc("job-ingest.submit", request)))
    ids = [(number, rpc.get()["id"]) for number, rpc in pending]
    for number, jobid in ids:
        meddle(own, number, jobid)


def meddle(handle: Any, number: int, jobid: int) -> None:
    """Change or cancel some of the jobs."""
    if number % 20 == 3:
        update = {"id": jobid, "updates": {"attributes.system.duration": 60.0}}
        attempt(handle, "job-manager.update", update)
    if number % 10 == 3:
        attempt(handle, "job-manager.urgency", {"id": jobid, "urgency": _DEFAULT})
    if number % 9 == 4:
        memo = {"id": jobid, "memo": {"number": number}, "volatile": False}
        attempt(handle, "job-manager.memo", memo)
    if number % 8 == 5:
        cancel = {"id": jobid, "type": "cancel", "severity": 0, "note": f"reason {number}"}
        attempt(handle, "job-manager.raise", cancel)


def guests(count: int, *users: str) -> None:
    """Do as job-ingest does, which takes jobs of others only with flux-security."""
    own = flux.Flux()
    first = time.time_ns() // 1_000_000 % 2**38  # ids grow, as those of job-ingest do
    for number in range(count):
        jobid = (first + number) << 24
        spec = json.loads(jobspec(number))
        system = spec["attributes"]["system"]
        if number % 4 == 1:
            system["bank"] = "B"
        if number % 5 == 2:
            system["project"] = "p1"
        key = str(JobID(jobid).kvs)
        flux.kvs.put(own, f"{key}.jobspec", spec)
        flux.kvs.commit(own)
        user, urgency = int(users[number % len(users)]), _HOLD if number % 10 == 3 else _DEFAULT
        job = {"id": jobid, "userid": user, "jobspec": spec, "urgency": urgency, "flags": 0}
        job["t_submit"] = time.time()
        refused = own.rpc("job-manager.submit", {"jobs": [job]}).get()["errors"]
        assert not refused, refused
        if number % 20 == 3:
            update = {"id": jobid, "updates": {"attributes.system.bank": "B"}}
            attempt(own, "job-manager.update", update)
        meddle(own, number, jobid)


def attempt(handle: Any, topic: str, request: dict[str, object]) -> None:
    """Ask for something that may be refused: the job may be over already."""
    try:
        handle.rpc(topic, request).get()
    except OSError as error:
        print(f"{topic} {request}: {error}", file=sys.stderr)


def drain(service: str = "job-list") -> None:
    handle = flux.Flux()
    handle.rpc("job-manager.drain").get()
    # The module learns of it a moment later. It answers job-stats while it still reads its
    # backlog, and a list only after that.
    handle.rpc(f"{service}.list", {"max_entries": 1, "attrs": []}).get()
    while True:
        states = handle.rpc(f"{service}.job-stats", {}).get()["job_states"]
        if states["total"] == states["inactive"]:
            return
        time.sleep(0.05)


def each(topic: str, members: dict[str, object]) -> list[tuple[int, Any]]:
    """Ask about all jobs whose ids come on standard input."""
    handle = flux.Flux()
    ids = [int(word) for word in sys.stdin.read().split()]
    return [(jobid, handle.rpc(topic, {"id": jobid, **members})) for jobid in ids]


def ask_each(topic: str) -> None:
    print(json.dumps([rpc.get()["job"] for _, rpc in each(topic, {"attrs": ["all"]})]))


def eventlogs() -> None:
    found = {}
    for jobid, rpc in each("job-info.lookup", {"keys": ["eventlog"], "flags": 0}):
        try:
            found[jobid] = rpc.get()["eventlog"]
        except FileNotFoundError:
            continue  # purged
    print(json.dumps(found))


def overtake() -> None:
    handle = flux.Flux()
    came: list[str] = []

    def listed(rpc: Any) -> None:
        try:
            came.append(f"list of {len(rpc.get()['jobs'])}")
            rpc.reset()
        except OSError:
            came.append("end")

    def found(rpc: Any) -> None:
        came.append(f"job {rpc.get()['job']['id']}")

    handle.rpc("job-list.list", _ALL, flags=FLUX_RPC_STREAMING).then(listed)
    handle.rpc("job-list.list-id", {"id": 0, "attrs": ["all"]}).then(found)
    handle.reactor_run()
    print("\n".join(came))


def leave() -> None:
    handle = flux.Flux()
    handle.rpc("job-list.job-stats", {}, flags=FLUX_RPC_STREAMING).get()
    handle.rpc("job-list.list", _ALL, flags=FLUX_RPC_STREAMING).get()
    os.kill(os.getpid(), signal.SIGKILL)


def main(command: str, *words: str) -> None:
    if command == "work":
        work(int(words[0]), int(words[1]))
    elif command == "guests":
        guests(int(words[0]), *words[1:])
    elif command == "ask":
        request = json.loads(words[1]) if len(words) > 1 else {}
        print(flux.Flux().rpc(words[0], request).get_str())
    else:
        commands = {
            "drain": drain,
            "ask-each": ask_each,
            "eventlogs": eventlogs,
            "overtake": overtake,
            "leave": leave,
        }
        commands[command](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
