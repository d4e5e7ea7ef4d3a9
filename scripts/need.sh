#!/usr/bin/env bash
# Sees that a program is there: says nothing when it is, installs its Debian package when this is root, and otherwise says in a
# line on stderr why not, and exits 1.
#
#   scripts/need.sh PROGRAM [PACKAGE, default PROGRAM]
set -euo pipefail
export LC_ALL=C

program=$1
package=${2:-$1}
# Where Debian keeps servers, which is not on everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin

if command -v "$program" > /dev/null; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
  echo "$program is not installed: install it with the system's package manager, for example \`apt-get install $package\`" >&2
  exit 1
fi
echo "installing $package" >&2
said=$(mktemp)
trap 'rm -f "$said"' EXIT
# A package that brings a server would start it; it is wanted as a program alone.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
# Who installs something else meanwhile is waited for.
wait="-oDPkg::Lock::Timeout=300"
if ! { apt-get "$wait" install -y "$package" || { apt-get "$wait" update && apt-get "$wait" install -y "$package"; }; } > "$said" 2>&1; then
  echo "$package cannot be installed: $(tail -n 1 "$said")" >&2
  exit 1
fi
command -v "$program" > /dev/null || {
  echo "$package is installed, but there is no $program" >&2
  exit 1
}
