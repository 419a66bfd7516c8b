# SPDX-License-Identifier: LGPL-3.0
"""The server: uvicorn on a port of the loopback interface, or on a unix socket."""

from __future__ import annotations

import os
import secrets
import socket
import stat
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import uvicorn

from eventstore.bulk_work import rare_collections
from eventstore.errors import JobdbError, StoreError
from web.clusters import Clusters
from web.server.app import application
from web.viewers import Access

_BACKLOG = 128
_NICE = 10
"""How far the server steps back behind others, the writer of the database among them."""
MODE = 0o660
"""Of the unix socket: its group is the proxy's."""


def serve(
    paths: str | Mapping[str, str],
    access: Access,
    *,
    uds: str | None,
    port: int,
    say: Callable[[str], None],
) -> None:
    """Serve a database, or several by their clusters, until a signal comes.

    ``say`` gets the address when connections are taken. Without ``uds``, it is on 127.0.0.1
    with a token. Raises StoreError where that cannot be.
    """
    if uds is None:
        access = access._replace(token=secrets.token_urlsafe(24))
        listener = _on_loopback(port)
        number = listener.getsockname()[1]
        address = f"http://127.0.0.1:{number}/?token={access.token}"
    else:
        listener = _on_unix(uds)
        address = f"unix:{uds}"
    clusters = Clusters({"": paths} if isinstance(paths, str) else paths)
    threading.Thread(target=_count, args=(clusters,), daemon=True).start()
    config = uvicorn.Config(
        application(clusters, access), log_level="warning", access_log=False, lifespan="off",
        server_header=False, date_header=False, proxy_headers=False,
        timeout_keep_alive=5, limit_concurrency=100, timeout_graceful_shutdown=2,
    )  # fmt: skip
    os.nice(_NICE)
    say(address)  # the socket listens already
    try:
        with rare_collections():
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()
        if uds is not None:
            Path(uds).unlink(missing_ok=True)


def _count(clusters: Clusters) -> None:
    """Count before anybody asks. What is wrong with a database is said to who asks."""
    for name, path in clusters.paths.items():
        with suppress(JobdbError):
            clusters.counted[name].begin(path)


def _on_loopback(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise StoreError(f"port {port}: {error}; choose another one, or 0 for any") from error
    return listener


def _on_unix(path: str) -> socket.socket:
    """Listen on a unix socket; one that a server left behind is replaced."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        if os.path.lexists(path) and stat.S_ISSOCK(os.lstat(path).st_mode) and _is_dead(path):
            os.unlink(path)
        before = os.umask(0o777 & ~MODE)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        why = error.strerror or str(error)
        raise StoreError(f"{path}: {why}; name a path where a socket can be made") from error
    return listener


def _is_dead(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        return False
