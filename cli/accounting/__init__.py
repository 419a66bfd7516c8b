# SPDX-License-Identifier: LGPL-3.0
"""Feeding finished jobs to flux-accounting's database, and explaining what they are charged.

feed.py                adds the jobs that a database lacks, with a cursor; idempotent
flux_accounting_db.py  flux-accounting's database: known schemas, the ``jobs`` table
explain.py             what a job is charged, or why it is not in the feed
lock_holders.py        which processes lock a database
"""

__all__ = ["explain", "feed", "flux_accounting_db", "lock_holders"]
