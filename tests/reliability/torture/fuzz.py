# SPDX-License-Identifier: LGPL-3.0
"""Fuzzing with atheris (libFuzzer): each target in a process with limits.

``python -m tests.reliability.torture.fuzz --runs 10000``;
``--replay FILE`` tries one input again, and
needs no atheris. tests/reliability/test_fuzz.py tries some inputs with hypothesis.

What is new in the program's lines decides which inputs are kept and changed further. An input
that takes longer than HANG, or memory beyond MOST_MEMORY, is a fault as a crash is.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.reliability.torture.report import Line, report

ROOT = Path(__file__).resolve().parents[3]
HANG = 60
"""Seconds that one input may take, on a machine that is busy with other things."""
MOST_MEMORY = 1024
"""MiB of memory that a process may use."""
_ADDRESSES = 8 * 2**30  # bytes of address space: what is a larger allocation fails
_LONGEST = 4 * 2**20  # bytes of an input: several names of a megabyte
_OURS = ("eventstore", "projections", "joblist")


def fuzz(name: str, runs: int, seed: int, folder: Path) -> Line:
    """Try ``runs`` inputs; returns a line that says so. Raises SystemExit at a fault."""
    told = folder / "told"
    words = [sys.executable, "-m", __spec__.name, "--child", name, "--runs", str(runs),
             "--seed", str(seed), "--folder", str(folder)]  # fmt: skip
    with open(folder / "log", "w+b") as log:
        done = subprocess.run(
            words, cwd=ROOT, check=False, stdout=log, stderr=log, preexec_fn=_bound
        )
        log.seek(max(0, log.seek(0, os.SEEK_END) - 6000))
        tail = log.read().decode(errors="replace")
    count, peak = told.read_text(encoding="ascii").split() if told.exists() else ("0", "0")
    found = [
        path for path in folder.iterdir() if path.name.startswith(("crash", "timeout", "oom"))
    ]
    if done.returncode != 0 or int(count) < runs:
        print(tail, file=sys.stderr)
        for path in found:
            kept = Path(tempfile.mkdtemp(prefix="fuzz-")) / f"{name}-{path.name}"
            kept.write_bytes(path.read_bytes())
            print(
                f"try it again: python -m {__spec__.name} --replay {kept} {name}",
                file=sys.stderr,
            )
        raise SystemExit(f"fuzzing of {name}: a fault after {count} inputs")
    figures = f"no crash, none took {HANG} s, memory at most {int(peak) // 1024} MiB"
    return Line("fuzzing", name, int(count), figures)


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _child(name: str, runs: int, seed: int, folder: Path) -> None:
    """Fuzz a target in this process; libFuzzer ends it."""
    import atheris  # noqa: PLC0415

    with atheris.instrument_imports(include=list(_OURS)):
        from tests.reliability.torture.targets import TARGETS  # noqa: PLC0415
    _without_plugins()
    target = TARGETS[name]()
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(target.seeds()):
        (corpus / f"{number:04}").write_bytes(data)
    tried = 0

    def one(data: bytes) -> None:
        nonlocal tried
        if tried == runs:  # libFuzzer tries one more
            return
        target.try_(data)
        tried += 1
        if tried == runs:
            target.close()
        if tried % 100 == 0 or tried == runs:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            (folder / "told").write_text(f"{tried} {peak}", encoding="ascii")

    def mutated(data: bytes, most: int, number: int) -> bytes:
        return target.mutate(data, random.Random(number))[:most]

    options = [f"-runs={runs}", f"-seed={seed}", f"-timeout={HANG}", f"-max_len={_LONGEST}",
               f"-rss_limit_mb={MOST_MEMORY}", f"-artifact_prefix={folder}/",
               "-print_final_stats=1", str(corpus)]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutated)
    atheris.Fuzz()


def _without_plugins() -> None:
    """Do not look for projections of sites: that takes a third of the time."""
    from projections.definitions import registry  # noqa: PLC0415

    none: Callable[..., list[object]] = lambda **_: []  # noqa: E731
    registry.entry_points = none  # type: ignore[assignment]


def main() -> None:
    """Fuzz the targets that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[], metavar="TARGET")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", metavar="FILE")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        _child(options.child, options.runs, options.seed, options.folder)
        return
    from tests.reliability.torture.targets import TARGETS  # noqa: PLC0415

    if options.replay is not None:
        target = TARGETS[options.names[0]]()
        target.try_(Path(options.replay).read_bytes())
        target.close()
        return
    if importlib.util.find_spec("atheris") is None:
        reason = "skipped: atheris is not installed: pip install 'flux-jobdb[torture]'"
        report(Line("fuzzing", "", 0, "", reason))
        return
    for name in options.names or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            report(fuzz(name, options.runs, options.seed, Path(folder)))


if __name__ == "__main__":
    main()
