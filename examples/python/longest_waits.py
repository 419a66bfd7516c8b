"""The ten longest waits of each queue: python longest_waits.py DATABASE."""

import sys

import flux_jobdb

QUERY = """
    SELECT * FROM (
        SELECT queue, id, t_run - t_submit AS waited,
               row_number() OVER (PARTITION BY queue ORDER BY t_run - t_submit DESC) AS place
        FROM jobs WHERE t_run IS NOT NULL
    ) WHERE place <= 10 ORDER BY queue, place
"""

with flux_jobdb.open(sys.argv[1]) as db:
    for row in db.sql(QUERY):
        print(row["queue"], row["place"], row["id"], f"{row['waited']:.3f} s")
