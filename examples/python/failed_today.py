"""Yesterday's and today's failed jobs, with the reason: python failed_today.py DATABASE."""

import sys
import time

import flux_jobdb

with flux_jobdb.open(sys.argv[1]) as db:
    for job in db.jobs(f"failed,timeout t_inactive:>{time.time() - 2 * 86400}"):
        print(job.jobid, job.userid, job.name, job.result, job.exception_note or "")
