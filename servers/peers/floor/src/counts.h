/* What the server did, for the line that it says at its end. */
#ifndef COUNTS_H
#define COUNTS_H

#include <stdint.h>

struct counts {
    uint64_t accepted;      /* connections */
    uint64_t turned_away;   /* connections that came when there was no descriptor left; closed at once */
    uint64_t refused;       /* requests answered with 4xx or 5xx */
    uint64_t published;     /* notifications */
    uint64_t delivered;     /* one notification handed to one socket, whole or begun */
    uint64_t skipped;       /* deliveries to a stream that took nothing more at that moment: lost to it */
    uint64_t missed;        /* notifications that a poll asked for and that the ring did not hold any more */
};

extern struct counts counts;

#endif
