/* What is done with the bytes that a client sends. */
#ifndef SERVE_H
#define SERVE_H

#include "connection.h"

/* Reads from a connection and does what it asks for, all whole requests or frames of it. */
void serve(struct connection *connection);

#endif
