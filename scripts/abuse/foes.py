"""The strangers: each opens a connection, says something that it should not, and is counted by how that ended."""

import random
import select
import socket
import struct
import time
from collections import Counter

# Connections that trickle their heads, kept all the time.
TRICKLING = 200
# Foes that have had their say wait this long at most to be ended, seconds; then they leave.
PATIENCE = 8.0
# Most of them that wait.
WAITING_MAX = 600
# Loopback addresses they come from: one has 28,232 ports, and a closed connection holds its own for a minute.
SOURCES = 64

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    "GET /topics/foes/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
).encode()
MASK = bytes(4)

# What each kind says. Those with a handshake need not wait for its answer: the server reads on.
KINDS = {
    "flood of fields": b"GET / HTTP/1.1\r\n" + b"X-Flood: 1\r\n" * 2000,
    "field without end": b"GET / HTTP/1.1\r\nX-Flood: " + b"x" * 30_000,
    "half a body": b"POST /topics/foes HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n\"half",
    "half a chunk": b"POST /topics/foes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nhalf",
    "half a handshake": HANDSHAKE[:70],
    "2^63 bytes": HANDSHAKE + b"\x82\xff" + struct.pack(">Q", 1 << 63) + MASK + b"the first of them",
    "deflate unasked": HANDSHAKE + b"\xc1\x85" + MASK + b"hello",
    "no UTF-8": HANDSHAKE + b"\x81\x83" + MASK + b"\xed\xa0\x80",
    "no HTTP": b"\x16\x03\x01\x02\x00" * 20,
}
# Whoever comes and goes says one of these, or nothing.
PASSING = [b"", HANDSHAKE, b"GET /topics/foes/sse HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]
RESET = struct.pack("ii", 1, 0)


def dial(address, source):
    foe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        foe.settimeout(1.0)
        foe.bind((f"127.9.9.{source % SOURCES + 1}", 0))
        foe.connect(address)
        foe.setblocking(False)
        return foe
    except OSError:
        foe.close()
        return None


def say(foe, text):
    try:
        foe.send(text)
        return True
    except OSError:
        return False


def leave(foe):
    """With a reset, so that no port is held."""
    foe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    foe.close()


class Foes:
    """All of them, on one thread; `opens` come and go each second, one in twenty stays to see what is said to it."""

    def __init__(self, address, opens):
        self.address = address
        self.opens = opens
        self.counts = Counter()
        self.came = 0
        self.trickling = []
        self.waiting = []

    def come(self):
        self.came += 1
        foe = dial(self.address, self.came)
        if foe is None:
            self.counts["not let in"] += 1
        return foe

    def pass_by(self):
        foe = self.come()
        if foe:
            say(foe, random.choice(PASSING))
            self.counts["came and went"] += 1
            leave(foe)

    def offend(self):
        foe = self.come()
        if foe:
            kind = random.choice(list(KINDS))
            say(foe, KINDS[kind])
            self.waiting.append((time.monotonic() + PATIENCE, kind, foe))

    def trickle(self):
        """One byte more from each, and new ones for those that were ended."""
        kept = []
        for foe in self.trickling:
            if say(foe, b"x"):
                kept.append(foe)
            else:
                self.counts["trickling: ended"] += 1
                foe.close()
        while len(kept) < TRICKLING:
            foe = self.come()
            if foe is None:
                break
            say(foe, b"GET /topics/foes/sse HTTP/1.1\r\nX: ")
            kept.append(foe)
        self.trickling = kept

    def hear(self):
        """Whoever was ended, or has waited long enough, leaves."""
        readable = set(select.select([foe for _, _, foe in self.waiting], [], [], 0)[0]) if self.waiting else set()
        kept = []
        overdue = len(self.waiting) - WAITING_MAX
        for number, (until, kind, foe) in enumerate(self.waiting):
            ended = False
            if foe in readable:
                try:
                    ended = not foe.recv(65536)
                except OSError:
                    ended = True
            if ended:
                self.counts[f"{kind}: ended"] += 1
            elif number < overdue or time.monotonic() > until:
                self.counts[f"{kind}: left"] += 1
            else:
                kept.append((until, kind, foe))
                continue
            leave(foe)
        self.waiting = kept

    def work(self, seconds):
        begin = time.monotonic()
        done = 0
        trickled = 0.0
        while (passed := time.monotonic() - begin) < seconds:
            due = int(passed * self.opens)
            while done < due and time.monotonic() - begin < seconds:
                self.offend() if done % 20 == 0 else self.pass_by()
                done += 1
            if passed - trickled > 1.0:
                trickled = passed
                self.trickle()
            self.hear()
            time.sleep(0.005)
        for foe in self.trickling + [foe for _, _, foe in self.waiting]:
            leave(foe)
        self.counts["came"] = self.came
        return self.counts


def play(address, opens, seconds, said):
    """The work of a process of its own; sends what it counted to `said`."""
    said.send(Foes(address, opens).work(seconds))
