#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0
# A first look: `make demo` runs this. $BIN has the programs, $DEMO is a folder to work in.
set -eu

rm -rf "$DEMO"
mkdir -p "$DEMO"
export FLUX_JOBDB="$DEMO/jobdb.sqlite"
printf '\n$ export FLUX_JOBDB=%s\n' "$FLUX_JOBDB"
PATH="$(cd "$BIN" && pwd):$PATH"

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

run flux-jobdb ingest tests/data/private/journal.jsonl.gz
run flux-jobdb list -A -a --count 6
run flux-jobdb list -A --filter failed,canceled,timeout --count 4 -o endreason
job=$(flux-jobdb list -A --filter failed --count 1 --no-header -o '{id.f58plain}' 2>&1 | head -n 1)
run flux-jobdb history "$job"
run flux-jobdb list --stats-only
run flux-jobdb rebuild
run flux-jobdb verify

cat <<'EOF'

What next:

    . .venv/bin/activate
    export FLUX_JOBDB=build/demo/jobdb.sqlite
    flux-jobdb list -A -a --as-of 2026-11-22T23:11:48Z   # the jobs as they were then
    flux-jobdb rpc job-list.list '{"max_entries":2,"attrs":["all"]}'   # as Flux asks
    flux-jobdb list --help
EOF
