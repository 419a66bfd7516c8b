# SPDX-License-Identifier: LGPL-3.0
"""Pages show what the command line says, now and at each moment that was recorded."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from cli.main import cli
from projections.node_queries.history import NodeInterval
from projections.notation.jobid import encode
from projections.notation.timespec import format_duration, parse_time
from tests.web.mixed import NODES, moments_of_jobs, store_mixed
from tests.web.site import Site, site
from web.pages.job import together
from web.pages.jobs import PAGE
from web.pages.now import why_it_waits


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The jobs of `mixed`, and the nodes of `medium` with theirs."""
    found = str(tmp_path_factory.mktemp("web") / "jobdb.sqlite")
    store_mixed(found)
    return found


@pytest.fixture(scope="module")
def pages(path: str) -> Iterator[Site]:
    with site(path) as found:
        yield found


def command(path: str, *words: str) -> str:
    done = CliRunner().invoke(cli, ["--db", path, *words], catch_exceptions=False)
    return done.stdout


def moments() -> list[float]:
    nodes = [c["time"] for c in NODES.objects("checkpoints")]
    return [*(moment for moment, _ in moments_of_jobs()), *nodes[::6]]


def ids(path: str, *words: str) -> list[str]:
    text = command(path, "list", "-A", "-n", "-o", "{id.f58}", "-c", "0", *words)
    return text.split()


@pytest.mark.parametrize("at", [None, *moments()])
def test_now_shows_the_queue_what_runs_and_the_nodes(
    path: str, pages: Site, at: float | None
) -> None:
    words = [] if at is None else ["--as-of", repr(at)]
    shown = pages.page("/" if at is None else f"/?at={at!r}")
    assert ids(path, "-f", "pending", *words)[:200] == shown.column("queue", "Job")
    assert ids(path, "-f", "running", *words)[:200] == shown.column("running", "Job")
    found = [json.loads(line) for line in command(path, "nodes", "--json", *words).splitlines()]
    picture = pages.data("/data/nodemap" if at is None else f"/data/nodemap?at={at!r}")
    assert picture["hosts"] == [node["host"] for node in found]
    for node, state in zip(found, picture["states"], strict=True):
        word = picture["names"][state]
        assert (word == "offline") == (node["up"] is False and not node["excluded"])
        assert (word == "allocated") <= bool(node["jobs"])
        assert node["drained"] is not None or word != "drained"


def test_counts_are_those_of_the_command(path: str, pages: Site) -> None:
    shown = pages.get("/").text
    text = command(path, "list", "--stats-only")
    for word in ("running", "completed", "pending"):
        number = re.search(rf"(\d+) {word}", text)[1]  # type: ignore[index]
        assert f'id="count-{word}">{number}<' in shown


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", ["-a"]),
        ("states=failed,timeout", ["-f", "failed,timeout"]),
        ("queue=debug&states=inactive", ["-f", "inactive", "-q", "debug"]),
        ("user=1001", ["-a", "-u", "1001"]),
        ("states=completed&at={at}", ["-f", "completed", "--as-of", "{at}"]),
        ("include=node3", ["-a", "-i", "node3"]),
    ],
)
def test_jobs_are_those_of_the_command_page_by_page(
    path: str, pages: Site, query: str, words: list[str]
) -> None:
    at = repr(moments()[1])
    query, words = query.format(at=at), [word.format(at=at) for word in words]
    if "-u" in words:
        expected = command(path, "list", "-n", "-o", "{id.f58}", "-c", "0", *words).split()
    else:
        expected = ids(path, *words)
    found: list[str] = []
    address: str | None = f"/jobs?{query}"
    while address and len(found) < 450:
        page = pages.page(address)
        found += page.column("jobs", "Job")
        rows = pages.data(address.replace("/jobs?", "/jobs.json?"))
        assert [row["jobid"] for row in rows] == page.column("jobs", "Job")
        next_ = [a["href"] for tag, a in page.tags if tag == "a" and a.get("rel") == "next"]
        address = next_[0] if next_ else None
    assert expected[: len(found)] == found
    assert address is not None or expected == found


def test_a_query_in_the_syntax_of_rfc_35(path: str, pages: Site) -> None:
    expected = ids(path, "-f", "failed", "-q", "batch")[:100]
    shown = pages.page("/jobs?q=failed queue:batch").column("jobs", "Job")
    assert expected[: len(shown)] == shown
    assert shown


def test_each_kind_of_job_has_a_page(path: str, pages: Site) -> None:
    every = ids(path, "-a")
    for jobid in [*every[:3], *every[-3:], *ids(path, "-f", "failed")[:2]]:
        shown = pages.page(f"/job/{jobid}")
        history = command(path, "history", jobid).splitlines()
        names = [line.split()[2].lstrip("*") for line in history if "(purged" not in line]
        assert names == shown.column("events", "Event")
        why = command(path, "why", jobid)
        results = ("completed", "failed", "canceled", "timeout")
        assert ("ended as" in why) == any(word in shown.text for word in results)


def test_a_job_at_a_moment_shows_what_had_happened(path: str, pages: Site) -> None:
    jobid = ids(path, "-f", "completed")[0]
    events = [json.loads(x) for x in command(path, "info", jobid, "eventlog").splitlines()]
    for number, event in enumerate(events):
        if event["name"] in {"alloc", "finish", "clean"}:
            shown = pages.page(f"/job/{jobid}?at={event['timestamp']!r}")
            names = shown.column("events", "Event")
            assert names == [e["name"] for e in events if e["timestamp"] <= event["timestamp"]]
            assert number < len(names)


def test_nodes_are_those_of_the_command(path: str, pages: Site) -> None:
    at = NODES.objects("checkpoints")[4]["time"]
    found = command(path, "nodes", "--json", "--as-of", repr(at)).splitlines()
    nodes = [json.loads(line) for line in found]
    shown = pages.page(f"/nodes?at={at!r}")
    assert [node["host"] for node in nodes] == shown.column("nodes", "Host")
    reasons = [(node["drained"] or {}).get("reason") or "" for node in nodes]
    assert reasons == shown.column("nodes", "Reason")
    assert any(reasons)
    for host in ("node3", "node7"):
        states = command(path, "nodes", "--history", host, "--json").splitlines()
        kinds = [json.loads(line)["kind"] for line in states]
        assert sorted(kinds) == sorted(pages.page(f"/node/{host}").column("#0", "Was"))


def test_ranks_are_paged(pages: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.pages.nodes.ROWS", 3)
    shown = {first: pages.page(f"/nodes?first={first}") for first in (0, 3, 6)}
    assert ["node0", "node1", "node2"] == shown[0].column("nodes", "Host")
    assert ["node6", "node7"] == shown[6].column("nodes", "Host")
    for words, places in (("Earlier ranks", {3, 6}), ("Later ranks", {0, 3})):
        assert places == {first for first, page in shown.items() if words in page.text}


def test_the_picture_of_nodes_has_their_jobs_and_states(path: str, pages: Site) -> None:
    checkpoints = NODES.objects("checkpoints")
    first, last = checkpoints[0]["time"], checkpoints[-1]["time"]
    found = pages.data(f"/data/timeline?since={first!r}&until={last!r}")
    shown = {(found["hosts"][bar[0]], bar[5]) for bar in found["bars"] if bar[3] == "job"}
    words = ("-a", "-i", "node[0-7]", "--since", repr(first), "--until", repr(last))
    jobs = command(path, "list", "-A", "-n", "-o", "{id.f58} {nodelist}", "-c", "0", *words)
    assert {jobid for _, jobid in shown} <= {line.split()[0] for line in jobs.splitlines()}
    assert len(shown) > 20
    states = command(path, "nodes", "--history", "--json", "--since", repr(first), "--until",
                     repr(last)).splitlines()  # fmt: skip
    kinds = sorted(bar[3] for bar in found["bars"] if bar[3] != "job")
    assert kinds == sorted(json.loads(line)["kind"] for line in states)


@pytest.mark.parametrize(
    "words",
    [
        {"kind": "usage"}, {"kind": "usage", "by": "hour", "group": "user,queue"},
        {"kind": "jobs", "by": "day"}, {"kind": "waits", "group": "queue"},
        {"kind": "nodes", "by": "hour"},
    ],
)  # fmt: skip
def test_reports_are_those_of_the_command(
    path: str, pages: Site, words: dict[str, str]
) -> None:
    until = repr(NODES.objects("checkpoints")[-1]["time"])
    options = [f"--{k}={v}" for k, v in words.items() if k != "kind"]
    expected = CliRunner().invoke(
        cli, ["--db", path, "report", words["kind"], "--csv", f"--until={until}", *options]
    ).stdout_bytes.decode()  # fmt: skip
    query = "&".join(f"{k}={v}" for k, v in {**words, "until": until}.items())
    assert pages.get(f"/report.csv?{query}").text == expected
    heading, *rows = csv.reader(io.StringIO(expected, newline=""))
    shown = pages.page(f"/reports?{query}").tables["report"]
    kept = [i for i, name in enumerate(heading) if name not in {"from", "to", "userid"}]
    assert [[row[i] or "–" for i in kept] for row in rows] == [
        [cell.strip() for cell in row] for row in shown[1:]
    ]
    picture = pages.data(f"/data/report?{query}")
    assert sum(len(one["values"]) for one in picture["series"]) <= 3000
    assert picture["series"]


@pytest.mark.parametrize(
    "asked",
    ["states=failed", "q=failed queue:batch", "at={at}&since=-20s&states=inactive",
     "q=queue:batch&at={at}&since=-20s", "user=1001&until={at}", "at={at}&until={later}"],
)  # fmt: skip
def test_the_command_line_that_is_shown_gives_the_same_jobs(
    path: str, pages: Site, asked: str
) -> None:
    at = moments()[1]
    query = asked.format(at=repr(at), later=repr(at + 5))
    words = shown_command(pages, f"/jobs?{query}")
    if words[0] == "rpc":
        answer = json.loads(command(path, *words))
        found = [encode(job["id"]) for job in answer["jobs"]]
    else:
        found = command(path, *words, "-n", "-o", "{id.f58}").split()
    shown = pages.page(f"/jobs?{query}").column("jobs", "Job")
    assert found[: len(shown)] == shown
    assert len(shown) in {len(found), PAGE}


@pytest.mark.parametrize(
    "asked",
    [
        "kind=usage&group=user&since=&until=",
        "kind=jobs&by=hour&since=-30s",
        "kind=nodes",
        "kind=waits",
    ],
)
def test_the_command_line_that_is_shown_gives_the_same_report(
    path: str, pages: Site, asked: str
) -> None:
    query = f"{asked}&at={moments()[1]!r}"
    words = shown_command(pages, f"/reports?{query}")
    assert command(path, *words, "--csv") == pages.get(f"/report.csv?{query}").text.replace(
        "\r\n", "\n"
    )


def shown_command(pages: Site, address: str) -> list[str]:
    text = re.search(r'<code class="command">(.*?)</code>', pages.get(address).text)
    assert text is not None
    program, *words = shlex.split(html.unescape(text[1]))
    assert program == "flux-jobdb"
    return words


@pytest.mark.parametrize(
    "query", ["/?at=2999-01-01", "/jobs?since=2999-01-01", "/reports?until=2999-01-01",
              "/nodes?until=%2B1d"],
)  # fmt: skip
def test_the_future_is_refused(pages: Site, query: str) -> None:
    assert "is in the future" in pages.get(query, 400).text


def test_more_nodes_than_there_are_anywhere_are_refused(pages: Site) -> None:
    for address in ("/nodes?hosts=", "/data/timeline?hosts="):
        assert "nodes are named" in pages.ask(f"{address}a[0-1048575],b[0-1048575]").text


def test_the_beginning_of_time_is_a_moment(pages: Site) -> None:
    assert "1970-01-01" in pages.page("/?at=0").text


def test_that_active_jobs_are_left_out_is_said(
    pages: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(pages.page("/jobs?states=active").column("jobs", "Job"))
    monkeypatch.setattr("web.pages.jobs.MOST_ACTIVE", count)
    assert "active jobs are shown" not in pages.get("/jobs?states=active").text
    monkeypatch.setattr("web.pages.jobs.MOST_ACTIVE", count - 1)
    assert f"first {count - 1} active jobs are shown" in pages.get("/jobs?states=active").text


def test_about_says_what_stats_and_verify_say(path: str, pages: Site) -> None:
    shown = pages.get("/about").text
    stats: dict[str, Any] = json.loads(command(path, "stats", "--json"))
    for name in ("jobs", "events", "batches", "rejects"):
        assert f'id="count-{name}">{stats[name]}<' in shown
    assert json.loads(command(path, "verify", "--json"))["head"] in shown


def test_a_request_ends_after_some_time(pages: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.asking.LONGEST", -1.0)
    monkeypatch.setattr("web.asking._STEPS", 1)
    assert "takes too long" in pages.get("/jobs", 503).text


def test_a_database_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with site(str(tmp_path / "none.sqlite")) as found:
        assert "there is no such database" in found.get("/", 503).text
        assert found.get("/metrics").text.endswith("flux_jobdb_up 0\n")


def test_what_became_of_several_nodes_at_once_is_one_row() -> None:
    alike = [NodeInterval(f"node{n}", "offline", 1.0, None, None, None) for n in (0, 1, 3)]
    other = NodeInterval("node2", "offline", 2.0, None, None, None)
    found = together([*alike[:2], other, alike[2]])
    assert [("node[0-1,3]", 3, 1.0), ("node2", 1, 2.0)] == [
        (one.host, one.hosts, one.begun) for one in found
    ]


def test_links_to_ranges_and_the_moment_have_times_as_the_command_takes_them(
    path: str, pages: Site
) -> None:
    at = NODES.objects("checkpoints")[4]["time"]
    shown = pages.page(f"/nodes?at={at!r}")
    links = [found["href"] or "" for tag, found in shown.tags if tag == "a"]
    ranges = [parse_qs(urlsplit(one).query) for one in links if "since=" in one]
    week = ranges[3]
    times = [parse_time(week[name][0], now=0.0) for name in ("since", "until")]
    assert 7 * 86400 == pytest.approx(times[1] - times[0], abs=1e-5)
    assert times[1] == pytest.approx(at, abs=1e-5)
    assert times[1] >= at
    (given,) = (found for tag, found in shown.tags if found.get("id") == "at")
    assert parse_time(given["value"] or "", now=0.0) >= at
    assert (given["value"] or "").endswith("Z")


@pytest.mark.parametrize(
    ("dependencies", "why"),
    [
        (["begin-time=4100000000.000"], "waits for begin-time 2099-12-03T16:53:20Z"),
        (["begin-time=soon", "after-start=ƒ1"], "waits for begin-time=soon, after-start=ƒ1"),
    ],
)
def test_why_a_job_waits_has_times_that_can_be_read(dependencies: list[str], why: str) -> None:
    assert why == why_it_waits({"state": 2, "dependencies": dependencies})


def test_waits_are_shown_as_durations(pages: Site) -> None:
    text = pages.get("/reports?kind=waits&group=queue").text
    found = re.findall(r'<data value="([\d.]+)" title="\1 s">([^<]+)</data>', text)
    assert found
    for exact, shown in found:
        assert format_duration(float(exact)) == shown


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("/reports?kind=waits&by=hour&since=0.5", "more than 20000 periods of one hour"),
        ("/report.csv?kind=usage&by=hour&since=1990-01-01", "choose a shorter range"),
        ("/jobs?after=1", "expected the key of a page"),
        ("/nodes?first=-1", "expected a number of nodes"),
        ("/jobs?q=" + "not%20" * 20000 + "failed", "nested too deeply"),
    ],
)
def test_what_is_too_much_or_wrong_is_said(pages: Site, address: str, why: str) -> None:
    assert why in pages.get(address, 400).text


def test_long_nodelists_are_looked_up_and_not_written_out(
    pages: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = NODES.objects("checkpoints")
    first, last = checkpoints[0]["time"], checkpoints[-1]["time"]
    address = f"/data/timeline?since={first!r}&until={last!r}&hosts=node[1-2]"
    found = pages.data(address)["bars"]
    monkeypatch.setattr("projections.formats.hostlist.count", lambda _: 10**6)
    assert sorted(found) == sorted(pages.data(address)["bars"])
    assert any(bar[3] == "job" for bar in found)
