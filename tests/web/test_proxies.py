# SPDX-License-Identifier: LGPL-3.0
"""Behind nginx and Apache, with the lines of docs/web.md: the proxy says who asks.

Their lines stand here as they do there, but for the one that says where passwords are kept:
PAM needs a machine that is set up for it.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import field_jobs
from tests.support.command import ROOT, Command, eventually, running

PAGE = (ROOT / "docs" / "web.md").read_text("utf-8")
WORD = "secret"
HASH = "{SHA}" + base64.b64encode(hashlib.sha1(WORD.encode()).digest()).decode()
USERS = ("daemon", "bin")  # 1 and 2 everywhere
DOCUMENTED = "/run/flux-jobdb/web.sock"

NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/log; {user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen unix:{folder}/front;
{lines}
    }}
}}
"""
APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
ErrorLog {folder}/log
Listen 127.0.0.1:{port}
{user}
{modules}
{lines}
"""
_MODULES = ("mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic",
            "headers", "proxy", "proxy_http")  # fmt: skip
_APACHES = Path("/usr/lib/apache2/modules")


def documented(server: str, socket_: Path, instead: dict[str, str]) -> str:
    """Return the lines for a server, with this socket; ``instead`` says what replaces PAM's."""
    (block,) = re.findall(rf"^{server}:\n\n((?:    .*\n)+)", PAGE, re.MULTILINE)
    lines = textwrap.dedent(block).replace(DOCUMENTED, str(socket_)).splitlines()
    assert str(socket_) in block.replace(DOCUMENTED, str(socket_))
    found = [next((new for old, new in instead.items() if old in line), line) for line in lines]
    assert not [line for line in found if "pam" in line.lower()]
    return "\n".join(line for line in found if line)


@pytest.fixture(scope="module")
def behind() -> Iterator[tuple[Path, Path]]:
    """Pages of a private instance on a unix socket; yields a folder, and the socket in it.

    The folder can be entered by the users that proxies run as, unlike those of pytest.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield from _served(folder)


def _served(folder: Path) -> Iterator[tuple[Path, Path]]:
    jobdb = Command(folder)
    for number, user in enumerate(USERS, 1):
        submit = {"userid": number, "urgency": 16, "flags": 0, "version": 1}
        jobdb.ingest(field_jobs.job(number, name=f"of-{user}", contexts={"submit": submit}))
    (folder / "flux.toml").write_text("[access]\nprivate-mode = true\n")
    (folder / "passwords").write_text("".join(f"{user}:{HASH}\n" for user in USERS))
    words = ("--uds", str(folder / "web.sock"), "--user-header", "X-Remote-User",
             "--config", str(folder / "flux.toml"))  # fmt: skip
    with running(jobdb.start("web", *words)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"unix:")
        yield folder, folder / "web.sock"


@contextmanager
def proxied(words: list[str], address: str | int, log: Path) -> Iterator[str | int]:
    """Run a proxy; yields where it takes connections: a path, or a port."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with running(process):
        assert eventually(lambda: connects(address)), (process.stderr, log.exists())
        yield address


def connects(address: str | int) -> bool:
    try:
        connection(address).close()
    except OSError:
        return False
    return True


def connection(address: str | int) -> socket.socket:
    found = socket.socket(socket.AF_INET if isinstance(address, int) else socket.AF_UNIX)
    try:
        found.connect(("127.0.0.1", address) if isinstance(address, int) else address)
    except OSError:
        found.close()
        raise
    return found


@pytest.fixture(scope="module", params=["nginx", "Apache"])
def front(request: pytest.FixtureRequest, behind: tuple[Path, Path]) -> Iterator[str | int]:
    """A proxy with the documented lines."""
    folder, socket_ = behind[0] / request.param, behind[1]
    program = shutil.which({"nginx": "nginx", "Apache": "apache2"}[request.param])
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    folder.mkdir()
    passwords = behind[0] / "passwords"
    owner = "root" if os.geteuid() == 0 else ""
    if request.param == "nginx":
        lines = documented("nginx", socket_, {
            "auth_pam_service_name": f"auth_basic_user_file {passwords};",
            "auth_pam ": 'auth_basic "Flux";',
        })  # fmt: skip
        user = "user root;" if owner else ""
        text = NGINX.format(folder=folder, lines=lines, user=user)
        words, address = [program, "-c", str(folder / "conf"), "-e", str(folder / "log")], ""
        where: str | int = address or str(folder / "front")
    else:
        lines = documented("Apache", socket_, {
            "AuthBasicProvider": f"AuthBasicProvider file\n    AuthUserFile {passwords}",
            "AuthPAMService": "",
        })  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            where = free.getsockname()[1]
        modules = "\n".join(f"LoadModule {n}_module {_APACHES}/mod_{n}.so" for n in _MODULES)
        user = "User daemon\nGroup root" if owner else ""
        text = APACHE.format(folder=folder, lines=lines, port=where, modules=modules, user=user)
        words = [program, "-f", str(folder / "conf"), "-DFOREGROUND"]
    (folder / "conf").write_text(text)
    with proxied(words, where, folder / "log") as found:
        yield found


def ask(
    front: str | int, path: str, user: str | None, word: str = WORD, **headers: str
) -> tuple[int, str]:
    """Ask the proxy; returns the status and the page."""
    client = http.client.HTTPConnection("localhost")
    client.sock = connection(front)
    if user is not None:
        pair = base64.b64encode(f"{user}:{word}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    client.request("GET", path, headers=headers)
    answer = client.getresponse()
    found = answer.status, answer.read().decode()
    client.close()
    return found


@pytest.mark.parametrize(("user", "other"), [USERS, USERS[::-1]])
def test_users_see_their_own_jobs(front: str | int, user: str, other: str) -> None:
    status, page = ask(front, "/jobs", user)
    assert 200 == status
    assert f"of-{user}" in page
    assert f"of-{other}" not in page


def test_nobody_gets_in_without_a_password(front: str | int) -> None:
    assert 401 == ask(front, "/jobs", None)[0]
    assert 401 == ask(front, "/jobs", "daemon", "wrong")[0]


@pytest.mark.parametrize("name", ["X-Remote-User", "x-remote-user", "X_Remote_User"])
def test_no_one_can_say_that_they_are_another(front: str | int, name: str) -> None:
    status, page = ask(front, "/jobs", "daemon", **{name: "bin"})
    assert 200 == status
    assert "of-daemon" in page
    assert "of-bin" not in page


def test_addresses_with_questions_and_links_work(front: str | int) -> None:
    _, page = ask(front, "/jobs?states=completed&at=-1d", "daemon")
    assert "No job matches." in page or "of-daemon" in page
    status, page = ask(front, f"/job/{1 << 24}", "daemon")
    assert (200, True) == (status, "submit" in page)
    assert 404 == ask(front, f"/job/{2 << 24}", "daemon")[0]
    assert 200 == ask(front, "/static/style.css", "daemon")[0]
    assert 403 == ask(front, "/metrics", "daemon")[0]
