#!/usr/bin/env bash
# Runs the tests that `scripts/test.sh` has built several times, and prints a table: a line a run with what passed, failed and was
# skipped, its seconds, and the names of what failed.
#
#   scripts/suite_repeat.sh N [--load] [--jobs N]
#
# With --load, a busy loop for each core runs beside the tests; they are ended by their process ids. Exits 1 if any run failed.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

usage() {
  echo "error: $1; see the head of scripts/suite_repeat.sh" >&2
  exit 2
}

runs=${1-}
[[ $runs =~ ^[1-9][0-9]*$ ]] || usage "expected a number of runs"
shift
load=
jobs=()
while [ $# -gt 0 ]; do
  case $1 in
    --load) load=1 ;;
    --jobs)
      jobs=(--jobs "${2-}")
      shift
      ;;
    *) usage "unknown word $1" ;;
  esac
  shift || usage "the last flag lacks its value"
done

busy=()
stop_load() {
  [ ${#busy[@]} = 0 ] || kill "${busy[@]}" 2> /dev/null
  busy=()
}
trap stop_load EXIT
trap 'exit 130' INT TERM
if [ -n "$load" ]; then
  for _ in $(seq "$(nproc)"); do
    (while :; do :; done) &
    busy+=($!)
  done
fi

all=$(scripts/programs.sh --target)/suite/repeat-$(date -u +%Y-%m-%dT%H-%M-%SZ)
mkdir -p "$all"
table=$all/table
printf '%4s  %7s  %6s  %7s  %7s  %s\n' run passed failed skipped seconds "failed tests${load:+ (under load)}" | tee "$table"
code=0
for run in $(seq "$runs"); do
  began=$SECONDS
  scripts/suite.sh --log "$all/$run" ${jobs[@]+"${jobs[@]}"} > /dev/null 2>&1 || code=1
  read -r passed _ failed _ skipped _ < "$all/$run/total"
  names=$(sed -n 's/^FAILED //p' "$all/$run/summary" | paste -sd ' ')
  printf '%4s  %7s  %6s  %7s  %7s  %s\n' "$run" "$passed" "$failed" "$skipped" $((SECONDS - began)) "$names" | tee -a "$table"
done
echo "logs in $all"
exit "$code"
