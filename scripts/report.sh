#!/usr/bin/env bash
# Compares the four transports against fresh servers and writes the report: the product's main job, with its defaults.
#
# Five rounds of six seconds: what differs little is told by rounds rather than by seconds. Needs the programs of `make build`, or those
# in $WIRELAB_PROGRAMS. The report goes to `wirelab-report`, or to the folder that WIRELAB_REPORT names; the runs to a new folder in
# `wirelab-runs`, or in the one that WIRELAB_RUNS names. Words given to this script go on to `loadgen compare`.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

out=${WIRELAB_REPORT:-wirelab-report}
runs=${WIRELAB_RUNS:-wirelab-runs}/$(date -u +%Y-%m-%dT%H-%M-%SZ)-report

programs=$(scripts/programs.sh)

status=0
"$programs/loadgen" compare --rounds 5 --duration 6s --out "$runs" "$@" || status=$?
# 3: some run is invalid. The report is written all the same, and says so first.
if [ "$status" -ne 0 ] && [ "$status" -ne 3 ]; then
  exit "$status"
fi
"$programs/report" "$runs" --out "$out" > /dev/null
echo
echo "report: $(realpath "$out")/index.html"
echo "runs:   $(realpath "$runs")"
