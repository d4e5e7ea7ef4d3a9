/* Held polls: all are held equally long, so a list to which one appends is sorted by deadline. */
#define _GNU_SOURCE
#include "hold.h"

#include <time.h>

#include "poll.h"

static struct connection *soonest, *latest;

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void hold_begin(struct connection *connection, struct topic *topic)
{
    connection_join(connection, topic, HELD);
    connection->deadline_ms = now_ms() + HOLD_MS;
    connection->sooner = latest;
    connection->later = NULL;
    *(latest ? &latest->later : &soonest) = connection;
    latest = connection;
}

void hold_end(struct connection *connection)
{
    *(connection->sooner ? &connection->sooner->later : &soonest) = connection->later;
    *(connection->later ? &connection->later->sooner : &latest) = connection->sooner;
    connection_part(connection);
}

int hold_expire(void)
{
    int64_t now = now_ms();
    while (soonest && soonest->deadline_ms <= now) {
        struct connection *connection = soonest;
        char nothing[POLL_HEAD_MAX];
        size_t len = poll_write_nothing(nothing, connection->topic->head);
        hold_end(connection);
        connection_write(connection, nothing, len);
    }
    return soonest ? (int)(soonest->deadline_ms - now) : -1;
}
