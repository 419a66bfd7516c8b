# SPDX-License-Identifier: LGPL-3.0
"""From the start of a process to its first answer from a stored history.

Floor: a Python process that imports the libraries only.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from bench.histories import Bench
from bench.report import Row, duration
from bench.timing import ROOT, repeat

__all__ = ["measure"]

_CODE = """
import sys
from eventstore.storage.connection import create_or_open
from joblist.config import Config
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.engine.views import Views

with create_or_open(sys.argv[1]) as store:
    views = Views(store)
    service = Service(store, Config(), active=views.unfinished)
    text = b'{"max_entries":1000,"attrs":["all"],"constraint":{"and":[]}}'
    service.answer(Request("job-list.list", text, Credential(), False))
"""
_BARE = "import apsw, msgspec"


def measure(bench: Bench) -> Iterator[Row]:
    """Open each history for writing and ask for the newest 1,000, as the module would."""
    for history in bench.histories():
        taken, bare = repeat(partial(_run, _CODE, history.path), partial(_run, _BARE))
        yield duration("start", f"to the first answer, of {history.jobs:,}", taken, bare.wall,
                     "python, apsw, msgspec", unit="s", target=1.0)  # fmt: skip


def _run(code: str, *words: str) -> None:
    subprocess.run([sys.executable, "-c", code, *words], check=True, cwd=ROOT)
