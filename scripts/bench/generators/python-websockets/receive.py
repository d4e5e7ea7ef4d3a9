"""WIRELAB_CLIENTS sockets that count their messages; says how many on SIGTERM."""

import asyncio
import json
import os
import signal

from websockets.asyncio.client import connect

# Handshakes that are under way at a time: fewer than an accept queue holds.
AT_ONCE = 100
messages = 0


async def receive(url, turn):
    global messages
    await turn.acquire()
    async with connect(url, compression=None, open_timeout=30) as socket:
        turn.release()
        async for _ in socket:
            messages += 1


async def main():
    url = f"{os.environ['WIRELAB_URL'].replace('http', 'ws')}/topics/{os.environ['WIRELAB_TOPIC']}/ws"
    turn = asyncio.Semaphore(AT_ONCE)
    readers = [asyncio.create_task(receive(url, turn)) for _ in range(int(os.environ["WIRELAB_CLIENTS"]))]
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    waits = asyncio.gather(*readers)
    await asyncio.wait([waits, asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
    print(json.dumps({"messages": messages}), flush=True)
    # Farewells of all clients are no part of what is measured.
    os._exit(0)


asyncio.run(main())
