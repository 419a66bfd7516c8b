# SPDX-License-Identifier: LGPL-3.0
"""Recorded questions again, by the ways that `test_recorded` does not go.

Through the command line; from the backlog alone; and after a whole history of two boots,
where the only thing to differ is what job-list forgot when it started again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from cli.main import cli
from eventstore.ingest.writer import Writer
from eventstore.storage.sql import fetch
from joblist.service import Service
from tests.support.recordings import (
    Recording,
    ask,
    everything,
    new_store,
    play,
    put,
    recordings,
    stats,
    unordered,
)

RECORDINGS = recordings()


def expected(query: dict[str, Any]) -> dict[str, Any]:
    return {key: query[key] for key in ("responses", "error") if key in query}


def told(answer: dict[str, Any], topic: str) -> dict[str, Any]:
    """What of an answer means something: queues have no order, and who waits is by chance."""
    if topic == "job-list.job-stats":
        return {**answer, "responses": [unordered(text) for text in answer["responses"]]}
    if topic == "job-list.stats-get":
        return {**answer, "responses": [json.loads(t)["jobs"] for t in answer["responses"]]}
    return answer


class Played(NamedTuple):
    """A recording whose last boot a database holds, and the configuration of that."""

    recording: Recording
    options: list[str]  # the database
    config: str


@pytest.fixture(scope="module", params=RECORDINGS, ids=lambda r: r.name)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    recording: Recording = request.param
    folder, last = tmp_path_factory.mktemp(recording.name), recording.boots[-1]
    lines = [line for _, part in recording.feed(last) for line in part]
    (folder / "journal").write_bytes(b"\n".join(lines) + b"\n")
    options = ["--db", str(folder / "jobs.sqlite")]
    result = CliRunner().invoke(cli, [*options, "ingest", str(folder / "journal")])
    assert result.exit_code == 0
    config = recording.meta["configs"].get(str(last), recording.meta["config"])
    text = f'{config}\n[job-list]\npurge = "follow"\n'
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return Played(recording, options, str(folder / "config.toml"))


def test_the_command_line_answers_a_batch(played: Played, tmp_path: Path) -> None:
    lines, queries = (
        get("queries") for get in (played.recording.lines, played.recording.objects)
    )
    step = max(len(queries) // 150, 1)
    batch = tmp_path / "batch"
    batch.write_bytes(b"\n".join(lines[::step]) + b"\n")
    words = [*played.options, "rpc", "--batch", str(batch), "--config", played.config]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    for query, answer in zip(queries[::step], answers, strict=True):
        topic = query["topic"]
        assert told(expected(query), topic) == told(answer, topic), query


def test_one_request_at_a_time(played: Played) -> None:
    """A line for each response, an error on standard error; a few questions of each section."""
    queries = [one for one in played.recording.objects("queries") if not one.get("config")]
    for query in queries[:: len(queries) // 12]:
        raw = query.get("request_raw", json.dumps(query.get("request"), ensure_ascii=False))
        words = ["--userid", str(query["userid"]), "--rolemask", str(query["rolemask"])]
        words += ["--config", played.config, *(["--streaming"] if query["streaming"] else [])]
        words += [query["topic"], *(["-"] if raw is not None else [])]
        result = CliRunner().invoke(
            cli, [*played.options, "rpc", *words], input=raw, standalone_mode=False
        )
        answer: dict[str, Any] = {"responses": result.stdout.split("\n")[:-1]}
        assert result.return_value == int("error" in query), result.exception
        if "error" in query:
            answer["error"] = json.loads(result.stderr)
        assert told(expected(query), query["topic"]) == told(answer, query["topic"]), query


@pytest.mark.parametrize(
    "recording", [one for one in RECORDINGS if len(one.boots) > 1], ids=lambda r: r.name
)
def test_after_all_boots_only_annotations_are_known_better(recording: Recording) -> None:
    store, views = new_store()
    play(store, views, recording, recording.boots[:-1])
    sql = "SELECT jobid FROM inactive"
    finished = {jobid for (jobid,) in fetch(store.db, sql)}
    play(store, views, recording, recording.boots[-1:])
    last = recording.boots[-1]
    asked = differing = 0
    for query in recording.objects("queries")[::2]:
        config = recording.config(last, **query.get("config", {}))
        found = put(Service(store, config, instance_size=recording.meta["size"]), query)
        wanted, given = (
            told(without_annotations(answer, finished), query["topic"])
            for answer in (expected(query), found)
        )
        assert wanted == given, query
        asked += 1
        differing += expected(query) != found
    assert asked > 400
    assert differing > 0  # they are known, and here only


def without_annotations(answer: dict[str, Any], finished: set[int]) -> dict[str, Any]:
    return {**answer, "responses": [_stripped(text, finished) for text in answer["responses"]]}


def _stripped(text: str, finished: set[int]) -> str:
    response = json.loads(text)
    for job in [*response.get("jobs", []), response.get("job")]:
        if isinstance(job, dict) and job.get("id") in finished:
            job.pop("annotations", None)
    return json.dumps(response)


@pytest.mark.parametrize(
    "recording", [one for one in RECORDINGS if one.objects("reload")], ids=lambda r: r.name
)
def test_a_backlog_alone_says_what_job_list_says_after_a_reload(recording: Recording) -> None:
    """What was live only is not known then: annotations."""
    store, views = new_store()
    Writer(store, "backlog", views).append(recording.lines("backlog"))
    service = Service(store, recording.config(recording.boots[-1]))
    (reload,) = recording.objects("reload")
    assert reload["list"] == everything(service)
    counts = unordered(reload["job_stats"])
    assert counts == stats(service)
    assert (
        json.loads(reload["stats_get"])["jobs"]
        == json.loads(ask(service, "stats-get")[0])["jobs"]
    )
