"""What a delivery costs the server, at 1,000 and at 15,000 clients, and what an idle connection holds."""

import functools

import loadgen
import place
from plan import Contender, Growth, Row, Section, Target

# Transport: ratio to the floor that a delivery may cost, bytes that an idle connection may hold, others to be below.
ASKED = {
    "ws": (1.12, 2048, ["nchan", "picows"]),
    "sse": (1.12, 4096, ["nchan"]),
    "long-poll": (1.25, 4096, ["nchan"]),
}
# Most that a delivery at 15,000 clients may cost over one at 1,000, the floor's own growth divided out.
GROWTH = 1.25
# Clients, notifications a second, and times of a run. 15,000 held polls ask again after each notification: fewer of them.
LOADS = {
    ("ws", 1000): (10, "500ms", "2s"),
    ("ws", 15000): (2, "500ms", "2s"),
    ("sse", 1000): (10, "500ms", "2s"),
    ("sse", 15000): (2, "500ms", "2s"),
    ("long-poll", 1000): (10, "500ms", "2s"),
    ("long-poll", 15000): (0.5, "2s", "4s"),
}
# Connections opened per second: 15,000 clients are there in three seconds.
CONNECT_RATE = 5000


def row(transport, peers):
    """One transport at both sizes, interleaved: so that the growth from one to the other is of the same minutes."""
    sections = [section(transport, clients, peers) for clients in (1000, 15000)]
    title = f"{transport}, cost of a delivery at 15,000 clients over 1,000"
    few, many = (section.name for section in sections)
    return Row(transport, sections, [Growth(title, few, many, "feed-server", GROWTH, "floor")])


def section(transport, clients, peers):
    rate, warmup, duration = LOADS[transport, clients]
    ratio, rss, below = ASKED[transport]
    names = ["feed-server", "floor", *(name for name in below if name in peers)]
    load = ["--clients", clients, "--rate", rate, "--connect-rate", CONNECT_RATE]
    load += ["--settle", "300ms", "--warmup", warmup, "--duration", duration]
    contenders = [Contender(name, role(name), functools.partial(measure, transport, name, load)) for name in names]
    targets = [
        Target("cpu", "feed-server", ratio, "floor"),
        *(Target("cpu", "feed-server", 1.0, name, f"below {name}") for name in below),
        Target("rss", "feed-server", rss, note="an idle connection"),
    ]
    title = f"{transport}, {clients:,} clients x {rate:g}/s"
    return Section(f"server-{transport}-{clients}", title, "server", "delivery", clients, transport, contenders, targets)


def measure(transport, server, load, folder):
    return loadgen.of_server(loadgen.run(folder, transport, [*place.target(server), *load]))


def role(name):
    return {"feed-server": "ours", "floor": "floor"}.get(name, "peer")
