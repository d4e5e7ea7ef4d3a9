#!/usr/bin/env bash
# Sets up what the tests need and runs them all, whatever fails.
#
#   scripts/test.sh [what `cargo test` takes to choose packages and test programs, for example `-p loadgen`]
#
# The tests drive the programs as processes, so everything is built first. Components that are not part of the product (a
# packet capture, for one) are set up by the test that needs them, or it says by name that it was skipped and why. The last line is
# `N passed, N failed, N skipped`; see scripts/suite.sh, which runs what was built here.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

if ! command -v cargo > /dev/null; then
  echo "error: cargo is not on the PATH: install a Rust toolchain, 1.94 or newer" >&2
  exit 1
fi
cargo build --workspace --locked
target=$(scripts/programs.sh --target)
mkdir -p "$target/suite"
built=$target/suite/built.json
cargo test --workspace --locked --no-run --message-format=json-render-diagnostics "$@" > "$built"
# Name, folder and path of each test program, with tabs between, for paths may hold spaces. A name that several have (`lib` of each crate)
# is preceded by its crate's.
sed -n 's/^{"reason":"compiler-artifact".*"manifest_path":"\([^"]*\)\/Cargo.toml","target":{"kind":\["\([a-z-]*\)"\].*"name":"\([^"]*\)".*"profile":{[^}]*"test":true}.*"executable":"\([^"]*\)".*/\2\t\3\t\1\t\4/p' "$built" |
  while IFS=$'\t' read -r kind name folder program; do
    [ "$kind" = test ] || name=$name-$kind
    printf '%s\t%s\t%s\n' "$name" "$folder" "$program"
  done |
  awk -F '\t' -v OFS='\t' '{ lines[NR] = $0; names[NR] = $1; seen[$1]++ }
       END { for (i = 1; i <= NR; i++) { split(lines[i], part, FS); count = split(part[2], path, "/")
         if (seen[names[i]] > 1) part[1] = path[count] "-" part[1]
         print part[1], part[2], part[3] } }' > "$target/suite/unordered"
# The longest of the last time come first.
times=$target/suite/times
awk -F '\t' -v OFS='\t' -v times="$times" 'BEGIN { while ((getline line < times) > 0) { split(line, part, " "); took[part[1]] = part[3] } }
  { print ($1 in took) ? took[$1] : 60, $0 }' "$target/suite/unordered" |
  sort -s -k1,1nr | cut -f 2- > "$target/suite/programs"
rm -f "$target/suite/no-doctests"
[ $# = 0 ] || touch "$target/suite/no-doctests"
log=$target/suite/$(date -u +%Y-%m-%dT%H-%M-%SZ)
code=0
scripts/suite.sh --log "$log" || code=$?
cp "$log/programs" "$times"
exit "$code"
