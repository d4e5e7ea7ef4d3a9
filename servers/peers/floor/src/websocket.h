/* WebSocket (RFC 6455) as far as a server that only broadcasts needs it. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    WS_ACCEPT_LEN = 28,     /* a SHA-1 digest in base64 */
    WS_KEY_LEN = 24,        /* Sec-WebSocket-Key: 16 bytes in base64 */
    WS_HEAD_MAX = 10,       /* an unmasked frame's head, bytes */
    WS_CONTROL_MAX = 125,   /* payload of a control frame, bytes (section 5.5) */
    WS_TEXT = 1,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

/* A frame that a client sent, unmasked in place. */
struct ws_frame {
    int opcode;
    char *payload;
    size_t len;
};

/* Sec-WebSocket-Accept for a key (section 4.2.2), without a terminating zero. */
void ws_accept(const char key[WS_KEY_LEN], char accept[WS_ACCEPT_LEN]);

/* Writes the head of a final, unmasked frame; returns its length, at most WS_HEAD_MAX. */
size_t ws_write_head(char *out, int opcode, size_t payload_len);

/* Reads one client frame; returns the bytes it takes, 0 if it is not whole, -1 if it is none (not masked, or a control frame that is too long). */
ssize_t ws_read(char *bytes, size_t len, struct ws_frame *frame);

#endif
