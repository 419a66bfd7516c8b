# SPDX-License-Identifier: LGPL-3.0
"""Who asks, and what of the service they may have.

On a unix socket, a proxy that has authenticated the user names the user in a header: whoever
may connect to the socket is trusted with that. On a TCP port of the loopback interface no
header is believed; whoever knows the token that was printed is taken for the one who started
the server.
"""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlencode

from joblist.config import Config
from joblist.protocol.requests import ROLE_ADMIN, ROLE_OWNER, ROLE_USER, Credential

if TYPE_CHECKING:
    from starlette.requests import Request

COOKIE = "flux-jobdb"
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))


class Refused(Exception):  # noqa: N818 - it says what happened
    """The sender is nobody who may see pages; the text is shown to them."""


class Access(NamedTuple):
    """The rules: ``header`` names the user on a unix socket, ``token`` opens a TCP port.

    ``config`` tells whether the instance is private. ``admins`` see everybody's jobs.
    """

    config: Config
    header: str | None = None
    token: str | None = None
    admins: Callable[[str, int], bool] = lambda _, __: False

    def viewer(self, request: Request) -> Credential:
        """Return who sent a request; raises Refused."""
        if self.token is not None:
            self._check_host(request)
            self._check_token(request)
            return Credential(os.getuid(), ROLE_OWNER)
        name = request.headers.get(self.header or "", "")
        if not name:
            raise Refused(f"the proxy did not name a user in the header {self.header}")
        userid = _userid(name)
        return Credential(userid, ROLE_USER | (ROLE_ADMIN if self.admins(name, userid) else 0))

    def _check_host(self, request: Request) -> None:
        """Refuse a name that was made to mean this machine (DNS rebinding)."""
        host = request.headers.get("host", "").rsplit(":", 1)[0].strip("[]")
        if host not in LOOPBACK:
            raise Refused("this address is not the one that was printed at the start")

    def _check_token(self, request: Request) -> None:
        # Browsers send the cookies of all ports of a host: others' may have any form.
        kept = request.cookies.get(f"{COOKIE}-{request.url.port}", "")
        given = request.query_params.get("token") or kept
        if not secrets.compare_digest(given.encode(), (self.token or "").encode()):
            raise Refused("open the address that was printed at the start: it has a token")


def admins(users: Collection[str], groups: Collection[str]) -> Callable[[str, int], bool]:
    """Return whether a user (name, id) is one of these, or is in one of these groups."""
    import grp  # noqa: PLC0415

    wanted = {grp.getgrnam(name).gr_gid for name in groups}

    def is_admin(name: str, userid: int) -> bool:
        if name in users or str(userid) in users:
            return True
        return bool(wanted & set(os.getgrouplist(name, pwd.getpwuid(userid).pw_gid)))

    return is_admin


def without_token(request: Request) -> str | None:
    """Return the address without its token; None where it has none."""
    items = parse_qsl(request.url.query, keep_blank_values=True)
    kept = [(name, value) for name, value in items if name != "token"]
    if len(kept) == len(items):
        return None
    return request.url.path + (f"?{urlencode(kept)}" if kept else "")


def _userid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        raise Refused("this user is not known here") from None
