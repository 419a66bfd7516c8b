"""Which jobs ran on a host at a past moment: python who_was_there.py DATABASE HOST TIME."""

import sys

import flux_jobdb

path, host, moment = sys.argv[1:]
with flux_jobdb.open(path) as db:
    for job in db.jobs({"and": [{"states": ["running"]}, {"hostlist": [host]}]},
                       as_of=float(moment)):  # fmt: skip
        print(job.jobid, job.userid, job.name, job.nodelist)
