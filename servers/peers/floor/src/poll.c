/* Answers to polls. */
#include "poll.h"

#include <stdio.h>
#include <string.h>

#include "counts.h"

size_t poll_write_head(char *out, uint64_t number, size_t body_len)
{
    return (size_t)snprintf(out, POLL_HEAD_MAX, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nETag: \"%llu\"\r\n\r\n", body_len,
                            (unsigned long long)number);
}

size_t poll_write_nothing(char *out, uint64_t number)
{
    return (size_t)snprintf(out, POLL_HEAD_MAX, "HTTP/1.1 304 Not Modified\r\nETag: \"%llu\"\r\n\r\n", (unsigned long long)number);
}

bool poll_is_current(const struct topic *topic, const struct request *request)
{
    return request->has_cursor && request->cursor == topic->head;
}

size_t poll_write(char *out, const struct topic *topic, const struct request *request)
{
    /* A cursor that is ahead of this topic is of another server's life, and as good as none. */
    if (!request->has_cursor || request->cursor > topic->head)
        return poll_write_head(out, topic->head, 0);
    if (request->cursor == topic->head)
        return poll_write_nothing(out, topic->head);

    uint64_t first = request->cursor + 1;
    if (first < topic_oldest(topic)) {
        counts.missed += topic_oldest(topic) - first;
        first = topic_oldest(topic);
    }
    uint64_t last = first - 1;
    size_t body_len = 0;
    for (uint64_t number = first; number <= topic->head; number++) {
        size_t line = topic_at(topic, number).len + 1;
        if (body_len + line > POLL_BODY_MAX)
            break;
        body_len += line;
        last = number;
    }
    size_t len = poll_write_head(out, last, body_len);
    for (uint64_t number = first; number <= last; number++) {
        struct span line = topic_at(topic, number);
        memcpy(out + len, line.at, line.len);
        len += line.len;
        out[len++] = '\n';
    }
    counts.delivered += last - first + 1;
    return len;
}
