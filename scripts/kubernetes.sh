#!/usr/bin/env bash
# Checks the files in servers/deploy/kubernetes: against the schemas of Kubernetes, and their flags against the programs.
#
# The schemas come with the Python package kubernetes-validate, which is installed into `kubernetes-validate` where cargo builds. Where that
# cannot be done, prints `SKIPPED kubernetes: <reason>` and exits 0. Exits 1 if a file does not hold.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

files=servers/deploy/kubernetes
venv=$(scripts/programs.sh --target)/kubernetes-validate

skip() {
  echo "SKIPPED kubernetes: $*"
  exit 0
}

command -v python3 > /dev/null || skip "python3 is not installed"
if [ ! -x "$venv/bin/kubernetes-validate" ]; then
  said=$(mktemp)
  trap 'rm -f "$said"' EXIT
  { rm -rf "$venv" && python3 -m venv "$venv" && "$venv/bin/pip" install -q "kubernetes-validate==1.37.0"; } > "$said" 2>&1 ||
    skip "kubernetes-validate cannot be installed: $(tail -n 1 "$said")"
fi
cargo build --quiet --locked -p loadgen -p feed-server
"$venv/bin/kubernetes-validate" --strict --quiet "$files"/*.yaml
"$venv/bin/python" scripts/kubernetes.py "$(scripts/programs.sh --debug)" "$files"/*.yaml
