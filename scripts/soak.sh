#!/usr/bin/env bash
# A soak: many clients, some of which leave and come back all the time, for as long as it takes to see whether anything is lost on the way.
#
#   soak.sh [--clients N] [--minutes M] [--churn PERCENT/s] [--transport NAME] [--out DIR]
#
# Ten minutes of 5,000 clients over WebSocket, 5 % of which leave every second, unless told otherwise. Prints resident memory and open
# files of server and generator in the first and in the last minute, and leaves a report whose plot `resources` shows all between.
# Exits 1 when a message was lost, or files are left open; memory is told, and not judged.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

clients=5000 minutes=10 churn=5 transport=ws out=${WIRELAB_RUNS:-wirelab-runs}/soak-$(date -u +%Y%m%dT%H%M%SZ)
while [ $# -gt 0 ]; do
  case $1 in
    --clients | --minutes | --churn | --transport | --out) [ $# -gt 1 ] || { echo "$1 wants a value" >&2; exit 2; } ;;&
    --clients) clients=$2 ;;
    --minutes) minutes=$2 ;;
    --churn) churn=${2%%%*} ;;
    --transport) transport=$2 ;;
    --out) out=$2 ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "soak.sh knows --clients, --minutes, --churn, --transport and --out, not $1" >&2; exit 2 ;;
  esac
  shift 2
done

cargo build --release --locked --quiet -p feed-server -p loadgen -p reports
programs=$(scripts/programs.sh)
"$programs/loadgen" run --transport "$transport" --clients "$clients" --rate 1 --duration "${minutes}m" \
  --fault "churn $churn%/s" --reconnect immediate --out "$out"
"$programs/report" "$out" --out "$out/report"
python3 scripts/soak.py "$out"
