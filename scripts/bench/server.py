"""A server that is started for one round, on the core of servers."""

import contextlib
import json
import re
import urllib.request

import place
from child import SERVER_CORE, Child

# Longest wait for a server to listen, s.
START_WAIT_S = 30
# Longest wait for an answer to a question about itself, s.
ANSWER_WAIT_S = 5


@contextlib.contextmanager
def started(name, folder, *flags):
    """A feed-server, or a peer of that name; gives the process and its URL."""
    if name == "feed-server":
        words, cwd = [place.program("feed-server"), "--listen", "127.0.0.1:0", "--exit-on-stdin-close", *flags], None
    else:
        words, cwd = ["./run"], place.PEERS / name
    with Child(words, folder, SERVER_CORE, cwd) as child:
        yield child, child.wait_until(lambda: address(child), "it listened", START_WAIT_S)


def address(child):
    """The URL that a server says it listens on, once it has."""
    found = re.search(r"listening on (http://[0-9.:]+)", child.stdout.read_text(errors="replace"))
    return found and found[1]


def stats(url):
    """What a feed-server counted."""
    with urllib.request.urlopen(f"{url}/stats", timeout=ANSWER_WAIT_S) as answer:
        return json.load(answer)
