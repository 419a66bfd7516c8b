#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0
#FLUX: --nodes=2
#FLUX: --exclusive
#FLUX: --job-name=spark-rebuild
# Starts Spark in the nodes of this allocation, runs a program of Spark there, and ends it:
#     flux batch rebuild.sh core_hours.py /lake/flux
# On one node Spark needs no servers: it runs in the program's own process (local[*]).
set -euo pipefail
program=$1
shift

PYTHON=${PYTHON:-$(command -v python3)}
export PYSPARK_PYTHON=$PYTHON PYSPARK_DRIVER_PYTHON=$PYTHON
SPARK_HOME=${SPARK_HOME:-$("$PYTHON" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')}
export SPARK_HOME
nodes=$(flux resource list -n -s all -o '{nnodes}')

if [ "$nodes" -le 1 ]; then
    SPARK_MASTER='local[*]' "$PYTHON" "$program" "$@"
    exit
fi

host=$(hostname)
port=${SPARK_PORT:-7077}
server=org.apache.spark.deploy
"$SPARK_HOME/bin/spark-class" $server.master.Master --host "$host" --port "$port" --webui-port 0 &
master=$!
# A worker a node; it takes the cores that are its own there.
workers=$(flux submit --nodes="$nodes" --exclusive --job-name=spark-workers \
    "$SPARK_HOME/bin/spark-class" $server.worker.Worker --webui-port 0 "spark://$host:$port")
trap 'flux cancel "$workers"; kill "$master"; wait "$master" || true' EXIT

SPARK_MASTER=spark://$host:$port "$PYTHON" "$program" "$@"
