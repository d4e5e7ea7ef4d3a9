/* Answers to polls: notifications a line each, and the number of the last one as ETag. */
#ifndef POLL_H
#define POLL_H

#include "request.h"
#include "topic.h"

enum {
    POLL_HEAD_MAX = 128,            /* bytes of an answer's head */
    POLL_BODY_MAX = 256 << 10,      /* bytes of notifications in one answer; what does not fit comes with the next */
    POLL_MAX = POLL_HEAD_MAX + POLL_BODY_MAX,
};

/* Writes the head of an answer whose last notification is `number`; returns its length. */
size_t poll_write_head(char *out, uint64_t number, size_t body_len);

/* Writes the answer that says that nothing came after `number`; returns its length. */
size_t poll_write_nothing(char *out, uint64_t number);

/* Writes the answer to a poll, at most POLL_MAX bytes: what follows its cursor, or, to one without, the cursor from which to go on. */
size_t poll_write(char *out, const struct topic *topic, const struct request *request);

/* Whether a poll asks for what is still to come. */
bool poll_is_current(const struct topic *topic, const struct request *request);

#endif
