# SPDX-License-Identifier: LGPL-3.0
"""SQL beside a running Flux: functions against Flux's own types, guests against the service."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import apsw
import pytest

from projections.notation.jobid import FORMS
from projections.sql.functions import register
from tests.joblist.sql.test_bombs import BOMBS
from tests.joblist.sql.test_guests import ATTACKS
from tests.support.flux.instance import ROOT, Instances, program

pytestmark = pytest.mark.flux

FORM_NAMES = ("dec", "hex", "dothex", "kvs", "words", "f58", "f58plain", "emoji")
PREFIXES, SUFFIXES = ("a", "n", "n0", "rack1-"), ("", "-ib")
MOST_ID = 2**63 - 1


def hostlist(dice: random.Random) -> str:
    parts = []
    for _ in range(dice.randrange(5)):
        lo = dice.choice([0, 1, 7, 98, 998])
        hi = lo + dice.randrange(12)
        width = dice.choice([1, 1, 2, 3])
        prefix, suffix = dice.choice(PREFIXES), dice.choice(SUFFIXES)
        if suffix or dice.random() < 0.3:
            parts.append(f"{prefix}{lo:0{width}}{suffix}")
        else:
            parts.append(f"{prefix}[{lo:0{width}}-{hi:0{width}},{hi + 2:0{width}}]")
    return ",".join(parts)


def idset(dice: random.Random) -> str:
    found: list[str] = []
    last = -2
    for _ in range(dice.randrange(6)):
        lo = last + dice.randrange(2, 9)
        last = lo + dice.randrange(5)
        found.append(str(lo) if lo == last else f"{lo}-{last}")
    return ",".join(found)


def questions() -> dict[str, list[Any]]:
    dice = random.Random(5)
    ids = [
        0,
        1,
        57,
        58,
        MOST_ID,
        *(dice.randrange(2 ** dice.randrange(1, 63)) for _ in range(300)),
    ]
    texts = [FORMS[name](number) for number in ids[:60] for name in FORM_NAMES]
    seconds = [
        0.0,
        0.0005,
        59.99,
        60,
        3600,
        86400,
        *(10 ** dice.uniform(-3, 7) for _ in range(200)),
    ]
    hosts = [(hostlist(dice), hostlist(dice), f"{dice.choice(PREFIXES)}{dice.randrange(12)}")
             for _ in range(300)]  # fmt: skip
    sets = [(idset(dice), idset(dice), dice.randrange(30)) for _ in range(300)]
    return {"ids": ids, "texts": texts, "seconds": seconds, "hostlists": hosts, "idsets": sets}


def by_sql(asked: dict[str, list[Any]]) -> dict[str, list[Any]]:
    db = apsw.Connection(":memory:")
    register(db)

    def value(call: str, *values: Any) -> Any:
        return db.execute(f"SELECT {call}", values).get

    def lists(kind: str, table: str, one: str, two: str, member: Any) -> dict[str, Any]:
        expanded = json.loads(value(f"{kind}_expand(?)", one))
        (column,) = ("host",) if table == "hosts" else ("rank",)
        rows = db.execute(
            f"SELECT {column} FROM {table}(?) ORDER BY position", (one,)
        ).fetchall()
        assert expanded == [row for (row,) in rows]
        return {
            "count": value(f"{kind}_count(?)", one),
            "contains": bool(value(f"{kind}_contains(?, ?)", one, member)),
            "intersects": bool(value(f"{kind}_intersects(?, ?)", one, two)),
            "expand": expanded,
        }

    return {
        "ids": [value("f58(?)", number) for number in asked["ids"]],
        "parsed": [value("jobid(?)", text) for text in asked["texts"]],
        "seconds": [value("fsd(?)", seconds) for seconds in asked["seconds"]],
        "hostlists": [lists("hostlist", "hosts", *one) for one in asked["hostlists"]],
        "idsets": [lists("idset", "ranks", *one) for one in asked["idsets"]],
    }


def test_each_function_says_what_flux_says() -> None:
    asked = questions()
    script = ROOT / "tests" / "support" / "flux" / "types.py"
    done = subprocess.run(
        [program(), "python", str(script)],
        input=json.dumps(asked), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs, ours = json.loads(done.stdout), by_sql(asked)
    for kind in ("ids", "seconds"):  # ƒ or f is the locale's choice
        theirs[kind], ours[kind] = (
            [text.replace("ƒ", "f") for text in found[kind]] for found in (theirs, ours)
        )
    for kind, answers in theirs.items():
        assert len(answers) >= 200
        for answer, own in zip(answers, ours[kind], strict=True):
            assert answer == own, kind


@pytest.fixture
def run(tmp_path: Path) -> Instances:
    return Instances(program(), tmp_path)


SERVICE = """
sql() { flux python -m flux_jobdb sql --instance --json "$@" 2>&1 || echo failed; }
config() { printf "$1" | flux config load; }
away; ours
tool guests 2 4201 4202 >/dev/null; flux submit --quiet --wait true; tool drain
count="SELECT userid, count(*) AS n FROM jobs GROUP BY 1 ORDER BY 1"
echo "off: $(sql "$count")"
config '[job-list]\nsql = "owner"'
echo "owner: $(sql "$count" | tr '\n' ' ')"
echo "guest: $(guest sql "$count")"
config '[job-list]\nsql = "users"'
echo "all: $(guest sql "$count" | tr '\n' ' ')"
config '[job-list]\nsql = "users"\n[access]\nprivate-mode = true'
echo "own: $(guest sql "$count")"
echo "events: $(guest sql 'SELECT count(DISTINCT jobid) AS n FROM events')"
echo "table: $(guest sql 'WITH jobs AS (SELECT * FROM inactive) SELECT * FROM jobs')"
echo "bomb: $(guest sql 'SELECT count(*) FROM hosts("n[0-999999999]") a' | head -1)" &
sleep 1
echo "meanwhile: $(flux jobs -A -a -no {userid} | wc -l)"
wait
"""


def test_guests_ask_the_service(run: Instances) -> None:
    script = SERVICE.replace('"n[0', "'\"'\"'n[0").replace('999]"', "999]'\"'\"'")
    found = dict(line.split(": ", 1) for line in run(script).splitlines() if ": " in line)
    assert "job-list.sql is not configured" in found["off"]
    guests = '{"userid": 4201, "n": 1} {"userid": 4202, "n": 1}'
    assert guests in found["owner"]
    assert found["owner"].count("userid") == 3
    assert "insufficient privilege" in found["guest"]
    assert found["all"].count("userid") == 3
    assert found["own"] == '{"userid": 4201, "n": 1}'
    assert found["events"] == '{"n": 1}'
    assert "no such table: inactive" in found["table"]
    assert "takes longer than 5 s" in found["bomb"]
    assert found["meanwhile"] == "3"
    assert list(found).index("meanwhile") < list(found).index("bomb")


ASK = """
import flux, json, sys, time
h, found = flux.Flux(), []
for query in json.load(open(sys.argv[1])):
    began = time.monotonic()
    try:
        answer = h.rpc("job-list.sql", {"query": query}).get_str()
    except OSError as error:
        answer = "error: " + str(error)
    found.append((answer, time.monotonic() - began))
json.dump(found, open(sys.argv[2], "w"))
"""
BESIEGED = """
away; ours
tool guests 6 4201 4202 >/dev/null; tool drain
printf '[job-list]\\nsql = "users"\\n[access]\\nprivate-mode = true' | flux config load
guest flux python -c "$ASK" $OUT/queries $OUT/answers
flux python -c "
import flux, json
h = flux.Flux()
jobs = h.rpc('job-list.list', {'max_entries': 0, 'attrs': ['all']}).get()['jobs']
print(json.dumps([j['id'] for j in jobs if j['userid'] != 4201]))" >$OUT/others
"""


def test_bombs_and_attacks_of_a_guest_end_and_tell_nothing(run: Instances) -> None:
    queries = [
        *BOMBS.values(),
        *(attack.replace("{path}", f"{run.folder}/x") for attack in ATTACKS),
        "SELECT count(*), min(userid), max(userid) FROM jobs",
    ]
    (run.folder / "queries").write_text(json.dumps(queries), "utf-8")
    run.env["ASK"] = ASK
    run(BESIEGED)
    others = run.answer("others")
    assert len(others) == 3
    found = run.answer("answers")
    assert len(found) == len(queries)
    for query, (answer, taken) in zip(queries, found, strict=True):
        said = answer.replace(query, "")
        assert "4202" not in said, query
        assert not [jobid for jobid in others if str(jobid) in said], query
        assert taken < 15, query  # 5 s of its own, and a busy machine
    assert json.loads(found[-1][0])["rows"] == [[3, 4201, 4201]]
    print(f"{len(queries)} statements; the longest took {max(t for _, t in found):.1f} s")
