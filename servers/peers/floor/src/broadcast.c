/* One notification to everybody who waits for it: this is the floor, one buffer for all and one write(2) for each. */
#include "broadcast.h"

#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "counts.h"
#include "hold.h"
#include "poll.h"
#include "websocket.h"

/* Room for a notification and what any transport puts around it. */
static char encoded[BODY_MAX + 256];

static size_t append(size_t len, const char *at, size_t more)
{
    memcpy(encoded + len, at, more);
    return len + more;
}

static size_t encode_ws(struct span body)
{
    size_t len = ws_write_head(encoded, WS_TEXT, body.len);
    return append(len, body.at, body.len);
}

/* An event in a chunk of its own. */
static size_t encode_sse(struct span body, uint64_t number)
{
    char id[64];
    size_t id_len = (size_t)snprintf(id, sizeof id, "id:%llu\ndata:", (unsigned long long)number);
    size_t len = (size_t)snprintf(encoded, sizeof encoded, "%zx\r\n", id_len + body.len + 2);
    len = append(len, id, id_len);
    len = append(len, body.at, body.len);
    return append(len, "\n\n\r\n", 4);
}

/* A stream that has not taken the last one yet is passed over: it loses this one. */
static void deliver(struct readers *readers, size_t len)
{
    /* From the end: a reader whose connection broke is replaced by the last one, which has had its turn. */
    for (uint32_t i = readers->len; i-- > 0;) {
        struct connection *connection = readers->at[i];
        if (connection->out.len > 0) {
            counts.skipped++;
            continue;
        }
        connection_write(connection, encoded, len);
        counts.delivered += connection->fd >= 0;
    }
}

/* Everybody who is held has seen all but this one, so one answer serves them all. */
static void answer_held(struct readers *held, size_t len)
{
    while (held->len > 0) {
        struct connection *connection = held->at[held->len - 1];
        hold_end(connection);
        connection_write(connection, encoded, len);
        counts.delivered += connection->fd >= 0;
    }
}

void broadcast(struct topic *topic, struct span body)
{
    topic_append(topic, body);
    counts.published++;
    if (topic->ws.len > 0)
        deliver(&topic->ws, encode_ws(body));
    if (topic->sse.len > 0)
        deliver(&topic->sse, encode_sse(body, topic->head));
    if (topic->held.len > 0) {
        size_t len = poll_write_head(encoded, topic->head, body.len + 1);
        len = append(len, body.at, body.len);
        answer_held(&topic->held, append(len, "\n", 1));
    }
}
