"""What a received message costs a generator, and what a client of it holds, from the floor up."""

import functools

import generator
import loadgen
import place
import server
import usage
from plan import Contender, Round, Row, Section, Target
from publisher import Publisher
from rows.deliveries import CONNECT_RATE

# Transport and clients: notifications a second, those before the window, those in it, and who plays besides loadgen and the reader.
LOADS = {
    ("ws", 1000): (10, 5, 20, ["artillery", "node-ws", "python-websockets", "k6", "tcpkali"]),
    ("sse", 1000): (10, 5, 20, []),
    ("long-poll", 1000): (5, 3, 10, []),
    ("ws", 10000): (2, 2, 4, []),
    ("sse", 10000): (2, 2, 4, []),
}
# Most that loadgen may spend over the reader, and bytes that a client may hold, polls and streams.
RATIO = 1.3
RSS = {"long-poll": 4096, "ws": 3072, "sse": 3072}


def row(clients, transports, generators, memory):
    """All transports of one size; `generators` are those that are installed."""
    return Row(f"generators-{clients}", [section(transport, clients, generators, memory) for transport in transports])


def section(transport, clients, generators, memory):
    rate, before, within, others = LOADS[transport, clients]
    load = functools.partial(load_of, rate, before, within)
    contenders = [Contender("loadgen", "ours", functools.partial(measure_own, transport, clients, load, memory))]
    for name in ["floor-reader", *(name for name in others if name in generators)]:
        plan = functools.partial(measure, name, transport, clients, rate, before, within, memory)
        contenders.append(Contender(name, "floor" if name == "floor-reader" else "peer", plan))
    targets = [
        Target("cpu", "loadgen", RATIO, "floor-reader"),
        *([Target("cpu", "loadgen", 1.0, "tcpkali", "below tcpkali")] if "tcpkali" in others else []),
        Target("rss", "loadgen", RSS[transport], note="a client"),
    ]
    unit = "request" if transport == "long-poll" else "message"
    title = f"receiving {transport}, {clients:,} clients x {rate}/s"
    return Section(f"generator-{transport}-{clients}", title, "generator", unit, clients, transport, contenders, targets)


def load_of(rate, before, within, clients):
    words = [*place.target("floor"), "--clients", clients, "--rate", rate, "--connect-rate", CONNECT_RATE, "--settle", "300ms"]
    return [*words, "--warmup", f"{before / rate}s", "--duration", f"{within / rate}s"]


def measure_own(transport, clients, load, memory, folder):
    return loadgen.of_generator(memory, folder, transport, clients, load)


def measure(name, transport, clients, rate, before, within, memory, folder):
    """A generator that only receives; the publisher is beside the server, on its core."""
    with server.started("floor", folder / "server") as started, Publisher(started[1]) as publisher:
        with generator.started(name, transport, clients, started, folder) as player:
            publisher.pace(generator.TOPIC, before, rate)
            first = usage.of_tree(player.pid)
            publisher.pace(generator.TOPIC, within, rate)
            last = usage.of_tree(player.pid)
            player.end()
    user, system = usage.spent(first, last)
    taken = Round(within * clients, user, system, user + system)
    play_one = functools.partial(memory_of_one, name, transport, rate, before + within, folder / "alone")
    taken.rss_per_client_bytes = memory.per_client((name, transport), last.rss_bytes, clients, play_one)
    heard = generator.messages(player)
    if heard is not None and heard != (before + within) * clients:
        taken.doubt(f"it heard {heard} of {(before + within) * clients} messages")
    return taken


def memory_of_one(name, transport, rate, count, folder):
    """Resident memory of a generator with a single client that has heard as much as each of many, bytes."""
    with server.started("floor", folder / "server") as started, Publisher(started[1]) as publisher:
        with generator.started(name, transport, 1, started, folder) as player:
            publisher.pace(generator.TOPIC, count, rate)
            return usage.of_tree(player.pid).rss_bytes
