#!/usr/bin/env bash
# From nothing to a report: builds finops, makes a sample bill, imports it into DuckDB and prints what it cost.
# Safe to run again: the sample is the same every time, and months that are loaded are left alone.
#
# usage: scripts/quickstart.sh
. "$(dirname "$0")/lib.sh"
[ $# = 0 ] || die "takes no arguments"

cd "$root"
scripts/build.sh
finops=build/finops
sample=data/sample

run() { # prints the command, so that it can be copied
    printf '\n$ %s\n' "$*"
    "$@"
}

run $finops sample --out $sample --start 2026-08 --months 3 --rows 20000 --accounts 5 --seed 1 \
    --format parquet --cur-version v2
run $finops aws import-cur --bucket $sample/sample-billing --prefix exports
run $finops report

cat <<EOF

The bill is in ./data/finops.duckdb. To go on:
  $finops report --by account --compare
  $finops query "SELECT * FROM billing_state.load_state"
  $finops aws import-cur --bucket s3://YOUR-BUCKET --prefix YOUR/PREFIX
EOF
