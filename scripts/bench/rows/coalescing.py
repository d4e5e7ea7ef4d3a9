"""`feed-server --coalesce`: what it saves when notifications wait for each other, and what it costs in latency."""

import functools
import subprocess

import loadgen
import place
import server
from child import GENERATOR_CORE
from plan import Contender, Missing, Row, Section
from rows.deliveries import CONNECT_RATE

CLIENTS = 1000
RATE = 100
WAITS_MS = (0, 5, 20, 50)


def row(_peers):
    said = subprocess.run([place.program("feed-server"), "--help"], capture_output=True, text=True).stdout
    if "--coalesce" not in said:
        return Row("coalesce", [], missing=[Missing("coalesce", "this feed-server has no --coalesce", "make build")])
    contenders = [
        Contender("feed-server", "ours", functools.partial(measure, wait), f"--coalesce {wait}") for wait in WAITS_MS
    ]
    title = f"ws, {CLIENTS:,} clients x {RATE}/s, notifications that wait for each other (ms)"
    return Row("coalesce", [Section("server-coalesce", title, "server", "delivery", CLIENTS, "ws", contenders)])


def measure(wait_ms, folder):
    load = ["--clients", CLIENTS, "--rate", RATE, "--connect-rate", CONNECT_RATE]
    load += ["--settle", "300ms", "--warmup", "500ms", "--duration", "2s"]
    with server.started("feed-server", folder, "--coalesce", f"{wait_ms}ms") as (process, url):
        words = ["--url", url, "--server-pid", process.pid, *load]
        return loadgen.of_server(loadgen.run(folder, "ws", words, GENERATOR_CORE))
