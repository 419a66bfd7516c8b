# SPDX-License-Identifier: LGPL-3.0
"""``python -m tests.mutants [PATH ...] [--sample N]``: tries mutants, prints a table.

PATH is a source file or folder; without any, all that ``tests.toml`` names are tried. The exit
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
from tests.mutants.report import share, table, told
from tests.mutants.selection import Coverage, Map, files_of, measured
from tests.mutants.warm import serve

HERE = Path(__file__).parent
LEAST = 0.97
"""The share of mutants that must be killed, or listed as equivalent."""
_FACTOR = 5.0
"""A mutant has so many times the processor time that its tests took without it."""
_LIBRARIES = ("apsw", "click", "hypothesis", "hypothesis.stateful", "msgspec", "pytest")


def main(words: list[str] | None = None) -> int:
    """Try mutants; returns the exit status."""
    given = _arguments(words)
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    for library in _LIBRARIES:
        import_module(library)
    root, out = given.root.resolve(), given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    map_ = Map.read(given.map)
    accepted = equivalent.read(given.equivalent)
    started = time.monotonic()
    found = _chosen(root, map_, given)
    files = sorted({mutant.file for mutant in found})
    paths = sorted({path for file in files for path in map_.tests_of(file)})
    _say(f"{len(found)} mutants of {len(files)} files; running the tests without them")
    held = measured(root, files, paths, out, given.workers)
    _say(f"{len(held.seconds)} tests pass ({time.monotonic() - started:.0f} s)")
    results: list[Result] = []
    try:
        results.extend(_results(root, found, map_, held, accepted, given))
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
    parser.add_argument("--seconds", type=float, default=10.0, help="to end in, at least")
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
    return Task(mutant, tests, least + _FACTOR * sum(held.seconds[test] for test in tests))


def _write(out: Path, results: Sequence[Result]) -> None:
    (out / "table.md").write_text(table(results) + "\n", "utf-8")
    alive = [r for r in results if r.outcome in {"survived", "untested"}]
    (out / "survivors.txt").write_text("\n\n".join(map(told, alive)) + "\n", "utf-8")
    texts = dict.fromkeys(equivalent.entry_text(result.mutant) for result in alive)
    (out / "survivors.toml").write_text("\n".join(texts), "utf-8")
    rows = [
        {
            "file": result.mutant.file,
            "line": result.mutant.lines.start,
            "operator": result.mutant.operator,
            "original": result.mutant.original,
            "mutated": result.mutant.mutated,
            "outcome": result.outcome,
            "by": result.by,
        }
        for result in results
    ]
    (out / "results.json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
