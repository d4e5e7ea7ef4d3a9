/* What is done with the bytes that a client sends: requests are answered in order, frames of a WebSocket are obeyed. */
#include "serve.h"

#include <stdio.h>
#include <string.h>

#include "broadcast.h"
#include "counts.h"
#include "hold.h"
#include "poll.h"
#include "websocket.h"

static const char CREATED[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
/* The comment is what a client sees of a stream that has nothing to say yet. */
static const char SSE_HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n3\r\n:\n\n\r\n";
static const char WS_HEAD[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: ";

/* Answers that wait before they are written; beyond, they are written at once. */
enum { ANSWERS_ROOM = 64 << 10 };

/* Answers of one turn, written together: pipelined requests cost one write, not one each. What a WebSocket client is told
 * is shorter than what it said, which fits as well. */
static char answers[ANSWERS_ROOM + POLL_MAX];
static size_t answers_len;

static void answer(const char *at, size_t len)
{
    memcpy(answers + answers_len, at, len);
    answers_len += len;
}

static void send_answers(struct connection *connection)
{
    size_t len = answers_len;
    answers_len = 0;
    if (len > 0)
        connection_write(connection, answers, len);
}

/* What was answered goes out first: from here on the connection belongs to its topic. */
static void become(struct connection *connection, struct topic *topic, enum role role)
{
    send_answers(connection);
    if (connection->fd < 0)
        return;
    if (role == HELD)
        hold_begin(connection, topic);
    else
        connection_join(connection, topic, role);
}

/* The connection ends with the answer: how long the request is that was refused is not always known. */
static void refuse(struct connection *connection, int status)
{
    static const struct {
        int status;
        const char *text;
    } REFUSALS[] = {
        {400, "Bad Request\r\n\r\nexpected an HTTP/1.1 request; If-None-Match: \"NUMBER\"; a notification of one line\n"},
        {404, "Not Found\r\n\r\nexpected /topics/TOPIC or /topics/TOPIC/{ws,sse,long-poll,short-poll}\n"},
        {405, "Method Not Allowed\r\n\r\npublish with POST, subscribe with GET\n"},
        {411, "Length Required\r\n\r\nexpected a Content-Length\n"},
        {413, "Content Too Large\r\n\r\na notification has at most 64 KiB\n"},
        {431, "Request Header Fields Too Large\r\n\r\na request's head has at most 8 KiB\n"},
        {503, "Service Unavailable\r\n\r\nthis server holds no more topics\n"},
    };
    size_t i = 0;
    while (REFUSALS[i].status != status)
        i++;
    char text[256];
    int len = snprintf(text, sizeof text, "HTTP/1.1 %d %s", status, REFUSALS[i].text);
    counts.refused++;
    answer(text, (size_t)len);
    connection->is_last = true;
}

/* Does what one request asks for; returns 0 or the status of a refusal. */
static int obey(struct connection *connection, const struct request *request)
{
    struct topic *topic = topic_find(request->topic);
    if (!topic)
        return 503;
    switch (request->door) {
    case PUBLISH:
        // Either ends a line of an event stream.
        if (memchr(request->body.at, '\n', request->body.len) || memchr(request->body.at, '\r', request->body.len))
            return 400;
        broadcast(topic, request->body);
        answer(CREATED, sizeof CREATED - 1);
        break;
    case WS:
        answer(WS_HEAD, sizeof WS_HEAD - 1);
        ws_accept(request->key.at, answers + answers_len);
        answers_len += WS_ACCEPT_LEN;
        answer("\r\n\r\n", 4);
        become(connection, topic, STREAM_WS);
        return 0;
    case SSE:
        answer(SSE_HEAD, sizeof SSE_HEAD - 1);
        become(connection, topic, STREAM_SSE);
        return 0;
    case LONG_POLL:
        if (poll_is_current(topic, request)) {
            become(connection, topic, HELD);
            break;
        }
        /* fall through */
    case SHORT_POLL:
        answers_len += poll_write(answers + answers_len, topic, request);
        break;
    }
    connection->is_last = request->is_last;
    return 0;
}

/* Serves requests until there is none that is whole, or the connection has become a reader; returns the bytes used. */
static size_t serve_requests(struct connection *connection, const char *at, size_t len)
{
    size_t used = 0;
    while (connection->role == REQUESTS && connection->fd >= 0 && connection->out.len == 0 && !connection->is_last) {
        struct request request;
        ssize_t taken = request_read(at + used, len - used, &request);
        if (taken == 0)
            break;
        int refusal = taken < 0 ? (int)-taken : obey(connection, &request);
        if (refusal != 0) {
            refuse(connection, refusal);
            used = len;
            break;
        }
        used += (size_t)taken;
        if (answers_len > ANSWERS_ROOM)
            send_answers(connection);
    }
    return used;
}

/* Obeys a WebSocket client's frames; a broadcaster has no use for what they say, only for pings and the farewell. */
static size_t serve_frames(struct connection *connection, char *at, size_t len)
{
    size_t used = 0;
    while (!connection->is_last) {
        struct ws_frame frame;
        ssize_t taken = ws_read(at + used, len - used, &frame);
        if (taken == 0)
            break;
        if (taken < 0) {
            answers_len += ws_write_head(answers + answers_len, WS_CLOSE, 2);
            answer("\x03\xea", 2); /* 1002, protocol error */
            connection->is_last = true;
            return len;
        }
        used += (size_t)taken;
        if (frame.opcode == WS_CLOSE || frame.opcode == WS_PING) {
            bool is_farewell = frame.opcode == WS_CLOSE;
            size_t said = is_farewell && frame.len > 2 ? 2 : frame.len;
            answers_len += ws_write_head(answers + answers_len, is_farewell ? WS_CLOSE : WS_PONG, said);
            answer(frame.payload, said);
            connection->is_last = is_farewell;
        }
    }
    return used;
}

void serve(struct connection *connection)
{
    struct bytes bytes = connection_read(connection);
    size_t used = 0;
    if (connection->role == REQUESTS)
        used = serve_requests(connection, bytes.at, bytes.len);
    if (connection->role == STREAM_WS)
        used += serve_frames(connection, bytes.at + used, bytes.len - used);
    if (connection->role == STREAM_SSE)
        used = bytes.len;
    send_answers(connection);
    /* What comes behind a poll that is held would have to be kept until it is answered. */
    if (connection->role == HELD && used < bytes.len) {
        counts.refused++;
        connection_close(connection);
    }
    connection_keep(connection, bytes.at + used, bytes.len - used);
}
