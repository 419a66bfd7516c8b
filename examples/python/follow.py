"""Prints events as they are stored: python follow.py DATABASE [SECONDS]; Ctrl-C ends it."""

import sys
import time

import flux_jobdb

with flux_jobdb.open(sys.argv[1]) as db:
    end = time.monotonic() + (float(sys.argv[2]) if len(sys.argv) > 2 else 1e9)
    last = max((event.seq for event in db.events()), default=0)
    while True:
        for event in db.events(after=last):
            print(event.timestamp, event.id, event.name, flush=True)
            last = event.seq
        if time.monotonic() > end:
            break
        time.sleep(1)
