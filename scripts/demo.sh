#!/usr/bin/env bash
# Serves a steady feed on the topic `demo` and says what to open or type. Ctrl-c ends it.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

address=${WIRELAB_DEMO:-127.0.0.1:8080}
cargo build --release --locked -p feed-server
programs=$(scripts/programs.sh)
cat << EOF

A notification a second, over four transports:

  open  http://$address/                                  (all four side by side)
  curl -N http://$address/topics/demo/sse                 (Server-Sent Events)
  curl 'http://$address/topics/demo/long-poll?wait=25'    (waits for the next one)
  curl http://$address/topics/demo/short-poll?after=earliest
  npx wscat -c ws://$address/topics/demo/ws               (WebSocket)
  curl -X POST http://$address/topics/demo -d '"hello"'   (publish)

EOF
exec "$programs/feed-server" --listen "$address" --demo
