/* One notification to everybody who waits for it. */
#ifndef BROADCAST_H
#define BROADCAST_H

#include "request.h"
#include "topic.h"

/* Keeps a notification and sends it to all readers of its topic: encoded once for each transport, one write(2) a reader. */
void broadcast(struct topic *topic, struct span body);

#endif
