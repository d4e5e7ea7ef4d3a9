/* Connections: non-blocking sockets watched by epoll, with nothing of their own while they are idle. */
#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hold.h"
#include "memory.h"

/* Whatever is not whole fits, and then as much again as a socket is likely to hold. Who fills it without getting to the end of
 * anything, with a frame longer than this, is closed: nothing can be read behind it. */
static char received[HEAD_MAX + BODY_MAX + (64 << 10)];
static int watched;
static struct connection *closed;

int connections_open(void)
{
    return watched = epoll_create1(EPOLL_CLOEXEC);
}

void connection_open(int fd)
{
    struct connection *connection = allocate(sizeof *connection);
    *connection = (struct connection){.fd = fd};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(watched, EPOLL_CTL_ADD, fd, &event) != 0)
        connection_close(connection);
}

void connection_close(struct connection *connection)
{
    if (connection->fd < 0)
        return;
    if (connection->role == HELD)
        hold_end(connection);
    else if (connection->role != REQUESTS)
        connection_part(connection);
    close(connection->fd);
    connection->fd = -1;
    connection->next_closed = closed;
    closed = connection;
}

void connections_sweep(void)
{
    while (closed) {
        struct connection *connection = closed;
        closed = connection->next_closed;
        release(connection->in.at);
        release(connection->out.at);
        release(connection);
    }
}

/* A client whose answers wait is not listened to, so that it cannot ask without bound. */
static void watch(struct connection *connection)
{
    struct epoll_event event = {.events = connection->out.len > 0 ? EPOLLOUT : EPOLLIN, .data.ptr = connection};
    epoll_ctl(watched, EPOLL_CTL_MOD, connection->fd, &event);
}

struct bytes connection_read(struct connection *connection)
{
    size_t kept = connection->in.len;
    if (kept > 0)
        memcpy(received, connection->in.at, kept);
    release(connection->in.at);
    connection->in = (struct bytes){0};
    ssize_t len = read(connection->fd, received + kept, sizeof received - kept);
    if (len > 0)
        return (struct bytes){received, kept + (size_t)len};
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return (struct bytes){received, kept};
    connection_close(connection);
    return (struct bytes){0};
}

void connection_keep(struct connection *connection, const char *at, size_t len)
{
    if (len == 0 || connection->fd < 0)
        return;
    connection->in = (struct bytes){allocate(len), len};
    memcpy(connection->in.at, at, len);
}

void connection_write(struct connection *connection, const char *at, size_t len)
{
    if (connection->fd < 0)
        return;
    ssize_t taken = 0;
    if (connection->out.len == 0)
        taken = write(connection->fd, at, len);
    if (taken < 0 && errno != EAGAIN) {
        connection_close(connection);
        return;
    }
    size_t rest = len - (size_t)(taken > 0 ? taken : 0);
    if (rest == 0) {
        if (connection->is_last)
            connection_close(connection);
        return;
    }
    bool is_first = connection->out.len == 0;
    connection->out.at = reallocate(connection->out.at, connection->out.len + rest);
    memcpy(connection->out.at + connection->out.len, at + len - rest, rest);
    connection->out.len += rest;
    if (is_first)
        watch(connection);
}

void connection_flush(struct connection *connection)
{
    struct bytes out = connection->out;
    connection->out = (struct bytes){0};
    connection_write(connection, out.at, out.len);
    release(out.at);
    if (connection->fd >= 0 && connection->out.len == 0)
        watch(connection);
}

static struct readers *list(struct connection *connection)
{
    switch (connection->role) {
    case STREAM_WS:
        return &connection->topic->ws;
    case STREAM_SSE:
        return &connection->topic->sse;
    default:
        return &connection->topic->held;
    }
}

void connection_join(struct connection *connection, struct topic *topic, enum role role)
{
    connection->topic = topic;
    connection->role = (uint8_t)role;
    struct readers *readers = list(connection);
    if (readers->len == readers->capacity) {
        readers->capacity = readers->capacity ? 2 * readers->capacity : 1;
        readers->at = reallocate(readers->at, readers->capacity * sizeof *readers->at);
    }
    connection->place = readers->len;
    readers->at[readers->len++] = connection;
}

void connection_part(struct connection *connection)
{
    struct readers *readers = list(connection);
    struct connection *last = readers->at[--readers->len];
    readers->at[connection->place] = last;
    last->place = connection->place;
    connection->role = REQUESTS;
}
