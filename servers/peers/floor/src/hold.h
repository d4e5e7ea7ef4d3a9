/* Held polls in the order of their deadlines. */
#ifndef HOLD_H
#define HOLD_H

#include "connection.h"

enum { HOLD_MS = 25000 };   /* a poll that nothing comes for is answered with 304 after this, ms */

/* Holds a poll that asks for what is still to come. */
void hold_begin(struct connection *connection, struct topic *topic);

/* Ends the hold; the caller answers. */
void hold_end(struct connection *connection);

/* Answers the polls whose time has come; returns the time until the next, ms, or -1 when none is held. */
int hold_expire(void);

/* Now, ms on the clock that never goes back. */
int64_t now_ms(void);

#endif
