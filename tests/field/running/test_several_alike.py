# SPDX-License-Identifier: LGPL-3.0
"""Whatever is asked of two databases together is the union of what each says."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.main import cli
from eventstore.ingest.writer import Writer, name_cluster
from eventstore.storage.connection import create_or_open
from projections.engine.views import Views
from tests.support import field_jobs
from tests.support.command import Command
from tests.web.mixed import NODES, store_mixed

EXAMPLES = int(os.environ.get("SEVERAL_EXAMPLES", "10"))
NAMES = ("tuolumne", "elcap")
MOMENTS = [repr(one["time"]) for one in NODES.objects("checkpoints")]


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> list[Command]:
    """The jobs of two recordings with nodes, and those of one of them; each has its name."""
    folder = tmp_path_factory.mktemp("alike")
    found = [Command(folder, f"{name}.sqlite") for name in NAMES]
    store_mixed(str(found[0].db))
    with create_or_open(str(found[1].db)) as store:
        list(NODES.on_the_way(store, Views(store)))
        lines = field_jobs.job(1)[:3]
        Writer(store, "a job that waits", Views(store)).append(lines)
    for name, one in zip(NAMES, found, strict=True):
        with create_or_open(str(one.db)) as store:
            name_cluster(store, name, Views(store))
    (folder / "private.toml").write_text("[access]\nprivate-mode = true\n", "utf-8")
    return found


def some(*options: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    """Return some of these options, in any order."""
    chosen = st.lists(st.sampled_from(options), unique_by=lambda words: words[0], max_size=4)
    return chosen.map(lambda found: [word for words in found for word in words])


AT = st.sampled_from(MOMENTS)
LISTS = st.builds(
    lambda at, more, form: ["list", "--as-of", at, *more, *form],
    AT,
    some(("-a",), ("-A",), ("-u", "1001"), ("-u", "root"), ("-f", "failed"), ("-f", "pending"),
         ("-f", "completed,running"), ("-q", "batch,debug"), ("--name", "hostname"),
         ("-c", "3"), ("-c", "0"), ("--sort", "-id"), ("--sort", "name,t_submit"),
         ("-i", "node[1-3]"),
         ("--since", MOMENTS[3]), ("--until", MOMENTS[5])),
    st.sampled_from([["--json"], [], ["-n"], ["-o", "{id.f58:>15} {name!d:<9} {result}"],
                     ["--stats"], ["--stats-only"], ["-no", "long"]]),
)  # fmt: skip
REPORTS = st.builds(
    lambda kind, until, more, form: ["report", kind, "--until", until, *more, *form],
    st.sampled_from(["jobs", "waits", "usage"]), AT,
    some(("--by", "hour"), ("--by", "day"), ("--by", "month"), ("--group", "user"),
         ("--group", "queue,bank"), ("--group", "name"), ("--since", "2026-11-20"),
         ("--tz", "Europe/Berlin")),
    st.sampled_from([["--json"], ["--csv"], []]),
)  # fmt: skip
NODES_ASKED = st.builds(
    lambda words, form: ["nodes", *words, *form],
    st.one_of(
        AT.map(lambda at: ["--as-of", at]), AT.map(lambda at: ["node[2-5]", "--as-of", at]),
        some(("node[0-3]",), ("--since", MOMENTS[2]), ("--until", MOMENTS[-2])).map(
            lambda words: ["--history", *words]),
    ),
    st.sampled_from([["--json"], []]),
)  # fmt: skip
QUERIES = [
    "SELECT * FROM jobs ORDER BY id LIMIT 40", "SELECT count(*) AS n, sum(nnodes) FROM jobs",
    "SELECT userid, max(t_run - t_submit) FROM jobs GROUP BY userid ORDER BY 2 DESC",
    "SELECT id, name, context FROM events WHERE name = 'exception'",
    "SELECT id FROM jobs WHERE 0", "SELECT char(13, 10, 34, 44) AS t",
    "SELECT * FROM node_states ORDER BY 1, 2, 3",
]  # fmt: skip
SQL = st.builds(
    lambda query, who, form: ["sql", *who, *form, query],
    st.sampled_from(QUERIES),
    st.sampled_from([[], ["--userid", "1001"], ["--userid", "1001", "--config", "PRIVATE"]]),
    st.sampled_from([["--json"], ["--csv"], []]),
)


def alone(one: Command, words: list[str]) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["--db", str(one.db), *words])
    return done.exit_code, done.stdout_bytes.decode()


@settings(
    max_examples=EXAMPLES, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(words=st.one_of(LISTS, REPORTS, NODES_ASKED, SQL))
def test_all_answers_are_unions(clusters: list[Command], words: list[str]) -> None:
    folder: Path = clusters[0].folder
    words = [str(folder / "private.toml") if word == "PRIVATE" else word for word in words]
    done = clusters[0].run("--db", str(clusters[0].db), "--db", str(clusters[1].db), *words)
    each = [alone(one, words) for one in clusters]
    texts = [text for _, text in each]
    is_answered = all(texts)  # with --stats-only, each that can be asked says a line
    lowest = "--stats-only" in words and is_answered
    status = (min if lowest else max)(status for status, _ in each)
    assert status == done.status, done.err
    if "--json" in words:
        expected = [
            {"cluster": name, **json.loads(line)}
            for name, text in zip(NAMES, texts, strict=True) for line in text.split("\n")[:-1]
        ]  # fmt: skip
        assert expected == [json.loads(line) for line in done.out.split("\n")[:-1]]
    elif "--csv" in words:
        tables = [list(csv.reader(io.StringIO(text, newline=""))) for text in texts]
        rows = (
            [["cluster", *next(table[0] for table in tables if table)]] if any(tables) else []
        )
        for name, table in zip(NAMES, tables, strict=True):
            rows += [[name, *row] for row in table[1:]]
        assert rows == list(csv.reader(io.StringIO(done.out, newline="")))
    else:
        bare = {"-n", "-no", "--stats-only", "--history"} & set(words)
        heading = None if bare else int("--stats" in words)
        lines = [
            f"{name:<8}  {line}"
            for name, text in zip(NAMES, texts, strict=True)
            for place, line in enumerate(text.split("\n")[:-1])
            if place != heading
        ]
        found = [line for line in done.out.split("\n")[:-1] if not line.startswith("CLUSTER ")]
        assert lines == found
