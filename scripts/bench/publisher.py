"""A publisher on one kept-alive connection: notifications at a rate, or many in one write."""

import re
import socket
import time
import urllib.parse

from plan import Failed

# Size of a payload, bytes, its quotes included: that of loadgen's default.
PAYLOAD = b'"' + b"x" * 198 + b'"'
# Longest wait for an answer, s.
ANSWER_WAIT_S = 10
STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d)")
# Bytes of an answer's end that may hold the beginning of the next one's status.
CUT = len("HTTP/1.1 200") - 1


class Publisher:
    """Publishes to any server that takes POST /topics/{topic}."""

    def __init__(self, url):
        address = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), ANSWER_WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = address.netloc

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def publish(self, topics):
        """One notification to each topic named, all in one write; returns when all were accepted."""
        self.socket.sendall(b"".join(self.request(topic) for topic in topics))
        answered, rest = 0, b""
        while answered < len(topics):
            more = self.socket.recv(65536)
            if not more:
                raise Failed(f"the server ended the publisher's connection after {answered} of {len(topics)} answers")
            for status in STATUS.findall(rest + more):
                if not status.startswith(b"2"):
                    raise Failed(f"a publication was answered with {status.decode()}")
                answered += 1
            rest = (rest + more)[-CUT:]

    def pace(self, topic, count, rate):
        """So many notifications, evenly; returns half an interval after the last one, when its deliveries have come."""
        began = time.monotonic()
        for number in range(count):
            sleep_until(began + number / rate)
            self.publish([topic])
        sleep_until(began + (count - 0.5) / rate)

    def request(self, topic):
        head = f"POST /topics/{topic} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\nContent-Length: {len(PAYLOAD)}\r\n\r\n"
        return head.encode() + PAYLOAD


def sleep_until(instant):
    """Sleeps until an instant of the monotonic clock; does nothing when that is past."""
    time.sleep(max(0, instant - time.monotonic()))
