/* What a process has used of the machine. */
#ifndef USAGE_H
#define USAGE_H

#include <stdint.h>

struct usage {
    int64_t user_us;
    int64_t system_us;
    long max_rss_kib;
};

/* Everything since the process began. */
struct usage usage_now(void);

#endif
