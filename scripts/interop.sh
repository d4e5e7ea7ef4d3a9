#!/usr/bin/env bash
# Runs what takes heavy components or long minutes, whatever fails, and sums up as `make test` does: the time of each chore, each skipped and
# each failed one by name, and as the last line `N passed, N failed, N skipped`.
#
#   scripts/interop.sh [CHORE...]      all chores unless some are named
#   scripts/interop.sh --list          the chores, what they hold, and their usual minutes on two cores
#
# One chore runs at a time, for most of them measure. Each is a script of its own that can be run by itself. Needs what `make build` leaves,
# and builds it first. Output and summary go to `interop/<time>` where cargo builds. Exits 1 if a chore failed.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

# Name, script, usual minutes, and what it holds; of the scripts that are there.
chores() {
  local line script
  while read -r line; do
    read -r _ script _ <<< "$line"
    [ ! -x "scripts/$script" ] || echo "$line"
  done << 'END'
places        places.sh         14  builds, measures and reports in unusual but ordinary places; a table
vendored      vendored.sh        5  builds without a network from `cargo vendor`
rust-version  rust_version.sh    3  compiles with the minimum Rust version that Cargo.toml states
installed     installed.sh       3  what `cargo install` and `make install` leave works without the tree
failovers     failovers.sh       6  ten failovers of Redis, by name and by Sentinel
wirecheck     wirecheck.sh       1  bytes that loadgen counts against a packet capture
autobahn      autobahn.sh        2  WebSocket, both ends, by the Autobahn test suite
END
}
# Longest that a chore may take, s.
readonly BOUND=5400

# Runs one chore and tells its outcome as `scripts/suite.sh` reads it.
one() {
  local name=$1 script said reason
  script=$(chores | awk -v name="$name" '$1 == name { print $2 }')
  said=$(mktemp)
  # shellcheck disable=SC2064 # the file of now
  trap "rm -f '$said'" EXIT
  "scripts/$script" | tee "$said"
  reason=$(sed -n "s/^SKIPPED $name: //p" "$said" | sed -n 1p)
  if [ -n "$reason" ]; then
    echo "$name: $reason" >> "$WIRELAB_SKIPS"
  elif ! grep -q '^test .* \.\.\. ok$' "$said"; then
    # A script that tells its cases itself is counted by them.
    echo "test $name ... ok"
  fi
}

case ${1-} in
  --list)
    chores
    exit
    ;;
  --one=*)
    one "${1#--one=}"
    exit
    ;;
esac
known=$(chores)
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(cut -d ' ' -f 1 <<< "$known")
for name in "${names[@]}"; do
  grep -q "^$name " <<< "$known" || {
    echo "error: unknown chore $name: expected one of $(cut -d ' ' -f 1 <<< "$known" | paste -sd ' ')" >&2
    exit 2
  }
done

make --no-print-directory build
log=$(scripts/programs.sh --target)/interop/$(date -u +%Y-%m-%dT%H-%M-%SZ)
mkdir -p "$log"
export WIRELAB_RUNS=$log/runs
for name in "${names[@]}"; do
  printf '%s\t%s\t%s\t%s\n' "$name" "$PWD" "$PWD/scripts/interop.sh" "--one=$name"
done > "$log/chores"
code=0
scripts/suite.sh --programs "$log/chores" --log "$log" --jobs 1 --bound "$BOUND" > "$log/said" || code=$?
# What a chore shows as a table is worth seeing here.
for name in places failovers; do
  [ ! -s "$log/$name.out" ] || { grep -vE '^(test|SKIPPED|FAILED) ' "$log/$name.out" || true; echo; }
done
cat "$log/said"
exit "$code"
