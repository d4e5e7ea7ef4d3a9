"""10,000 topics: what a delivery costs when each has a client of its own, and what a topic holds that has none."""

import functools

import loadgen
import place
import server
import usage
from plan import Contender, Growth, Round, Row, Section
from publisher import Publisher
from rows.deliveries import CONNECT_RATE, role

TOPICS = 10_000
# Deliveries a second in every section: 10,000 topics x 0.1/s.
RATE = 1000
# Most that a delivery may cost over one of a single topic.
GROWTH = 1.5
# Publications that are sent in one write.
AT_ONCE = 100
NAMES = ("feed-server", "floor")


def row(_peers):
    """Two figures of one topic: with a publication for each delivery, as 10,000 topics have it, and one for 1,000."""
    many = section("server-topics-10000", f"{TOPICS:,} topics with one client each x {RATE / TOPICS:g}/s", TOPICS, TOPICS, RATE / TOPICS)
    alone = section("server-topics-1-client", f"one topic, one client x {RATE:,}/s", 1, 1, RATE)
    fan = section("server-topics-1", "one topic, 1,000 clients x 1/s", 1, 1000, 1)
    growths = [
        Growth("a delivery of 10,000 topics over one of one topic, each published for one client", alone.name, many.name, "feed-server", GROWTH),
        Growth("a delivery of 10,000 topics over one of one topic, published once for 1,000", fan.name, many.name, "feed-server", GROWTH),
    ]
    return Row("topics", [many, alone, fan, memory()], growths)


def section(name, title, topics, clients, rate):
    load = ["--clients", clients, "--topics", topics, "--rate", rate, "--connect-rate", CONNECT_RATE]
    load += ["--settle", "300ms", "--warmup", "500ms", "--duration", "3s"]
    contenders = [Contender(who, role(who), functools.partial(measure, who, load)) for who in NAMES]
    return Section(name, f"ws, {title}", "server", "delivery", clients, "ws", contenders)


def measure(name, load, folder):
    return loadgen.of_server(loadgen.run(folder, "ws", [*place.target(name), *load]))


def memory():
    contenders = [Contender(name, role(name), functools.partial(fill, name)) for name in NAMES]
    title = f"{TOPICS:,} topics without clients, one notification each (RSS is of a topic)"
    return Section("server-topic-memory", title, "server", "publish", TOPICS, "http", contenders)


def fill(name, folder):
    """Publishes once to each topic."""
    with server.started(name, folder) as (process, url), Publisher(url) as publisher:
        publisher.publish(["first"])
        before = usage.of_tree(process.pid)
        for first in range(0, TOPICS, AT_ONCE):
            publisher.publish([f"topic-{number}" for number in range(first, first + AT_ONCE)])
        after = usage.of_tree(process.pid)
    user, system = usage.spent(before, after)
    return Round(TOPICS, user, system, user + system, (after.rss_bytes - before.rss_bytes) / TOPICS)
