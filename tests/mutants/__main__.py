# SPDX-License-Identifier: LGPL-3.0
"""``python -m tests.mutants [PATH ...] [--sample N]``: tries mutants, prints a table.

PATH is a source file or folder; without any, all that ``tests.toml`` names are tried. With
``--again --tests TEST ...``, only those that the last run left, by new tests. The exit
status is 1 where fewer than 97 % of the mutants are killed or listed as equivalent. Writes to
``build/mutants/`` the table, each mutant's result, and the survivors as entries for
``equivalent.toml``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from tests.mutants import equivalent
from tests.mutants.executor import Result, Task, run, try_cold
from tests.mutants.mutations import Mutant, mutants
from tests.mutants.report import HELD, share, table, told
from tests.mutants.selection import Coverage, Map, files_of, measured
from tests.mutants.warm import serve

HERE = Path(__file__).parent
LEAST = 0.97
"""The share of mutants that must be killed, or listed as equivalent."""
_OFTEN = 50  # results, after which they are written
_ROW = ("file", "line", "operator", "original", "mutated")  # what results.json has of a mutant
_LIBRARIES = ("apsw", "click", "hypothesis", "hypothesis.stateful", "msgspec", "pytest")


def main(words: list[str] | None = None) -> int:
    """Try mutants; returns the exit status."""
    given = _arguments(words)
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    for library in _LIBRARIES:
        import_module(library)
    root, out = given.root.resolve(), given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    map_ = Map.read(given.map).of(given.tests)
    accepted = equivalent.read(given.equivalent)
    started = time.monotonic()
    found = _chosen(root, map_, given)
    files = sorted({mutant.file for mutant in found})
    paths = sorted({path for file in files for path in map_.tests_of(file)})
    _say(f"{len(found)} mutants of {len(files)} files; running the tests without them")
    held = measured(root, files, paths, out, workers=given.workers, budget=given.budget)
    _say(f"{len(held.seconds)} tests pass ({time.monotonic() - started:.0f} s)")
    results = list(_held_before(found, out)) if given.again else []
    known = {result.mutant for result in results}
    left = [mutant for mutant in found if mutant not in known]
    try:
        for result in _results(root, left, map_, held, accepted, given):
            results.append(result)
            if len(results) % _OFTEN == 0:
                _write(out, results)
    finally:
        _write(out, results)
    minutes = (time.monotonic() - started) / 60
    print(table(results))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"\n{len(results)} mutants in {minutes:.1f} minutes, with {len(held.seconds)} tests; "
        f"{(used.ru_utime + used.ru_stime) / 60:.1f} minutes of processor time"
    )
    return int(share(results) < LEAST)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("paths", nargs="*", metavar="PATH")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="N of them, at random"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=6.0, help="to end in, at least")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of tests a mutant")
    parser.add_argument("--again", action="store_true", help="only what the last run left")
    parser.add_argument("--tests", nargs="*", default=[], help="in place of tests.toml's")
    parser.add_argument("--recheck", action="store_true", help="try equivalent ones, too")
    parser.add_argument("--root", type=Path, default=HERE.parents[1], help="the checkout")
    parser.add_argument("--map", type=Path, default=HERE / "tests.toml")
    parser.add_argument("--equivalent", type=Path, default=HERE / "equivalent.toml")
    parser.add_argument("--out", type=Path, default=Path("build/mutants"))
    return parser.parse_args(words)


def _chosen(root: Path, map_: Map, given: argparse.Namespace) -> list[Mutant]:
    wanted = [path.rstrip("/") for path in given.paths]
    files = [
        file
        for file in map_.sources(root)
        if not wanted or any(file == path or file.startswith(path + "/") for path in wanted)
    ]
    found = [mutant for file in files for mutant in mutants(root, file)]
    if not found:
        raise SystemExit(f"nothing to mutate in {', '.join(wanted) or root}")
    if 0 < given.sample < len(found):
        found = random.Random(given.seed).sample(found, given.sample)
    return found


def _held_before(found: Sequence[Mutant], out: Path) -> Iterator[Result]:
    """Yield what the last run said of the mutants that it did not leave."""
    rows = json.loads((out / "results.json").read_text("utf-8"))
    before = {tuple(row[name] for name in _ROW): row for row in rows}
    for mutant in found:
        row = before.get((mutant.file, mutant.lines.start, *mutant[2:5]), {})
        if row.get("outcome") in HELD:
            yield Result(mutant, row["outcome"], row["by"])


def _results(
    root: Path,
    found: Sequence[Mutant],
    map_: Map,
    held: Coverage,
    accepted: dict[equivalent.Key, equivalent.Entry],
    given: argparse.Namespace,
) -> Iterator[Result]:
    known = [mutant for mutant in found if equivalent.key(mutant) in accepted]
    tried = found if given.recheck else [m for m in found if equivalent.key(m) not in accepted]
    if not given.recheck:
        yield from (Result(mutant, "equivalent") for mutant in known)
    tasks = [_task(mutant, map_, held, given.seconds) for mutant in tried]
    for number, result in enumerate(_tried(root, tasks, held, given), 1):
        listed = equivalent.key(result.mutant) in accepted
        if listed and result.outcome in {"killed", "timeout"}:
            _say(f"listed as equivalent, but killed by {result.by}:\n{told(result)}")
        elif listed:
            yield result._replace(outcome="equivalent")
            continue
        if result.outcome in {"survived", "untested"}:
            _say(told(result))
        if number % 100 == 0:
            _say(f"{number} of {len(tried)}")
        yield result


def _tried(
    root: Path, tasks: Sequence[Task], held: Coverage, given: argparse.Namespace
) -> Iterator[Result]:
    """Try the mutants of functions with everything imported; then the others."""
    warm = [task for task in tasks if not held.is_imported(task.mutant)]
    cold = [task for task in tasks if held.is_imported(task.mutant)]
    files = files_of(root, {test.split("::")[0] for task in warm for test in task.tests})
    for number, result in serve(root, files, warm, given.out.resolve(), given.workers):
        if result is None:
            cold.append(warm[number])
        else:
            yield result
    _say(f"{len(tasks) - len(cold)} tried; {len(cold)} more are tried one import each")
    yield from run(cold, given.workers, partial(try_cold, root))


def _task(mutant: Mutant, map_: Map, held: Coverage, least: float) -> Task:
    tests = held.tests_of(mutant, map_.tests_of(mutant.file))
    return Task(mutant, {test: held.seconds[test] for test in tests}, least)


def _write(out: Path, results: Sequence[Result]) -> None:
    (out / "table.md").write_text(table(results) + "\n", "utf-8")
    alive = [r for r in results if r.outcome in {"survived", "untested"}]
    (out / "survivors.txt").write_text("\n\n".join(map(told, alive)) + "\n", "utf-8")
    texts = dict.fromkeys(equivalent.entry_text(result.mutant) for result in alive)
    (out / "survivors.toml").write_text("\n".join(texts), "utf-8")
    rows = [
        dict(zip(_ROW, (mutant.file, mutant.lines.start, *mutant[2:5]), strict=True))
        | {"outcome": outcome, "by": by}
        for mutant, outcome, by in results
    ]
    (out / "results.json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
