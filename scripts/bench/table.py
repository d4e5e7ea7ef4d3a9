"""The whole table in its order, and how the twenty minutes are divided."""

import generator
import place
from plan import Missing
from rows import asking, bursts, coalescing, deliveries, fanout, polls, publishing, receiving, topics

# Longest that everything may take, s.
MOST_S = 20 * 60
# Row: seconds that it may take, rounds that it asks for. A row stops when its time is over, with the rounds that it has; what it
# leaves of its time is the next one's. The seconds of all rows and what is besides (schedule.py) are the twenty minutes.
BUDGET = {
    "ws": (208, 5),
    "sse": (152, 5),
    "long-poll": (208, 5),
    "fanout": (82, 5),
    "short-poll": (45, 5),
    "publishing": (40, 5),
    "bursts": (30, 5),
    "coalesce": (48, 3),
    "topics": (97, 3),
    "generators-1000": (124, 3),
    "generators-10000": (76, 3),
    "generators-asking": (70, 3),
}
PEERS = ["floor", "nchan", "picows"]
# Those that come in a folder of their own, and those for which there is no package here to write one from.
GENERATORS = ["artillery", "node-ws", "python-websockets", "wrk", "autocannon", "hey", "oha"]
UNPACKAGED = [
    Missing("tcpkali", "Debian, npm, PyPI and crates.io have no package of it", "build it from its source"),
    Missing("k6", "Debian, npm, PyPI and crates.io have no package of it", "install it from its makers' own package repository"),
]


def rows(names):
    """The rows that are asked for, and who is missing from them."""
    missing = [found for found in map(place.missing_peer, PEERS) if found]
    peers = set(PEERS) - {found.name for found in missing}
    installed = set()
    if any(name.startswith("generators") for name in names):
        absent = [found for found in map(place.missing_generator, GENERATORS) if found]
        installed = set(GENERATORS) - {found.name for found in absent}
        missing += absent + UNPACKAGED
    memory = generator.Memory()
    makers = {
        "ws": lambda: deliveries.row("ws", peers),
        "sse": lambda: deliveries.row("sse", peers),
        "long-poll": lambda: deliveries.row("long-poll", peers),
        "fanout": lambda: fanout.row(peers),
        "short-poll": lambda: polls.row(peers),
        "publishing": lambda: publishing.row(peers),
        "bursts": lambda: bursts.row(peers),
        "coalesce": lambda: coalescing.row(peers),
        "topics": lambda: topics.row(peers),
        "generators-1000": lambda: receiving.row(1000, ["ws", "sse", "long-poll"], installed, memory),
        "generators-10000": lambda: receiving.row(10000, ["ws", "sse"], installed, memory),
        "generators-asking": lambda: asking.row(installed, memory),
    }
    return [makers[name]() for name in BUDGET if name in names], missing
