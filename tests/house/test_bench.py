# SPDX-License-Identifier: LGPL-3.0
"""Each benchmark runs, and two checkouts are compared as documented. None is timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import timing
from bench.__main__ import NOUNS, main
from bench.against import Samples, compare, comparisons, table
from bench.measures.answers import clicks, requests, web


def test_each_benchmark_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    monkeypatch.setattr(timing, "LEAST", 1)
    monkeypatch.setattr(requests, "SMALL", 1)
    monkeypatch.setattr(clicks, "_TURNS", 1)
    monkeypatch.setattr(clicks, "_BATCHES", 2)
    monkeypatch.setattr(web, "_ROUNDS", 2)
    main(["--jobs", "300", "--large", "600", "--out", str(tmp_path / "bench")])
    table = (tmp_path / "bench.md").read_text("utf-8")
    assert table.strip() == capsys.readouterr().out.strip()
    found = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert {noun.replace("_", "-") for noun in NOUNS} == {
        row["noun"] for row in found["results"]
    }
    assert all(row["value"] > 0 for row in found["results"])
    assert 300 == found["about"]["jobs"]


def test_a_noun_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])
    assert "there is no speed" in capsys.readouterr().err


# -- two checkouts


CHILD = """
import json, sys
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--out") + 1])
runs = out.parent.parent / "runs"
runs.parent.mkdir(parents=True, exist_ok=True)
with runs.open("a") as file:
    print(Path.cwd().name, *sys.argv[1:4], file=file)
values = {values}
count = sum(line.startswith(Path.cwd().name) for line in runs.read_text().splitlines())
out.parent.mkdir(parents=True, exist_ok=True)
results = [
    dict(noun=sys.argv[1].replace("_", "-"), what=what, unit=unit, least=least,
         value=found[count - 1], processor=processor)
    for what, unit, least, found, processor in values
]
out.with_suffix(".json").write_text(json.dumps({{"results": results}}))
"""


def checkout(folder: Path, *values: tuple[str, str, bool, list[float], float | None]) -> Path:
    """Make a checkout whose benchmarks have these values, one a round."""
    for package in ("bench", "eventstore"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
    (folder / "bench" / "__main__.py").write_text(CHILD.format(values=list(values)), "utf-8")
    return folder


def test_checkouts_run_in_turn_and_their_medians_are_compared(tmp_path: Path) -> None:
    old = checkout(
        tmp_path / "old", ("time", "ms", False, [10.0, 90.0, 20.0], 5.0),
        ("speed", "1/s", True, [100.0, 100.0, 100.0], None),
    )  # fmt: skip
    new = checkout(
        tmp_path / "new", ("time", "ms", False, [22.0, 1.0, 22.0], 5.0),
        ("speed", "1/s", True, [80.0, 80.0, 80.0], None),
    )  # fmt: skip
    rows = compare(old, ["list"], 7, 3, tmp_path / "out", here=new)
    time, speed = comparisons(rows)
    assert (20.0, 22.0) == (time.old, time.new)
    assert time.ratio == pytest.approx(1.1)
    assert time.processor == pytest.approx(1.0)
    assert not time.slower  # by wall time only
    assert speed.ratio == pytest.approx(1.25)
    assert speed.slower
    runs = (tmp_path / "out" / "runs").read_text("utf-8").splitlines()
    sides = ("old", "new", "new", "old", "old", "new")
    assert [f"{side} list --jobs 7" for side in sides] == runs
    text = table([time, speed], {"jobs": 7}).splitlines()
    assert "| list | time | 20 ms | 22 ms | 1.100 | 1.000 | wall time only |" in text
    assert "| list | speed | 100 1/s | 80 1/s | 1.250 |  | **slower** |" in text


def test_a_row_that_only_one_checkout_has(tmp_path: Path) -> None:
    old = checkout(tmp_path / "old", ("gone", "ms", False, [1.0], None))
    new = checkout(tmp_path / "new", ("added", "ms", False, [1.0], None))
    gone, added = comparisons(compare(old, ["list"], 7, 1, tmp_path / "out", here=new))
    assert gone.slower
    assert not added.slower
    assert "| list | gone | 1 ms | - |  |  | **missing** |" in table([gone, added], {})


@pytest.mark.parametrize(("value", "slower"), [(1.04, False), (1.06, True)])
def test_five_per_cent_are_let_pass(value: float, slower: bool) -> None:
    row = Samples("list", "x", "ms", least=False, old=[1.0], new=[value],
                  old_processor=[1.0], new_processor=[value])  # fmt: skip
    (found,) = comparisons([row])
    assert slower == found.slower


def test_the_command_compares_and_says_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faster = checkout(tmp_path / "old", ("one job of 50", "us", False, [1e-9], 1e-9))
    words = ["--against", str(faster), "--jobs", "50", "--rounds", "1"]
    assert 1 == main(["list_id", *words, "--out", str(tmp_path / "out")])
    told = capsys.readouterr().out
    assert told == (tmp_path / "out" / "against.md").read_text("utf-8")
    assert "**slower**" in told
    (row,) = (r for r in json.loads((tmp_path / "out" / "against.json").read_text("utf-8"))
              if r["what"] == "one job of 50" and r["noun"] == "list-id")  # fmt: skip
    assert [1e-9] == row["old"]


def test_what_is_no_checkout_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["list", "--against", str(tmp_path)])
    assert "name a checkout" in capsys.readouterr().err
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__main__.py").touch()
    with pytest.raises(ValueError, match="imported"):
        compare(tmp_path, ["list"], 1, 1, tmp_path / "out")


def test_a_measure_that_fails_is_reported(tmp_path: Path) -> None:
    old = checkout(tmp_path / "old")
    (old / "bench" / "__main__.py").write_text("raise SystemExit('it broke')", "utf-8")
    with pytest.raises(RuntimeError, match="list failed: it broke"):
        compare(old, ["list"], 1, 1, tmp_path / "out", here=old)
