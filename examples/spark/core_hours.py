# SPDX-License-Identifier: LGPL-3.0
"""Core-hours of all clusters by month and bank, of a lake: python core_hours.py LAKE."""

import os
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from flux_jobdb.spark import rebuild

master = os.environ.get("SPARK_MASTER", "local[*]")
spark = SparkSession.builder.master(master).appName("core hours").getOrCreate()
tables = rebuild(spark, sys.argv[1], ["reports"])
hours = tables["report_hour"]  # sums by hour, queue, user, bank and project
month = f.date_format(f.timestamp_seconds(hours["hour"] * 3600), "yyyy-MM")
found = hours.groupBy("cluster", month.alias("month"), "bank").agg(
    f.round(f.sum("core_us") / 3.6e9, 3).alias("core_hours"), f.sum("started").alias("jobs")
)
for row in found.orderBy("cluster", "month", "bank").collect():
    print(row.cluster, row.month, row.bank or "-", row.core_hours, row.jobs)
spark.stop()
