/* HTTP/1.1 requests (RFC 9112), as far as the floor's few doors need them. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    HEAD_MAX = 8 << 10,     /* bytes of a request's head; a longer one is answered with 431 */
    BODY_MAX = 64 << 10,    /* bytes of a notification; a longer one is answered with 413 */
    TOPIC_MAX = 128,        /* bytes of a topic's name; a longer one is answered with 404 */
};

/* What a request wants of a topic. */
enum door { PUBLISH, WS, SSE, LONG_POLL, SHORT_POLL };

/* Bytes of somebody else's buffer. */
struct span {
    const char *at;
    size_t len;
};

struct request {
    enum door door;
    struct span topic;
    struct span body;       /* of a PUBLISH */
    struct span key;        /* Sec-WebSocket-Key of a WS */
    bool has_cursor;        /* If-None-Match names the number of a notification */
    uint64_t cursor;
    bool is_last;           /* the client ends the connection after the answer */
};

/* Reads one request; returns the bytes it takes, 0 if it is not whole, or minus the status of the refusal that answers it. */
ssize_t request_read(const char *bytes, size_t len, struct request *request);

#endif
