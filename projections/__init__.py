# SPDX-License-Identifier: LGPL-3.0
"""What is true: views that follow from the events, and questions to them.

job.py, fold.py        a job's state, and a reducer for each event of RFC 21   (pure)
jobspec.py, resources.py   what job-list reads from jobspec and R              (pure)
hostlist.py, idset.py  RFC 29 and RFC 22                                       (pure)
projection.py, builtin.py  rows that follow from a state: the interface, the four views
changes.py             from stored events to changed states
views.py, rebuild.py   the tables, their checkpoints, and making them anew
constraint.py, match.py, reach.py, plan.py   RFC 31, evaluated or turned into SQL (pure)
query.py, moment.py, statistics.py, lookup.py   questions, for now and for past moments
answer.py, pick.py, jsontext.py   answers as job-list writes them
"""
