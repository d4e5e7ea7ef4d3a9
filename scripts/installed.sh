#!/usr/bin/env bash
# Installs the programs, by `cargo install` and by `make install`, and tries them where neither the sources nor anything built can be seen.
#
# Each installation goes to a folder with a space. With nothing but that in its environment, `loadgen run` starts the feed-server beside it,
# and `report` draws what it measured; where root may, the whole tree is hidden meanwhile. Then `make uninstall` leaves nothing behind.
# Exits 1 if something does not hold. Takes some three minutes after `make build`.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "error: $*" >&2
  exit 1
}

# Words before a command that is not to see the tree.
hidden=()
if [ "$(id -u)" -eq 0 ] && unshare -m true 2> /dev/null; then
  # shellcheck disable=SC2016 # the words are of the shell that is started
  hidden=(unshare -m bash -c 'mount -t tmpfs none "$1" && [ -z "$(ls "$1")" ] && shift && cd / && exec "$@"' hidden "$PWD")
else
  echo "the tree stays visible: hiding it takes root"
fi

# Whether the programs in a folder do their work by themselves.
try() {
  local bin=$1 out=$work/out
  for _ in 1 2 3; do
    rm -rf "$out"
    # Not how fast, but whether: bounds are wide, and a machine that was too busy is asked again.
    ! "${hidden[@]}" env -i PATH=/nonexistent "$bin/loadgen" run --transport sse --clients 10 --rate 4 --settle 0s --warmup 500ms \
      --duration 2s --drain 5s --max-send-lag 10s --max-loop-lag 10s --max-cpu 64 --out "$out/run" > "$work/said" 2>&1 || break
  done
  grep -q '"deliveries"\|deliver' "$out/run/run.json" || fail "$bin/loadgen measured nothing: $(tail -n 5 "$work/said")"
  if [ -x "$bin/report" ]; then
    "${hidden[@]}" env -i PATH=/nonexistent "$bin/report" "$out/run" --out "$out/page" > "$work/said" 2>&1 || fail "$(cat "$work/said")"
    grep -q '</html>' "$out/page/index.html" || fail "$bin/report wrote no page"
  fi
  echo "$bin: works alone"
}

for package in loadgen servers/feed-server; do
  cargo install --quiet --locked --no-track --path "$package" --root "$work/cargo install"
done
try "$work/cargo install/bin"

make --no-print-directory install DESTDIR="$work/package" PREFIX="/a prefix" > "$work/said" 2>&1 || fail "make install: $(cat "$work/said")"
try "$work/package/a prefix/bin"
touch "$work/package/a prefix/bin/somebody else's"
make --no-print-directory uninstall DESTDIR="$work/package" PREFIX="/a prefix"
left=$(ls "$work/package/a prefix/bin")
[ "$left" = "somebody else's" ] || fail "make uninstall left or removed too much: $left"
echo "make uninstall: removes what was installed, and nothing else"
