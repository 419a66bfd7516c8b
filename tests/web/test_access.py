# SPDX-License-Identifier: LGPL-3.0
"""Who may see what: tokens, headers, hosts, methods, private mode, and hostile texts."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joblist.config import Config
from tests.joblist.sql.guests import OTHER, OWN, SECRET, history
from tests.support import field_jobs
from tests.support.command import Command, running
from tests.support.field_jobs import EPOCH
from tests.web.site import HEADER, Answer, Shown, Site, request, site
from web import viewers
from web.server.app import HEADERS, HERE, application
from web.server.serving import MODE, _on_unix
from web.viewers import COOKIE, Access

EXAMPLES = int(os.environ.get("WEB_EXAMPLES", "40"))
ADDRESSES = (
    "/", "/jobs", "/jobs.csv", "/jobs.json", "/nodes", "/reports?kind=usage&group=user,name",
    "/reports?kind=waits&group=bank", "/report.csv?kind=jobs&group=queue,project", "/about",
    "/data/nodemap", "/data/timeline", "/data/report?kind=usage&group=name", "/metrics",
)  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of two users, in which all texts of one of them can be told."""
    found = str(tmp_path_factory.mktemp("web") / "jobdb.sqlite")
    store = history(20, 20)
    store.db.execute("VACUUM INTO ?", (found,))
    store.close()
    return found


@pytest.fixture
def private(path: str) -> Iterator[Site]:
    with site(path, private=True, admins=("77",)) as found:
        yield found


def check_nothing_of_others(answer: Answer) -> None:
    assert SECRET not in answer.text
    assert str(OTHER) not in answer.text
    assert answer.status_code < 500


def others_ids() -> list[int]:
    return [number << 24 for number in range(2, 41, 2)]


@pytest.mark.parametrize("address", ADDRESSES)
def test_guests_of_a_private_instance_see_own_jobs_only(private: Site, address: str) -> None:
    guest, admin = private.of(str(OWN)), private.of("77")
    check_nothing_of_others(guest.ask(address))
    sees_all = private.get(address).text
    if SECRET in sees_all:
        assert SECRET in admin.get(address).text


def test_a_job_of_another_user_is_not_there(private: Site) -> None:
    guest = private.of(str(OWN))
    for jobid in others_ids()[:4]:
        hidden = guest.get(f"/job/{jobid}", 404).text
        assert hidden.replace(str(jobid), "") == guest.get("/job/5", 404).text.replace("5", "5")
        assert SECRET in private.get(f"/job/{jobid}").text
    assert "mine-" in guest.get(f"/job/{1 << 24}").text
    assert guest.page(f"/job/{1 << 24}").column("events", "Event")[0] == "submit"


def test_events_are_for_the_owner_of_a_job_also_without_private_mode(path: str) -> None:
    with site(path) as open_:
        other = open_.of(str(OWN))
        shown = other.page(f"/job/{others_ids()[0]}")
        assert "events" not in shown.tables
        assert "ssh://" not in shown.text.replace("annotations", "").split("Its neighbours")[-1]
        assert open_.of(str(OTHER)).page(f"/job/{others_ids()[0]}").column("events", "Event")


def test_of_jobs_of_one_id_the_events_are_those_of_the_one_that_is_shown(
    tmp_path: Path,
) -> None:
    jobdb = Command(tmp_path)
    users = {"submit": {"userid": OTHER, "urgency": 16, "flags": 0, "version": 1}}
    jobdb.ingest(field_jobs.job(1, contexts={"submit": users["submit"] | {"userid": OWN}}))
    jobdb.ingest(field_jobs.job(1, start=EPOCH + 9000, name="theirs", contexts=users))
    then = EPOCH + 60
    with site(str(jobdb.db)) as found:
        mine = found.of(str(OWN)).page(f"/job/{1 << 24}?at={then!r}")
        assert mine.column("events", "Event") == list(field_jobs.STEPS)
        assert "theirs" not in mine.text
        assert "jobspec" in mine.text
        others = found.of(str(OTHER))
        assert "events" not in others.page(f"/job/{1 << 24}?at={then!r}").tables
        assert "theirs" in others.page(f"/job/{1 << 24}").text


def test_counts_of_all_jobs_are_not_for_guests_of_a_private_instance(private: Site) -> None:
    assert 'id="count-events"' in private.of("77").get("/about").text
    shown = private.of(str(OWN)).get("/about").text
    assert "Head digest" in shown
    assert "count-" not in shown
    assert "gaps" not in shown.lower()


words = st.one_of(
    st.sampled_from([
        "", "1002", "all", "failed", "inactive", SECRET, f"name:{SECRET}-1", "user:1002",
        "1e300,0", "nan,1", "0", "0.5", "-50y", "-1d", "now", "1795389108",
        "9e99", "usage", "waits", "nodes",
        "user,name", "hour", "n[0-999999999]", "n[1", "a", "not (userid:1001)", "-1", "\x00",
        "'", "%", "../..",
    ]),
    st.text(max_size=12),
    st.integers().map(str),
)  # fmt: skip
NAMES = ("at", "after", "user", "states", "queue", "name", "include", "since", "until", "q",
         "hosts", "first", "kind", "by", "group", "tz", "host", "jobid", "token")  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    address=st.sampled_from([
        "/", "/jobs", "/jobs.csv", "/jobs.json", "/nodes", "/reports", "/report.csv", "/about",
        "/data/nodemap", "/data/timeline", "/data/report", "/metrics", "/job/{}", "/node/{}",
        "/static/{}", "/{}",
    ]),
    part=words,
    members=st.dictionaries(st.sampled_from(NAMES), words, max_size=4),
)  # fmt: skip
def test_no_address_tells_of_others_or_fails(
    private: Site, address: str, part: str, members: dict[str, str]
) -> None:
    query = "&".join(
        f"{name}={quote(value.encode('utf-8', 'replace'), safe='')}"
        for name, value in members.items()
    )
    asked = f"{address.format(quote(part.encode('utf-8', 'replace')))}?{query}"
    answer = private.of(str(OWN)).ask(asked)
    text = answer.text
    for value in (part, *members.values()):  # what was asked may be shown again, also in a link
        for shown in (value, quote(value.encode("utf-8", "replace"), safe="")):
            text = text.replace(shown, "") if SECRET in value else text
    assert SECRET not in text, asked
    # That it takes too long is no answer where there are forty jobs.
    assert answer.status_code < 500, (asked, answer.text[-300:])


# -- a port of the loopback interface


def tokened(path: str) -> Any:
    return application(path, Access(Config(), token="right"))


def test_a_port_wants_its_token_and_keeps_it_in_a_cookie(path: str) -> None:
    app = tokened(path)
    assert request(app, "/", {}).status_code == 403
    assert request(app, "/?token=wrong", {}).status_code == 403
    assert request(app, "/?token=r%C3%AFght", {}).status_code == 403
    let_in = request(app, "/jobs?token=right&states=failed", {})
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/jobs?states=failed")
    cookie = let_in.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    name = cookie.split(";")[0]
    assert name.startswith(f"{COOKIE}-")
    assert request(app, "/jobs", {"cookie": name}).status_code == 200
    assert request(app, "/metrics", {"cookie": name}).status_code == 200
    assert request(app, "/metrics", {}).status_code == 403


@pytest.mark.parametrize(
    "others", ["a@b=1", 'p={"a":1}', "x=a b", "flag", 'q="abc', "=", "ä=ö", "a=b=c"]
)
def test_cookies_of_other_ports_lock_nobody_out(path: str, others: str) -> None:
    cookie = f"{others}; {COOKIE}-80=right; {others}"
    assert request(tokened(path), "/jobs", {"cookie": cookie}).status_code == 200
    assert request(tokened(path), "/metrics", {"cookie": cookie}).status_code == 200
    assert request(tokened(path), "/metrics", {"cookie": others}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_a_port_answers_under_its_own_names_only(path: str, host: str) -> None:
    headers = {"host": host, "cookie": f"{COOKIE}-80=right"}
    assert request(tokened(path), "/", headers).status_code == 403


def test_a_port_believes_no_header(path: str) -> None:
    assert request(tokened(path), "/", {HEADER: "0"}).status_code == 403


# -- a proxy's socket


def test_a_proxy_has_to_name_a_user_that_is_known(path: str) -> None:
    app = application(path, Access(Config(), HEADER))
    assert request(app, "/", {}).status_code == 403
    assert request(app, "/", {HEADER: "no-such-user-here"}).status_code == 403
    assert request(app, "/", {HEADER: "a\0b"}).status_code == 403
    assert request(app, "/", {HEADER: "root"}).status_code == 200


def test_admins_are_named_or_in_a_group() -> None:
    is_admin = viewers.admins(["alice", "1002"], ["root"])
    assert is_admin("alice", 1)
    assert is_admin("bob", 1002)
    assert is_admin("root", 0)
    assert not is_admin("daemon", 1)


def test_the_socket_is_for_its_group_and_a_left_one_is_replaced(tmp_path: Path) -> None:
    name = str(tmp_path / "s")
    first = _on_unix(name)
    assert stat.S_IMODE(os.stat(name).st_mode) == MODE == 0o660
    first.close()
    _on_unix(name).close()
    (tmp_path / "file").touch()
    with pytest.raises(Exception, match="name a path where a socket can be made"):
        _on_unix(str(tmp_path / "file"))


# -- methods, headers, files


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_answered(private: Site, method: str) -> None:
    for address in ("/", "/jobs", "/metrics", "/data/nodemap", "/static/style.css"):
        assert private.ask(address, method).status_code == 405


def test_each_answer_forbids_what_is_not_ours(private: Site) -> None:
    for address in ("/", "/nope", "/metrics", "/static/pages.js", "/jobs?at=zzz"):
        found = private.ask(address).headers
        assert {name.lower(): value for name, value in HEADERS.items()}.items() <= found.items()
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    "address", ["/", "/jobs", f"/job/{1 << 24}", "/nodes", "/reports", "/about"]
)
def test_pages_load_nothing_from_elsewhere_and_have_nothing_inline(
    private: Site, address: str
) -> None:
    for tag, attributes in private.page(address).tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "script" or attributes["src"]
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), attributes


def test_libraries_of_others_are_as_they_were_published() -> None:
    vendor = HERE / "static" / "vendor"
    lines = (vendor / "SHA256SUMS").read_text("utf-8").splitlines()
    listed = {name: digest for digest, name in (line.split() for line in lines)}
    found = {path.name: path for path in vendor.iterdir() if path.name != "SHA256SUMS"}
    assert found.keys() == listed.keys()
    for name, path in found.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name], name
    for library in ("echarts", "htmx"):
        assert f"{library}.LICENSE" in found


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "/etc/passwd", "vendor", ""])
def test_no_other_file_is_given(private: Site, name: str) -> None:
    assert private.ask(f"/static/{name}").status_code == 404


# -- texts of users


HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'; DROP TABLE jobs; --",
    "\u202egnp.exe", "a\nb\x1b[2Jc", "=1+1", "{{ 7*7 }}", "&lt;b&gt;", "\x00", "ä\u2028z",
]  # fmt: skip


def test_hostile_texts_are_texts_everywhere(tmp_path: Path) -> None:
    jobdb = Command(tmp_path)
    lines = [line for number, text in enumerate(HOSTILE, 1)
             for line in field_jobs.job(number, name=text)]  # fmt: skip
    jobdb.ingest(lines)
    with site(str(jobdb.db)) as found:
        addresses = ["/", "/jobs", "/reports?kind=usage&group=name"]
        addresses += [f"/job/{number << 24}" for number in range(1, len(HOSTILE) + 1)]
        for address in addresses:
            page = found.page(address)
            assert {tag for tag, _ in page.tags} <= KNOWN_TAGS, address
            assert not set(page.text) & set("\x00\x1b\u202e\u2028")
            assert "49" not in page.tables.get("#0", [[""]])[0]
        names = found.page("/jobs").column("jobs", "Name")
        assert "<script>alert(1)</script>" in names
        assert "{{ 7*7 }}" in names
        rows = list(csv.reader(io.StringIO(found.get("/jobs.csv").text, newline="")))
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
        assert {row["name"] for row in found.data("/jobs.json")} == {
            text.replace("\x00", "") for text in HOSTILE
        }
        assert "<" not in found.get("/metrics").text
        drawn = found.data("/data/report?kind=usage&group=name")
        assert "<script>alert(1)</script>" in drawn["x"]
        assert not set("".join(drawn["x"])) & set("\x00\x1b\u202e\u2028")


KNOWN_TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "link",
    "script",
    "body",
    "a",
    "header",
    "nav",
    "img",
    "main",
    "section",
    "span",
    "strong",
    "time",
    "input",
    "form",
    "label",
    "h1",
    "h2",
    "div",
    "ul",
    "li",
    "i",
    "b",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "p",
    "small",
    "svg",
    "rect",
    "dl",
    "dt",
    "dd",
    "code",
    "data",
    "pre",
    "br",
    "select",
    "option",
    "datalist",
    "button",
}


def test_several_ask_at_once(private: Site) -> None:
    answers: list[int] = []

    def ask() -> None:
        answers.append(private.of(str(OWN)).ask("/jobs").status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert Shown(private.get("/jobs").text).tables


def test_the_server_steps_back_behind_the_writer(tmp_path: Path) -> None:
    jobdb = Command(tmp_path)
    jobdb.ingest(field_jobs.job(1))
    with running(jobdb.start("web", "--port=0")) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(mine + 10, 19)
