#!/usr/bin/env bash
# What several servers are worth: the transports through nginx, with a broker and without, while a server is killed and while
# Redis is stopped; a line for each run with the ledger of its clients.
#
# Five rows of runs, each against a fresh cluster of three servers (scripts/cluster.sh):
#   with a broker, undisturbed; with a broker, one server killed (SIGKILL) in the middle; with a broker, Redis stopped for two
#   seconds in the middle; without a broker, undisturbed; without a broker, one server killed.
# What must hold is checked: with a broker nothing is lost and nothing comes twice, whoever is stopped; exit code 1 if not. A run that
# was disturbed may be invalid as a measurement of speed, and says why; its ledger is exact all the same. What nginx or a server
# did not confirm counts as refused; if it was published all the same, it is expected of every client. The servers' own costs are not
# measured: behind a balancer there is no single server to ask.
#
#   scripts/cluster_report.sh [--clients N] [--transports NAMES] [--out DIR]
#
# Takes about five minutes. Needs the programs of `make build`, or those in $WIRELAB_PROGRAMS, and python3, which reads the results;
# without it, prints `SKIPPED cluster report: <reason>` and exits 0.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

WIRELAB_PROGRAMS=$(scripts/programs.sh)
export WIRELAB_PROGRAMS

# One run within a cluster, which is disturbed three seconds after its window began, as far as that can be told from outside.
measure() {
  local transport=$1 fault=$2 out=$3 status=0 run
  "$WIRELAB_PROGRAMS/loadgen" run --transport "$transport" --url "$WIRELAB_URL" --clients "$clients" --rate 20 \
    --settle 500ms --warmup 1s --duration 8s --drain 5s --poll-interval 1s --out "$out/run" > "$out/table" 2>&1 &
  run=$!
  sleep 5
  date +%s.%N > "$out/disturbed"
  case $fault in
    kill) kill -KILL "${WIRELAB_SERVER_PIDS##* }" ;;
    redis) kill -USR1 "$WIRELAB_CLUSTER_PID" ;;
  esac
  wait "$run" || status=$?
  # 3: the run is invalid, and says why.
  [ "$status" -eq 0 ] || [ "$status" -eq 3 ] || {
    echo "error: loadgen ended with $status: $(tail -n 3 "$out/table")" >&2
    return 1
  }
}

if [ "${1-}" = --measure ]; then
  clients=$5
  measure "$2" "$3" "$4"
  exit
fi

clients=300
transports=short-poll,long-poll,sse,ws
out=${WIRELAB_RUNS:-wirelab-runs}/$(date -u +%Y-%m-%dT%H-%M-%SZ)-cluster
usage() {
  echo "error: $1; see the head of scripts/cluster_report.sh" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --clients) clients=${2-} ;;
    --transports) transports=${2-} ;;
    --out) out=${2-} ;;
    *) usage "unknown word $1" ;;
  esac
  [ -n "${2-}" ] || usage "$1 lacks its value"
  shift 2
done
[[ $clients =~ ^[1-9][0-9]*$ ]] || usage "--clients takes a number, not \`$clients\`"
command -v python3 > /dev/null || {
  echo "SKIPPED cluster report: python3, which reads the results, is not installed"
  exit 0
}

mkdir -p "$out"
for case in redis:none redis:kill redis:redis none:none none:kill; do
  for transport in ${transports//,/ }; do
    broker=${case%%:*}
    fault=${case##*:}
    folder=$out/$broker-$fault-$transport
    mkdir "$folder"
    scripts/cluster.sh --servers 3 --broker "$broker" \
      --run "scripts/cluster_report.sh --measure $transport $fault $(printf %q "$folder") $clients" 2> "$folder/cluster" || {
      cat "$folder/cluster" >&2
      exit 1
    }
    python3 scripts/cluster_report.py --line "$folder"
  done
done
echo
python3 scripts/cluster_report.py "$out"
