/* A topic: its newest notifications, and who waits for the next one. */
#ifndef TOPIC_H
#define TOPIC_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"

enum {
    TOPICS_MAX = 20000,     /* a further topic is answered with 503 */
    RING_MAX = 1024,        /* notifications kept for polls; a poll that comes later misses the oldest, which is counted */
};

struct connection;

/* Connections that get what is published next. */
struct readers {
    struct connection **at;
    uint32_t len;
    uint32_t capacity;
};

struct topic {
    char name[TOPIC_MAX];
    size_t name_len;
    uint64_t head;          /* number of the newest notification; the first one is 1 */
    struct span *ring;      /* notification n is at n modulo the capacity, a power of two */
    size_t capacity;
    struct readers ws, sse, held;
};

/* The topic of a name, made if need be; NULL when there are TOPICS_MAX. */
struct topic *topic_find(struct span name);

/* Keeps a copy of a notification and numbers it. */
void topic_append(struct topic *topic, struct span body);

/* The number of the oldest notification that is kept; one more than the head when none is. */
uint64_t topic_oldest(const struct topic *topic);

/* Notification `number`, which is kept. */
struct span topic_at(const struct topic *topic, uint64_t number);

#endif
