/* How a client asks. Connecting is done one client after the other, waiting for each: it is no part of what is measured. */
#define _GNU_SOURCE
#include "asking.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIVE_WAIT_S = 10 };      /* longest wait for one client to be live, s */

static const char *const NAMES[] = {"ws", "sse", "long-poll", "short-poll"};

bool site_parse(struct site *site, const char *url)
{
    char host[16];
    unsigned port;
    char more;
    if (sscanf(url, "http://%15[0-9.]:%5u%c", host, &port, &more) != 2 || port == 0 || port > 65535)
        return false;
    site->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, host, &site->address.sin_addr) == 1;
}

const char *transport_name(enum transport transport)
{
    return NAMES[transport];
}

bool transport_parse(enum transport *transport, const char *name)
{
    for (int i = WS; i <= SHORT_POLL; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            *transport = (enum transport)i;
            return true;
        }
    }
    return false;
}

bool client_ask(struct client *client, const struct site *site)
{
    static const char *const FIELDS[] = {
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Accept: text/event-stream\r\n",
        "",
        "",
    };
    const struct reading *reading = &client->reading;
    char cursor[ETAG_MAX + 32] = "";
    if (reading->etag_len > 0)
        snprintf(cursor, sizeof cursor, "If-None-Match: %.*s\r\n", reading->etag_len, reading->etag);
    char request[1024];
    int len = snprintf(request, sizeof request, "GET /topics/%s/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s\r\n", site->topic,
                       NAMES[site->transport], FIELDS[site->transport], cursor);
    client->is_asking = true;
    return write(client->fd, request, (size_t)len) == len;
}

/* Reads until the head is whole, and the body of a poll as well; what follows is counted by nobody. */
static bool await_live(struct client *client, const struct site *site)
{
    char answer[64 << 10];
    size_t len = 0;
    ssize_t head = 0;
    int status = 0;
    while (head == 0) {
        ssize_t more = read(client->fd, answer + len, sizeof answer - len);
        if (more <= 0) {
            errno = more == 0 ? ECONNRESET : errno;
            return false;
        }
        len += (size_t)more;
        head = reading_head(&client->reading, answer, len, &status);
    }
    if (head < 0 || status != (site->transport == WS ? 101 : 200)) {
        errno = EPROTO;
        return false;
    }
    bool is_poll = site->transport == LONG_POLL || site->transport == SHORT_POLL;
    if (is_poll && client->reading.left > len - (size_t)head) {
        errno = EPROTO; /* a first answer is empty, or came with its head */
        return false;
    }
    client->reading.left = 0;
    client->is_asking = false;
    if (!is_poll)
        reading_take(&client->reading, site->transport, answer + head, len - (size_t)head);
    return true;
}

bool client_open(struct client *client, const struct site *site)
{
    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int on = 1;
    struct timeval bound = {.tv_sec = LIVE_WAIT_S};
    if (client->fd < 0 || connect(client->fd, (const struct sockaddr *)&site->address, sizeof site->address) != 0)
        return false;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    return client_ask(client, site) && await_live(client, site) && fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0;
}
