/* HTTP/1.1 requests (RFC 9112): the line, the five fields that matter, and the body by its length. */
#define _GNU_SOURCE
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "websocket.h"

static const char PREFIX[] = "/topics/";

static bool equals(struct span span, const char *text)
{
    return span.len == strlen(text) && strncasecmp(span.at, text, span.len) == 0;
}

/* The bytes before `end`, which are taken off `rest` together with it; all of `rest` when there is no `end`. */
static struct span take(struct span *rest, char end)
{
    const char *at = memchr(rest->at, end, rest->len);
    size_t len = at ? (size_t)(at - rest->at) : rest->len;
    struct span taken = {rest->at, len};
    size_t used = at ? len + 1 : len;
    rest->at += used;
    rest->len -= used;
    return taken;
}

static struct span trim(struct span span)
{
    while (span.len > 0 && strchr(" \t\r", span.at[span.len - 1]))
        span.len--;
    while (span.len > 0 && strchr(" \t", span.at[0])) {
        span.at++;
        span.len--;
    }
    return span;
}

/* Reads a number that fills the span. */
static bool read_number(struct span span, uint64_t *number)
{
    if (span.len == 0 || span.len > 18)
        return false;
    *number = 0;
    for (size_t i = 0; i < span.len; i++) {
        if (span.at[i] < '0' || span.at[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(span.at[i] - '0');
    }
    return true;
}

/* Reads `/topics/{topic}` or `/topics/{topic}/{transport}`; returns 0 or the status of a refusal. */
static int read_line(struct span line, struct request *request)
{
    struct span method = take(&line, ' ');
    struct span target = take(&line, ' ');
    if (!equals(trim(line), "HTTP/1.1"))
        return 400;
    struct span path = take(&target, '?');
    if (path.len < sizeof PREFIX - 1 || memcmp(path.at, PREFIX, sizeof PREFIX - 1) != 0)
        return 404;
    path.at += sizeof PREFIX - 1;
    path.len -= sizeof PREFIX - 1;
    request->topic = take(&path, '/');
    if (request->topic.len == 0 || request->topic.len > TOPIC_MAX)
        return 404;
    static const char *const NAMES[] = {"", "ws", "sse", "long-poll", "short-poll"};
    for (int door = PUBLISH; door <= SHORT_POLL; door++) {
        if (equals(path, NAMES[door])) {
            request->door = (enum door)door;
            return equals(method, door == PUBLISH ? "POST" : "GET") ? 0 : 405;
        }
    }
    return 404;
}

/* Reads one field; returns 0 or the status of a refusal. */
static int read_field(struct span line, struct request *request, uint64_t *body_len, bool *has_len)
{
    struct span name = take(&line, ':');
    struct span value = trim(line);
    if (equals(name, "Content-Length")) {
        *has_len = true;
        return read_number(value, body_len) ? 0 : 400;
    }
    if (equals(name, "Transfer-Encoding"))
        return 411;
    if (equals(name, "Sec-WebSocket-Key"))
        request->key = value;
    if (equals(name, "Connection") && equals(value, "close"))
        request->is_last = true;
    if (equals(name, "If-None-Match")) {
        if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"')
            return 400;
        request->has_cursor = read_number((struct span){value.at + 1, value.len - 2}, &request->cursor);
        return request->has_cursor ? 0 : 400;
    }
    return 0;
}

ssize_t request_read(const char *bytes, size_t len, struct request *request)
{
    const char *end = memmem(bytes, len < HEAD_MAX ? len : HEAD_MAX, "\r\n\r\n", 4);
    if (!end)
        return len < HEAD_MAX ? 0 : -431;
    *request = (struct request){0};
    struct span head = {bytes, (size_t)(end - bytes)};
    int refusal = read_line(take(&head, '\n'), request);
    uint64_t body_len = 0;
    bool has_len = false;
    while (refusal == 0 && head.len > 0)
        refusal = read_field(take(&head, '\n'), request, &body_len, &has_len);
    if (refusal == 0 && request->door == PUBLISH && !has_len)
        refusal = 411;
    if (refusal == 0 && request->door == WS && request->key.len != WS_KEY_LEN)
        refusal = 400;
    if (refusal == 0 && body_len > BODY_MAX)
        refusal = 413;
    if (refusal != 0)
        return -refusal;
    size_t head_len = (size_t)(end + 4 - bytes);
    if (len - head_len < body_len)
        return 0;
    request->body = (struct span){end + 4, (size_t)body_len};
    return (ssize_t)(head_len + body_len);
}
