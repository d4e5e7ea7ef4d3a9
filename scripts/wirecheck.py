"""Prints the bytes that one run counted beside those of a capture of it; exits 1 unless they agree.

Usage: wirecheck.py RUN.JSON CAPTURE.PCAP SERVER_PORT
"""

import json
import struct
import sys
from collections import defaultdict

# Largest difference of wire bytes. A receiver's kernel does not say how many bytes came to it twice, nor which ACKs carried
# a SACK option: both happen when a segment is sent again, which on loopback takes a machine that is late with its timers.
WIRE_TOLERANCE = 0.01
ETHERNET_HEADER = 14
SYN = 2


def packets(path):
    """The IP packets of a pcap file, each as its captured bytes."""
    with open(path, "rb") as file:
        data = file.read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    link = struct.unpack_from(f"{order}I", data, 20)[0] if order else None
    if link != 1:
        sys.exit(f"error: {path}: expected a pcap file of Ethernet frames, as tcpdump writes on lo; its link type is {link}")
    at = 24
    while at + 16 <= len(data):
        (captured,) = struct.unpack_from(f"{order}I", data, at + 8)
        frame = data[at + 16 : at + 16 + captured]
        at += 16 + captured
        if frame[12:14] == b"\x08\x00":
            yield frame[ETHERNET_HEADER:]


class Direction:
    """What one side of one connection sent."""

    def __init__(self):
        self.stream = 0
        self.wire = 0
        self.missing = 0
        self.repeated = 0
        self.next = None
        self.segment = 1460

    def add(self, ip, tcp, payload):
        offset = (tcp[12] >> 4) * 4
        flags = tcp[13]
        (sequence,) = struct.unpack_from("!I", tcp, 4)
        if flags & SYN:
            self.segment = largest_segment(tcp[20:offset]) or self.segment
            self.next = (sequence + 1) % 2**32
        elif self.next is None:
            sys.exit("error: the capture began in the middle of a connection")
        elif payload:
            # Retransmitted bytes are in the stream once. Differences are modulo 2^32, below zero in the upper half.
            ahead = (sequence - self.next) % 2**32
            ahead -= 2**32 if ahead >= 2**31 else 0
            self.missing += max(ahead, 0)
            new = max(min(payload, payload + ahead), 0)
            self.stream += new
            self.repeated += payload - new
            self.next = (self.next + max(ahead, 0) + new) % 2**32
        # On loopback the kernel hands large sends over whole: one captured packet stands for as many segments, each of
        # which the kernel counts, and which a real network would carry, with headers of its own. At the usual MTU of lo,
        # 65,536, that is one; at 1,500, with payloads of 20,000 bytes, counts agree with these sums to the byte.
        headers = (ip[0] & 15) * 4 + offset
        segments = max(1, -(-payload // self.segment))
        self.wire += payload + segments * headers


def largest_segment(options):
    """The maximum segment size (less the timestamps of each segment) that a SYN offers, if it does."""
    at, size, timestamps = 0, None, 0
    while at < len(options) and options[at] != 0:
        kind = options[at]
        if kind == 1:
            at += 1
            continue
        if kind == 2:
            (size,) = struct.unpack_from("!H", options, at + 2)
        if kind == 8:
            timestamps = 12
        at += max(options[at + 1], 2)
    return size - timestamps if size else None


def capture(path, port, clients):
    """The sums of both directions over the connections from the run's own source addresses."""
    directions = defaultdict(Direction)
    for ip in packets(path):
        header = (ip[0] & 15) * 4
        tcp = ip[header:]
        source, target = struct.unpack_from("!HH", tcp)
        is_sent = target == port and ip[12:15] == clients
        is_received = source == port and ip[16:19] == clients
        if is_sent or is_received:
            peer = (ip[12:16], source) if is_sent else (ip[16:20], target)
            (total,) = struct.unpack_from("!H", ip, 2)
            payload = total - header - (tcp[12] >> 4) * 4
            directions["sent" if is_sent else "received", peer].add(ip, tcp, payload)
    sums = {}
    for name in ("received", "sent"):
        sides = [direction for (which, _), direction in directions.items() if which == name]
        missing = sum(side.missing for side in sides)
        if missing:
            sys.exit(f"error: {path}: {missing} bytes of the streams are not in the capture")
        sums[name] = {key: sum(getattr(side, key) for side in sides) for key in ("stream", "wire", "repeated")}
    return sums


def main():
    run_file, capture_file, port = sys.argv[1:]
    with open(run_file, encoding="utf-8") as file:
        run = json.load(file)
    # A run's clients have source addresses of its own, `Dialer::new`; control connections come from 127.0.0.1.
    clients = bytes([127, int(run["id"], 16) % 253 + 1, 0])
    seen = capture(capture_file, int(port), clients)
    whole_run = run["measured"]["bytes"]["whole_run"]
    name = f"{run['asked']['transport']} {run['asked']['connection']}"
    all_agree = True
    for direction in ("received", "sent"):
        stream, tcp_ip = whole_run[direction]["stream"], whole_run[direction]["tcp_ip"]
        if tcp_ip is None:
            sys.exit("error: the run has no TCP/IP bytes: the system did not tell them")
        for layer, counted in (("stream", stream), ("wire", stream + tcp_ip)):
            captured = seen[direction][layer]
            difference = counted - captured
            bound = 0 if layer == "stream" else WIRE_TOLERANCE * captured
            agrees = captured > 0 and abs(difference) <= bound
            all_agree &= agrees
            repeated = seen[direction]["repeated"] if layer == "wire" else 0
            note = f" ({repeated:,} B were sent twice)" if repeated else ""
            share = f"{100 * difference / captured:+.3f} %" if captured else "-"
            print(
                f"{name:<17} {layer:<7} {direction:<9} {counted:>12,} {captured:>12,} {difference:>+9,} {share:>10}"
                f"  {'agrees' if agrees else 'DISAGREES'}{note}"
            )
    sys.exit(0 if all_agree else 1)


if __name__ == "__main__":
    main()
