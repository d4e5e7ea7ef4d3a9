#!/usr/bin/env bash
# Compares the four transports against fresh servers and writes the report: the product's main job, with its defaults.
#
# Five rounds of six seconds: what differs little is told by rounds rather than by seconds. Needs the programs of
# `make build`. Words given to this script go on to `loadgen compare`.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${WIRELAB_REPORT:-wirelab-report}
runs=wirelab-runs/$(date -u +%Y-%m-%dT%H-%M-%SZ)-report

status=0
target/release/loadgen compare --rounds 5 --duration 6s --out "$runs" "$@" || status=$?
# 3: some run is invalid. The report is written all the same, and says so first.
if [ "$status" -ne 0 ] && [ "$status" -ne 3 ]; then
  exit "$status"
fi
target/release/report "$runs" --out "$out" > /dev/null
echo
echo "report: $PWD/$out/index.html"
echo "runs:   $PWD/$runs"
