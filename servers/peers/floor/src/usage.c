/* What a process has used of the machine, as getrusage(2) tells. */
#define _GNU_SOURCE
#include "usage.h"

#include <sys/resource.h>

struct usage usage_now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (struct usage){
        .user_us = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
        .system_us = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec,
        .max_rss_kib = usage.ru_maxrss,
    };
}
