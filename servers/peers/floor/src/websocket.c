/* WebSocket (RFC 6455): the handshake's answer, the frame's head, and what a client says. */
#include "websocket.h"

#include <string.h>

#include "sha1.h"

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void ws_accept(const char key[WS_KEY_LEN], char accept[WS_ACCEPT_LEN])
{
    uint8_t text[WS_KEY_LEN + sizeof GUID - 1];
    memcpy(text, key, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, GUID, sizeof GUID - 1);
    /* One zero more than a digest has: base64 takes three bytes at a time. */
    uint8_t digest[SHA1_LEN + 1] = {0};
    sha1(text, sizeof text, digest);
    for (int i = 0; i < WS_ACCEPT_LEN / 4; i++) {
        uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int j = 0; j < 4; j++)
            accept[4 * i + j] = BASE64[three >> (18 - 6 * j) & 63];
    }
    accept[WS_ACCEPT_LEN - 1] = '=';
}

size_t ws_write_head(char *out, int opcode, size_t payload_len)
{
    out[0] = (char)(0x80 | opcode);
    int digits = payload_len < 126 ? 0 : payload_len < 1 << 16 ? 2 : 8;
    out[1] = (char)(digits == 0 ? (int)payload_len : digits == 2 ? 126 : 127);
    for (int i = 0; i < digits; i++)
        out[2 + i] = (char)((uint64_t)payload_len >> 8 * (digits - 1 - i));
    return 2 + (size_t)digits;
}

ssize_t ws_read(char *bytes, size_t len, struct ws_frame *frame)
{
    if (len < 2)
        return 0;
    const uint8_t *head = (const uint8_t *)bytes;
    frame->opcode = head[0] & 0x0f;
    bool is_masked = head[1] & 0x80;
    uint64_t payload = head[1] & 0x7f;
    if (!is_masked || (frame->opcode >= WS_CLOSE && payload > WS_CONTROL_MAX))
        return -1;
    size_t digits = payload == 126 ? 2 : payload == 127 ? 8 : 0;
    if (len < 2 + digits + 4)
        return 0;
    for (size_t i = 0, value = 0; i < digits; i++)
        payload = value = value << 8 | head[2 + i];
    /* In this order, so that no sum of lengths overflows. */
    if (payload > len || len < 2 + digits + 4 + payload)
        return 0;
    const char *mask = bytes + 2 + digits;
    frame->payload = bytes + 2 + digits + 4;
    frame->len = (size_t)payload;
    for (size_t i = 0; i < frame->len; i++)
        frame->payload[i] ^= mask[i % 4];
    return (ssize_t)(2 + digits + 4 + frame->len);
}
