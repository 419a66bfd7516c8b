"""Node-hours by month and bank, as CSV: python node_hours.py DATABASE."""

import csv
import sys

import flux_jobdb

with flux_jobdb.open(sys.argv[1]) as db:
    writer = csv.writer(sys.stdout)
    writer.writerow(["month", "bank", "jobs", "node_hours"])
    for row in db.report("usage", by="month", group=["bank"]):
        hours = row.figures["node_seconds"] / 3600
        writer.writerow([row.period, row.group["bank"], row.figures["jobs"], f"{hours:.3f}"])
