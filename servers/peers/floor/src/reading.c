/* What a client reads, passed over as fast as its framing allows. */
#define _GNU_SOURCE
#include "reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "websocket.h"

/* Frames: text and binary ones are notifications; a server's frames are not masked (RFC 6455, section 5.1). */
static struct counted take_frames(struct reading *reading, const char *at, size_t len)
{
    struct counted counted = {0};
    while (len > 0) {
        if (reading->left > 0) {
            size_t passed = reading->left < len ? (size_t)reading->left : len;
            reading->left -= passed;
            at += passed;
            len -= passed;
            continue;
        }
        uint8_t *head = (uint8_t *)reading->head;
        head[reading->head_len++] = (uint8_t)*at++;
        len--;
        if (reading->head_len < 2)
            continue;
        uint64_t payload = head[1];
        size_t digits = payload == 126 ? 2 : payload == 127 ? 8 : 0;
        if (payload > 127) {
            counted.is_broken = true;
            return counted;
        }
        if (reading->head_len < 2 + digits)
            continue;
        if (digits > 0)
            payload = 0;
        for (size_t i = 0; i < digits; i++)
            payload = payload << 8 | head[2 + i];
        counted.notifications += (head[0] & 0x0f) < WS_CLOSE;
        counted.is_broken |= (head[0] & 0x0f) == WS_CLOSE;
        reading->left = payload;
        reading->head_len = 0;
    }
    return counted;
}

/* Events: each has one line `data:`. Chunk sizes stand on lines of their own and are passed over with the rest. */
static struct counted take_events(struct reading *reading, const char *at, size_t len)
{
    static const char START[] = "\ndata:";
    struct counted counted = {0};
    const char *end = at + len;
    while (at < end) {
        if (reading->matched == 0) {
            at = memchr(at, '\n', (size_t)(end - at));
            if (!at)
                return counted;
        }
        if (*at == START[reading->matched])
            reading->matched++;
        else
            reading->matched = *at == '\n';
        at++;
        if (reading->matched == sizeof START - 1) {
            counted.notifications++;
            reading->matched = 0;
        }
    }
    return counted;
}

ssize_t reading_head(struct reading *reading, const char *at, size_t len, int *status)
{
    const char *end = memmem(at, len, "\r\n\r\n", 4);
    if (!end)
        return len < ANSWER_HEAD_MAX ? 0 : -1;
    if (sscanf(at, "HTTP/1.1 %3d", status) != 1)
        return -1;
    reading->left = 0;
    for (const char *line = at; (line = memchr(line, '\n', (size_t)(end - line))) != NULL;) {
        line++;
        const char *stop = memchr(line, '\r', (size_t)(end + 1 - line));
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            reading->left = strtoull(line + 15, NULL, 10);
        if (strncasecmp(line, "ETag: ", 6) == 0) {
            size_t etag = (size_t)(stop - line) - 6;
            if (etag > ETAG_MAX)
                return -1;
            memcpy(reading->etag, line + 6, etag);
            reading->etag_len = (uint8_t)etag;
        }
    }
    return end + 4 - at;
}

static uint64_t count_lines(const char *at, size_t len)
{
    uint64_t lines = 0;
    for (const char *end = at + len; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        lines++;
    return lines;
}

/* Answers: a notification a line. */
static struct counted take_answers(struct reading *reading, const char *at, size_t len)
{
    struct counted counted = {0};
    char *kept = reading->kept;
    if (kept) {
        kept = realloc(kept, reading->kept_len + len);
        if (!kept) {
            counted.is_broken = true;
            return counted;
        }
        memcpy(kept + reading->kept_len, at, len);
        at = kept;
        len += reading->kept_len;
        reading->kept = NULL;
    }
    while (len > 0) {
        if (reading->left == 0) {
            int status;
            ssize_t head = reading_head(reading, at, len, &status);
            if (head < 0 || (head > 0 && status != 200 && status != 204 && status != 304)) {
                counted.is_broken = true;
                break;
            }
            if (head == 0) {
                reading->kept = malloc(len);
                counted.is_broken = !reading->kept;
                if (reading->kept)
                    memcpy(reading->kept, at, reading->kept_len = len);
                break;
            }
            at += head;
            len -= (size_t)head;
        }
        size_t body = reading->left < len ? (size_t)reading->left : len;
        counted.notifications += count_lines(at, body);
        reading->left -= body;
        at += body;
        len -= body;
        counted.answers += reading->left == 0;
    }
    free(kept);
    return counted;
}

struct counted reading_take(struct reading *reading, enum transport transport, const char *at, size_t len)
{
    switch (transport) {
    case WS:
        return take_frames(reading, at, len);
    case SSE:
        return take_events(reading, at, len);
    default:
        return take_answers(reading, at, len);
    }
}
