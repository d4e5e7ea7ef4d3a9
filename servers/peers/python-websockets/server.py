"""A chat over websockets: everyone is in one set, and what one says is sent to all."""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

# Port to listen on; 0 is a free one.
PORT = int(os.environ.get("PORT", "0"))
# How often every client is pinged, and how long its answer may take, s: the library's defaults.
PING_INTERVAL = float(os.environ.get("PING_INTERVAL", "20"))
PING_TIMEOUT = float(os.environ.get("PING_TIMEOUT", "20"))
# `library`: websockets' own broadcast, which never waits. `gather`: a send per client, which waits for the slowest.
BROADCAST = os.environ.get("BROADCAST", "library")
# Largest message of a client, bytes: 1 MiB, as feed-server has it. Beyond it the library closes with 1009.
MAX_MESSAGE = 1024 * 1024
# Connections that wait to be accepted: more than a ramp of thousands leaves at any instant.
BACKLOG = 4096
# Longest wait for clients to say goodbye when the server stops, s.
FAREWELL = 1

clients = set()


def refuse_constant(name):
    """Python's reader takes what JSON has not; what it made of that could not be read by others."""
    raise ValueError(f"{name} is no JSON")


def encode(message):
    """JSON text; raises ValueError for a number such as 1e999, which is read as infinite."""
    return json.dumps(message, allow_nan=False)


async def broadcast_by_library(text):
    broadcast(clients, text)


async def broadcast_by_gather(text):
    # Exceptions are those of clients that have just gone; their own handlers take them out of the set.
    await asyncio.gather(*(client.send(text) for client in clients), return_exceptions=True)


BROADCASTS = {"library": broadcast_by_library, "gather": broadcast_by_gather}


async def receive(client, text):
    """Does what a client's message asks for; raises ValueError when it cannot be understood."""
    message = json.loads(text, parse_constant=refuse_constant)
    kind = message.get("type") if isinstance(message, dict) else None
    if kind == "message":
        relayed = {"type": "message", "payload": message.get("payload"), "timestamp": time.time_ns() // 1_000_000}
        await BROADCASTS[BROADCAST](encode(relayed))
    elif kind == "echo":
        await client.send(encode({"type": "echo", "payload": message.get("payload")}))
    else:
        raise ValueError("expected a JSON object whose type is message or echo")


async def chat(client):
    clients.add(client)
    try:
        await client.send(json.dumps({"type": "welcome", "clients": len(clients)}))
        async for text in client:
            try:
                await receive(client, text)
            # Nesting without end is a RecursionError; bytes that are no text are a ValueError, too.
            except (ValueError, RecursionError) as error:
                await client.send(json.dumps({"type": "error", "message": str(error)}))
    except ConnectionClosed:
        # It went without a goodbye, or did not answer a ping. Nobody is left to be told.
        pass
    finally:
        clients.remove(client)


def on_stdin_end(act):
    """Calls `act` when standard input ends: whoever started this server has gone."""

    def wait():
        while os.read(0, 4096):
            pass
        act()

    threading.Thread(target=wait, daemon=True).start()


async def main():
    if BROADCAST not in BROADCASTS:
        raise SystemExit(f"error: BROADCAST is `{BROADCAST}`: expected one of {', '.join(BROADCASTS)}")
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    options = {
        "backlog": BACKLOG,
        "close_timeout": FAREWELL,
        "compression": None,
        "max_size": MAX_MESSAGE,
        "ping_interval": PING_INTERVAL,
        "ping_timeout": PING_TIMEOUT,
    }
    server = await serve(chat, "127.0.0.1", PORT, **options)
    port = server.sockets[0].getsockname()[1]
    print(f"python-websockets listening on http://127.0.0.1:{port}", flush=True)
    on_stdin_end(lambda: loop.call_soon_threadsafe(stop.set))
    await stop.wait()
    server.close()
    # A client that is still shaking hands, or does not say goodbye, is not waited for.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.wait_closed(), FAREWELL)


if __name__ == "__main__":
    asyncio.run(main())
