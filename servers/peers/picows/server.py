"""A broadcaster over picows: whatever a client says is sent to everybody on the same path."""

import asyncio
import os
import signal
import threading

from picows import WSCloseCode, WSListener, WSMsgType, ws_create_server

# Port to listen on; 0 is a free one.
PORT = int(os.environ.get("PORT", "0"))
# How long a client may be silent before it is pinged, and how long its answer may take, s: the library's defaults.
PING_IDLE = float(os.environ.get("PING_IDLE", "20"))
PING_TIMEOUT = float(os.environ.get("PING_TIMEOUT", "20"))
# Unsent bytes of a client at which it is dropped: it does not keep up, and its buffer would grow without end.
UNSENT_MAX = 1024 * 1024
# Largest message of a client, bytes. Beyond it the library closes the connection.
MAX_MESSAGE = 64 * 1024
# Topics; one more is answered with 404, which is all that the library has for a refusal.
TOPICS_MAX = 20_000
# Connections that wait to be accepted: more than a ramp of thousands leaves at any instant.
BACKLOG = 4096

# The transports of the clients of each path.
clients = {}


class Client(WSListener):
    """One client; the library calls the methods."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.transport = None
        # The kind and the parts of a message that comes in several frames; none while there is no such message.
        self.kind = None
        self.parts = b""

    def on_ws_connected(self, transport):
        self.transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=UNSENT_MAX)
        clients.setdefault(self.path, set()).add(transport)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            # The frame is a view of the receive buffer, which goes on to be used.
            self.take(transport, frame.msg_type, frame.get_payload_as_bytes(), frame.fin)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def take(self, transport, kind, payload, is_last):
        """Sends a message on once it is whole; the library hands out its frames (RFC 6455, section 5.4)."""
        if (kind == WSMsgType.CONTINUATION) != (self.kind is not None):
            self.refuse(transport, WSCloseCode.PROTOCOL_ERROR)
        elif len(self.parts) + len(payload) > MAX_MESSAGE:
            self.refuse(transport, WSCloseCode.MESSAGE_TOO_BIG)
        elif is_last:
            broadcast(self.path, self.kind or kind, self.parts + payload if self.parts else payload)
            self.kind, self.parts = None, b""
        else:
            self.kind, self.parts = self.kind or kind, self.parts + payload

    def refuse(self, transport, code):
        transport.send_close(code)
        transport.disconnect()

    def pause_writing(self):
        print(f"dropped a client of {self.path}: {UNSENT_MAX} bytes wait for it", flush=True)
        self.transport.disconnect(graceful=False)

    def on_ws_disconnected(self, transport):
        there = clients.get(self.path, set())
        there.discard(transport)
        if not there:
            clients.pop(self.path, None)


def broadcast(path, kind, payload):
    # A copy: a client that is dropped on the way leaves the set. The last frame of one that has gone may find nobody.
    for transport in tuple(clients.get(path, ())):
        transport.send(kind, payload)


def accept(request):
    """A listener for an upgrade request; None is answered with 404."""
    path = request.path.decode("ascii", "replace")
    is_topic = path.startswith("/topics/") and path.endswith("/ws")
    return Client(path) if is_topic and (path in clients or len(clients) < TOPICS_MAX) else None


def on_stdin_end(act):
    """Calls `act` when standard input ends: whoever started this server has gone."""

    def wait():
        while os.read(0, 4096):
            pass
        act()

    threading.Thread(target=wait, daemon=True).start()


async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    server = await ws_create_server(
        accept,
        "127.0.0.1",
        PORT,
        backlog=BACKLOG,
        enable_auto_ping=True,
        auto_ping_idle_timeout=PING_IDLE,
        auto_ping_reply_timeout=PING_TIMEOUT,
        max_frame_size=MAX_MESSAGE,
    )
    port = server.sockets[0].getsockname()[1]
    print(f"picows listening on http://127.0.0.1:{port}", flush=True)
    on_stdin_end(lambda: loop.call_soon_threadsafe(stop.set))
    await stop.wait()
    server.close()
    for transport in [transport for there in clients.values() for transport in there]:
        transport.send_close(WSCloseCode.GOING_AWAY)
        transport.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
