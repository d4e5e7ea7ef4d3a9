/* What a client reads: frames, events or answers, of which it counts the notifications and keeps nothing. */
#ifndef READING_H
#define READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum transport { WS, SSE, LONG_POLL, SHORT_POLL };

enum {
    ANSWER_HEAD_MAX = 1024,     /* bytes of an answer's head; a longer one ends the connection as broken */
    ETAG_MAX = 64,              /* bytes of an ETag, quotes and all; a longer one, too */
};

/* Where one client is in its stream of bytes. */
struct reading {
    uint64_t left;              /* bytes of the frame's payload or the answer's body that are still to come */
    char head[16];              /* the beginning of a frame's head */
    uint8_t head_len;
    uint8_t matched;            /* bytes of the line start `data:` that the last ones were */
    char etag[ETAG_MAX];        /* of the last answer */
    uint8_t etag_len;
    char *kept;                 /* the beginning of an answer's head */
    size_t kept_len;
};

/* What some bytes brought. */
struct counted {
    uint64_t notifications;
    uint64_t answers;           /* whole answers to polls */
    bool is_broken;
};

/* Reads bytes of a stream or of answers. */
struct counted reading_take(struct reading *reading, enum transport transport, const char *at, size_t len);

/* Reads the head of an answer; returns its length, 0 if it is not whole, -1 if it is none. */
ssize_t reading_head(struct reading *reading, const char *at, size_t len, int *status);

#endif
