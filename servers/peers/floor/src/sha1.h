/* SHA-1 (FIPS 180-4) of short messages, as the WebSocket handshake needs it. Not for secrets. */
#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { SHA1_LEN = 20 };

/* Writes the digest of `len` bytes, at most 119, which is what two blocks hold. */
void sha1(const uint8_t *bytes, size_t len, uint8_t digest[SHA1_LEN]);

#endif
