"""Messages over short polling, long polling and Server-Sent Events, as a Flask application."""

import os
import queue
import threading
from collections import deque
from itertools import count

from flask import Flask, Response, abort, json, jsonify, request

# Messages that are kept for polls: as many as feed-server keeps for a topic unless it is told otherwise.
RETAINED = 1024
# Messages that may wait for one stream. Beyond it the stream is ended; a browser's EventSource then connects anew.
QUEUE_MAX = int(os.environ.get("QUEUE_MAX", "256"))
# How often a silent stream gets a comment, s: without one, a client that has gone would never be noticed.
HEARTBEAT = float(os.environ.get("HEARTBEAT", "15"))
# Longest wait of a long poll, and what it waits if it does not say, s.
WAIT_MAX = 60
WAIT_DEFAULT = 25
# Largest published message, bytes: 1 MiB, as feed-server has it. Beyond it the answer is 413.
MESSAGE_MAX = 1024 * 1024

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = MESSAGE_MAX

messages = deque(maxlen=RETAINED)
numbers = count(1)
news = threading.Condition()
streams = set()


class Stream:
    """What waits for one client of `/api/notifications`."""

    def __init__(self):
        self.events = queue.Queue(maxsize=QUEUE_MAX)
        self.too_slow = False

    def offer(self, event):
        try:
            self.events.put_nowait(event)
        except queue.Full:
            if not self.too_slow:
                app.logger.warning("a stream is ended: %d messages wait for it", QUEUE_MAX)
            self.too_slow = True

    def __iter__(self):
        # Here and not in the view: what never begins (a HEAD, a client that has gone) never ends either, and would stay for good.
        streams.add(self)
        try:
            # The server sends the head of an answer with its first bytes.
            yield ": connected\n\n"
            while not self.too_slow:
                try:
                    yield self.events.get(timeout=HEARTBEAT)
                except queue.Empty:
                    yield ": still here\n\n"
        finally:
            streams.discard(self)


def refuse(reason):
    abort(Response(f"{reason}\n", 400, mimetype="text/plain"))


def last_number():
    return messages[-1]["id"] if messages else 0


def whole_number(name, default=None):
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        refuse(f"`{name}` is `{text[:40]}`: expected a whole number")
    return int(text)


def answer_after(since):
    """All retained messages after the number `since`; none for a client that has no number yet: it starts from now."""
    if since is None:
        since = last_number()
    fresh = [message for message in messages if message["id"] > since]
    return jsonify(messages=fresh, last=last_number())


@app.post("/api/messages")
def publish():
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or "text" not in body:
        refuse('expected a JSON object with a field `text`, such as {"text":"hello"}')
    with news:
        message = {"id": next(numbers), "text": body["text"]}
        messages.append(message)
        news.notify_all()
    event = f"id: {message['id']}\ndata: {json.dumps(message)}\n\n"
    for stream in list(streams):
        stream.offer(event)
    return jsonify(id=message["id"]), 201


@app.get("/api/messages")
def short_poll():
    return answer_after(whole_number("since"))


@app.get("/api/messages/wait")
def long_poll():
    since = whole_number("since")
    timeout = min(whole_number("timeout", WAIT_DEFAULT), WAIT_MAX)
    if since is not None:
        with news:
            news.wait_for(lambda: last_number() > since, timeout)
    return answer_after(since)


@app.get("/api/notifications")
def notifications():
    return Response(Stream(), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})
