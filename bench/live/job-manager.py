# SPDX-License-Identifier: LGPL-3.0
# ruff: noqa: N999 - the file's name is the module's, for Flux
"""A broker module in the job manager's place, which serves recorded responses.

It answers ``events-journal`` with the responses of a file and the sentinel, and keeps the
stream open: a million jobs take a minute. ``play`` sends another file to all streams. Load it
with the files' names:

    flux module load PATH/job-manager.py backlog=FILE
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["SENTINEL", "mod_main"]

SENTINEL = b'{"id":-1,"events":[]}'


def mod_main(handle: Any, *arguments: str) -> None:  # noqa: ANN401 - flux.Flux
    """Serve until the module is removed."""
    core = import_module("_flux._core")
    ffi, lib = core.ffi, core.lib
    requests = import_module("flux.constants").FLUX_MSGTYPE_REQUEST

    given = dict(argument.split("=", 1) for argument in arguments)
    followers: list[Any] = []

    def send(message: Any, text: bytes) -> None:  # noqa: ANN401
        if lib.flux_respond(handle.handle, message.handle, text) < 0:
            raise OSError(ffi.errno, "cannot respond")

    def journal(_handle: Any, _kind: int, message: Any, _arg: Any) -> None:  # noqa: ANN401
        with Path(given["backlog"]).open("rb") as file:
            for line in file:
                send(message, line.rstrip(b"\n"))
        send(message, SENTINEL)
        followers.append(message)

    def play(_handle: Any, _kind: int, message: Any, _arg: Any) -> None:  # noqa: ANN401
        with Path(message.payload["file"]).open("rb") as file:
            for line in file:
                for follower in followers:
                    send(follower, line.rstrip(b"\n"))
        send(message, b"{}")

    def cancel(_handle: Any, _kind: int, message: Any, _arg: Any) -> None:  # noqa: ANN401
        sender, tag = _sender(core, message), message.payload["matchtag"]
        followers[:] = [
            f for f in followers if (_sender(core, f), _tag(core, f)) != (sender, tag)
        ]

    watchers = [
        handle.msg_watcher_create(callback, requests, f"job-manager.{name}")
        for name, callback in (
            ("events-journal", journal),
            ("events-journal-cancel", cancel),
            ("play", play),
        )
    ]
    for watcher in watchers:
        watcher.start()
    handle.reactor_run()


def _sender(core: Any, message: Any) -> bytes:  # noqa: ANN401
    return bytes(core.ffi.string(core.lib.flux_msg_route_first(message.handle)))


def _tag(core: Any, message: Any) -> int:  # noqa: ANN401
    tag = core.ffi.new("uint32_t[1]")
    core.lib.flux_msg_get_matchtag(message.handle, tag)
    return int(tag[0])
