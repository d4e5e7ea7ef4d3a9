"""How late the last of 5,000 clients hears a notification, beside nginx with Nchan."""

import functools

from plan import Contender, Row, Section, Target
from rows.deliveries import CONNECT_RATE, measure, role

CLIENTS = 5000
RATE = 4


def row(peers):
    load = ["--clients", CLIENTS, "--rate", RATE, "--connect-rate", CONNECT_RATE]
    load += ["--settle", "300ms", "--warmup", "500ms", "--duration", "3s"]
    names = ["feed-server", "floor", *(["nchan"] if "nchan" in peers else [])]
    contenders = [Contender(name, role(name), functools.partial(measure, "ws", name, load)) for name in names]
    targets = [Target("p99", "feed-server", 1.0, "nchan", "not above nchan")]
    title = f"ws, fan-out to {CLIENTS:,} clients x {RATE}/s"
    return Row("fanout", [Section("server-fanout-5000", title, "server", "delivery", CLIENTS, "ws", contenders, targets)])
