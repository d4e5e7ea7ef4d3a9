/* How a client asks: the connection, and the request of each transport. */
#ifndef ASKING_H
#define ASKING_H

#include <netinet/in.h>

#include "reading.h"

/* What all clients ask for. */
struct site {
    struct sockaddr_in address;
    enum transport transport;
    const char *topic;
};

struct client {
    int fd;                 /* -1 once its connection has ended */
    bool is_asking;         /* a poll of its is not answered */
    struct reading reading;
};

/* Reads `http://127.0.0.1:PORT`; false when it is nothing of the kind. */
bool site_parse(struct site *site, const char *url);

/* The name of a transport, and its opposite, which returns false for a name that is none. */
const char *transport_name(enum transport transport);
bool transport_parse(enum transport *transport, const char *name);

/* Connects, asks, and waits until the client is live: the head of a stream, or the first answer to a poll. False and errno if not. */
bool client_open(struct client *client, const struct site *site);

/* Polls for what follows the last answer; false when the connection has broken. */
bool client_ask(struct client *client, const struct site *site);

#endif
