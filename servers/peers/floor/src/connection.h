/* A client's connection: what it is at the moment, and the bytes that wait on either side. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"
#include "topic.h"

/* What a connection does; all but REQUESTS are in a list of their topic. */
enum role { REQUESTS, STREAM_WS, STREAM_SSE, HELD };

/* Bytes of its own. */
struct bytes {
    char *at;
    size_t len;
};

struct connection {
    int fd;                     /* -1 once it is closed; the structure lives until the end of the event loop's turn */
    uint8_t role;
    bool is_last;               /* to be closed when `out` has been written */
    uint32_t place;             /* its index in its topic's list */
    struct topic *topic;
    struct bytes in;            /* the beginning of a request or frame that is not whole */
    struct bytes out;           /* what the socket has not taken */
    int64_t deadline_ms;        /* of a held poll */
    struct connection *sooner, *later;  /* held polls, by deadline */
    struct connection *next_closed;
};

/* Opens the event queue that connections are watched with; returns its descriptor. */
int connections_open(void);

/* Takes a socket that was accepted. */
void connection_open(int fd);

/* Closes it now. It stays in memory until connections_sweep, because events for it may be on their way. */
void connection_close(struct connection *connection);

/* Frees what was closed. */
void connections_sweep(void);

/* Takes what was kept and reads what came behind it. It stays valid until the next call, and is lost unless it is kept again. */
struct bytes connection_read(struct connection *connection);

/* Keeps what was read and not used. */
void connection_keep(struct connection *connection, const char *at, size_t len);

/* Hands bytes to the socket by one write; what it does not take is kept until it does. */
void connection_write(struct connection *connection, const char *at, size_t len);

/* Writes what was kept; to be called when the socket takes bytes again. */
void connection_flush(struct connection *connection);

/* Makes it a reader of a topic. */
void connection_join(struct connection *connection, struct topic *topic, enum role role);

/* Takes it off its topic's list; it takes requests again. */
void connection_part(struct connection *connection);

#endif
