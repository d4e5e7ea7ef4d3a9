#!/usr/bin/env python3
"""Mints a token that feed-server takes (--jwt-keys), by the first secret of a JWK set: HS256 (RFC 7515, RFC 7519).

    scripts/token.py --new-keys keys.json                                   makes a set with one random secret
    scripts/token.py --keys keys.json --read news,user-* --write news       prints a token that lasts an hour

The token goes to standard output and nowhere else. Tokens by EdDSA come from whoever has the private key.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import time


def written(data):
    """Bytes in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_keys(path):
    """Writes a set with one secret of 32 bytes, which nobody else on the machine may read."""
    key = {"kty": "oct", "kid": secrets.token_hex(4), "alg": "HS256", "k": written(secrets.token_bytes(32))}
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"keys": [key]}, file, indent=1)
        file.write("\n")


def mint(path, claims):
    """A token with these claims, by the first secret of the set in the file."""
    with open(path) as file:
        keys = [key for key in json.load(file)["keys"] if key["kty"] == "oct"]
    if not keys:
        sys.exit(f"{path} has no secret (kty `oct`): only HS256 is minted here")
    secret = base64.urlsafe_b64decode(keys[0]["k"] + "==")
    head = {"alg": "HS256", "typ": "JWT"}
    if "kid" in keys[0]:
        head["kid"] = keys[0]["kid"]
    message = ".".join(written(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    return message + "." + written(hmac.new(secret, message.encode(), hashlib.sha256).digest())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--new-keys", metavar="FILE", help="make a key set in a new file, and nothing else")
    parser.add_argument("--keys", metavar="FILE", help="the key set")
    parser.add_argument("--read", metavar="TOPICS", default="", help="topics that may be read, with commas; `user-*`, `*`")
    parser.add_argument("--write", metavar="TOPICS", default="", help="topics that may be published on")
    parser.add_argument("--audience", metavar="NAME", help="for whom it is (--jwt-audience)")
    parser.add_argument("--for", dest="lasts", metavar="SECONDS", type=float, default=3600, help="how long it lasts [3600]")
    asked = parser.parse_args()
    if asked.new_keys:
        make_keys(asked.new_keys)
        return
    if not asked.keys:
        parser.error("expected --keys FILE, or --new-keys FILE to make one")
    topics = lambda text: [topic for topic in text.split(",") if topic]
    claims = {"exp": int(time.time() + asked.lasts), "read": topics(asked.read), "write": topics(asked.write)}
    if asked.audience:
        claims["aud"] = asked.audience
    print(mint(asked.keys, claims))


if __name__ == "__main__":
    main()
